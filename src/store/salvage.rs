//! Salvage: what a stage left that ended well and gave no result all the same, and what somebody had where an output was to go. It may have
//! taken a day to make, so it is kept where it can be fetched from, until `gc` finds it old.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::SALVAGED;
use super::scratch::{fresh_name, remove};
use super::{Placement, Result, Store, StoreError, names};
use crate::hash::tree::Node;
use crate::hash::{Artifact, Digest};

impl Store {
    /// Moves a folder of a scratch directory to where it is kept. The hint (a stage's name) shows in its name.
    ///
    /// # Errors
    /// What the system refuses; then the folder is where it was.
    pub(crate) fn salvage(&self, folder: &Path, hint: &str) -> Result<PathBuf> {
        let place = fresh_name(&self.folder(SALVAGED)?, hint);
        // Who is to move a folder has to be allowed to write to it.
        let _ = fs::set_permissions(folder, Permissions::from_mode(0o755));
        fs::rename(folder, &place).map_err(StoreError::io("move", folder))?;
        Ok(place)
    }

    /// Moves a file, link or folder of somebody's to where it is kept, in a folder of its own and by its own name. If that is another file
    /// system, it stays beside its path under another name.
    ///
    /// # Errors
    /// What the system refuses; then it is where it was.
    pub(super) fn save_replaced(&self, at: &Path) -> Result<PathBuf> {
        let name = at.file_name().unwrap_or_default();
        let folder = fresh_name(&self.folder(SALVAGED)?, &name.to_string_lossy());
        fs::create_dir(&folder).map_err(StoreError::io("create the folder", &folder))?;
        let place = folder.join(name);
        let Err(error) = fs::rename(at, &place) else { return Ok(place) };
        let _ = fs::remove_dir(&folder);
        if error.kind() != ErrorKind::CrossesDevices {
            return Err(StoreError::io("move", at)(error));
        }
        let beside = at.with_file_name(folder.file_name().unwrap_or_default());
        fs::rename(at, &beside).map_err(StoreError::io("move", at))?;
        Ok(beside)
    }

    /// Puts an artifact that was taken in, and belongs to no result, back where it was: as a copy, or under another name of the stored
    /// file where there is no room or no time for one.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn hand_back(&self, artifact: &Artifact, path: &Path) -> Result<()> {
        let copied = self.materialise(artifact, path, Placement::Copy);
        if copied.is_ok() || path.symlink_metadata().is_ok() {
            return copied;
        }
        if !artifact.tree {
            return self.link_back(&artifact.digest, path);
        }
        fs::create_dir_all(path).map_err(StoreError::io("create the folder", path))?;
        for (relative, node) in self.listing(&artifact.digest)?.entries {
            self.give_back(&node, &path.join(relative));
        }
        Ok(())
    }

    /// The same with a part of a tree that could not be taken in as a whole.
    pub(super) fn give_back(&self, node: &Node, path: &Path) {
        let given = match node {
            Node::File { digest, .. } => self.link_back(digest, path),
            Node::Link { target } if path.symlink_metadata().is_err() => {
                symlink(target, path).map_err(StoreError::io("create the link", path))
            }
            Node::Link { .. } => Ok(()),
            Node::Folder => fs::create_dir_all(path).map_err(StoreError::io("create the folder", path)),
        };
        given.unwrap_or_else(|error| tracing::warn!("{error}"));
    }

    /// Who changes a file by its other name damages the stored one, which is then found out; but no result has it.
    fn link_back(&self, digest: &Digest, path: &Path) -> Result<()> {
        let link = || fs::hard_link(self.blob_path(digest), path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| link());
        made.map_err(StoreError::io("create", path))
    }

    /// The folders that have been kept for longer than a time, each with the size of all that is in it.
    pub(super) fn salvaged(&self, longer: Duration) -> Result<Vec<(PathBuf, u64)>> {
        let mut folders = self.folders(Path::new(SALVAGED))?;
        // Nothing is taken for salvage that does not have the name of one.
        folders.retain(|folder| names::is_scratch(names::of(folder)) && age(folder) > longer);
        let sized = folders.into_iter().map(|folder| {
            let bytes = size(&folder);
            (folder, bytes)
        });
        Ok(sized.collect())
    }
}

/// Removes what was salvaged, also where a stage took away the right to.
pub(super) fn discard(folder: &Path) -> Result<()> {
    remove(folder).map_err(StoreError::io("remove", folder))
}

/// How long ago a folder was moved here, which its last change of state tells; nothing if the clock was set back.
fn age(folder: &Path) -> Duration {
    let moved = fs::symlink_metadata(folder).ok().and_then(|metadata| u64::try_from(metadata.ctime()).ok());
    let then = moved.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    then.and_then(|then| SystemTime::now().duration_since(then).ok()).unwrap_or_default()
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { size(&entry.path()) } else { metadata.len() })
    });
    sizes.sum()
}
