//! Stale outputs: what stages that are no longer there, or put their outputs elsewhere now, left in a project.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checkout::forbidden;
use crate::hash::{Artifact, Digest};
use crate::pipeline::{From, IGNORE_FILE, Pipeline};
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
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let behind: Vec<PathBuf> = used.iter().filter_map(|path| behind_links(&real, path)).collect();
    let others =
        |file: &PathBuf| pipelines.iter().all(|p| p.file.file_name() != file.file_name()) && root.join(file).is_file();
    let recorded = places.outputs.values().flat_map(|place| &place.pipelines);
    let files: BTreeSet<&PathBuf> = recorded.chain(pipelines.iter().map(|pipeline| &pipeline.file)).collect();
    let texts: Vec<(&PathBuf, String)> =
        files.into_iter().filter_map(|file| Some((file, fs::read_to_string(root.join(file)).ok()?))).collect();
    let mut found = Vec::new();
    for (path, place) in &places.outputs {
        let meets = |used: &Path| used.starts_with(path) || path.starts_with(used);
        let overlaps = used.iter().any(|used| meets(used)) || behind.iter().any(|used| meets(used));
        if overlaps || place.pipelines.iter().any(others) || root.join(path).symlink_metadata().is_err() {
            continue;
        }
        let there: Option<Artifact> = store.memo().artifact(&root.join(path)).ok().flatten();
        let changed = match ownership.check(path) {
            Err(StoreError::InTheWay { what, .. }) => Some(what),
            _ => forbidden(store, root, path).or_else(|| needed(path, &texts)),
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

/// Where a path of the project at `root` leads by its links, if that is another one of the project.
fn behind_links(root: &Path, path: &Path) -> Option<PathBuf> {
    let place = root.join(path).canonicalize().ok()?;
    let place = place.strip_prefix(root).ok()?;
    (place != path).then(|| place.to_owned())
}

/// Why something that no stage gives or takes may be needed all the same: the text of a pipeline file names it, as a file of parameters or a program of a
/// command. What a command names in parts is not seen.
fn needed(path: &Path, texts: &[(&PathBuf, String)]) -> Option<String> {
    if path.file_name().is_some_and(|name| name == IGNORE_FILE) {
        return Some("it says what is left out of inputs".into());
    }
    let name = path.to_str()?;
    let (file, _) = texts.iter().find(|(_, text)| names(text, name))?;
    Some(format!("`{}` names it", file.display()))
}

/// Whether a text holds a path, or one in it, and not as a part of a longer name.
fn names(text: &str, path: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices(path).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + path.len()..].chars().next());
        !before.is_some_and(goes_on) && !after.is_some_and(goes_on)
    })
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
