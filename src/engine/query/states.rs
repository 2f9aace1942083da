//! The states that the steps of a stage have left.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::plan::{Found, walk, with_ancestors};
use crate::action::Manifest;
use crate::engine::decide::checkpoints::{self, states_of};
use crate::engine::decide::decision::Deciding;
use crate::engine::decide::sources::Sources;
use crate::hash::ActionKey;
use crate::kind::Chain;
use crate::pipeline::{Body, Pipeline, Stage, StageId};
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
    if !may_have_steps(stage) {
        return None;
    }
    let manifest = store.manifest(key)?;
    let documents = documents(&manifest, store);
    let documents = documents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let chain = stage.chain_with(manifest.params()?, &documents)?;
    States::of(store, &manifest, chain)
}

/// The states on the way to what some stages are to give as they are now, be there a result or not. A stage that is not made of steps has none,
/// nor has one of which a producer has to be executed first.
pub fn states_now(pipeline: &Pipeline, store: &Store, stages: &BTreeSet<StageId>) -> BTreeMap<StageId, States> {
    let stages: BTreeSet<StageId> =
        stages.iter().copied().filter(|id| may_have_steps(&pipeline.stages[id.0])).collect();
    let order: Vec<StageId> = with_ancestors(pipeline, &stages).into_iter().collect();
    let sources = Sources::scan(pipeline, &order, &BTreeSet::new(), store.memo());
    let deciding = Deciding { pipeline, store, memo: store.memo(), sources: &sources, ownership: None, remote: None };
    let mut all = BTreeMap::new();
    walk(&deciding, &order, &BTreeSet::new(), &mut |id, found| {
        let Found::Decided(decision) = found else { return };
        if stages.contains(&id)
            && let Some(chain) = pipeline.stages[id.0].chain(&checkpoints::documents(&decision))
        {
            all.extend(States::of(store, &decision.manifest, chain).map(|states| (id, states)));
        }
    });
    all
}

fn may_have_steps(stage: &Stage) -> bool {
    stage.steps.is_some() || matches!(stage.body, Body::Uses { .. })
}

impl States {
    /// Those of a chain; `None` if there are none.
    fn of(store: &Store, manifest: &Manifest, chain: Chain) -> Option<Self> {
        let states = states_of(store, manifest, &chain);
        let bytes = store.bytes_together(states.values().flat_map(|result| result.outputs.values()));
        let measured = states.iter().filter(|(_, result)| !result.metrics.is_empty());
        let metrics = measured.map(|(step, result)| (*step, result.metrics.clone())).collect();
        let steps: Vec<u64> = states.into_keys().collect();
        (!steps.is_empty()).then_some(Self { unit: chain.unit, steps, bytes, metrics })
    }
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
