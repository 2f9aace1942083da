//! What is where in the store, and making one.

use std::fs;
use std::path::{Path, PathBuf};

use super::aside;
use super::files::{FORMAT, IGNORE, IGNORED, VERSION, version_text, write_atomically};
use super::recognise::{FolderKind, standing};
use super::{Result, Store, StoreError, sharing};
use crate::hash::Digest;

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
