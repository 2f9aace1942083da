//! What a remote cache adds to a decision: results that it has promised, and contents that can be had from it.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::decision::Deciding;
use crate::hash::{ActionKey, Artifact};
use crate::pipeline::{From, Stage, StageId};
use crate::store::{ActionResult, Parcel};

/// What can be known of stages before any is executed.
#[derive(Default)]
pub(crate) struct Foreseen {
    /// Those whose result is here with its contents.
    pub(crate) here: BTreeMap<StageId, (ActionKey, ActionResult)>,
    /// Those whose result the remote cache has promised.
    pub(crate) promised: BTreeMap<StageId, Parcel>,
    /// Those that have none, and those of which that is not known because they need one of these.
    pub(crate) missing: Vec<StageId>,
}

impl Foreseen {
    fn output(&self, id: StageId, name: &str) -> Option<Artifact> {
        let here = self.here.get(&id).map(|(_, result)| &result.outputs);
        here.or_else(|| self.promised.get(&id).map(|parcel| &parcel.result.outputs))?.get(name).cloned()
    }

    fn knows(&self, id: StageId) -> bool {
        self.here.contains_key(&id) || self.promised.contains_key(&id)
    }
}

/// What is known of the outputs of stages that are settled.
pub(crate) trait Settled: Sync {
    /// Whether a stage is settled.
    fn is_settled(&self, id: StageId) -> bool;
    /// An output of one.
    fn output(&self, id: StageId, name: &str) -> Option<Artifact>;
}

/// Nothing is settled.
pub(crate) struct Nothing;

impl Settled for Nothing {
    fn is_settled(&self, _: StageId) -> bool {
        false
    }

    fn output(&self, _: StageId, _: &str) -> Option<Artifact> {
        None
    }
}

/// The stages whose outputs a stage takes, and which.
pub(crate) fn producers(stage: &Stage) -> impl Iterator<Item = (StageId, &str)> {
    stage.inputs.iter().flat_map(|(_, items)| items).filter_map(|input| match &input.from {
        From::Output { stage, output } => Some((*stage, output.as_str())),
        From::Source(_) => None,
    })
}

impl Deciding<'_> {
    /// What the remote cache has promised for an action, unless it did not keep that.
    pub(crate) fn promised(&self, key: &ActionKey) -> Option<Parcel> {
        let remote = self.remote.filter(|remote| remote.reads() && !remote.is_broken(key))?;
        self.store.promised(key).inspect(|parcel| remote.note_promise(parcel))
    }

    pub(super) fn promised_result(&self, key: &ActionKey) -> Option<ActionResult> {
        self.promised(key).map(|parcel| parcel.result)
    }

    /// Whether a content is in the store, or can be had from the remote cache, which has promised it with an action's result.
    pub(crate) fn can_have(&self, key: &ActionKey, artifact: &Artifact) -> bool {
        self.store.has(artifact)
            || self.remote.is_some_and(|remote| !remote.is_off())
                && self
                    .promised_result(key)
                    .is_some_and(|result| result.outputs.values().any(|output| output == artifact))
    }

    /// Whether the outputs of a result stay in the remote cache until somebody needs them.
    pub(super) fn is_left_there(&self, key: &ActionKey, result: &ActionResult) -> bool {
        self.remote.is_some_and(|remote| remote.is_lazy())
            && self.promised_result(key).is_some_and(|promised| promised.outputs == result.outputs)
    }

    /// Fetches a content if it lacks, and the remote cache has promised it.
    pub(crate) fn bring_artifact(&self, artifact: &Artifact) {
        if let Some(remote) = self.remote
            && let Some(key) = remote.who_promised(&artifact.digest)
        {
            self.bring(&key, Some(std::slice::from_ref(artifact)));
        }
    }

    /// Fetches the contents of an action's outputs that lack, if the remote cache has promised them: those given, or all.
    pub(crate) fn bring(&self, key: &ActionKey, only: Option<&[Artifact]>) {
        let Some(remote) = self.remote else { return };
        if let Some(parcel) = self.promised(key) {
            let lacks = |artifact: &Artifact| !self.store.has(artifact);
            let outputs = parcel.result.outputs.values();
            if outputs.filter(|output| only.is_none_or(|only| only.contains(output))).any(lacks) {
                remote.bring(&[(&parcel, only)], self.store, parcel.result.seconds);
            }
        }
    }

    /// Finds out which stages have a result, here or in the remote cache, level by level: a result says what its outputs are, and so the
    /// keys of the stages that take them are known before anything is fetched. Each level is asked for at once.
    pub(crate) fn foresee(
        &self,
        stages: Vec<StageId>,
        forced: &BTreeSet<StageId>,
        settled: &dyn Settled,
        stop: &dyn Fn() -> bool,
    ) -> Foreseen {
        let mut foreseen = Foreseen::default();
        let mut open = stages;
        loop {
            let is_known = |id: StageId| foreseen.knows(id) || settled.is_settled(id);
            let stages = &self.pipeline.stages;
            let (ready, rest): (Vec<StageId>, Vec<StageId>) =
                open.into_iter().partition(|id| producers(&stages[id.0]).all(|(id, _)| is_known(id)));
            open = rest;
            if ready.is_empty() || stop() {
                foreseen.missing.extend(ready);
                break;
            }
            let outputs = |id: StageId, name: &str| foreseen.output(id, name).or_else(|| settled.output(id, name));
            let key = |id: &StageId| {
                let manifest = if forced.contains(id) { None } else { self.manifest(*id, &outputs).ok() };
                (*id, manifest.map(|(manifest, _)| manifest.key()))
            };
            let keys: Vec<(StageId, Option<ActionKey>)> = ready.par_iter().with_min_len(8).map(key).collect();
            let here = |key: &ActionKey| self.store.result(key).filter(|result| self.store.is_whole(result));
            if let Some(remote) = self.remote {
                let unknown = keys.iter().filter_map(|(_, key)| *key).filter(|key| here(key).is_none());
                remote.ask(&unknown.collect::<Vec<_>>(), self.store);
            }
            for (id, key) in keys {
                match key {
                    None => foreseen.missing.push(id),
                    Some(key) => {
                        if let Some(result) = here(&key) {
                            foreseen.here.insert(id, (key, result));
                        } else if let Some(parcel) = self.promised(&key) {
                            foreseen.promised.insert(id, parcel);
                        } else {
                            foreseen.missing.push(id);
                        }
                    }
                }
            }
        }
        foreseen.missing.extend(open);
        foreseen
    }
}
