//! The inputs of a command in its scratch directory: made read-only, and looked at again when it is done.
//!
//! Permissions do not bind the superuser, so a second look tells what was written to nevertheless.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::hash::is_leftover;

/// Inputs as they were handed out.
#[derive(Default)]
pub(crate) struct InputCopies {
    files: Vec<(PathBuf, Shape)>,
}

/// What changes when a file is written to, or another takes its place.
#[derive(PartialEq, Eq)]
struct Shape {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Shape {
    fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

impl InputCopies {
    /// Takes the right to write from a file, or from a folder and all that is in it.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn add(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            // It stays within its folder, so what it points to is met there.
            return Ok(());
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                // What Python compiles for itself, and the like, may change as it wants.
                if !is_leftover(&entry.path(), entry.file_type()?.is_dir()) {
                    self.add(&entry.path())?;
                }
            }
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o222 != 0 {
            fs::set_permissions(path, Permissions::from_mode(mode & 0o555))?;
        }
        // Of folders the permissions are enough: new files in them (Python's compiled modules) harm nobody.
        if metadata.is_file() {
            self.files.push((path.to_owned(), Shape::of(&metadata)));
        }
        Ok(())
    }

    /// The first input that was written to or replaced. One that was removed harms nobody.
    pub(crate) fn broken(&self) -> Option<&Path> {
        let changed =
            |path: &Path, shape: &Shape| fs::symlink_metadata(path).is_ok_and(|now| Shape::of(&now) != *shape);
        self.files.iter().find(|(path, shape)| changed(path, shape)).map(|(path, _)| path.as_path())
    }
}
