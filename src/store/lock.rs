//! Locks between processes. They are the kernel's: they end with their process, and no file has to be removed by hand.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Result, Store, StoreError};
use crate::hash::ActionKey;

/// The exclusive right to execute an action, until dropped.
#[derive(Debug)]
pub struct ActionLock {
    path: PathBuf,
    _file: File,
}

impl Drop for ActionLock {
    fn drop(&mut self) {
        // Removed while the lock is held: whoever waits for it sees that the name has gone and makes a new file.
        let _ = fs::remove_file(&self.path);
    }
}

/// A sign that a run uses the store, until dropped: nothing may be deleted from it meanwhile.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

/// The right to delete, until dropped: no run uses the store, and none begins.
#[derive(Debug)]
pub struct Alone {
    _file: File,
}

impl Store {
    /// Waits until no other process executes an action, then takes the right to do so. Afterwards look whether there is
    /// a result now. Holding the lock of one action while waiting for that of another may end in a deadlock.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn lock_action(&self, key: &ActionKey) -> Result<ActionLock> {
        loop {
            if let Some(lock) = self.take(key, FlockOperation::LockExclusive)? {
                return Ok(lock);
            }
        }
    }

    /// Takes the right to execute an action unless another process, or another thread of this one, has it.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn try_lock_action(&self, key: &ActionKey) -> Result<Option<ActionLock>> {
        loop {
            match self.take(key, FlockOperation::NonBlockingLockExclusive) {
                Ok(Some(lock)) => return Ok(Some(lock)),
                // The file was removed by its last holder just now: try again.
                Ok(None) => {}
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// `None` if the file that was locked is no longer the one with the name.
    fn take(&self, key: &ActionKey, operation: FlockOperation) -> Result<Option<ActionLock>> {
        let path = self.root().join("locks").join(key.to_string());
        let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.folder("locks").and_then(|_| open().map_err(StoreError::io("open", &path)))?
            }
            other => other.map_err(StoreError::io("open", &path))?,
        };
        lock(&file, operation).map_err(StoreError::errno("lock", &path))?;
        // Not `then_some`: a lock that was not taken must not be made, for dropping one removes the file.
        Ok(if is_still(&file, &path) { Some(ActionLock { path, _file: file }) } else { None })
    }

    /// Declares that a run uses the store, once nobody deletes from it.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn hold(&self) -> Result<Hold> {
        let file = self.in_use(FlockOperation::LockShared)?;
        self.follow();
        Ok(Hold { _file: file })
    }

    /// Declares that a run uses the store, unless somebody deletes from it right now.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn try_hold(&self) -> Result<Option<Hold>> {
        let file = unless_blocked(self.in_use(FlockOperation::NonBlockingLockShared))?;
        self.follow();
        Ok(file.map(|file| Hold { _file: file }))
    }

    /// The same for a run that asks for no result.
    pub(crate) fn try_hold_unread(&self) -> Result<Option<Hold>> {
        let file = unless_blocked(self.in_use(FlockOperation::NonBlockingLockShared))?;
        Ok(file.map(|file| Hold { _file: file }))
    }

    /// Has the store to oneself once every run that uses it is over. Runs that begin meanwhile do not wait.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn hold_alone(&self) -> Result<Alone> {
        let file = self.in_use(FlockOperation::LockExclusive)?;
        self.follow();
        Ok(Alone { _file: file })
    }

    /// Has the store to oneself, unless a run uses it.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn try_hold_alone(&self) -> Result<Option<Alone>> {
        let file = unless_blocked(self.in_use(FlockOperation::NonBlockingLockExclusive))?;
        self.follow();
        Ok(file.map(|file| Alone { _file: file }))
    }

    fn in_use(&self, operation: FlockOperation) -> Result<File> {
        let path = self.root().join("in-use");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        lock(&file, operation).map_err(StoreError::errno("lock", &path))?;
        Ok(file)
    }

    /// Removes lock files that killed processes left.
    pub(super) fn sweep_locks(&self) {
        for entry in fs::read_dir(self.root().join("locks")).into_iter().flatten().flatten() {
            let path = entry.path();
            if let Ok(file) = OpenOptions::new().write(true).open(&path)
                && lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                && is_still(&file, &path)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// What was locked, or nothing if another process has it.
fn unless_blocked(file: Result<File>) -> Result<Option<File>> {
    match file {
        Ok(file) => Ok(Some(file)),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a lock; a signal does not end the wait.
pub(super) fn lock(file: &File, operation: FlockOperation) -> rustix::io::Result<()> {
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Whether an open file is the one that has the name.
pub(super) fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
