//! Sharing results without running anything: which of them a pipeline's stages have here, and fetching those that a remote cache has.

use std::collections::BTreeSet;

use crate::diagnostic::with_causes;
use crate::engine::decide::absent::{RecordedKeys, supply};
use crate::engine::decide::decision::Deciding;
use crate::engine::decide::sources::Sources;
use crate::engine::decide::tiers::{Foreseen, Nothing};
use crate::hash::{ActionKey, Allowance, Artifact};
use crate::pipeline::{Pipeline, StageId};
use crate::remote::Remote;
use crate::store::{Ownership, Parcel, Store};

/// What became of fetching.
#[derive(Debug, Default)]
pub struct Pulled {
    /// Stages whose outputs were put in place, by name.
    pub placed: Vec<String>,
    /// Stages whose outputs lay in place.
    pub in_place: usize,
    /// Stages that have no result anywhere, or one whose contents could not be had.
    pub missing: Vec<String>,
    /// Stages whose outputs could not be put in place, and why.
    pub failed: Vec<(String, String)>,
}

/// The results that stages have here, as far as they are known without executing any.
pub fn results(pipeline: &Pipeline, store: &Store, stages: &BTreeSet<StageId>) -> Vec<ActionKey> {
    let wanted: Vec<StageId> = stages.iter().copied().collect();
    let sources = Sources::scan(pipeline, &wanted, &BTreeSet::new(), store.memo());
    let deciding = Deciding { pipeline, store, memo: store.memo(), sources: &sources, ownership: None, remote: None };
    let Foreseen { here, .. } = deciding.foresee(wanted, &BTreeSet::new(), &Nothing, &|| false);
    here.into_values().map(|(key, _)| key).collect()
}

/// Fetches the outputs of stages from a remote cache and puts them in place; executes nothing. `needed` are all stages that these need:
/// of those the results are asked for, and nothing else. Sources that are not here are what they were by the keys `absent`.
pub fn pull(
    pipeline: &Pipeline,
    store: &Store,
    remote: &Remote,
    stages: &BTreeSet<StageId>,
    needed: &BTreeSet<StageId>,
    ownership: &Ownership<'_>,
    absent: &RecordedKeys,
) -> Pulled {
    let order: Vec<StageId> = needed.iter().copied().collect();
    let mut sources = Sources::scan(pipeline, &order, &BTreeSet::new(), store.memo());
    supply(&mut sources, pipeline, &order, absent, store, Some(remote));
    let deciding = Deciding {
        pipeline,
        store,
        memo: store.memo(),
        sources: &sources,
        ownership: Some(ownership),
        remote: Some(remote),
    };
    let foreseen = deciding.foresee(order, &BTreeSet::new(), &Nothing, &|| remote.is_off());
    let wanted = foreseen.promised.iter().filter(|(id, _)| stages.contains(id));
    let wanted: Vec<(&Parcel, Option<&[Artifact]>)> = wanted.map(|(_, parcel)| (parcel, None)).collect();
    // Nobody would rather make them anew: as long as something comes, it is waited for.
    remote.bring(&wanted, store, f64::from(u32::MAX));
    let mut pulled = Pulled::default();
    for id in stages {
        let stage = &pipeline.stages[id.0];
        let name = stage.name.to_string();
        let here = foreseen.here.get(id).map(|(_, result)| &result.outputs);
        let outputs = here.or_else(|| foreseen.promised.get(id).map(|parcel| &parcel.result.outputs));
        let Some(outputs) = outputs.filter(|outputs| outputs.values().all(|artifact| store.has(artifact))) else {
            pulled.missing.push(name);
            continue;
        };
        let (mut placed, mut failed) = (false, false);
        for (port, output) in &stage.outputs {
            let Some(artifact) = outputs.get(port) else { continue };
            let path = pipeline.root.join(&output.path);
            if store.memo().holds_within(&path, artifact, &Allowance::boundless()).and_then(Result::ok).unwrap_or(false)
            {
                continue;
            }
            match ownership.put(artifact, &output.path) {
                Ok(()) => placed = true,
                Err(error) => {
                    failed = true;
                    let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
                    pulled.failed.push((name.clone(), format!("{}{hint}", with_causes(&error))));
                }
            }
        }
        if placed {
            pulled.placed.push(name);
        } else if !failed {
            pulled.in_place += 1;
        }
    }
    pulled
}
