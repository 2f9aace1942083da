//! Pipelines that were read and checked, kept in the cache: a file that is still the same is not read as YAML again.
//!
//! One is believed if the text, the overrides and this very program are what they were, and if what the check found on the disk
//! still holds: that is looked at each time. In any doubt the file is read anew.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::iter;
use std::path::{Path, PathBuf};

use petgraph::graph::DiGraph;
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::hash::Digest;
use crate::heap;
use crate::journal::wire::{Reader, put_count, put_text};
use crate::kind::Catalog;
use crate::store;

use super::cache::PutAs;
use super::load;
use super::overrides::Overrides;
use super::part::Part;
use super::resolved::Documents;
use super::sections::{self, Sections};
use super::stage::{Body, From, Pipeline, Stage};
use super::{check, disk::Disk, documents::Handed, param_file, program, report, view, wire};

/// The folder of the cache that they are kept in.
pub(crate) const FOLDER: &str = "pipelines";

const MARK: &[u8; 8] = b"kilnpl\x05\n";

/// What is added to a pipeline's name for what is kept beside it.
const BESIDE: &str = "footprint";

/// What is added to it for the list of the files that its parameters come from.
const PARAMS: &str = "params";

/// Bytes of the mark, the key and the digest of what follows.
const HEAD: usize = 8 + 32 + 32;

/// How many hexadecimal digits a pipeline's name has.
const DIGITS: usize = 32;

/// How the name of a file begins that is not finished.
const UNFINISHED: &str = ".new-";

/// A pipeline of so many stages is large.
const LARGE: usize = 10_000;

/// So many files are kept; those not written for longest go.
const MOST: usize = 32;

/// What a pipeline is known by: a text, overrides and this very program, in a project.
#[derive(Clone)]
pub struct Identity {
    /// The project's root, absolute.
    pub root: PathBuf,
    /// The pipeline file, relative to the project.
    pub file: PathBuf,
    /// The profile, if one was asked for.
    pub profile: Option<String>,
    /// The pipeline file as it was named.
    named: PathBuf,
    /// The digest of what it holds.
    contents: Digest,
    /// The store.
    store: PathBuf,
    folder: PathBuf,
    place: PathBuf,
    /// The digest of all that decides the pipeline beside the disk and the files of parameters.
    base: [u8; 32],
    /// That, and what the files of parameters hold that the text is known to name.
    key: [u8; 32],
}

/// Loads a pipeline as [`super::load`] does, from what is kept in a cache if that is still good; tells whether it was.
///
/// # Errors
/// All mistakes that were found, in the order of the file.
pub fn load_kept(
    identity: &Identity,
    catalog: &Catalog,
    overrides: &Overrides,
) -> Result<(Pipeline, bool), Vec<Diagnostic>> {
    if let Some(pipeline) = identity.find(catalog)
        && stands(&pipeline, &identity.store)
    {
        // One whose documents have changed is kept anew.
        let known = !pipeline.documents.have_grown();
        return Ok((pipeline, known));
    }
    let text = identity.text().map_err(|d| vec![d])?;
    Ok((load::check(&identity.file, identity.root.clone(), &text, catalog, overrides)?, false))
}

impl Identity {
    /// The identity of a pipeline file, for which pipelines are kept in a cache.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(file: &Path, overrides: &Overrides) -> Result<Self, Vec<Diagnostic>> {
        let contents = load::digest_of(file).map_err(|d| vec![d])?;
        let root = load::root_of(file).map_err(|d| vec![d])?;
        // Another Kiln may fill in other defaults, or take for a mistake what this one does not.
        let program = program::identity();
        let store = overrides.store(&root);
        let folder = store.join(FOLDER);
        let name = format!("{root:?} {:?} {overrides:?}", file.file_name());
        let place = folder.join(&blake3::hash(name.as_bytes()).to_hex()[..DIGITS]);
        let mut hasher = blake3::Hasher::new_derive_key("kiln 2026-11 kept pipeline");
        hasher.update(format!("{program:?} {name}").as_bytes());
        hasher.update(&contents.0);
        if let Some(patterns) = view::ignored(&root) {
            hasher.update(format!("\0{} {patterns}", view::IGNORE).as_bytes());
        }
        if program.is_err() {
            // Nothing that is kept is like this.
            hasher.update(format!("{:?}", std::time::SystemTime::now()).as_bytes());
        }
        let base = hasher.finalize().into();
        let (named, file) = (file.to_owned(), PathBuf::from(file.file_name().unwrap_or_default()));
        let profile = overrides.profile.clone();
        let mut identity = Self { root, file, profile, named, contents, store, folder, place, base, key: base };
        if let Some(files) = identity.param_files() {
            identity.key = identity.key_with(&files);
        }
        Ok(identity)
    }

    /// The text that this is the identity of.
    fn text(&self) -> Result<String, Diagnostic> {
        let bytes = load::bytes_of(&self.named)?;
        if *blake3::hash(&bytes).as_bytes() != self.contents.0 {
            let mistake = format!("`{}` changed while it was read", self.named.display());
            return Err(Diagnostic::error(mistake).hint("try again"));
        }
        load::text_of(&self.named, bytes)
    }

    /// The files that the parameters of this text come from, as they are now, if it is known which they are.
    fn param_files(&self) -> Option<Vec<(PathBuf, Digest)>> {
        let bytes = read(&self.place.with_extension(PARAMS), &self.base)?;
        let from = &mut Reader(&bytes[HEAD..]);
        let names = (0..from.count()?).map(|_| from.text()).collect::<Option<Vec<_>>>()?;
        let now = |name: String| {
            let bytes = param_file::bytes(&self.root.join(&name)).ok()?;
            Some((PathBuf::from(name), Digest(blake3::hash(&bytes).into())))
        };
        names.into_iter().map(now).collect()
    }

    fn key_with(&self, files: &[(PathBuf, Digest)]) -> [u8; 32] {
        if files.is_empty() {
            return self.base;
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.base);
        for (file, digest) in files {
            hasher.update(format!("{file:?}").as_bytes());
            hasher.update(&digest.0);
        }
        hasher.finalize().into()
    }

    fn find(&self, catalog: &Catalog) -> Option<Pipeline> {
        let bytes = read(&self.place, &self.key)?;
        wire::decode(&bytes[HEAD..], self.root.clone(), &self.file, self.profile.clone(), catalog)
    }

    /// Keeps a pipeline that was read as YAML, and returns it. What goes wrong costs the next command time and nothing else.
    ///
    /// A large one is returned as the next command will have it: `None` if that cannot be read, and the file has to be. What was made of
    /// the YAML lies between what is no longer used, which would take memory for as long as the run goes on.
    pub fn keep(&self, pipeline: Pipeline, catalog: &Catalog) -> Option<Pipeline> {
        let Some(bytes) = wire::encode(&pipeline) else { return Some(pipeline) };
        self.write_all(&pipeline, &bytes);
        if pipeline.stages.len() < LARGE {
            return Some(pipeline);
        }
        drop(pipeline);
        heap::give_back();
        wire::decode(&bytes, self.root.clone(), &self.file, self.profile.clone(), catalog)
    }

    /// Keeps a pipeline as [`Self::keep`] does for one who only looks: if it is large, and there is a store in which others are kept.
    pub fn leave(&self, pipeline: Pipeline, catalog: &Catalog) -> Option<Pipeline> {
        if pipeline.stages.len() < LARGE || !self.folder.is_dir() {
            return Some(pipeline);
        }
        self.keep(pipeline, catalog)
    }

    fn write_all(&self, pipeline: &Pipeline, bytes: &[u8]) {
        let write = || {
            if !pipeline.param_files.is_empty() {
                let names: Vec<_> = pipeline.param_files.iter().filter_map(|(file, _)| file.to_str()).collect();
                let mut list = Vec::new();
                put_count(&mut list, names.len());
                names.into_iter().for_each(|name| put_text(&mut list, name));
                self.write(&self.place.with_extension(PARAMS), &self.base, &list)?;
            }
            self.write(&self.place, &self.key_with(&pipeline.param_files), bytes)?;
            self.make_room()
        };
        if let Err(error) = write() {
            tracing::debug!("cannot keep the pipeline in {}: {error}", self.folder.display());
        }
    }

    /// The part of the kept pipeline that a change of these stages can reach, given by their positions. `None` if none is
    /// kept, if it is more than `most` stages, or if what was found on the disk is no longer so.
    pub(crate) fn find_part(&self, catalog: &Catalog, changed: &[usize], most: usize) -> Option<Part> {
        let bytes = read(&self.place, &self.key)?;
        let kept = wire::KeptPipeline::read(&bytes[HEAD..])?;
        let (remote, executor) = (kept.remote.clone(), kept.executor.clone());
        let empty = Pipeline { remote, executor, put_as: kept.put_as, ..self.empty(kept.params.clone()) };
        let part = Part::of(&kept, empty, changed, most, catalog)?;
        stands(&part.pipeline, &self.store).then_some(part)
    }

    /// The pipeline without its stages, and without a report: beside one with a report nothing is kept.
    pub(crate) fn empty(&self, params: Value) -> Pipeline {
        Pipeline {
            root: self.root.clone(),
            file: self.file.clone(),
            profile: self.profile.clone(),
            params,
            param_files: vec![],
            report: None,
            remote: None,
            put_as: PutAs::default(),
            executor: None,
            documents: Documents::default(),
            stages: vec![],
            graph: DiGraph::default(),
        }
    }

    /// Keeps something that holds for this pipeline only, in sections. The files of its parameters may not have been known to
    /// [`Self::of`], or may have changed since: what counts is what was read of them.
    pub(crate) fn keep_beside(&self, pipeline: &Pipeline, sections: &[Vec<u8>]) -> io::Result<()> {
        self.write_sections(&self.key_with(&pipeline.param_files), sections)
    }

    /// Keeps something in the place of what [`Self::kept_beside`] gave.
    pub(crate) fn replace_beside(&self, sections: &[Vec<u8>]) -> io::Result<()> {
        self.write_sections(&self.key, sections)
    }

    /// What was kept with [`Self::keep_beside`].
    pub(crate) fn kept_beside(&self) -> Option<Sections> {
        Sections::open(&self.place.with_extension(BESIDE), MARK, &self.key)
    }

    fn write_sections(&self, key: &[u8; 32], sections: &[Vec<u8>]) -> io::Result<()> {
        let table = sections::table(sections);
        let parts: Vec<&[u8]> = iter::once(&table).chain(sections).map(Vec::as_slice).collect();
        write_parts(&self.store, &self.folder, &self.place.with_extension(BESIDE), key, &parts)
    }

    fn write(&self, path: &Path, key: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
        write(&self.store, &self.folder, path, key, bytes)
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_kept) {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort_unstable();
        let over = files.len().saturating_sub(MOST);
        files[..over].iter().try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// What was kept under a name in a folder of the cache: of things beside pipelines that are quicker to read than to find out.
pub(crate) fn read_named(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let (place, key) = named(folder, name);
    read(&place, &key).map(|bytes| bytes[HEAD..].to_vec())
}

/// Keeps something under a name. What goes wrong costs time and nothing else.
pub(crate) fn keep_named(folder: &Path, name: &str, bytes: &[u8]) {
    let Some(store) = folder.parent().filter(|store| store.is_dir()) else { return };
    let (place, key) = named(folder, name);
    if let Err(error) = write(store, folder, &place, &key, bytes) {
        tracing::debug!("cannot keep {}: {error}", place.display());
    }
}

fn named(folder: &Path, name: &str) -> (PathBuf, [u8; 32]) {
    let key = blake3::derive_key("kiln 2026-11 kept by name", name.as_bytes());
    (folder.join(&blake3::Hash::from_bytes(key).to_hex()[..DIGITS]), key)
}

/// Writes what [`read`] reads.
fn write(store: &Path, folder: &Path, path: &Path, key: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
    write_parts(store, folder, path, key, &[blake3::hash(bytes).as_bytes(), bytes])
}

/// Writes a file of the mark, a key and these parts.
fn write_parts(store: &Path, folder: &Path, path: &Path, key: &[u8; 32], parts: &[&[u8]]) -> io::Result<()> {
    store::make_folder(store, folder).map_err(io::Error::other)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut new = tempfile::Builder::new().prefix(UNFINISHED).permissions(permissions).tempfile_in(folder)?;
    for part in [MARK.as_slice(), key].iter().chain(parts) {
        new.write_all(part)?;
    }
    new.persist(path).map_err(|e| e.error)?;
    store::share(store, path);
    Ok(())
}

/// A file that was kept under a key, and is what was written.
fn read(path: &Path, key: &[u8; 32]) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let rest = bytes.strip_prefix(MARK)?.strip_prefix(key)?;
    let (sum, rest) = rest.split_first_chunk::<32>()?;
    (blake3::hash(rest).as_bytes() == sum).then_some(bytes)
}

/// Whether a file has a name that is given here, or that of one which was not finished. Any other is not Kiln's to delete.
fn is_kept(name: &str) -> bool {
    let beside = |end: &str| name.strip_suffix(end).and_then(|name| name.strip_suffix('.'));
    let name = beside(BESIDE).or_else(|| beside(PARAMS)).unwrap_or(name);
    let random = name.strip_prefix(UNFINISHED).is_some_and(|rest| rest.len() == 6);
    random || (name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether what was found on the disk when a pipeline was checked is still so: sources that are there, no store in the way, documents
/// without mistakes, the same report. Where a path leads through a link or out of the project, only another check can tell what it meets.
fn stands(pipeline: &Pipeline, store: &Path) -> bool {
    if let Some(kept) = &pipeline.report
        && report::read(&pipeline.root.join(&kept.file)).ok().as_ref() != Some(&kept.text)
    {
        return false;
    }
    let mut disk = Disk::new(&pipeline.root, store);
    if pipeline.report.as_ref().is_some_and(|report| report.page.to_str().is_none_or(|page| disk.reach(page).is_some()))
    {
        return false;
    }
    let (mut seen, mut documents) = (HashSet::new(), Handed::new(&pipeline.documents));
    for stage in &pipeline.stages {
        if !stage.outputs.values().all(|output| check::leads(&output.path, &mut disk)) {
            return false;
        }
        let mut locks = stage.environment.iter().flat_map(|environment| &environment.from);
        if !locks.all(|file| check::is_there(file, &mut disk)) {
            return false;
        }
        for (name, items) in &stage.inputs {
            for item in items {
                let From::Source(path) = &item.from else { continue };
                if seen.insert(path) && !check::is_there(path, &mut disk) {
                    return false;
                }
                if let Body::Uses { kind, .. } = &stage.body
                    && documents.add(kind.as_ref(), name, path, &pipeline.root).is_err()
                {
                    return false;
                }
            }
        }
    }
    pipeline.stages.iter().all(|stage| fits(stage, pipeline, &documents))
}

/// Whether a stage fits the documents that those before it are handed.
fn fits(stage: &Stage, pipeline: &Pipeline, documents: &Handed<'_>) -> bool {
    let Body::Uses { kind, params } = &stage.body else { return true };
    let mut items = stage.inputs.iter().flat_map(|(name, items)| items.iter().map(move |item| (name, item)));
    items.all(|(input, item)| {
        let From::Output { stage, output } = &item.from else { return true };
        let maker = &pipeline.stages[stage.0];
        let Body::Uses { kind: of, .. } = &maker.body else { return true };
        documents.fit((kind.as_ref(), params), (input, output), (of.as_ref(), &maker.inputs)).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_changed_since_is_not_taken_for_the_one_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        let text = |output| format!("version: 1\nstages:\n  s: {{run: echo, outputs: {{o: {output}}}}}\n");
        let (catalog, overrides) = (crate::catalog::catalog(), Overrides::default());
        let load = |identity| load_kept(identity, &catalog, &overrides);
        fs::write(&file, text("one")).unwrap();
        let identity = Identity::of(&file, &overrides).unwrap();
        fs::write(&file, text("two")).unwrap();
        let mistakes = load(&identity).err().unwrap();
        let told = format!("{:?}", mistakes[0]);
        assert!(told.contains("pipeline.yaml` changed while it was read"), "{told}");
        let (pipeline, _) = load(&Identity::of(&file, &overrides).unwrap()).unwrap();
        assert_eq!(pipeline.stages[0].outputs.values().next().unwrap().path, Path::new("two"));
    }
}
