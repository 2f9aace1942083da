//! Salvage: what a stage left that ended well and gave no result all the same. Somebody may have waited a day for it, so it is kept
//! where it can be fetched from, until `gc` finds it old.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::scratch::{fresh_name, is_fresh_name, remove};
use super::{Result, Store, StoreError};

/// The folder of a store that it is in.
const FOLDER: &str = "salvaged";

impl Store {
    /// Moves a folder of a scratch directory to where it is kept. The hint (a stage's name) shows in its name.
    ///
    /// # Errors
    /// What the system refuses; then the folder is where it was.
    pub(crate) fn salvage(&self, folder: &Path, hint: &str) -> Result<PathBuf> {
        let place = fresh_name(&self.folder(FOLDER)?, hint);
        // Who is to move a folder has to be allowed to write to it.
        let _ = fs::set_permissions(folder, Permissions::from_mode(0o755));
        fs::rename(folder, &place).map_err(StoreError::io("move", folder))?;
        Ok(place)
    }

    /// The folders that have been kept for longer than a time, each with the size of all that is in it.
    pub(super) fn salvaged(&self, longer: Duration) -> Result<Vec<(PathBuf, u64)>> {
        let mut folders = self.folders(Path::new(FOLDER))?;
        // Nothing is taken for salvage that does not have the name of one.
        folders.retain(|folder| is_fresh_name(folder) && age(folder) > longer);
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
