//! Locks between processes. They are the kernel's: they end with their process, and no file has to be removed by hand.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Result, Store, StoreError};
use crate::hash::ActionKey;

/// The exclusive right to execute an action, until dropped: a lock on one byte, which the key names, of a file that all
/// share. (Thousands of files made and removed cost some file systems more than all else.)
#[derive(Debug)]
pub struct ActionLock {
    file: File,
    byte: libc::off_t,
}

impl Drop for ActionLock {
    fn drop(&mut self) {
        // Said, and not left to closing: a child that is being started may have the file open for a moment longer.
        let _ = lock_byte(&self.file, self.byte, libc::F_UNLCK, libc::F_OFD_SETLK);
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
        self.take(key, libc::F_OFD_SETLKW)
    }

    /// Takes the right to execute an action unless another process, or another thread of this one, has it.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub fn try_lock_action(&self, key: &ActionKey) -> Result<Option<ActionLock>> {
        unless_blocked(self.take(key, libc::F_OFD_SETLK))
    }

    fn take(&self, key: &ActionKey, command: libc::c_int) -> Result<ActionLock> {
        let path = self.root().join(EXECUTING);
        let (number, _) = key.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        // Two keys that begin alike would wait for each other, and no more.
        let byte = libc::off_t::from_le_bytes(*number) & (libc::off_t::MAX >> 1);
        loop {
            let file = self.open_lock(&path)?;
            lock_byte(&file, byte, libc::F_WRLCK, command).map_err(StoreError::io("lock", &path))?;
            // Somebody may have deleted the file meanwhile.
            if is_still(&file, &path) {
                return Ok(ActionLock { file, byte });
            }
        }
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

    /// Opens a file to be locked; makes it if need be.
    pub(super) fn open_lock(&self, path: &Path) -> Result<File> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = match open() {
            Err(e) if e.kind() == io::ErrorKind::IsADirectory && self.clear_of_folder(path)? => open(),
            other => other,
        };
        let file = file.map_err(StoreError::io("open", path))?;
        self.share(path);
        Ok(file)
    }

    fn in_use(&self, operation: FlockOperation) -> Result<File> {
        let path = self.root().join(IN_USE);
        let file = self.open_lock(&path)?;
        lock(&file, operation).map_err(StoreError::errno("lock", &path))?;
        Ok(file)
    }
}

/// The file of which a byte is locked while an action is executed.
pub(super) const EXECUTING: &str = "executing";

/// The file that is locked while the store is in use.
pub(super) const IN_USE: &str = "in-use";

/// Locks a byte of a file, or lets go of it. The lock is that of the open file, whichever thread asks; it need not be in the file.
fn lock_byte(file: &File, byte: libc::off_t, kind: libc::c_int, command: libc::c_int) -> io::Result<()> {
    // SAFETY: plain data, all of which may be zero.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    (range.l_type, range.l_whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
    (range.l_start, range.l_len) = (byte, 1);
    loop {
        // SAFETY: the descriptor is open, and the kernel only reads the range.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const range) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // A signal does not end the wait.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// What was locked, or nothing if another process has it.
fn unless_blocked<T>(taken: Result<T>) -> Result<Option<T>> {
    match taken {
        Ok(taken) => Ok(Some(taken)),
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
