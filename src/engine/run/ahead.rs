//! Asking the remote cache before stages are decided, for all at once that can be known, and fetching what will be needed.

use std::collections::BTreeMap;

use super::crew::Crew;
use crate::engine::decide::tiers::{Settled, producers};
use crate::hash::{ActionKey, Artifact};
use crate::pipeline::StageId;
use crate::store::Parcel;

/// Results up to so many bytes are fetched together before they are restored; larger ones when their turn comes.
const TOGETHER: u64 = 8 << 20;

impl Crew<'_, '_> {
    /// Asks for results that are missing, and looks ahead from there. Returns the stages that are to be decided again.
    pub(super) fn ask(&self, missing: Vec<(StageId, ActionKey)>) -> Vec<StageId> {
        let Some(remote) = self.deciding.remote.filter(|_| !missing.is_empty()) else { return vec![] };
        self.look_ahead_of_all();
        let keys: Vec<ActionKey> = missing.iter().map(|(_, key)| *key).collect();
        remote.ask(&keys, self.deciding.store);
        let found = |key: &ActionKey| self.deciding.promised(key).is_some() || self.deciding.store.knows(key);
        missing.into_iter().filter(|(_, key)| found(key)).map(|(id, _)| id).collect()
    }

    /// Asks for the results of all stages of the run that are not here, once. What is executed for certain gets its inputs fetched; what is
    /// restored and small is fetched with all else that is. With a lazy remote this comes before anything is decided: a result is
    /// believed to be had only if its contents, where they will be needed, came.
    pub(super) fn look_ahead_of_all(&self) {
        self.ahead.call_once(|| self.ahead_of_all());
    }

    fn ahead_of_all(&self) {
        let count = self.deciding.pipeline.stages.len();
        let stages = self.options.stages.iter().copied().filter(|id| id.0 < count && !self.has_outputs(*id)).collect();
        let stop = || self.interrupt.is_set() || self.deciding.remote.is_none_or(|remote| remote.is_off());
        let foreseen = self.deciding.foresee(stages, &self.options.force, self, &stop);
        // What may be executed needs its inputs.
        self.fetch_ahead(foreseen.promised, foreseen.missing);
    }

    fn fetch_ahead(&self, mut promised: BTreeMap<StageId, Parcel>, mut needy: Vec<StageId>) {
        let Some(remote) = self.deciding.remote else { return };
        let (pipeline, store) = (self.deciding.pipeline, self.deciding.store);
        if !remote.is_lazy() {
            let small = promised.values().filter(|parcel| size(parcel) <= TOGETHER);
            let wanted: Vec<(&Parcel, Option<&[Artifact]>)> = small.map(|parcel| (parcel, None)).collect();
            if !wanted.is_empty() {
                let seconds = wanted.iter().map(|(parcel, _)| parcel.result.seconds).sum();
                remote.bring(&wanted, store, seconds);
            }
            return;
        }
        // One that cannot be had is executed itself, and needs its own inputs.
        while !needy.is_empty() {
            let mut wanted: BTreeMap<StageId, Vec<Artifact>> = BTreeMap::new();
            for id in needy.drain(..) {
                for (producer, output) in producers(&pipeline.stages[id.0]) {
                    let artifact = promised.get(&producer).and_then(|parcel| parcel.result.outputs.get(output));
                    wanted.entry(producer).or_default().extend(artifact.cloned());
                }
            }
            let parcels = wanted.iter().filter_map(|(id, only)| Some((promised.get(id)?, Some(only.as_slice()))));
            let parcels: Vec<(&Parcel, Option<&[Artifact]>)> = parcels.collect();
            if parcels.is_empty() {
                return;
            }
            let seconds = parcels.iter().map(|(parcel, _)| parcel.result.seconds).sum();
            let failed = remote.bring(&parcels, store, seconds);
            needy = promised.iter().filter(|(_, parcel)| failed.contains(&parcel.key)).map(|(id, _)| *id).collect();
            for id in &needy {
                promised.remove(id);
            }
        }
    }
}

fn size(parcel: &Parcel) -> u64 {
    parcel.result.outputs.values().map(|output| output.bytes).sum()
}

impl Settled for Crew<'_, '_> {
    fn is_settled(&self, id: StageId) -> bool {
        self.has_outputs(id)
    }

    fn output(&self, id: StageId, name: &str) -> Option<Artifact> {
        Crew::output(self, id, name)
    }
}
