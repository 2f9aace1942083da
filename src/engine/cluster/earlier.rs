//! What earlier runs left in the folder of attempts: jobs whose Kiln was killed, or let them go on.
//!
//! Who looks has the claim to the project and the lock of the action, so nobody else waits for what is found here.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::attempt_folder::{Assignment, AttemptFolder, Submitted, now};
use super::batch::BATCH;
use crate::store;

/// An attempt of an earlier run.
pub(super) struct Left {
    pub(super) folder: AttemptFolder,
    pub(super) submitted: Submitted,
    identity: Option<String>,
    stage: String,
    ours: bool,
}

/// Those that are left.
#[derive(Default)]
pub(super) struct Earlier(Vec<Left>);

/// A folder is locked so many milliseconds after it was made.
const NEW: u64 = 2000;

/// What nobody came back for is removed after so many milliseconds.
const OLD: u64 = 14 * 24 * 3600 * 1000;

impl Earlier {
    /// Looks what there is for a project.
    pub(super) fn look(jobs: &Path, project: &Path) -> Self {
        let mut left = Vec::new();
        for folder in AttemptFolder::all(jobs) {
            let (Ok(Assignment { identity, stage, project: of, .. }), Some(submitted)) =
                (folder.assignment(), folder.submitted())
            else {
                // Somebody may be about to submit it. Not every file system tells of locks.
                if is_older(&folder, OLD) || (is_older(&folder, NEW) && store::is_abandoned(folder.path())) {
                    folder.remove();
                }
                continue;
            };
            if now().saturating_sub(submitted.at) > OLD && folder.record().is_some() {
                folder.remove();
                continue;
            }
            left.push(Left { folder, submitted, identity, stage, ours: of == project });
        }
        sweep_batches(jobs);
        Self(left)
    }

    /// Takes an attempt at the same work.
    pub(super) fn take(&mut self, identity: Option<&str>) -> Option<Left> {
        let at = self.0.iter().position(|left| identity.is_some() && left.identity.as_deref() == identity)?;
        let left = self.0.swap_remove(at);
        if left.folder.stage().is_dir() { Some(left) } else { self.take(identity) }
    }

    /// Takes the attempts at a stage of the project that are at other work: nobody will ask for them.
    pub(super) fn take_outdated(&mut self, stage: &str, identity: Option<&str>) -> Vec<Left> {
        let (outdated, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|left| left.ours && left.stage == stage && left.identity.as_deref() != identity);
        self.0 = rest;
        outdated
    }
}

impl Left {
    /// Whether files were changed since it was submitted, which its job may have read before or after.
    pub(super) fn is_older_than(&self, files: &[PathBuf]) -> bool {
        let Ok(own) = fs::metadata(self.folder.path().join("assignment.json")) else { return true };
        let own = (own.ctime(), own.ctime_nsec());
        files.iter().any(|file| changed_since(file, own))
    }
}

fn changed_since(path: &Path, moment: (i64, i64)) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return true };
    (metadata.ctime(), metadata.ctime_nsec()) >= moment
        || metadata.is_dir()
            && fs::read_dir(path).map_or(true, |entries| entries.flatten().any(|e| changed_since(&e.path(), moment)))
}

/// Whether the folder of an attempt was made so many milliseconds ago.
fn is_older(folder: &AttemptFolder, than: u64) -> bool {
    let modified = fs::metadata(folder.path()).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|moment| moment.elapsed().is_ok_and(|age| age.as_millis() > u128::from(than)))
}

/// Removes the folders of attempts in a folder whose jobs are gone.
pub(super) fn sweep_dead(jobs: &Path) {
    for folder in AttemptFolder::all(jobs) {
        if is_older(&folder, NEW) && store::is_abandoned(folder.path()) {
            folder.remove();
        }
    }
}

/// Removes the folders of batches none of whose attempts is there.
fn sweep_batches(jobs: &Path) {
    for entry in fs::read_dir(jobs).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(BATCH))
            && let Ok(members) = fs::read_to_string(path.join("members"))
            && members.lines().all(|member| !jobs.join(member).exists())
        {
            let _ = store::remove_all(&path);
        }
    }
}
