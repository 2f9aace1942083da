//! What is where in the store, and the version of the format.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Result, Store, StoreError};
use crate::hash::Digest;

/// The format that this Kiln reads and writes.
const FORMAT: u32 = 1;

pub(super) const MEMO: &str = "memo.log";
pub(super) const RESULTS: &str = "actions.log";
const VERSION: &str = "version";

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

    /// A folder of the store, created if need be.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(StoreError::io("create the folder", &path))?;
        Ok(path)
    }
}

/// Creates the store's folder if need be and checks its format; returns its absolute path.
pub(super) fn prepare(root: &Path) -> Result<PathBuf> {
    fs::create_dir_all(root).map_err(StoreError::io("create the folder", root))?;
    let root = root.canonicalize().map_err(StoreError::io("find", root))?;
    let path = root.join(VERSION);
    match fs::read(&path) {
        Ok(bytes) => match format_of(&bytes) {
            Some(found) if found > FORMAT => return Err(StoreError::Newer { path: root, found, known: FORMAT }),
            Some(_) => {}
            // Everything else in the store is checked when it is read, so a damaged version is no reason to stop.
            None => write_version(&root, &path)?,
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => write_version(&root, &path)?,
        Err(e) => return Err(StoreError::io("read", &path)(e)),
    }
    Ok(root)
}

fn write_version(root: &Path, path: &Path) -> Result<()> {
    write_atomically(root, path, version_text(FORMAT).as_bytes(), true)
}

/// The text is checked, so that a flipped bit does not make a store look like a newer one.
fn version_text(format: u32) -> String {
    let text = format!("kiln store {format}");
    format!("{text} {}\n", &blake3::hash(text.as_bytes()).to_hex()[..8])
}

fn format_of(bytes: &[u8]) -> Option<u32> {
    let text = str::from_utf8(bytes).ok()?;
    let format = text.strip_prefix("kiln store ")?.split(' ').next()?.parse().ok()?;
    (version_text(format).trim_end() == text.trim_end()).then_some(format)
}

/// Writes a file under a temporary name in a folder of the same file system, waits for the disk if it is to outlast a power cut, and
/// renames it.
pub(super) fn write_atomically(folder: &Path, path: &Path, bytes: &[u8], lasting: bool) -> Result<()> {
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".new-").permissions(permissions()).tempfile_in(folder)?;
        io::Write::write_all(&mut file, bytes)?;
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
