//! Recognising a store: a folder counts as one by its mark, or by proof that Kiln filled it. In any other folder that is not empty
//! nothing is written, moved or deleted.

use std::fs::{self, DirEntry};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::files::{FOLDERS, FORMAT, IGNORE, IGNORED, MEMO, RESULTS, VERSION, format_of};
use super::lock::{EXECUTING, IN_USE};
use super::run::read_summary;
use super::{Result, StoreError, names};
use crate::hash::{Digest, open_regular, tree};
use crate::journal::{self, Journal};

/// What a folder is that is to be the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FolderKind {
    /// There is nothing at the path.
    Absent,
    /// A folder with nothing of anybody's in it.
    Vacant,
    /// A store with its mark.
    Marked,
    /// A store whose mark is damaged or gone.
    Unmarked,
}

/// The most of a mark that is read; a file called `version` may be anything.
const LONGEST_MARK: u64 = 64;

/// Blobs larger than this, in bytes, are not read to prove something.
const SMALL: u64 = 16 << 20;

/// So many files of a kind are looked at for a proof.
const ENOUGH: usize = 16;

/// So many names of somebody's are shown.
const SHOWN: usize = 3;

/// Tells what a folder is.
///
/// # Errors
/// [`StoreError::Foreign`] if it is somebody else's, [`StoreError::Newer`] if a later Kiln made it, or what the system refuses.
pub(super) fn standing(root: &Path) -> Result<FolderKind> {
    let foreign = |found: String| StoreError::Foreign { path: root.to_owned(), found };
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(foreign("it is not a folder".into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(root).is_ok() => {
            return Err(foreign("it is a symbolic link that leads nowhere".into()));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FolderKind::Absent),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            return Err(foreign("a file is in the place of a folder above it".into()));
        }
        Err(e) => return Err(StoreError::io("find", root)(e)),
    }
    if let Some(standing) = by_mark(root)? {
        return Ok(standing);
    }
    let entries: Vec<DirEntry> =
        fs::read_dir(root).and_then(Iterator::collect).map_err(StoreError::io("list", root))?;
    let mut others: Vec<String> = entries
        .iter()
        .filter(|entry| !is_nobodys(entry))
        .map(|entry| format!("`{}`", entry.file_name().to_string_lossy()))
        .collect();
    if others.is_empty() {
        return Ok(FolderKind::Vacant);
    }
    // A process that makes the store right now writes the mark before anything else.
    if let Some(standing) = by_mark(root)? {
        return Ok(standing);
    }
    if is_proven(root) {
        return Ok(FolderKind::Unmarked);
    }
    others.sort();
    let more = others.len() > SHOWN;
    others.truncate(SHOWN);
    Err(foreign(format!("it holds {}{}", others.join(", "), if more { " and more" } else { "" })))
}

/// Whether a folder bears the mark of a store, of whatever format.
pub(crate) fn is_marked(folder: &Path) -> bool {
    mark(folder).is_ok_and(|text| format_of(&text).is_some())
}

/// Whether a path leads into a store: the one at `store`, under whatever name, or any that bears its mark.
pub fn leads_into(path: &Path, store: &Path) -> bool {
    let id = |folder: &Path| {
        let metadata = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
        Some((metadata.dev(), metadata.ino()))
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // From the nearest folder that is there upwards, as the system sees it.
    let nearest = absolute.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok());
    let id_of_store = id(store);
    nearest.is_some_and(|nearest| {
        let mut above = nearest.ancestors();
        above.any(|folder| (id_of_store.is_some() && id(folder) == id_of_store) || is_marked(folder))
    })
}

fn by_mark(root: &Path) -> Result<Option<FolderKind>> {
    let path = root.join(VERSION);
    match mark(root).map(|text| format_of(&text)) {
        Ok(Some(found)) if found > FORMAT => Err(StoreError::Newer { path: root.to_owned(), found, known: FORMAT }),
        Ok(Some(_)) => Ok(Some(FolderKind::Marked)),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(StoreError::io("read", &path)(e)),
        Ok(None) | Err(_) => Ok(None),
    }
}

fn mark(root: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let (file, _) = open_regular(&root.join(VERSION))?;
    file.take(LONGEST_MARK).read_to_end(&mut text)?;
    Ok(text)
}

/// Whether a file or folder is one that an empty folder of a repository, or of a disk, has all the same; or one that a process left
/// that was killed when it was about to make the store.
fn is_nobodys(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return false };
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        // Another process that makes the store has renamed it since.
        Err(e) => return e.kind() == io::ErrorKind::NotFound,
    };
    match name {
        "README.md" | ".gitkeep" | IGNORE => metadata.is_file(),
        "lost+found" => metadata.is_dir(),
        // Kiln's own folders with nothing in them.
        _ if FOLDERS.contains(&name) => {
            metadata.is_dir() && fs::read_dir(entry.path()).is_ok_and(|mut entries| entries.next().is_none())
        }
        IN_USE | EXECUTING => metadata.is_file() && metadata.len() == 0,
        _ => names::is_unfinished(name) && metadata.is_file() && is_beginning(&entry.path(), metadata.len()),
    }
}

/// Whether a file of this length may be what is first written into a store: its mark, or the beginning of the file that keeps it out of a
/// repository.
fn is_beginning(path: &Path, len: u64) -> bool {
    if len <= LONGEST_MARK {
        return true;
    }
    if len > IGNORED.len() as u64 {
        return false;
    }
    match fs::read(path) {
        Ok(text) => IGNORED.as_bytes().starts_with(&text),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether something in a folder can only be Kiln's: it has a checksum that only Kiln writes, or bears the digest of its content for a
/// name.
fn is_proven(root: &Path) -> bool {
    let damaged_mark = mark(root).is_ok_and(|text| text.starts_with(b"kiln store "));
    damaged_mark
        || fs::read(root.join(IGNORE)).is_ok_and(|text| text == IGNORED.as_bytes())
        || [RESULTS, MEMO].iter().any(|name| has_a_frame(&root.join(name)))
        || entries(&root.join("runs")).any(|record| read_summary(&record.path()).is_some())
        || shards(&root.join("trees")).any(|(name, bytes)| tree::digest_of(&bytes) == name)
        || shards(&root.join("objects")).any(|(name, bytes)| Digest(blake3::hash(&bytes).into()) == name)
}

fn has_a_frame(path: &Path) -> bool {
    let mut found = false;
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file
        && Journal::new(path).read_new(&mut |entry| found |= matches!(entry, journal::Entry::Frame(_))).is_ok()
        && found
}

/// A few regular files of a folder.
fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).take(ENOUGH)
}

/// A few files that have a digest for a name, and their content.
fn shards(folder: &Path) -> impl Iterator<Item = (Digest, Vec<u8>)> + use<> {
    let shards = fs::read_dir(folder).into_iter().flatten().flatten().take(ENOUGH);
    let named = |(shard, file): (String, DirEntry)| {
        let digest = format!("{shard}{}", file.file_name().to_str()?).parse().ok()?;
        let small = file.metadata().is_ok_and(|metadata| metadata.len() <= SMALL);
        small.then(|| Some((digest, fs::read(file.path()).ok()?))).flatten()
    };
    shards
        .filter_map(|shard| Some((shard.file_name().into_string().ok()?, shard.path())))
        .flat_map(|(name, path)| entries(&path).map(move |file| (name.clone(), file)))
        .filter_map(named)
}
