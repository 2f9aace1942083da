//! The memo: digests of files by what `stat` says of them, so that unchanged files are not read again.
//!
//! A file is known by device and inode, and its digest holds while size, mtime and ctime stay the same. Where stamps are coarse
//! (see [`super::grain`]), a file that was changed no longer than the clock's grain before it was read could be changed
//! again without a trace, so what was learnt of it then is not trusted; it is read again later.
//!
//! Here files are asked for one by one; folders by `folder`. `saved` has the memo's file.

mod folder;
mod saved;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError, RwLock};

use super::allowance::Allowance;
use super::grain;
use super::leftovers::Placeholders;
use super::stamp::{self, Nanos};
use super::table::{Known, Table};
use super::tree::Listing;
use super::walk::{self, Extent};
use super::{Artifact, ContentError, Digest, Stamp, hash_file, hash_showing, open_regular};
use crate::interrupt::Interrupt;

/// How often a file that changes while it is read is tried again.
const TRIES: usize = 3;

/// Digests of files, remembered across processes.
pub struct Memo {
    path: PathBuf,
    known: RwLock<Table>,
    /// What was learnt since the memo was opened.
    fresh: Mutex<Fresh>,
    /// The device with the memo's file, if stamps are fine there; found out when first needed.
    fine: OnceLock<Option<u64>>,
    /// Ends the reading of files.
    interrupt: OnceLock<Interrupt>,
    /// Whether what is learnt is kept for later processes.
    kept: bool,
    /// Tells whether a folder is a store. No link of an input folder may lead there.
    is_store: Option<fn(&Path) -> bool>,
}

/// What was learnt since a memo was opened.
#[derive(Default)]
struct Fresh {
    /// The files, by device and inode. There may be several for each of a hundred thousand stages.
    ids: Vec<(u64, u64)>,
    /// Those of them that are to be read again before what was learnt is trusted, and where they lie.
    racy: Vec<((u64, u64), PathBuf)>,
}

impl Memo {
    /// The memo kept in a file. A missing, damaged or unreadable one is empty: it costs time and nothing else.
    pub fn open(path: &Path) -> Self {
        let memo = Self::empty(path);
        memo.load();
        memo
    }

    /// The memo kept in a file, without what is in the file.
    pub(crate) fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            known: RwLock::default(),
            fresh: Mutex::default(),
            fine: OnceLock::new(),
            interrupt: OnceLock::new(),
            kept: true,
            is_store: None,
        }
    }

    /// The same, with how stores are known.
    pub(crate) fn knowing(self, is_store: fn(&Path) -> bool) -> Self {
        Self { is_store: Some(is_store), ..self }
    }

    /// The same for a process that may write nothing: nothing is kept, and nothing is tried out to learn how fine stamps are.
    pub(crate) fn unkept(path: &Path) -> Self {
        Self { fine: OnceLock::from(None), kept: false, ..Self::empty(path) }
    }

    /// The folder that its file lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Whether what is learnt is kept for later processes.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Gives up reading files once the user asks to stop.
    pub(crate) fn heed(&self, interrupt: &Interrupt) {
        let _ = self.interrupt.set(interrupt.clone());
    }

    /// The interrupt that is heeded; one that never comes if there is none.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        static NEVER: LazyLock<Interrupt> = LazyLock::new(Interrupt::default);
        self.interrupt.get().unwrap_or(&NEVER)
    }

    /// The artifact at a path, `None` if there is nothing. Links on the way and at the path itself are followed; links
    /// inside a folder have to stay in it.
    ///
    /// # Errors
    /// A FIFO, socket or device, a link that leaves its folder, a file that keeps changing, or what the system
    /// refuses. The error names the path.
    pub fn artifact(&self, path: &Path) -> io::Result<Option<Artifact>> {
        Ok(self.look(path, Extent::Everything, &Allowance::boundless())?)
    }

    /// The same if no more has to be read than is allowed; takes off the allowance what it reads. `None` if it would be more.
    pub(crate) fn artifact_within(&self, path: &Path, allowance: &Allowance) -> Option<io::Result<Option<Artifact>>> {
        self.source_within(path, Extent::Everything, allowance)
    }

    /// The same of an input: of a folder without what programs leave in it, and with what links in it lead to that leave it.
    ///
    /// # Errors
    /// As [`Self::artifact`], and a link that leads nowhere or round in a circle.
    pub fn source(&self, path: &Path) -> io::Result<Option<Artifact>> {
        self.source_in(path, Extent::Source)
    }

    /// The same of as much of it as an extent says.
    pub(crate) fn source_in(&self, path: &Path, extent: Extent<'_>) -> io::Result<Option<Artifact>> {
        Ok(self.look(path, extent, &Allowance::boundless())?)
    }

    /// The same if no more has to be read than is allowed; takes off the allowance what it reads. `None` if it would be more.
    pub(crate) fn source_within(
        &self,
        path: &Path,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Option<io::Result<Option<Artifact>>> {
        match self.look(path, extent, allowance) {
            Err(ContentError::TooMuch) => None,
            found => Some(found.map_err(io::Error::from)),
        }
    }

    /// What an input folder holds.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub(crate) fn source_listing(&self, folder: &Path, extent: Extent<'_>) -> io::Result<Listing> {
        Ok(self.listing_within(folder, extent, &Allowance::boundless())?)
    }

    /// Whether an output is in place, unchanged. What programs have left in a folder since does not count, nor what keeps the folder in a
    /// repository.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn holds(&self, path: &Path, output: &Artifact) -> io::Result<bool> {
        Ok(self.is_at(path, output, &Allowance::boundless())?)
    }

    /// The same if no more has to be read than is allowed; takes off the allowance what it reads. `None` if it would be more.
    pub(crate) fn holds_within(
        &self,
        path: &Path,
        output: &Artifact,
        allowance: &Allowance,
    ) -> Option<io::Result<bool>> {
        match self.is_at(path, output, allowance) {
            Err(ContentError::TooMuch) => None,
            found => Some(found.map_err(io::Error::from)),
        }
    }

    fn is_at(&self, path: &Path, output: &Artifact, allowance: &Allowance) -> Result<bool, ContentError> {
        Ok(self.find(path, &|there| there == output, allowance)?.is_some())
    }

    /// The output that lies at a path, if `is` takes it for one, and as much of what lies there as that is.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub(crate) fn output_at(
        &self,
        path: &Path,
        is: &dyn Fn(&Artifact) -> bool,
    ) -> io::Result<Option<(Artifact, Extent<'static>)>> {
        Ok(self.find(path, is, &Allowance::boundless())?)
    }

    fn find(
        &self,
        path: &Path,
        is: &dyn Fn(&Artifact) -> bool,
        allowance: &Allowance,
    ) -> Result<Option<(Artifact, Extent<'static>)>, ContentError> {
        let look = |extent| {
            let found = self.look(path, extent, allowance)?.filter(is);
            Ok::<_, ContentError>(found.map(|found| (found, extent)))
        };
        match look(Extent::Everything) {
            // Another tool may have put its links there, to files that are what the output is.
            Ok(None) | Err(ContentError::LinkLeaves { .. }) if path.is_dir() => {}
            found => return found,
        }
        if let Some(found) = look(Extent::Source)? {
            return Ok(Some(found));
        }
        // Some of what keeps the folder in a repository may be the output's own.
        for left_out in Placeholders::at(path).parts() {
            if let Some(found) = look(Extent::Output(left_out))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn look(&self, path: &Path, extent: Extent<'_>, allowance: &Allowance) -> Result<Option<Artifact>, ContentError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(ContentError::io("examine", path)(e)),
        };
        let found =
            if metadata.is_dir() { self.tree(path, extent, allowance) } else { self.file(path, &metadata, allowance) };
        found.map(Some)
    }

    /// The artifact of a regular file if `stat` alone can tell it; never reads. A link is not followed.
    pub fn trusted(&self, path: &Path) -> Option<Artifact> {
        self.stamped(path).map(|(_, artifact)| artifact)
    }

    /// The same with the stamp that tells it.
    pub(crate) fn stamped(&self, path: &Path) -> Option<(Stamp, Artifact)> {
        let metadata = fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        self.told_by(&metadata).map(|artifact| (Stamp::of(&metadata), artifact))
    }

    /// The artifact of a regular file of which the system says this, if that alone can tell it.
    pub(crate) fn told_by(&self, metadata: &Metadata) -> Option<Artifact> {
        let digest = metadata.is_file().then(|| self.recall(&Stamp::of(metadata))).flatten()?;
        Some(file_artifact(digest, metadata))
    }

    /// Forgets what is known of a source: it is read when it is next looked at.
    pub(crate) fn forget(&self, source: &Path) {
        let mut files = vec![source.to_owned()];
        // What cannot be walked through is told when it is looked at.
        if let Ok(walked) = walk::walk(source, Extent::Source) {
            files.extend(walked.into_iter().map(|(path, _)| source.join(path)));
        }
        let found = files.iter().filter_map(|path| fs::metadata(path).ok());
        let ids: Vec<_> = found.map(|metadata| Stamp::of(&metadata).id).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            known.remove(&id);
        }
    }

    /// Forgets what is known of a file if that was learnt before a moment.
    pub(crate) fn forget_older(&self, file: &Path, moment: Nanos) {
        let Ok(metadata) = fs::metadata(file) else { return };
        let id = Stamp::of(&metadata).id;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.get(&id).is_some_and(|entry| entry.moment < moment) {
            known.remove(&id);
        }
    }

    /// Takes it that a file with this stamp, which is settled, has this content.
    pub(crate) fn believe(&self, stamp: &Stamp, artifact: &Artifact) {
        let entry = Known { stamp: *stamp, moment: stamp::now(), digest: artifact.digest };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(entry);
    }

    /// Remembers a file that was just written with known content, and looked at before anybody else could reach it.
    pub fn record(&self, path: &Path, written: &Metadata, digest: Digest) {
        let moment = stamp::now();
        let before = Stamp::of(written);
        if let Ok(metadata) = fs::symlink_metadata(path)
            && metadata.is_file()
        {
            // Giving it its name has changed its ctime.
            let stamp = Stamp::of(&metadata);
            let same_mode = metadata.mode() == written.mode();
            if same_mode && (stamp.id, stamp.size, stamp.mtime) == (before.id, before.size, before.mtime) {
                self.keep(path, Known { stamp, moment, digest });
            }
        }
    }

    /// Before somebody else reads a file to its end: what [`Self::end`] wants to know. `None` if there is none.
    pub(crate) fn begin(&self, path: &Path) -> Option<(Stamp, Nanos)> {
        let moment = stamp::now();
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some((Stamp::of(&metadata), moment))
    }

    /// Remembers a file that was read to its end, if it did not change meanwhile.
    pub(crate) fn end(&self, path: &Path, began: &(Stamp, Nanos), digest: Digest) {
        let (stamp, moment) = *began;
        if fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == stamp) {
            self.keep(path, Known { stamp, moment, digest });
        }
    }

    /// Reads a regular file to its end, whatever is known of it, and shows its bytes to whoever wants to know more of it. Tells its digest.
    ///
    /// # Errors
    /// If it is none or cannot be read, or the user asked to stop.
    pub fn read_showing(&self, path: &Path, show: &mut dyn FnMut(&[u8])) -> io::Result<Digest> {
        let moment = stamp::now();
        let (mut file, before) = open_regular(path)?;
        let stamp = Stamp::of(&before);
        let digest = hash_showing(&mut file, show, self.interrupt())?;
        if Stamp::of(&file.metadata()?) == stamp {
            self.keep(path, Known { stamp, moment, digest });
        }
        Ok(digest)
    }

    fn recall(&self, stamp: &Stamp) -> Option<Digest> {
        recall(&self.known.read().unwrap_or_else(PoisonError::into_inner), stamp)
    }

    fn keep(&self, path: &Path, mut entry: Known) {
        if !entry.settled() && self.is_fine(entry.stamp.id.0) {
            entry.settle();
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(entry);
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.ids.push(entry.stamp.id);
        if !entry.settled() {
            fresh.racy.push((entry.stamp.id, path.to_owned()));
        }
    }

    /// Whether every change of a file from a moment on, before which the stamp was taken, would show in it.
    pub(super) fn is_telling(&self, stamp: &Stamp, moment: Nanos) -> bool {
        stamp.settled_at(moment) || self.is_fine(stamp.id.0)
    }

    /// Whether every change of a file on a device shows that comes after a look at it.
    fn is_fine(&self, device: u64) -> bool {
        let fine = self.fine.get_or_init(|| grain::device_of_fine_stamps(self.path.parent().unwrap_or(Path::new("."))));
        *fine == Some(device)
    }

    fn file(&self, path: &Path, metadata: &Metadata, allowance: &Allowance) -> Result<Artifact, ContentError> {
        ContentError::unless_regular(metadata, path)?;
        if let Some(digest) = self.recall(&Stamp::of(metadata)) {
            return Ok(file_artifact(digest, metadata));
        }
        allowance.take(metadata.len())?;
        for _ in 0..TRIES {
            let moment = stamp::now();
            let (file, before) = open_regular(path)?;
            let stamp = Stamp::of(&before);
            let digest = match hash_file(&file, stamp.size, self.interrupt()) {
                Ok(digest) => digest,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(e) => return Err(ContentError::io("read", path)(e)),
            };
            let after = file.metadata().map_err(ContentError::io("examine", path))?;
            if Stamp::of(&after) == stamp {
                self.keep(path, Known { stamp, moment, digest });
                return Ok(file_artifact(digest, &before));
            }
        }
        Err(ContentError::Changing { path: path.to_owned() })
    }
}

fn recall(known: &Table, stamp: &Stamp) -> Option<Digest> {
    known.get(&stamp.id).filter(|entry| entry.stamp == *stamp && entry.settled()).map(|entry| entry.digest)
}

fn file_artifact(digest: Digest, metadata: &Metadata) -> Artifact {
    Artifact { digest, tree: false, bytes: metadata.len(), executable: metadata.mode() & 0o100 != 0 }
}
