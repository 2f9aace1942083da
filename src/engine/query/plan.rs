//! What a run would do, found out with the same decision but without doing it.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use crate::engine::decide::absent::{RecordedKeys, supply};
use crate::engine::decide::checkpoints::Checkpoints;
use crate::engine::decide::decision::{Deciding, Decision, Verdict};
use crate::engine::decide::sources::Sources;
use crate::engine::decide::tiers::Nothing;
use crate::engine::executor::failure::Failed;
use crate::engine::record::history::History;
use crate::hash::{Allowance, Artifact};
use crate::name_map::NameMap;
use crate::pipeline::{From, Pipeline, Stage, StageId};
use crate::reason::Reason;
use crate::remote::Remote;
use crate::store::{ActionResult, Ownership, Project, Store};

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
    /// Fail: an input cannot be read, or something that is not Kiln's lies where an output goes.
    Fail,
}

/// A stage of a plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The stage.
    pub id: StageId,
    /// Its name.
    pub name: String,
    /// What would be done.
    pub step: Step,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Why numbers of the outputs that it has could not be read.
    pub warnings: Vec<String>,
}

/// Plans a run of the given stages, in topological order. A remote cache is asked if it is to be; what it promised before counts in any case.
/// Sources that are not here are what they were by the keys `absent`.
pub fn plan(
    pipeline: &Pipeline,
    store: &Store,
    stages: &BTreeSet<StageId>,
    force: &BTreeSet<StageId>,
    ownership: &Ownership<'_>,
    remote: Option<(&Remote, bool)>,
    absent: &RecordedKeys,
) -> Vec<Planned> {
    let order: Vec<StageId> = stages.iter().copied().filter(|s| s.0 < pipeline.stages.len()).collect();
    let mut sources = Sources::scan(pipeline, &order, force, store.memo());
    supply(&mut sources, pipeline, &order, absent, store, remote.filter(|(_, asked)| *asked).map(|(remote, _)| remote));
    let deciding = Deciding {
        pipeline,
        store,
        memo: store.memo(),
        sources: &sources,
        ownership: Some(ownership),
        remote: remote.map(|(remote, _)| remote),
    };
    if let Some((remote, true)) = remote {
        deciding.foresee(order.clone(), force, &Nothing, &|| remote.is_off());
    }
    let history = History::new(store, &Project::at(&pipeline.root, &pipeline.file));
    let mut planned = Vec::with_capacity(order.len());
    walk(&deciding, &order, force, &mut |id, found| {
        let name = pipeline.stages[id.0].name.to_string();
        if let (Found::Decided(decision), Some((_, true))) = (&found, remote)
            && matches!(decision.verdict, Verdict::Execute(_))
        {
            Checkpoints::of(&deciding, &pipeline.stages[id.0], decision).iter().for_each(Checkpoints::ask);
        }
        let (step, reasons) = found.step(&deciding, id, &history);
        let warnings = found.result().map_or_else(Vec::new, |result| result.all_warnings());
        planned.push(Planned { id, name, step, reasons, warnings });
    });
    planned.sort_unstable_by_key(|stage| stage.id);
    planned
}

/// What a decision finds of a stage.
pub(crate) enum Found {
    /// Its inputs are final.
    Decided(Box<Decision>),
    /// These producers have no outputs yet.
    Open(BTreeSet<StageId>),
    /// An input cannot be read, or something is in the way of an output.
    Broken(Failed),
}

impl Found {
    /// The result, if the stage has one.
    fn result(&self) -> Option<&ActionResult> {
        match self {
            Self::Decided(decision) => match &decision.verdict {
                Verdict::UpToDate(result) | Verdict::Restore(result, _) => Some(result),
                Verdict::Execute(_) => None,
            },
            Self::Open(_) | Self::Broken(_) => None,
        }
    }

    /// What a run would do with the stage, and why.
    pub(crate) fn step(&self, deciding: &Deciding<'_>, id: StageId, history: &History<'_>) -> (Step, Vec<Reason>) {
        let name = &deciding.name(id);
        match self {
            Self::Broken(failed) => {
                let reason = |why: &str| match failed.failure.is_mistake() {
                    true => Reason::LeadsIntoStore { why: why.to_owned() },
                    false => Reason::Unreadable { why: why.to_owned() },
                };
                (Step::Fail, failed.text().lines().map(reason).collect())
            }
            Self::Open(producers) => {
                let names: Vec<String> =
                    producers.iter().map(|p| deciding.pipeline.stages[p.0].name.to_string()).collect();
                let reasons = vec![Reason::DependsOn { stages: names.clone() }];
                (Step::Depends(names), reasons)
            }
            Self::Decided(decision) => match &decision.verdict {
                Verdict::UpToDate(_) => (Step::UpToDate, vec![]),
                Verdict::Restore(_, astray) => (Step::Restore, vec![Reason::NotInPlace { paths: astray.clone() }]),
                Verdict::Execute(missing) => {
                    let mut reasons = history.reasons(deciding, id, decision, missing);
                    let outlook = Checkpoints::of(deciding, &deciding.pipeline.stages[id.0], decision)
                        .and_then(|checkpoints| checkpoints.outlook(|| history.manifest(name)));
                    reasons.extend(outlook);
                    (Step::Execute, reasons)
                }
            },
        }
    }
}

/// Some stages and all that they need.
pub(crate) fn with_ancestors(pipeline: &Pipeline, stages: &BTreeSet<StageId>) -> BTreeSet<StageId> {
    let mut all = stages.clone();
    let mut open: Vec<StageId> = stages.iter().copied().collect();
    while let Some(id) = open.pop() {
        for producer in pipeline.graph.neighbors_directed(NodeIndex::new(id.0), Direction::Incoming) {
            let producer = pipeline.graph[producer];
            if all.insert(producer) {
                open.push(producer);
            }
        }
    }
    all
}

/// Decides stages, given in topological order with all they need, as far as that goes without executing any. Producers are visited
/// before consumers, though not in the order given.
pub(crate) fn walk(
    deciding: &Deciding<'_>,
    order: &[StageId],
    force: &BTreeSet<StageId>,
    visit: &mut dyn FnMut(StageId, Found),
) {
    let mut known: BTreeMap<StageId, NameMap<Artifact>> = BTreeMap::new();
    for level in levels(deciding.pipeline, order) {
        let open = |id: StageId| -> BTreeSet<StageId> {
            producers(&deciding.pipeline.stages[id.0]).filter(|p| !known.contains_key(p)).collect()
        };
        let outputs = |producer: StageId, output: &str| known.get(&producer)?.get(output).cloned();
        let found = deciding.decide_all(&level, |id| {
            let open = open(id);
            if !open.is_empty() {
                // Whatever comes of them, what is in the way of this one stays there.
                let outputs = deciding.pipeline.stages[id.0].outputs.values().map(|output| &output.path);
                let clear = deciding.is_clear(outputs, &Allowance::boundless());
                return clear.map_or_else(Found::Broken, |_| Found::Open(open));
            }
            match deciding.decide(id, force.contains(&id), &outputs) {
                Err(failed) => Found::Broken(failed),
                Ok(decision) => Found::Decided(Box::new(decision)),
            }
        });
        for (id, found) in found {
            if let Some(result) = found.result() {
                known.insert(id, result.outputs.clone());
            }
            visit(id, found);
        }
    }
}

/// The stages by how many others stand between them and the sources; those of a level do not need each other.
fn levels(pipeline: &Pipeline, order: &[StageId]) -> Vec<Vec<StageId>> {
    let mut levels: Vec<Vec<StageId>> = Vec::new();
    let mut level_of = vec![0; pipeline.stages.len()];
    for &id in order {
        let level = producers(&pipeline.stages[id.0]).map(|p| level_of[p.0] + 1).max().unwrap_or(0);
        level_of[id.0] = level;
        if levels.len() <= level {
            levels.resize_with(level + 1, Vec::new);
        }
        levels[level].push(id);
    }
    levels
}

/// The stages whose outputs a stage takes, as often as it takes one.
fn producers(stage: &Stage) -> impl Iterator<Item = StageId> {
    stage.inputs.values().flatten().filter_map(|input| match &input.from {
        From::Output { stage, .. } => Some(*stage),
        From::Source(_) => None,
    })
}
