//! Stale outputs: what stages that are no longer there, or put their outputs elsewhere now, left in a project.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checkout::forbidden;
use crate::hash::{Artifact, Digest};
use crate::pipeline::{From, Pipeline};
use crate::store::{Ownership, RecordedPlaces, Store, StoreError};

/// An output that no stage gives any more.
#[derive(Clone, Debug, Serialize)]
pub struct Stale {
    /// Relative to the project.
    pub path: PathBuf,
    /// The stage that last gave it.
    pub stage: String,
    /// The digest of what is there; `None` if it cannot be read.
    pub digest: Option<Digest>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Why it is not to be deleted: it is not, or not only, what Kiln put there.
    pub changed: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// The outputs recorded for a project that lie there and that none of these pipelines, the same one with the overrides of its runs, gives or
/// takes any more. Outputs of other pipeline files that are still there are theirs.
pub fn stale(
    store: &Store,
    root: &Path,
    places: &RecordedPlaces,
    pipelines: &[Pipeline],
    ownership: &Ownership<'_>,
) -> Vec<Stale> {
    let used: Vec<&Path> = pipelines.iter().flat_map(paths).collect();
    let others =
        |file: &PathBuf| pipelines.iter().all(|p| p.file.file_name() != file.file_name()) && root.join(file).is_file();
    let mut found = Vec::new();
    for (path, place) in &places.outputs {
        let overlaps = used.iter().any(|used| used.starts_with(path) || path.starts_with(used));
        if overlaps || place.pipelines.iter().any(others) || root.join(path).symlink_metadata().is_err() {
            continue;
        }
        let there: Option<Artifact> = store.memo().artifact(&root.join(path)).ok().flatten();
        let changed = match ownership.check(path) {
            Err(StoreError::InTheWay { what, .. }) => Some(what),
            _ => forbidden(store, root, path),
        };
        found.push(Stale {
            path: path.clone(),
            stage: place.stage.clone(),
            digest: there.as_ref().map(|there| there.digest),
            bytes: there.map(|there| there.bytes),
            changed,
            deleted: false,
        });
    }
    found
}

/// What a pipeline gives, and takes from the project.
fn paths(pipeline: &Pipeline) -> impl Iterator<Item = &Path> {
    let stages = pipeline.stages.iter();
    let stages = stages.flat_map(|stage| {
        let outputs = stage.outputs.values().map(|output| output.path.as_path());
        let sources = stage.inputs.values().flatten().filter_map(|input| match &input.from {
            From::Source(path) => Some(path.as_path()),
            From::Output { .. } => None,
        });
        outputs.chain(sources)
    });
    stages.chain(pipeline.report.iter().flat_map(|report| [report.file.as_path(), report.page.as_path()]))
}

impl Stale {
    /// Deletes it, and the folders that are empty then, if it is what Kiln put there.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn delete(&mut self, root: &Path, ownership: &Ownership<'_>) -> Result<(), StoreError> {
        if self.changed.is_some() {
            return Ok(());
        }
        match ownership.remove(&self.path) {
            Err(StoreError::InTheWay { what, .. }) => self.changed = Some(what),
            Err(error) => return Err(error),
            Ok(()) => self.deleted = true,
        }
        for folder in self.path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            // Refused as long as something is in it.
            if !self.deleted || std::fs::remove_dir(root.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }
}
