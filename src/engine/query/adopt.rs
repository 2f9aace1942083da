//! Adopting: results that another tool made, filed under the keys that Kiln has for the same stages.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Manifest, Output};
use crate::diagnostic::with_causes;
use crate::engine::decide::decision::{Deciding, Verdict};
use crate::engine::decide::documents;
use crate::engine::decide::metrics::Numbers;
use crate::engine::decide::sources::Sources;
use crate::hash::Artifact;
use crate::kind::Role;
use crate::name_map::NameMap;
use crate::pipeline::{Command, From, Pipeline, StageId};
use crate::store::{ActionResult, Store, StoreError};

/// What came of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Its result is filed.
    Adopted,
    /// The store has it already.
    Known,
    /// The store has a result that was executed here.
    Executed,
    /// The store has a result that was executed here, and something else lies in place.
    Astray,
    /// There is nothing to adopt.
    Nothing,
    /// A stage that it needs has no result.
    Needs(String),
    /// Its inputs cannot be read.
    Broken(String),
}

/// The artifact of an output, where it is known.
pub type Outputs<'a> = dyn Fn(StageId, &str) -> Option<Artifact> + 'a;

/// Files results for the stages of a pipeline: each stage's artifacts by the names of its outputs, as `made` gives them, which also
/// says for each whether it may be filed. It is told what is known of the outputs of stages before it. Of the stages `by_hand` an adopted result gives
/// way where something else lies in place.
///
/// # Errors
/// If the store cannot be written.
pub fn adopt(
    pipeline: &Pipeline,
    store: &Store,
    tool: &str,
    by_hand: &BTreeSet<StageId>,
    made: &dyn Fn(StageId, &Outputs<'_>) -> Option<NameMap<Artifact>>,
) -> Result<Vec<(StageId, Adoption)>, StoreError> {
    let all: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).collect();
    let sources = Sources::scan(pipeline, &all, &BTreeSet::new(), store.memo());
    let deciding = Deciding { pipeline, store, memo: store.memo(), sources: &sources, ownership: None, remote: None };
    let mut known: BTreeMap<StageId, NameMap<Artifact>> = BTreeMap::new();
    let mut adopted = Vec::with_capacity(all.len());
    for id in all {
        let stage = &pipeline.stages[id.0];
        let lacking = stage.inputs.values().flatten().find_map(|input| match &input.from {
            From::Output { stage, .. } if !known.contains_key(stage) => Some(*stage),
            _ => None,
        });
        if let Some(producer) = lacking {
            adopted.push((id, Adoption::Needs(deciding.name(producer))));
            continue;
        }
        let outputs = |producer: StageId, output: &str| known.get(&producer)?.get(output).cloned();
        let decision = match deciding.decide(id, false, &outputs) {
            Ok(decision) => decision,
            Err(why) => {
                adopted.push((id, Adoption::Broken(why.text())));
                continue;
            }
        };
        let is_astray = matches!(decision.verdict, Verdict::Restore(..)) && by_hand.contains(&id);
        if let Verdict::UpToDate(result) | Verdict::Restore(result, _) = &decision.verdict
            && !(is_astray && result.adopted.is_some())
        {
            if is_astray {
                adopted.push((id, Adoption::Astray));
                continue;
            }
            known.insert(id, result.outputs.clone());
            adopted.push((id, if result.adopted.is_some() { Adoption::Known } else { Adoption::Executed }));
            continue;
        }
        let Some(outputs) = made(id, &outputs) else {
            adopted.push((id, Adoption::Nothing));
            continue;
        };
        let mut result = ActionResult { adopted: Some(tool.to_owned()), ..ActionResult::of(outputs) };
        Numbers::of(stage, &result.outputs, store).enter(&mut result);
        if let Err(error) = documents::keep(&deciding, stage, &decision) {
            tracing::warn!("{}", with_causes(&error));
        }
        // What was damaged or is gone is replaced.
        store.replace(&decision.key, &decision.manifest, &result)?;
        known.insert(id, result.outputs);
        adopted.push((id, Adoption::Adopted));
    }
    Ok(adopted)
}

/// Makes files known that another tool made, each by its path: a run may replace them, and the store has them.
///
/// # Errors
/// If the store cannot be written.
pub fn own(store: &Store, tool: &str, stage: &str, outputs: &[(&str, Artifact)]) -> Result<(), StoreError> {
    // No stage of a pipeline has this command, so nothing is ever taken for its result.
    let command = Command::Argv(vec![format!("adopted from {tool}"), stage.to_owned()]);
    let mut manifest = Manifest::run(command, BTreeMap::new(), None, None);
    let mut artifacts = BTreeMap::new();
    for (i, (path, artifact)) in outputs.iter().enumerate() {
        manifest.outputs.insert(i.to_string(), Output { path: Some((*path).to_owned()), role: Role::Data });
        artifacts.insert(i.to_string(), artifact.clone());
    }
    let result = ActionResult { adopted: Some(tool.to_owned()), ..ActionResult::of(artifacts) };
    store.replace(&manifest.key(), &manifest, &result)
}
