//! A commit's files in a folder of their own. The user's repository is only read: it gets no worktree, no lock and no reference, so
//! there is nothing to clean up in it, whatever becomes of the folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{FlockOperation, flock};

use super::{Commit, GitError, Repository};

/// The folder that the files are in, and what is locked while they are used.
const FILES: &str = "files";
const LOCK: &str = "lock";

/// The files of a commit. They go when this goes. What a killed process left goes when the folder is used again.
pub struct Checkout {
    root: PathBuf,
    _lock: File,
}

impl Checkout {
    /// The folder with the files.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.root) {
            tracing::warn!("cannot remove {}: {error}", self.root.display());
        }
    }
}

impl Repository {
    /// Writes the files of a commit, with the filters that the user's configuration has for them, into a folder that is there and is used
    /// for nothing else. Waits while another process uses it.
    ///
    /// # Errors
    /// If an object is missing, as in a clone that has only a part of them, or the disk is full.
    pub fn check_out(&self, commit: &Commit, folder: &Path, stop: &AtomicBool) -> Result<Checkout, GitError> {
        let root = folder.join(FILES);
        let prepare = || -> io::Result<Checkout> {
            let lock = File::create(folder.join(LOCK))?;
            flock(&lock, FlockOperation::LockExclusive)?;
            clear(&root)?;
            fs::create_dir(&root)?;
            Ok(Checkout { root: root.canonicalize()?, _lock: lock })
        };
        let checkout =
            prepare().map_err(|error| GitError::NotWritten { folder: root.clone(), why: error.to_string() })?;
        self.write(commit, checkout.root(), stop).map_err(|error| self.unreadable(&error))?;
        Ok(checkout)
    }

    fn write(&self, commit: &Commit, root: &Path, stop: &AtomicBool) -> Result<(), gix::Error> {
        let tree = gix::ObjectId::from_hex(commit.tree.as_bytes()).expect("a hash that was read");
        let mut index = self.git.index_from_tree(&tree)?;
        let mut options = self.git.checkout_options(gix::worktree::stack::state::attributes::Source::IdMapping)?;
        options.destination_is_initially_empty = true;
        let objects = self.git.objects.clone().into_arc().map_err(gix::Error::from_error)?;
        let progress = gix::progress::Discard;
        gix::worktree::state::checkout(&mut index, root, objects, &progress, &progress, stop, options)?;
        // Of a submodule there is an empty folder. Without it, a stage that takes the submodule says that it is missing.
        for entry in index.entries().iter().filter(|entry| entry.mode == gix::index::entry::Mode::COMMIT) {
            let folder = gix::path::from_bstr(entry.path(&index))?;
            if let Err(error) = fs::remove_dir(root.join(folder)) {
                tracing::debug!("cannot remove the folder of a submodule: {error}");
            }
        }
        Ok(())
    }
}

/// Removes a folder with all that is in it, if it is there.
fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
