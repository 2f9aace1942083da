//! Sources that are not here, as in a clone of a project without its data: they are taken to be what they were in a run that is known. Everything
//! else is decided as ever, so a stage whose command was edited since has another key, and no result.

use std::collections::BTreeMap;

use super::decision::input_path;
use super::sources::Sources;
use crate::action::{self, Manifest};
use crate::hash::{ActionKey, Artifact};
use crate::pipeline::{Input, Pipeline, Source, Stage, StageId};
use crate::remote::Remote;
use crate::store::Store;

/// The key that each stage had in a run, by its name.
pub type RecordedKeys = BTreeMap<String, ActionKey>;

/// Takes the digests of sources that are not here from the actions of a run. They are asked for in the remote cache where they are not known here.
pub(crate) fn supply(
    sources: &mut Sources,
    pipeline: &Pipeline,
    stages: &[StageId],
    keys: &RecordedKeys,
    store: &Store,
    remote: Option<&Remote>,
) {
    if keys.is_empty() {
        return;
    }
    let lacking = stages.iter().map(|id| &pipeline.stages[id.0]).filter(|stage| {
        let mut all = stage.inputs.values().flatten().filter_map(Input::source);
        all.any(|source| is_absent(source, pipeline, sources))
    });
    let lacking: Vec<(&Stage, ActionKey)> =
        lacking.filter_map(|stage| Some((stage, *keys.get(&stage.name.to_string())?))).collect();
    if let Some(remote) = remote.filter(|remote| remote.reads()) {
        let unknown = lacking.iter().map(|(_, key)| *key).filter(|key| !store.knows(key));
        remote.ask(&unknown.collect::<Vec<_>>(), store);
    }
    for (stage, key) in lacking {
        let promised = || store.promised(&key)?.manifest();
        let Some(manifest) = store.manifest(&key).or_else(promised) else { continue };
        for (name, items) in &stage.inputs {
            for (position, item) in items.iter().enumerate() {
                if let Some(source) = item.source().filter(|source| is_absent(*source, pipeline, sources))
                    && let Some(known) = as_recorded(&manifest, name, position, item, pipeline)
                {
                    sources.take(source, known);
                }
            }
        }
    }
}

fn is_absent(source: Source<'_>, pipeline: &Pipeline, sources: &Sources) -> bool {
    sources.get(source).is_err() && std::fs::symlink_metadata(pipeline.root.join(source.path)).is_err()
}

/// What an action of a command had as an input, if that was the same path. The actions of kinds do not tell paths, and none tells by which patterns a
/// part of a folder was taken.
fn as_recorded(
    manifest: &Manifest,
    name: &str,
    position: usize,
    item: &Input,
    pipeline: &Pipeline,
) -> Option<Artifact> {
    if !matches!(manifest.body, action::Body::Run { .. }) || item.view.is_some() {
        return None;
    }
    let known = manifest.inputs.get(name)?.get(position)?;
    let same = *known.label == *input_path(pipeline, item).to_string_lossy();
    // Nothing that decides goes by its size, or by whether it is a folder.
    same.then_some(Artifact { digest: known.digest, tree: false, bytes: 0, executable: known.executable })
}
