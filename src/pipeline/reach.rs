//! Paths of a project that reach into a store, or around it: what is there is Kiln's own, no source, and nothing is put among it.
//!
//! The store is known by what it is, device and inode, so that no link and no spelling hides it; and by its path while it is not there
//! yet. Other stores are known by their mark.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::paths;
use crate::store::is_marked;

/// How a path meets a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This part of it is a store, or a link into one.
    Into(String),
    /// The store is in it, here.
    Around(String),
}

/// The stores that paths of a project may meet.
pub(super) struct Stores {
    root: PathBuf,
    /// The project's store relative to the project, if it is in it.
    within: Option<String>,
    /// Its device and inode, if it is there.
    id: Option<(u64, u64)>,
    /// Those of the folders that it is in.
    above: HashSet<(u64, u64)>,
    /// Those of the project, and of the folders that it is in. What is around the project is refused for that.
    project: HashSet<(u64, u64)>,
    /// Whether the project itself is in the store.
    around: bool,
    folders: HashMap<String, bool>,
}

impl Stores {
    /// Of a project whose store is at a path, or will be.
    pub(super) fn new(root: &Path, store: &Path) -> Self {
        let store = settled(store);
        let within = store.strip_prefix(root).ok().and_then(Path::to_str).filter(|path| !path.is_empty());
        let id = id(&store);
        Self {
            root: root.to_owned(),
            within: within.map(str::to_owned),
            id,
            above: store.ancestors().skip(1).filter_map(self::id).collect(),
            around: id.is_some() && root.ancestors().any(|folder| self::id(folder) == id),
            project: root.ancestors().filter_map(self::id).collect(),
            folders: HashMap::new(),
        }
    }

    /// How a path, which may be that of a folder or a link, meets a store.
    pub(super) fn reach(&mut self, path: &str, is_folder: bool) -> Option<Reach> {
        if self.around {
            return Some(Reach::Into(".".into()));
        }
        if let Some(store) = self.within.as_deref() {
            if is_in(path, store) {
                return Some(Reach::Into(store.into()));
            }
            if is_in(store, path) {
                return Some(Reach::Around(store.into()));
            }
        }
        let whole = std::iter::once(path).filter(|_| is_folder);
        let all: Vec<&str> = whole.chain(paths::ancestors(path)).collect();
        if let Some(store) = all.iter().find(|folder| self.is_in_store(folder)) {
            return Some(Reach::Into((*store).into()));
        }
        let around = |id| self.above.contains(&id) && !self.project.contains(&id);
        let holds = is_folder && id(&self.root.join(path)).is_some_and(around);
        holds.then(|| Reach::Around(self.within.clone().unwrap_or_else(|| path.into())))
    }

    /// Whether a folder is a store, or leads into one.
    fn is_in_store(&mut self, folder: &str) -> bool {
        if let Some(known) = self.folders.get(folder) {
            return *known;
        }
        let path = self.root.join(folder);
        let is_store = |path: &Path| (self.id.is_some() && id(path) == self.id) || is_marked(path);
        let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        let found = match path.canonicalize() {
            Ok(target) if is_link => target.ancestors().any(is_store),
            _ => is_store(&path),
        };
        self.folders.insert(folder.to_owned(), found);
        found
    }
}

/// Whether a path is another or in it.
fn is_in(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().filter(fs::Metadata::is_dir).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A path without links as far as it exists, and without `..`.
fn settled(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut out = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
        out = out.canonicalize().unwrap_or(out);
    }
    out
}
