//! What a run would do, found out with the same decision but without doing it.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Deciding, Missing, Verdict, warm};
use super::history::History;
use super::sources::Sources;
use crate::hash::Artifact;
use crate::pipeline::{From, Pipeline, StageId};
use crate::store::Store;

/// What a run would do with a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    UpToDate,
    /// Put its outputs in place from the store.
    Restore,
    /// Execute it.
    Execute,
    /// Not known before these stages have been executed: if their outputs stay the same, so does this stage.
    Depends(Vec<String>),
    /// Fail: an input cannot be read.
    Fail,
}

/// A stage of a plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// What would be done.
    pub step: Step,
    /// Why.
    pub reasons: Vec<String>,
}

/// Plans a run of the given stages, in topological order.
pub fn plan(pipeline: &Pipeline, store: &Store, stages: &BTreeSet<StageId>, force: &BTreeSet<StageId>) -> Vec<Planned> {
    let order: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).filter(|s| stages.contains(s)).collect();
    let memo = store.memo();
    let sources = Sources::scan(pipeline, &order, memo);
    warm(pipeline, &order, memo);
    let deciding = Deciding { pipeline, store, memo, sources: &sources };
    let mut history = History::new(store, &pipeline.root);
    let mut known: BTreeMap<StageId, BTreeMap<String, Artifact>> = BTreeMap::new();
    let mut planned = Vec::with_capacity(order.len());
    for id in order {
        let stage = &pipeline.stages[id.0];
        let name = stage.name.to_string();
        let producers = stage.inputs.values().flatten().filter_map(|input| match &input.from {
            From::Output { stage, .. } => Some(*stage),
            From::Source(_) => None,
        });
        let open: BTreeSet<StageId> = producers.filter(|p| !known.contains_key(p)).collect();
        if !open.is_empty() {
            let names: Vec<String> = open.iter().map(|p| pipeline.stages[p.0].name.to_string()).collect();
            let reasons = vec![format!("depends on {}", names.join(", "))];
            planned.push(Planned { name, step: Step::Depends(names), reasons });
            continue;
        }
        let outputs = |producer: StageId, output: &str| known.get(&producer)?.get(output).cloned();
        let (step, reasons) = match deciding.decide(id, force.contains(&id), &outputs) {
            Err(why) => (Step::Fail, vec![why]),
            Ok(decision) => match decision.verdict {
                Verdict::UpToDate(result) => {
                    known.insert(id, result.outputs);
                    (Step::UpToDate, vec![])
                }
                Verdict::Restore(result, astray) => {
                    known.insert(id, result.outputs);
                    let paths: Vec<String> = astray.iter().map(|p| p.display().to_string()).collect();
                    (Step::Restore, vec![format!("not in place: {}", paths.join(", "))])
                }
                Verdict::Execute(missing @ (Missing::Result | Missing::Artifact(_) | Missing::Forced)) => {
                    (Step::Execute, history.reasons(&name, &decision.key, &decision.manifest, &missing))
                }
            },
        };
        planned.push(Planned { name, step, reasons });
    }
    planned
}
