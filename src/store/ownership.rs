//! Ownership: what in a project is Kiln's to replace.
//!
//! Whatever puts something in place asks here first. Kiln's is what a result of Kiln's is known to have been at that very place: a
//! result in the store's journal that was to go there (those of built-in kinds do not say where), or a run record that says so, of
//! whichever checkout. Everything else is somebody's, an output that was edited too, and stays where it is unless the user says otherwise.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::scratch::remove;
use super::write_back::WriteBack;
use super::{Placement, Result, Store, StoreError};
use crate::diagnostic::with_causes;
use crate::hash::tree::{Listing, Node};
use crate::hash::walk::{Extent, Found, walk};
use crate::hash::{ActionKey, Allowance, Artifact, Digest, Placeholders, is_left_in};

/// What is said of a link in the place of an output.
const LINK: &str = "it is a symbolic link, which Kiln did not make";

/// What is said of an output that was written to through its link.
const CHANGED_LINK: &str = "it was changed where it lies, and with it the cache's file, to which it is a hard link";

/// So many files of a folder are named that are not Kiln's.
const SHOWN: usize = 3;

/// The outputs of all results.
struct Known {
    /// In order.
    outputs: Vec<(Digest, u64, ActionKey)>,
    sizes: HashSet<u64>,
}

/// What may be replaced in one project. What the store knows is read when it is first needed.
pub struct Ownership<'s> {
    store: &'s Store,
    root: &'s Path,
    overwrite: bool,
    how: Placement,
    results: OnceLock<Known>,
    recorded: OnceLock<HashMap<PathBuf, HashSet<Digest>>>,
    /// Files that have taken another's place.
    unwritten: WriteBack,
    /// What was found to be Kiln's at a path. It stays so: nothing is taken out of the store meanwhile.
    found: Mutex<HashMap<PathBuf, Digest>>,
    /// What the user should know of what was replaced.
    notes: Mutex<Vec<String>>,
}

/// What may be replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// There is nothing.
    Nothing,
    /// There is something that may be replaced.
    Ours,
}

impl<'s> Ownership<'s> {
    /// For the project at `root`; with `overwrite` everything may be replaced, and what is not Kiln's is put aside.
    pub fn new(store: &'s Store, root: &'s Path, overwrite: bool) -> Self {
        Self {
            store,
            root,
            overwrite,
            how: Placement::Copy,
            results: OnceLock::new(),
            recorded: OnceLock::new(),
            unwritten: WriteBack::default(),
            found: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// The same, with another way to put outputs in place.
    pub fn placing(self, how: Placement) -> Self {
        Self { how, ..self }
    }

    /// Makes sure that what lies at a path of the project, if anything, may be replaced or put aside.
    ///
    /// # Errors
    /// [`StoreError::InTheWay`] if it may not.
    pub fn check(&self, path: &Path) -> Result<()> {
        if self.overwrite { Ok(()) } else { self.look(path).map(|_| ()) }
    }

    /// The same, and whether there is anything.
    fn look(&self, path: &Path) -> Result<There> {
        let at = self.root.join(path);
        let in_the_way = |what: String| Err(StoreError::InTheWay { path: path.to_owned(), what });
        let metadata = match fs::symlink_metadata(&at) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(There::Nothing);
            }
            Err(e) => return in_the_way(format!("it cannot be looked at ({e})")),
            Ok(metadata) if metadata.is_symlink() => return in_the_way(LINK.into()),
            Ok(metadata) if self.is_strange(path, &metadata) => {
                let files = if metadata.is_dir() { files_in(&at) } else { vec![] };
                return in_the_way(self.not_known(&not_kilns(path, &files)));
            }
            Ok(metadata) => metadata,
        };
        let told = self.store.memo().told_by(&metadata).map(Some);
        let there = match told.map_or_else(|| self.store.memo().artifact(&at), Ok) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(There::Nothing),
            Err(e) => return self.unreadable(path, e),
        };
        if self.is_known(path, &there.digest) {
            return Ok(There::Ours);
        }
        if !there.tree {
            let file = Node::File { digest: there.digest, bytes: there.bytes, executable: there.executable };
            let is_part = is_part(path, &file, &self.trees_around(path));
            let what = || if self.is_link(path) { CHANGED_LINK.into() } else { self.not_known(&not_kilns(path, &[])) };
            return if is_part { Ok(There::Ours) } else { in_the_way(what()) };
        }
        let listing = match self.store.memo().listing(&at) {
            Ok(listing) => listing,
            Err(e) => return self.unreadable(path, e.into()),
        };
        let others = self.others(path, &listing);
        if others.is_empty() { Ok(There::Ours) } else { in_the_way(self.not_known(&not_kilns(path, &others))) }
    }

    /// Whether a file is one more name of a file of the store that was put there.
    fn is_link(&self, path: &Path) -> bool {
        let id = |file: &Path| fs::metadata(file).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        let there = id(&self.root.join(path));
        let put = self.recorded().get(path).into_iter().flatten();
        there.is_some() && put.map(|digest| id(&self.store.blob_path(digest))).any(|blob| blob == there)
    }

    /// What cannot be read is not known to be Kiln's; unless it was the user who ended the reading.
    fn unreadable<T>(&self, path: &Path, error: io::Error) -> Result<T> {
        if self.store.memo().interrupt().is_set() {
            return Err(StoreError::io("read", path)(error));
        }
        Err(StoreError::InTheWay {
            path: path.to_owned(),
            what: format!("it cannot be read ({})", with_causes(&error)),
        })
    }

    /// Whether what lies at a path is known to be Kiln's or may be, as far as that takes no more reading than is allowed.
    pub(crate) fn seems_clear(&self, path: &Path, allowance: &Allowance) -> bool {
        let at = self.root.join(path);
        let is_result =
            |digest: Digest| self.results().outputs.binary_search_by(|(known, _, _)| known.cmp(&digest)).is_ok();
        match fs::symlink_metadata(&at) {
            _ if self.overwrite => true,
            Err(_) => true,
            Ok(metadata) if metadata.is_symlink() => false,
            Ok(_) => match self.store.memo().artifact_within(&at, allowance) {
                Some(Ok(Some(there))) => is_result(there.digest) || self.check(path).is_ok(),
                Some(_) => false,
                None => true,
            },
        }
    }

    /// Puts an artifact at a path of the project. What is there already stays as it is if it is the same.
    ///
    /// # Errors
    /// [`StoreError::InTheWay`] if what is there may not be replaced; otherwise as [`Store::materialise`]. Then nothing at the path has
    /// changed.
    pub fn put(&self, artifact: &Artifact, path: &Path) -> Result<()> {
        let at = self.root.join(path);
        let is_link = fs::symlink_metadata(&at).is_ok_and(|metadata| metadata.is_symlink());
        if !is_link && matches!(self.store.memo().holds(&at, artifact), Ok(true)) {
            return Ok(());
        }
        let look = || self.look(path).and_then(|there| self.clash(artifact, path).map_or(Ok(there), Err));
        let may = || match look() {
            Err(StoreError::InTheWay { .. }) if self.overwrite => self.put_aside(path).map(|()| There::Nothing),
            there => there,
        };
        if self.store.materialise_if(artifact, &at, self.how, &may)? {
            self.unwritten.add(at);
        }
        Ok(())
    }

    /// What keeps a folder in a repository, is somebody's, and would be lost: where the output is a file, or has one of its own by that name.
    fn clash(&self, artifact: &Artifact, path: &Path) -> Option<StoreError> {
        let own = match artifact.tree {
            true => self.store.listing(&artifact.digest).map(|listing| listing.entries).unwrap_or_default(),
            false => vec![],
        };
        let lost = self.placeholders(path).into_iter().filter(|name| {
            let there = self.store.memo().artifact(&self.root.join(path).join(name)).ok().flatten();
            let same = |node: &Node| matches!(node, Node::File { digest, .. } if there.as_ref().is_some_and(|there| there.digest == *digest));
            let own = own.iter().find(|(own, _)| own == name);
            own.map_or(!artifact.tree, |(_, node)| !same(node))
        });
        let lost: Vec<PathBuf> = lost.collect();
        (!lost.is_empty()).then(|| StoreError::InTheWay { path: path.to_owned(), what: not_kilns(path, &lost) })
    }

    /// What keeps a folder at a path in a repository and no stage made.
    fn placeholders(&self, path: &Path) -> Vec<PathBuf> {
        let there: Vec<PathBuf> = Placeholders::at(&self.root.join(path)).names().map(PathBuf::from).collect();
        if there.is_empty() {
            return there;
        }
        let trees = self.trees_around(path);
        there.into_iter().filter(|name| !was_made(&path.join(name), &trees)).collect()
    }

    /// Moves what somebody has at a path to where it is kept, and notes that.
    fn put_aside(&self, path: &Path) -> Result<()> {
        let place = self.store.save_replaced(&self.root.join(path))?;
        let stays = match place.starts_with(self.store.root()) {
            true => "and stays there for a week at least",
            false => "for the cache is on another disk; delete it when nobody needs it",
        };
        let note = format!("`{}` was not Kiln's: it is in `{}` now, {stays}", path.display(), place.display());
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        Ok(())
    }

    /// What the user should know of what was replaced since this was asked last.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has what was put in place of something else written to the disk, when there is time for it.
    pub(crate) fn write_back(&self) {
        self.unwritten.begin();
    }

    /// Deletes what lies at a path of the project. What keeps a folder in a repository stays, and with it the folder.
    ///
    /// # Errors
    /// [`StoreError::InTheWay`] if it is not Kiln's, or what the system refuses.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.check(path)?;
        let at = self.root.join(path);
        let stays = self.placeholders(path);
        if stays.is_empty() {
            return remove(&at).map_err(StoreError::io("remove", &at));
        }
        for entry in fs::read_dir(&at).map_err(StoreError::io("list", &at))? {
            let entry = entry.map_err(StoreError::io("list", &at))?;
            if !stays.iter().any(|name| *name == entry.file_name()) {
                remove(&entry.path()).map_err(StoreError::io("remove", &at))?;
            }
        }
        Ok(())
    }

    /// What is not Kiln's in a folder: files and links, by their paths in it. Empty folders, and what programs leave behind, are nobody's:
    /// compiled modules of a script that was run there by hand are no reason to refuse. What keeps the folder in a repository stays there.
    fn others(&self, path: &Path, listing: &Listing) -> Vec<PathBuf> {
        let trees = self.trees_around(path);
        let is_kilns = |relative: &Path, node: &Node| {
            let place = path.join(relative);
            let whole = match node {
                Node::Folder => true,
                Node::File { digest, .. } => self.is_known(&place, digest),
                Node::Link { .. } => false,
            };
            // One that a stage made is a part of its output, and may have been edited.
            let keeps_folder = || Placeholders::ALL.has(relative) && !was_made(&place, &trees);
            whole || is_part(&place, node, &trees) || is_left_in(&self.root.join(path), relative) || keeps_folder()
        };
        let entries = listing.entries.iter().filter(|(relative, node)| !is_kilns(relative, node));
        entries.map(|(relative, _)| relative.clone()).collect()
    }

    /// The folders that runs are recorded to have left at a path, or around it, as far as it is known what was in them.
    fn trees_around(&self, path: &Path) -> Vec<(PathBuf, Listing)> {
        let mut trees = Vec::new();
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            for digest in self.recorded().get(folder).into_iter().flatten() {
                if self.store.tree_path(digest).is_file()
                    && let Ok(listing) = self.store.listing(digest)
                {
                    trees.push((folder.to_owned(), listing));
                }
            }
        }
        trees
    }

    /// Whether something with this digest is known to have been put at this path, whole.
    fn is_known(&self, path: &Path, digest: &Digest) -> bool {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found().get(path) == Some(digest) {
            return true;
        }
        let recorded = || self.recorded().get(path).is_some_and(|known| known.contains(digest));
        let known = self.was_result(path, digest) || recorded();
        if known {
            found().insert(path.to_owned(), *digest);
        }
        known
    }

    /// Whether it was an output of a result, and of one that was to go there, if that can be told.
    fn was_result(&self, path: &Path, digest: &Digest) -> bool {
        let results = &self.results().outputs;
        let first = results.partition_point(|(known, _, _)| known < digest);
        let mut keys = results[first..].iter().take_while(|(known, _, _)| known == digest).map(|(_, _, key)| key);
        keys.any(|key| {
            let Some(manifest) = self.store.manifest(key) else { return false };
            let outputs = self.store.outputs_of(key);
            let places = outputs.iter().filter(|(_, artifact)| artifact.digest == *digest);
            places.filter_map(|(name, _)| manifest.outputs.get(name)).any(|output| match &output.path {
                Some(place) => Path::new(place) == path,
                None => true,
            })
        })
    }

    /// Whether it can be told without reading that nothing at a path is Kiln's: no run is recorded to have put anything there, in it or
    /// around it, and no result has an output of that size. What lies there may be all of somebody's data.
    fn is_strange(&self, path: &Path, there: &Metadata) -> bool {
        let Some((bytes, placeholders)) = size(&self.root.join(path), there) else { return false };
        let meets = |known: &PathBuf| known.starts_with(path) || path.starts_with(known);
        let sizes = &self.results().sizes;
        let is_known = sizes.contains(&bytes) || sizes.contains(&(bytes + placeholders));
        bytes > 0 && !is_known && !self.recorded().keys().any(meets)
    }

    fn results(&self) -> &Known {
        self.results.get_or_init(|| {
            let outputs = self.store.outputs_of_results();
            Known { sizes: outputs.iter().map(|(_, bytes, _)| *bytes).collect(), outputs }
        })
    }

    fn recorded(&self) -> &HashMap<PathBuf, HashSet<Digest>> {
        self.recorded.get_or_init(|| {
            self.store.recorded_outputs().unwrap_or_else(|error| {
                tracing::warn!("cannot read the run records: {error}");
                HashMap::new()
            })
        })
    }

    /// Adds why nothing is known, if the store is new.
    fn not_known(&self, what: &str) -> String {
        let empty = self.recorded().is_empty() && self.results().outputs.is_empty();
        let why =
            if empty { " (the cache is new: it knows of no result that may have been made here before)" } else { "" };
        format!("{what}{why}")
    }
}

/// Whether something at a path was put there in one of these folders.
fn is_part(path: &Path, node: &Node, trees: &[(PathBuf, Listing)]) -> bool {
    trees.iter().any(|(root, listing)| {
        let inner = path.strip_prefix(root).ok();
        inner.is_some_and(|inner| listing.entries.iter().any(|(path, known)| path == inner && same(known, node)))
    })
}

/// Whether something was put at a path in one of these folders, whatever it was.
fn was_made(path: &Path, trees: &[(PathBuf, Listing)]) -> bool {
    trees.iter().any(|(root, listing)| {
        let inner = path.strip_prefix(root).ok();
        inner.is_some_and(|inner| listing.entries.iter().any(|(path, _)| path == inner))
    })
}

/// Makes sure that a file may be replaced which proves by its content that it is Kiln's. `is_kilns` tells whether it does, `other` what it
/// is if it does not.
///
/// # Errors
/// What is there that is something else.
pub fn may_replace(file: &Path, is_kilns: &dyn Fn(&[u8]) -> bool, other: &str) -> std::result::Result<(), String> {
    match fs::symlink_metadata(file) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(format!("it cannot be looked at ({e})")),
        Ok(metadata) if metadata.is_symlink() => return Err(LINK.into()),
        Ok(metadata) if !metadata.is_file() => return Err("it is not a file".into()),
        Ok(_) => {}
    }
    match fs::read(file) {
        Ok(bytes) if is_kilns(&bytes) => Ok(()),
        Ok(_) => Err(other.into()),
        Err(e) => Err(format!("it cannot be read ({e})")),
    }
}

/// What is said of something that is not Kiln's, or of these files in it.
fn not_kilns(path: &Path, files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().take(SHOWN).map(|file| format!("`{}`", path.join(file).display())).collect();
    let more = if files.len() > SHOWN { format!(" and {} more", files.len() - SHOWN) } else { String::new() };
    let what = if names.is_empty() { "it".to_owned() } else { names.join(", ") };
    format!("Kiln did not make {what}{more}, or it was changed since")
}

/// The files in a folder, in order.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let found = walk(folder, Extent::Everything).unwrap_or_default().into_iter();
    let found = found.filter(|(relative, found)| {
        !matches!(found, Found::Folder) && !is_left_in(folder, relative) && !Placeholders::ALL.has(relative)
    });
    let mut files: Vec<PathBuf> = found.map(|(relative, _)| relative).collect();
    files.sort();
    files
}

/// The bytes of a file, or of all in a folder but what programs leave behind; and beside it those of what keeps the folder in a repository.
fn size(path: &Path, metadata: &Metadata) -> Option<(u64, u64)> {
    if !metadata.is_dir() {
        return metadata.is_file().then_some((metadata.len(), 0));
    }
    let (mut sum, mut placeholders) = (0, 0);
    for (relative, found) in walk(path, Extent::Everything).ok()? {
        if matches!(found, Found::File(())) && !is_left_in(path, &relative) {
            let bytes = fs::symlink_metadata(path.join(&relative)).ok()?.len();
            *(if Placeholders::ALL.has(&relative) { &mut placeholders } else { &mut sum }) += bytes;
        }
    }
    Some((sum, placeholders))
}

/// Whether two things in a folder are the same but for who may execute them.
fn same(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::File { digest: a, .. }, Node::File { digest: b, .. }) => a == b,
        _ => a == b,
    }
}
