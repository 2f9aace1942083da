//! The footprint of a run: what the files of a pipeline looked like once all of it was up to date, and which stages a change of
//! each would touch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, iter, thread};

use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, statx};

use crate::engine::decide::sources::Sources;
use crate::hash::{Artifact, Digest, Memo, Stamp};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::kind::Catalog;
use crate::pipeline::{Body, From, Pipeline, Report, Sections, Stage};
use crate::store::Store;

/// So many files are in a section, and looked at by a thread at a time.
const AT_ONCE: usize = 512;

/// A thread has at least so many sections to look at.
const A_THREAD: usize = 2;

/// What is known of so many files is held at a time.
const MANY: usize = 32 * AT_ONCE;

/// Bytes of a stamp.
const STAMP: usize = 5 * 8;

/// What a file's flags say: that its stamp and digest follow, and that it is executable.
const KNOWN: u8 = 1;
const EXECUTABLE: u8 = 2;

/// A footprint, as it stands in its bytes.
pub(crate) struct Footprint<'a> {
    /// [`Store::state`] when it was made.
    state: &'a str,
    /// The parameters of the pipeline, as JSON.
    pub(crate) params: &'a str,
    /// How many stages there are.
    pub(crate) stages: usize,
    /// Whether a part of the pipeline can be looked at by itself. If not, this tells no more than that nothing has changed.
    pub(crate) divisible: bool,
    /// The built-in kinds of its stages, each with the fingerprint of its code.
    kinds: Vec<(&'a str, &'a str)>,
    /// The report of the pipeline.
    pub(crate) report: Option<Report>,
    /// The blobs that describe them in a run record.
    pub(crate) pages: Vec<Digest>,
    /// Every folder on the way to a file.
    folders: Vec<&'a str>,
    /// What it was read from. Its first section is the head, all that stands above; the others have a [`Print`] for each of some files.
    sections: &'a Sections,
}

/// What is known of the files of a footprint: all sections but the first. Taken apart they would fill a page of memory for every few files.
pub(crate) struct Files(Vec<Vec<u8>>);

/// What is known of a file.
struct Print<'a> {
    path: &'a CStr,
    /// The positions of the stages that a change of it touches first: the one whose output it is, or those that take it.
    stages: &'a [u8],
    /// Its stamp and digest. `None` if `stat` cannot tell that it has not changed: a folder, a link, perhaps a file that was written a
    /// moment before.
    known: Option<&'a [u8; STAMP + 32]>,
    executable: bool,
    /// All of this as it was read.
    whole: &'a [u8],
}

/// What is to be the digest of a file, and whether it is executable, by its path.
pub(crate) type Digests<'p> = HashMap<&'p Path, (Digest, bool)>;

impl<'a> Footprint<'a> {
    /// Reads the head of what [`of`] or [`Self::patched`] wrote, into a buffer.
    pub(crate) fn read(sections: &'a Sections, buffer: &'a mut Vec<u8>) -> Option<Self> {
        let from = &mut Reader(sections.read(0, buffer)?);
        let (state, params, stages, divisible) = (from.str()?, from.str()?, from.number()?, from.byte()? != 0);
        let kinds = (0..from.count()?).map(|_| Some((from.str()?, from.str()?))).collect::<Option<Vec<_>>>()?;
        let report = Report::read(from)?;
        let pages = (0..from.count()?).map(|_| from.array().map(Digest)).collect::<Option<Vec<_>>>()?;
        let folders = (0..from.count()?).map(|_| from.str()).collect::<Option<Vec<_>>>()?;
        from.0.is_empty().then_some(Self { state, params, stages, divisible, kinds, report, pages, folders, sections })
    }

    /// Whether it still says something: nothing else happened to the store's results, its pages are there, the kinds do on this machine
    /// what they did, and the project's folders are folders. (A link on the way would make it another project.)
    pub(crate) fn holds(&self, store: &Store, root: &Path, catalog: &Catalog) -> bool {
        let folder = |path: &&str| fs::symlink_metadata(root.join(path)).is_ok_and(|found| found.is_dir());
        Some(self.state) == store.state().as_deref()
            && self.pages.iter().all(|page| store.blob_path(page).is_file())
            && self.kinds.iter().all(|(name, code)| catalog.get(*name).is_some_and(|kind| kind.fingerprint() == *code))
            && self.folders.iter().all(folder)
    }

    /// The positions of the stages that are touched first by what is no longer as it was. `None` if the project is not there, or if this
    /// cannot be read.
    ///
    /// This thread and new ones take the sections in turn. A new thread begins where a processor is free. Those of
    /// a pool sleep until they are woken, and in a virtual machine Linux often wakes them all on the processor of the one that calls.
    pub(crate) fn touched(&self, root: &Path) -> Option<Vec<usize>> {
        let next = AtomicUsize::new(1);
        let look = || -> Option<BTreeSet<usize>> {
            // One of its own: threads that look from the same open folder contend for its count of users.
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let folder = openat(rustix::fs::CWD, root, flags, Mode::empty()).ok()?;
            let (mut stages, mut buffer) = (BTreeSet::new(), Vec::new());
            loop {
                let section = next.fetch_add(1, Ordering::Relaxed);
                if section >= self.sections.count() {
                    return Some(stages);
                }
                for print in prints_of(self.sections.read(section, &mut buffer)?) {
                    let print = print?;
                    if print.changed(&folder) {
                        stages.extend(print.stages());
                    }
                }
            }
        };
        let most = self.sections.count().saturating_sub(1) / A_THREAD;
        let threads = thread::available_parallelism().map_or(1, usize::from).min(most);
        thread::scope(|scope| {
            let others: Vec<_> =
                (1..threads).map_while(|_| thread::Builder::new().spawn_scoped(scope, look).ok()).collect();
            let mut stages = look()?;
            for other in others {
                stages.extend(other.join().ok()??);
            }
            Some(stages.into_iter().collect())
        })
    }

    /// What is known of the files. `None` if it cannot be read.
    pub(crate) fn files(&self) -> Option<Files> {
        let read = |section| {
            let mut bytes = Vec::new();
            let complete = prints_of(self.sections.read(section, &mut bytes)?).all(|print| print.is_some());
            complete.then_some(bytes)
        };
        (1..self.sections.count()).into_par_iter().map(read).collect::<Option<_>>().map(Files)
    }

    /// The footprint after a run that looked at these files only, and whose record has these pages.
    pub(crate) fn patched(
        &self,
        store: &Store,
        root: &Path,
        files: &Files,
        pages: &[Digest],
        digests: &Digests<'_>,
    ) -> Option<Vec<Vec<u8>>> {
        // Only a part is looked at of one that has no kinds and no report.
        let counts = (self.stages, self.divisible);
        let head = head(&store.state()?, self.params, counts, &[], None, pages, self.folders.iter().copied())?;
        let patched = |section: &Vec<u8>| {
            let mut out = Vec::with_capacity(section.len());
            for print in prints_of(section).flatten() {
                match digests.get(print.path()) {
                    Some(expected) => {
                        let known = known(store.memo(), root, print.path(), expected);
                        put_print(&mut out, print.path, print.stages(), known.as_ref());
                    }
                    None => out.extend_from_slice(print.whole),
                }
            }
            out
        };
        Some(iter::once(head).chain(files.0.iter().map(patched)).collect())
    }
}

impl Files {
    /// What is known of every file.
    fn prints(&self) -> impl Iterator<Item = Print<'_>> {
        self.0.iter().flat_map(|section| prints_of(section)).flatten()
    }

    /// What is known of the files that some stages take or give, by path.
    pub(crate) fn of_stages(&self, stages: &[usize]) -> HashMap<&Path, (Stamp, Artifact)> {
        let mut wanted = vec![false; stages.iter().max().map_or(0, |last| last + 1)];
        for &stage in stages {
            wanted[stage] = true;
        }
        let theirs = self.prints().filter(|print| print.stages().any(|stage| wanted.get(stage) == Some(&true)));
        theirs.filter_map(|print| Some((print.path(), print.known()?))).collect()
    }

    /// Whether some stages take or give what `stat` cannot tell to be unchanged.
    pub(crate) fn has_unknown(&self, stages: &[usize]) -> bool {
        let wanted: BTreeSet<usize> = stages.iter().copied().collect();
        let mut unknown = self.prints().filter(|print| print.known.is_none());
        unknown.any(|print| print.stages().any(|stage| wanted.contains(&stage)))
    }

    /// Whether the sources that a run of some stages has looked at are what this says, as far as others take them too. One may have
    /// changed since [`Footprint::touched`].
    pub(crate) fn agree(&self, sources: &Sources, reached: &[usize]) -> bool {
        let (looked_at, reached) = (digests_of(sources), reached.iter().copied().collect::<BTreeSet<usize>>());
        self.prints().all(|print| {
            let Some(found) = looked_at.get(print.path()) else { return true };
            let same = print.known().is_some_and(|(_, artifact)| *found == (artifact.digest, artifact.executable));
            same || print.stages().all(|stage| reached.contains(&stage))
        })
    }
}

impl<'a> Print<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let before = from.0;
        let path = CStr::from_bytes_with_nul(from.bytes()?).ok()?;
        let (stages, flags) = (from.bytes()?, from.byte()?);
        let known = if flags & KNOWN == 0 { None } else { Some(from.chunk()?) };
        let whole = before.get(..before.len() - from.0.len())?;
        Some(Self { path, stages, known, executable: flags & EXECUTABLE != 0, whole })
    }

    fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// Whether the file is no longer as it was, or cannot be told to be.
    fn changed(&self, folder: &OwnedFd) -> bool {
        let Some((stamp, _)) = self.known() else { return true };
        let found = statx(folder, self.path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        !found.is_ok_and(|found| Stamp::of_statx(&found) == stamp)
    }

    fn known(&self) -> Option<(Stamp, Artifact)> {
        let from = &mut Reader(self.known?);
        let id = (from.u64()?, from.u64()?);
        let stamp = Stamp { id, size: from.u64()?, mtime: from.i64()?, ctime: from.i64()? };
        let digest = Digest(from.array()?);
        Some((stamp, Artifact { digest, tree: false, bytes: stamp.size, executable: self.executable }))
    }

    fn stages(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        self.stages.chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes) as usize)
    }
}

/// What is known of the files of a section. `None` for what makes no sense, and then nothing more.
fn prints_of(section: &[u8]) -> impl Iterator<Item = Option<Print<'_>>> {
    let mut from = Some(Reader(section));
    iter::from_fn(move || {
        let mut rest = from.take().filter(|from| !from.0.is_empty())?;
        let print = Print::read(&mut rest);
        from = print.is_some().then_some(rest);
        Some(print)
    })
}

/// The footprint of a run that brought a whole pipeline up to date: the digest of every file, and the pages of its record. `divisible`
/// says whether a part of the pipeline can be looked at by itself.
pub(crate) fn of(
    pipeline: &Pipeline,
    store: &Store,
    pages: &[Digest],
    digests: &Digests<'_>,
    divisible: bool,
) -> Option<Vec<Vec<u8>>> {
    let beside = beside(pipeline, store.memo())?;
    let (files, touched) = files(pipeline, digests.len(), beside.keys());
    let folders: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).flat_map(Path::ancestors).collect();
    let folders = folders.into_iter().filter(|folder| !folder.as_os_str().is_empty());
    let folders = folders.map(Path::to_str).collect::<Option<Vec<_>>>()?;
    let kinds: BTreeSet<(&str, &str)> = pipeline.stages.iter().filter_map(code).collect();
    let kinds: Vec<(&str, &str)> = kinds.into_iter().collect();
    let count = (pipeline.stages.len(), divisible);
    let params = pipeline.params.to_string();
    let report = pipeline.report.as_ref();
    let mut sections = vec![head(&store.state()?, &params, count, &kinds, report, pages, folders.into_iter())?];
    let find = |path: &&Path| match beside.get(*path) {
        Some(looked_at) => Some(looked_at.clone()),
        None => known(store.memo(), &pipeline.root, path, digests.get(path)?),
    };
    let mut touched = touched.chunk_by(|one, other| one.file == other.file);
    // What is known of all of them at once would take more memory than the footprint.
    for many in files.chunks(MANY) {
        let known: Vec<_> = many.par_iter().with_min_len(AT_ONCE).map(find).collect();
        for (some, known) in many.chunks(AT_ONCE).zip(known.chunks(AT_ONCE)) {
            let mut section = Vec::with_capacity(some.len() * 128);
            for (path, known) in some.iter().zip(known) {
                let stages = touched.next()?.iter().map(|touch| touch.stage as usize);
                put_print(&mut section, &CString::new(path.as_os_str().as_bytes()).ok()?, stages, known.as_ref());
            }
            sections.push(section);
        }
    }
    Some(sections)
}

/// A stage that a change of a file touches first.
struct Touch {
    /// The position of the file.
    file: u32,
    /// The position of the stage.
    stage: u32,
}

/// The files of a pipeline, about so many, and of each in their order the stages that a change of it touches first.
fn files<'p>(
    pipeline: &'p Pipeline,
    count: usize,
    beside: impl Iterator<Item = &'p PathBuf>,
) -> (Vec<&'p Path>, Vec<Touch>) {
    let mut places: HashMap<&Path, u32> = HashMap::with_capacity(count);
    let mut files: Vec<&Path> = Vec::with_capacity(count);
    let mut touched: Vec<Touch> = Vec::with_capacity(count);
    for (id, stage) in pipeline.stages.iter().enumerate() {
        let sources = stage.inputs.values().flatten().filter_map(|input| match &input.from {
            From::Source(path) => Some(path),
            From::Output { .. } => None,
        });
        for path in sources.chain(stage.outputs.values().map(|output| &output.path)) {
            let file = *places.entry(path).or_insert_with(|| {
                files.push(path);
                files.len() as u32 - 1
            });
            touched.push(Touch { file, stage: id as u32 });
        }
    }
    for path in beside {
        // No stage takes it as it is, but a change of it takes an ordinary run: any stage will do.
        if !places.contains_key(path.as_path()) {
            touched.push(Touch { file: files.len() as u32, stage: 0 });
            files.push(path);
        }
    }
    touched.sort_by_key(|touch| touch.file);
    (files, touched)
}

/// What is to be the digest of each source that was looked at.
pub(crate) fn digests_of(sources: &Sources) -> Digests<'_> {
    let artifacts = sources.all().filter_map(|(path, artifact)| Some((path, artifact.as_ref().ok()?)));
    artifacts.map(|(path, artifact)| (path, (artifact.digest, artifact.executable))).collect()
}

/// What `stat` says of a file, if that is enough to tell that it is what it is to be.
fn known(memo: &Memo, root: &Path, path: &Path, expected: &(Digest, bool)) -> Option<(Stamp, Artifact)> {
    memo.stamped(&root.join(path)).filter(|(_, artifact)| (artifact.digest, artifact.executable) == *expected)
}

/// The built-in kind of a stage, and the fingerprint of its code.
fn code(stage: &Stage) -> Option<(&str, &str)> {
    match &stage.body {
        Body::Uses { kind, .. } => Some((kind.name(), kind.fingerprint())),
        Body::Run(_) => None,
    }
}

/// What a pipeline was read from beside the inputs of its stages: the files that its documents are made of, and its report. `None` if one of
/// them is not what it was then, or may become so and look the same.
fn beside(pipeline: &Pipeline, memo: &Memo) -> Option<BTreeMap<PathBuf, (Stamp, Artifact)>> {
    let mut files = BTreeMap::new();
    let stamped = |path: &Path| {
        memo.artifact(path).ok()??;
        memo.stamped(path)
    };
    for (path, stamp) in pipeline.documents.sources()? {
        let (found, artifact) = stamped(&path)?;
        if found != stamp {
            return None;
        }
        files.insert(path.strip_prefix(&pipeline.root).ok()?.to_owned(), (found, artifact));
    }
    if let Some(report) = &pipeline.report {
        let (found, artifact) = stamped(&pipeline.root.join(&report.file))?;
        if artifact.digest.0 != *blake3::hash(report.text.as_bytes()).as_bytes() {
            return None;
        }
        files.insert(report.file.clone(), (found, artifact));
    }
    Some(files)
}

/// The first section.
fn head<'p>(
    state: &str,
    params: &str,
    (stages, divisible): (usize, bool),
    kinds: &[(&str, &str)],
    report: Option<&Report>,
    pages: &[Digest],
    folders: impl ExactSizeIterator<Item = &'p str>,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_text(&mut out, state);
    put_text(&mut out, params);
    put_count(&mut out, stages);
    out.push(u8::from(divisible));
    put_count(&mut out, kinds.len());
    for (name, code) in kinds {
        put_text(&mut out, name);
        put_text(&mut out, code);
    }
    Report::put(report, &mut out)?;
    put_count(&mut out, pages.len());
    pages.iter().for_each(|page| out.extend_from_slice(&page.0));
    put_count(&mut out, folders.len());
    folders.for_each(|folder| put_text(&mut out, folder));
    Some(out)
}

fn put_print(
    out: &mut Vec<u8>,
    path: &CStr,
    stages: impl ExactSizeIterator<Item = usize>,
    known: Option<&(Stamp, Artifact)>,
) {
    put_count(out, path.count_bytes() + 1);
    out.extend_from_slice(path.to_bytes_with_nul());
    put_count(out, stages.len() * 4);
    stages.for_each(|stage| put_count(out, stage));
    let Some((Stamp { id, size, mtime, ctime }, artifact)) = known else { return out.push(0) };
    out.push(KNOWN | if artifact.executable { EXECUTABLE } else { 0 });
    for number in [id.0, id.1, *size, mtime.cast_unsigned(), ctime.cast_unsigned()] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&artifact.digest.0);
}
