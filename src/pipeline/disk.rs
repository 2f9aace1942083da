//! What is on disk at paths of the project, with as few system calls as thousands of paths allow.

use std::collections::HashMap;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::reach::{Reach, Stores};
use crate::links;

/// What a path is; a link at the path itself is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    File,
    Folder,
    Link,
    Other,
    /// The system does not let us look, and says why.
    Denied(String),
}

/// Up to this many paths of a folder are always asked for one by one.
const FEW: u64 = 8;

/// Reading a folder of so many bytes takes at least as long as asking for one path.
const BYTES_OF_A_PATH: u64 = 256;

/// The project's folders, as far as they were looked at.
pub(super) struct Disk {
    root: PathBuf,
    folders: HashMap<String, Folder>,
    ways: HashMap<String, Way>,
    stores: Stores,
}

enum Folder {
    /// Single paths of it were asked for, so often; from so many on it is read.
    Asked(u64, u64),
    /// All its entries are known.
    Read(HashMap<String, Found>),
}

/// What lies on the way to the entries of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Folders of the project only.
    Plain,
    /// Folders, and links to folders or steps upwards.
    Linked,
    /// The folder does not exist; this is the first one missing, behind links perhaps.
    Missing { folder: String, linked: bool },
    /// This is no folder.
    Blocked(String),
    /// This link leads nowhere, or not to a folder.
    Broken(String, Broken),
    /// This folder cannot be looked at.
    Denied(String, String),
}

/// What is wrong with a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// What it points to does not exist.
    Nowhere(String),
    /// It leads round in a circle.
    Circle(String),
    /// It leads to something that is no folder, where there has to be one.
    NoFolder(String),
}

impl Broken {
    /// For a message: `is a symbolic link to ...`.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Nowhere(target) => format!("is a symbolic link to `{target}`, which does not exist"),
            Self::Circle(target) => {
                format!("is a symbolic link that leads round in a circle (it points to `{target}`)")
            }
            Self::NoFolder(target) => format!("is a symbolic link to `{target}`, which is not a folder"),
        }
    }
}

impl Disk {
    /// Of the project at `root` with its store.
    pub(super) fn new(root: &Path, store: &Path) -> Self {
        let stores = Stores::new(root, store);
        Self { root: root.to_owned(), folders: HashMap::new(), ways: HashMap::new(), stores }
    }

    /// How a path meets a store, if it does.
    pub(super) fn reach(&mut self, path: &str) -> Option<Reach> {
        let is_folder = matches!(self.look(path), Found::Folder | Found::Link);
        self.stores.reach(path, is_folder)
    }

    /// What a path is.
    pub(super) fn look(&mut self, path: &str) -> Found {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name == ".." {
            return Found::Folder;
        }
        match self.folders.get_mut(folder) {
            Some(Folder::Read(entries)) => return entries.get(name).cloned().unwrap_or(Found::Missing),
            Some(Folder::Asked(times, enough)) if *times < *enough => *times += 1,
            Some(Folder::Asked(times, enough)) => {
                let place = self.root.join(folder);
                *enough = worth_reading(&place);
                if *times < *enough {
                    *times += 1;
                } else if let Some(entries) = read(&place) {
                    let found = entries.get(name).cloned().unwrap_or(Found::Missing);
                    self.folders.insert(folder.to_owned(), Folder::Read(entries));
                    return found;
                }
            }
            None => {
                self.folders.insert(folder.to_owned(), Folder::Asked(1, FEW));
            }
        }
        looked(fs::symlink_metadata(self.root.join(path)))
    }

    /// What lies on the way to a path.
    pub(super) fn way(&mut self, path: &str) -> Way {
        let Some((folder, _)) = path.rsplit_once('/') else { return Way::Plain };
        if let Some(way) = self.ways.get(folder) {
            return way.clone();
        }
        let way = match self.way(folder) {
            before @ (Way::Plain | Way::Linked) => match self.look(folder) {
                Found::Folder if is_up(folder) => Way::Linked,
                Found::Folder => before,
                Found::Missing => Way::Missing { folder: folder.to_owned(), linked: before == Way::Linked },
                Found::Link => match self.behind(folder) {
                    Ok(Found::Folder) => Way::Linked,
                    Ok(_) => Way::Broken(folder.to_owned(), Broken::NoFolder(self.target(folder))),
                    Err(broken) => Way::Broken(folder.to_owned(), broken),
                },
                Found::File | Found::Other => Way::Blocked(folder.to_owned()),
                Found::Denied(why) => Way::Denied(folder.to_owned(), why),
            },
            other => other,
        };
        self.ways.insert(folder.to_owned(), way.clone());
        way
    }

    /// What a link at a path leads to.
    pub(super) fn behind(&self, path: &str) -> Result<Found, Broken> {
        match fs::metadata(self.root.join(path)) {
            Ok(metadata) => Ok(found(metadata.file_type())),
            Err(e) if links::is_circle(&e) => Err(Broken::Circle(self.target(path))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(Broken::Nowhere(self.target(path)))
            }
            Err(e) => Ok(Found::Denied(e.to_string())),
        }
    }

    /// Where a path is, links followed; also one that does not exist. `None` if that cannot be told.
    pub(super) fn place(&self, path: &str) -> Option<PathBuf> {
        links::follow(&self.root.join(path)).ok().map(|lead| lead.end)
    }

    /// The root of the project.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn target(&self, link: &str) -> String {
        fs::read_link(self.root.join(link)).map_or_else(|_| String::new(), |target| target.display().to_string())
    }

    /// The names in the folder of a path, for hints.
    pub(super) fn siblings(&self, path: &str) -> Vec<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut names: Vec<String> = read(&self.root.join(folder)).into_iter().flatten().map(|(n, _)| n).collect();
        names.sort();
        names
    }
}

/// From how many paths on reading a folder is cheaper than asking for each.
fn worth_reading(folder: &Path) -> u64 {
    fs::metadata(folder).map_or(FEW, |metadata| (metadata.len() / BYTES_OF_A_PATH).max(FEW))
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

/// Whether a path goes up to a folder outside of the project, and no further.
pub(super) fn is_up(path: &str) -> bool {
    path.rsplit('/').next() == Some("..")
}

fn looked(metadata: io::Result<Metadata>) -> Found {
    match metadata {
        Ok(metadata) => found(metadata.file_type()),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Found::Missing,
        Err(e) => Found::Denied(e.to_string()),
    }
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
