//! What is on disk at paths of the project, with as few system calls as thousands of paths allow.

use std::collections::HashMap;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

/// What a path is; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    File,
    Folder,
    Link,
    Other,
}

/// The project's folders, as far as they were looked at.
pub(super) struct Disk {
    root: PathBuf,
    folders: HashMap<String, Folder>,
    ways: HashMap<String, Way>,
}

enum Folder {
    /// Single paths of it were asked for, so often.
    Asked(u32),
    /// All its entries are known.
    Read(HashMap<String, Found>),
}

/// What lies on the way to the entries of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Folders only.
    Plain,
    /// The folder does not exist; this is the first one missing.
    Missing(String),
    /// This is a link.
    Link(String),
    /// This is no folder.
    Blocked(String),
}

impl Disk {
    /// Of the project at `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), folders: HashMap::new(), ways: HashMap::new() }
    }

    /// What a path is.
    pub(super) fn look(&mut self, path: &str) -> Found {
        // From this many paths in one folder on, reading the folder is cheaper than asking for each.
        const ENOUGH: u32 = 8;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.folders.get_mut(folder) {
            Some(Folder::Read(entries)) => return entries.get(name).copied().unwrap_or(Found::Missing),
            Some(Folder::Asked(times)) if *times < ENOUGH => *times += 1,
            Some(Folder::Asked(_)) => {
                if let Some(entries) = read(&self.root.join(folder)) {
                    let found = entries.get(name).copied().unwrap_or(Found::Missing);
                    self.folders.insert(folder.to_owned(), Folder::Read(entries));
                    return found;
                }
            }
            None => {
                self.folders.insert(folder.to_owned(), Folder::Asked(1));
            }
        }
        fs::symlink_metadata(self.root.join(path)).map_or(Found::Missing, |m| found(m.file_type()))
    }

    /// What lies on the way to a path.
    pub(super) fn way(&mut self, path: &str) -> Way {
        let Some((folder, _)) = path.rsplit_once('/') else { return Way::Plain };
        if let Some(way) = self.ways.get(folder) {
            return way.clone();
        }
        let way = match self.way(folder) {
            Way::Plain => match self.look(folder) {
                Found::Folder => Way::Plain,
                Found::Missing => Way::Missing(folder.to_owned()),
                Found::Link => Way::Link(folder.to_owned()),
                Found::File | Found::Other => Way::Blocked(folder.to_owned()),
            },
            other => other,
        };
        self.ways.insert(folder.to_owned(), way.clone());
        way
    }

    /// Whether a path, links followed, exists and lies in the project; `None` if it does not exist.
    pub(super) fn inside(&self, path: &str) -> Option<bool> {
        let target = self.root.join(path).canonicalize().ok()?;
        Some(target.starts_with(&self.root))
    }

    /// The names in the folder of a path, for hints.
    pub(super) fn siblings(&self, path: &str) -> Vec<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut names: Vec<String> = read(&self.root.join(folder)).into_iter().flatten().map(|(n, _)| n).collect();
        names.sort();
        names
    }
}

fn read(folder: &Path) -> Option<HashMap<String, Found>> {
    let mut entries = HashMap::new();
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        // A name that is not UTF-8 cannot be written in a pipeline, so nobody asks for it.
        if let Ok(name) = entry.file_name().into_string() {
            entries.insert(name, found(entry.file_type().ok()?));
        }
    }
    Some(entries)
}

fn found(kind: FileType) -> Found {
    if kind.is_file() {
        Found::File
    } else if kind.is_dir() {
        Found::Folder
    } else if kind.is_symlink() {
        Found::Link
    } else {
        Found::Other
    }
}
