//! Files that have taken another's place, and are to be written to the disk soon.
//!
//! Where a new file takes an older one's place by a rename, file systems that allot blocks late (ext4, for one) have it written at once, so that a
//! power cut seldom leaves an empty file where there was a full one. That takes longer than all else about a small file, and the
//! next stage waits. So the two files exchange their names, which does not do that, and the writing is begun here, once what a stage made ready is decided.

use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::hash::open_regular;

/// Such files. The writing is begun at the latest when this is dropped.
#[derive(Default)]
pub(super) struct WriteBack(Mutex<Vec<PathBuf>>);

impl WriteBack {
    /// Adds one.
    pub(super) fn add(&self, file: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    /// Begins to write those that were added, and does not wait until they are on the disk.
    pub(super) fn begin(&self) {
        let files = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for path in files {
            // What has gone since needs no writing.
            let Ok((file, _)) = open_regular(&path) else { continue };
            // SAFETY: it takes a file that is open, and numbers.
            let done = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
            if done != 0 {
                tracing::debug!("cannot begin to write {}: {}", path.display(), std::io::Error::last_os_error());
            }
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        self.begin();
    }
}
