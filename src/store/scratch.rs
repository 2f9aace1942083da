//! Scratch directories: where a stage works, and where the store writes what is not finished yet.

use std::fs::{self, File, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use super::lock::{is_still, lock};
use super::{Result, Store, StoreError};

/// A fresh directory on the store's file system, removed when dropped. A lock on the directory itself says that its
/// process lives; those of dead processes are swept away by the next Kiln that needs one.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
    next: AtomicU64,
}

impl Scratch {
    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name in the directory that was not given out before.
    pub(super) fn fresh(&self) -> PathBuf {
        self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Store {
    /// A fresh directory. The hint (a stage's name) shows in its name, for people who look.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn scratch(&self, hint: &str) -> Result<Scratch> {
        self.swept.call_once(|| self.sweep());
        let parent = self.folder("tmp")?;
        let hint: String = hint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
        loop {
            // A RandomState is seeded anew by the standard library each time.
            let path = parent.join(format!("{hint}-{:08x}", RandomState::new().hash_one(0) as u32));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(StoreError::io("create the folder", &path)(e)),
            }
            // Before the lock is taken a sweep may take the directory for a dead one's; then there is another.
            let Ok(file) = File::open(&path) else { continue };
            lock(&file, FlockOperation::LockExclusive).map_err(StoreError::errno("lock", &path))?;
            if is_still(&file, &path) {
                return Ok(Scratch { path, _lock: file, next: AtomicU64::new(0) });
            }
        }
    }

    /// Where this process writes what is not finished yet.
    pub(super) fn staging(&self) -> Result<&Scratch> {
        if self.staging.get().is_none() {
            // Two threads may both get here; the loser's directory is removed again.
            let _ = self.staging.set(self.scratch("staging")?);
        }
        self.staging
            .get()
            .ok_or_else(|| StoreError::io("create", &self.root().join("tmp"))(io::Error::other("no staging directory")))
    }

    /// Removes the scratch directories and lock files of dead processes.
    fn sweep(&self) {
        for entry in fs::read_dir(self.root().join("tmp")).into_iter().flatten().flatten() {
            let path = entry.path();
            if let Ok(file) = File::open(&path)
                && lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                && is_still(&file, &path)
                && let Err(error) = remove(&path)
            {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
        }
        self.sweep_locks();
    }
}

/// Removes a file or a directory with all that is in it, also where a stage took away the right to.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            unlock(path)?;
            fs::remove_dir_all(path)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner every right to all folders below.
fn unlock(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}
