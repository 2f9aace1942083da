//! What is where in the store, its mark, and the version of the format.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::aside;
use super::recognise::{FolderKind, standing};
use super::{Result, Store, StoreError, names, sharing};
use crate::hash::Digest;

/// The format that this Kiln reads and writes.
pub(super) const FORMAT: u32 = 1;

pub(super) const MEMO: &str = "memo.log";
pub(super) const RESULTS: &str = "actions.log";
pub(super) const PROMISED: &str = "promised.log";
pub(super) const VERSION: &str = "version";

/// What keeps a store out of a repository.
pub(super) const IGNORE: &str = ".gitignore";
pub(super) const IGNORED: &str =
    "# A store of Kiln's. What is in it can be made again, and belongs in no repository.\n*\n!README.md\n";

impl Store {
    /// Where the blob of a file with this digest is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.object("objects", digest)
    }

    /// Where the listing of a tree with this digest is, or would be.
    pub(super) fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.object("trees", digest)
    }

    fn object(&self, folder: &str, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let (shard, rest) = name.split_at(2);
        let mut path = PathBuf::with_capacity(self.root.as_os_str().len() + 80);
        path.extend([self.root.as_path(), Path::new(folder), Path::new(shard), Path::new(rest)]);
        path
    }
}

/// Makes a store of a folder if it is none yet, and returns its absolute path.
///
/// # Errors
/// [`StoreError::Foreign`] if the folder is somebody else's, [`StoreError::Newer`] if a later Kiln made it, or what the system refuses.
pub(super) fn prepare(root: &Path) -> Result<PathBuf> {
    let standing = standing(root)?;
    if standing == FolderKind::Absent {
        fs::create_dir_all(root).map_err(StoreError::io("create the folder", root))?;
    }
    let root = root.canonicalize().map_err(StoreError::io("find", root))?;
    let path = root.join(VERSION);
    match standing {
        FolderKind::Marked => {}
        // Everything else in a store is checked when it is read, so a damaged mark is no reason to stop.
        FolderKind::Unmarked => {
            if path.symlink_metadata().is_ok() {
                aside::put_aside(&root, &path, VERSION)?;
            }
            write_version(&root, &path)?;
        }
        FolderKind::Absent | FolderKind::Vacant => {
            ignore(&root)?;
            // Last: what a process leaves that is killed before this is no reason to refuse the folder.
            write_version(&root, &path)?;
        }
    }
    // Stores of older Kilns have none. That nothing can be written is for whoever writes to say.
    if let Err(error) = ignore(&root) {
        tracing::debug!("{error}");
    }
    Ok(root)
}

/// Keeps a store out of a repository, unless its folder says already what is to be kept out.
fn ignore(root: &Path) -> Result<()> {
    let path = root.join(IGNORE);
    if path.symlink_metadata().is_err() {
        write_atomically(root, &path, IGNORED.as_bytes(), false)?;
        sharing::share(root, &path);
    }
    Ok(())
}

/// The absolute path of a store that is only looked at; there need not be one.
///
/// # Errors
/// As [`prepare`].
pub(super) fn find(root: &Path) -> Result<PathBuf> {
    match standing(root)? {
        FolderKind::Absent => std::path::absolute(root),
        _ => root.canonicalize(),
    }
    .map_err(StoreError::io("find", root))
}

fn write_version(root: &Path, path: &Path) -> Result<()> {
    write_atomically(root, path, version_text(FORMAT).as_bytes(), true)?;
    sharing::share(root, path);
    Ok(())
}

/// The text is checked, so that a flipped bit does not make a store look like a newer one.
fn version_text(format: u32) -> String {
    let text = format!("kiln store {format}");
    format!("{text} {}\n", &blake3::hash(text.as_bytes()).to_hex()[..8])
}

/// The format that a mark names, if it is sound.
pub(super) fn format_of(bytes: &[u8]) -> Option<u32> {
    let text = str::from_utf8(bytes).ok()?;
    let format = text.strip_prefix("kiln store ")?.split(' ').next()?.parse().ok()?;
    (version_text(format).trim_end() == text.trim_end()).then_some(format)
}

/// Writes a file under a temporary name in a folder of the same file system, waits for the disk if it is to outlast a power cut, and
/// renames it.
pub(super) fn write_atomically(folder: &Path, path: &Path, bytes: &[u8], lasting: bool) -> Result<()> {
    write_parts_atomically(folder, path, &[bytes], lasting)
}

/// The same for bytes that lie in several places.
pub(super) fn write_parts_atomically(folder: &Path, path: &Path, parts: &[&[u8]], lasting: bool) -> Result<()> {
    let write = || {
        let mut file =
            tempfile::Builder::new().prefix(names::UNFINISHED).permissions(permissions()).tempfile_in(folder)?;
        parts.iter().try_for_each(|part| io::Write::write_all(&mut file, part))?;
        if lasting {
            file.as_file().sync_data()?;
        }
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(StoreError::io("write", path))
}

/// What an ordinary new file gets; the user's umask is taken off.
fn permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}
