//! Putting aside: what is damaged, or lies where the store needs room, is moved to `quarantine/`. Nothing is deleted for being in the way.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{FOLDERS, JOBS, MEMO, PROMISED, QUARANTINE, RESULTS};
use super::lock::{EXECUTING, IN_USE};
use super::scratch::fresh_name;
use super::{Result, Store, StoreError, sharing};

/// The files at the root of a store.
const FILES: [&str; 5] = [RESULTS, MEMO, PROMISED, EXECUTING, IN_USE];

impl Store {
    /// Moves something of the store aside and tells where to.
    ///
    /// # Errors
    /// What the system refuses; then it stays where it is.
    pub(super) fn put_aside(&self, path: &Path, name: &str) -> Result<PathBuf> {
        put_aside(self.root(), path, name)
    }

    /// Makes the files of a store that a group shares, so that whoever comes first does not keep them to himself.
    pub(super) fn share_files(&self) -> Result<()> {
        FILES.iter().try_for_each(|file| {
            let path = self.root().join(file);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => sharing::grant(&path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(StoreError::io("create", &path)(e)),
            }
            Ok(())
        })
    }

    /// Gives a new file or folder of the store to the group that shares it, if one does.
    pub(crate) fn share(&self, path: &Path) {
        if self.shared {
            sharing::grant(path);
        }
    }

    /// The folder of attempts that are made elsewhere, and outlive this process.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn jobs(&self) -> Result<PathBuf> {
        self.folder(JOBS)
    }

    /// A folder of the store, made if need be; a file in its place is put aside.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root().join(name);
        self.make_folder(&path)?;
        Ok(path)
    }

    /// Makes a folder somewhere in the store; what lies in its place and is none is put aside.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        make_folder(self.root(), path)
    }

    /// Puts aside a folder that lies where a file of the store goes. `true` if there was one.
    pub(super) fn clear_of_folder(&self, path: &Path) -> Result<bool> {
        clear_of_folder(self.root(), path)
    }
}

/// The same before there is a store.
pub(super) fn put_aside(root: &Path, path: &Path, name: &str) -> Result<PathBuf> {
    let folder = root.join(QUARANTINE);
    match fs::create_dir(&folder) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            // A file that has the folder's name.
            let aside = fresh_name(root, QUARANTINE);
            fs::rename(&folder, &aside)
                .and_then(|()| fs::create_dir(&folder))
                .map_err(StoreError::io("put aside", &folder))?;
            if path == folder {
                return Ok(aside);
            }
        }
        Err(e) => return Err(StoreError::io("create the folder", &folder)(e)),
    }
    let taken = folder.join(name);
    let aside = if taken.symlink_metadata().is_ok() { fresh_name(&folder, name) } else { taken };
    fs::rename(path, &aside).map_err(StoreError::io("put aside", path))?;
    Ok(aside)
}

/// Puts aside what lies in the place of a folder or a file that every store has, and is no such thing: nothing could be kept otherwise,
/// in this run and in all to come.
pub(super) fn straighten(root: &Path) -> Result<()> {
    for folder in FOLDERS {
        let path = root.join(folder);
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_dir() && !metadata.is_symlink()) {
            make_folder(root, &path)?;
        }
    }
    FILES.iter().try_for_each(|file| clear_of_folder(root, &root.join(file)).map(drop))
}

/// The same before there is a store.
fn clear_of_folder(root: &Path, path: &Path) -> Result<bool> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(false);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = put_aside(root, path, &name)?;
    tracing::warn!("a folder lay in the place of the file {}; moved to {}", path.display(), aside.display());
    Ok(true)
}

/// The same before there is a store.
pub(crate) fn make_folder(root: &Path, path: &Path) -> Result<()> {
    make(root, path)?;
    if sharing::is_shared(root) {
        path.ancestors().take_while(|folder| *folder != root).for_each(sharing::grant);
    }
    Ok(())
}

fn make(root: &Path, path: &Path) -> Result<()> {
    let failed = match fs::create_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let in_the_way = path.ancestors().take_while(|folder| folder.starts_with(root) && *folder != root).find(|folder| {
        let found = fs::symlink_metadata(folder);
        // A link to a folder is one; that it leads nowhere is for the user to mend.
        found.is_ok_and(|metadata| !metadata.is_dir() && !metadata.is_symlink())
    });
    let Some(file) = in_the_way else { return Err(StoreError::io("create the folder", path)(failed)) };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let aside = put_aside(root, file, &name)?;
    tracing::warn!("a file lay in the place of the folder {}; moved to {}", file.display(), aside.display());
    fs::create_dir_all(path).map_err(StoreError::io("create the folder", path))
}
