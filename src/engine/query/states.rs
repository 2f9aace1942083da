//! The states that the steps of a stage have left.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::Manifest;
use crate::engine::decide::checkpoints::states_of;
use crate::hash::ActionKey;
use crate::pipeline::{Body, Stage};
use crate::store::Store;

/// States that are in the cache.
#[derive(Debug, Serialize)]
pub struct States {
    /// What a step is.
    pub unit: String,
    /// The steps whose states they are.
    pub steps: Vec<u64>,
    /// What they take in the cache, in bytes.
    pub bytes: u64,
    /// The metrics of those that have some, by their steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<u64, BTreeMap<String, f64>>,
}

/// The states on the way to a result of a stage, by the result's key; `None` if it is not made of steps, or has left none.
pub fn states(stage: &Stage, store: &Store, key: &ActionKey) -> Option<States> {
    if stage.steps.is_none() && !matches!(stage.body, Body::Uses { .. }) {
        return None;
    }
    let manifest = store.manifest(key)?;
    let documents = documents(&manifest, store);
    let documents = documents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let chain = stage.chain_with(manifest.params()?, &documents)?;
    let states = states_of(store, &manifest, &chain);
    let bytes = store.bytes_together(states.values().flat_map(|result| result.outputs.values()));
    let measured = states.iter().filter(|(_, result)| !result.metrics.is_empty());
    let metrics = measured.map(|(step, result)| (*step, result.metrics.clone())).collect();
    let steps: Vec<u64> = states.into_keys().collect();
    (!steps.is_empty()).then_some(States { unit: chain.unit, steps, bytes, metrics })
}

/// What the inputs of an action hold that are small: a kind may read its steps from documents.
fn documents(manifest: &Manifest, store: &Store) -> BTreeMap<String, Vec<u8>> {
    const MOST: u64 = 1 << 20;
    let small = |digest| std::fs::metadata(store.blob_path(digest)).is_ok_and(|metadata| metadata.len() <= MOST);
    let inputs = manifest.inputs.iter().filter_map(|(name, items)| {
        let [only] = &items[..] else { return None };
        small(&only.digest).then(|| Some((name.clone(), store.read(&only.digest).ok()?)))?
    });
    inputs.collect()
}
