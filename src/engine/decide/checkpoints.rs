//! The checkpoints of a stage: the states after its steps, kept as action results of their own, from which a later
//! execution goes on.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decision::{Deciding, Decision, Missing, Verdict};
use super::retention::{State, retained};
use crate::action::{Checkpoint, Manifest};
use crate::hash::{ActionKey, Artifact};
use crate::kind::Chain;
use crate::pipeline::{Keep, Stage};
use crate::reason::Reason;
use crate::record::Resumed;
use crate::store::{ActionResult, Needed, Placement, Published, Store, StoreError};

/// Each of so many steps is looked for in the index. Where there are more, the states that are in the store are looked through.
const FEW: u64 = 100_000;

/// So many steps before the last are asked for in the remote cache.
const ASKED: u64 = 200;

/// The checkpoints of one stage.
pub(crate) struct Checkpoints<'a> {
    store: &'a Store,
    deciding: &'a Deciding<'a>,
    stage: &'a Stage,
    decision: &'a Decision,
    chain: Chain,
    /// The states that are in the store, once that was looked at.
    known: Mutex<Option<Known>>,
    /// The last one that was kept in this execution. It is sent to the remote cache at its end, be that good or bad: whoever goes on needs
    /// no other.
    last: Mutex<Option<ActionKey>>,
}

impl Drop for Checkpoints<'_> {
    fn drop(&mut self) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(remote), Some(key)) = (self.deciding.remote, last.as_ref()) {
            remote.send(key);
        }
    }
}

/// The states of a chain that are in the store.
#[derive(Default)]
struct Known {
    states: BTreeMap<u64, ActionResult>,
    keys: HashSet<ActionKey>,
    needed: Needed,
}

/// What a step has beside its state.
#[derive(Default)]
pub(crate) struct Beside {
    /// The lines of its metrics up to the step.
    pub(crate) lines: Option<Artifact>,
    /// The numbers of the step.
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// A state that an execution goes on from.
pub(crate) struct Found {
    pub(crate) resumed: Resumed,
    /// The lines of its metrics.
    pub(crate) lines: Option<Artifact>,
}

impl<'a> Checkpoints<'a> {
    /// The checkpoints of a stage; `None` if it is not made of steps.
    pub(crate) fn of(deciding: &'a Deciding<'a>, stage: &'a Stage, decision: &'a Decision) -> Option<Self> {
        let chain = stage.chain(&documents(decision))?;
        let (store, known, last) = (deciding.store, Mutex::default(), Mutex::default());
        Some(Self { store, deciding, stage, decision, chain, known, last })
    }

    /// Asks the remote cache for the steps that are not here. Somebody else's execution sent the last of its own.
    pub(crate) fn ask(&self) {
        let Some(remote) = self.deciding.remote.filter(|remote| remote.reads()) else { return };
        let here = self.latest(self.chain.goal).map_or(0, |(step, _)| step);
        let first = (here + 1).max(self.chain.goal.saturating_sub(ASKED) + 1);
        let keys: Vec<ActionKey> = (first..=self.chain.goal).map(|step| self.state(step).manifest().key()).collect();
        remote.ask(&keys, self.store);
    }

    /// How many steps are wanted.
    pub(crate) fn goal(&self) -> u64 {
        self.chain.goal
    }

    /// What a step is.
    pub(crate) fn unit(&self) -> &str {
        &self.chain.unit
    }

    /// The state after a step, as an action.
    fn state(&self, step: u64) -> Checkpoint {
        state_of(&self.decision.manifest, &self.chain, step)
    }

    /// The latest step up to `most` that is in the store, or can be had.
    fn latest(&self, most: u64) -> Option<(u64, ActionResult)> {
        let mut state = self.state(0);
        possible(self.store, &self.state(0), most).find_map(|step| {
            state.set_step(step);
            let key = state.manifest().key();
            // One that was dropped here may be there.
            let here = self.store.result(&key).filter(|result| result.outputs.contains_key(Checkpoint::STATE));
            let result = here.or_else(|| Some(self.deciding.promised(&key)?.result))?;
            self.deciding.can_have(&key, result.outputs.get(Checkpoint::STATE)?).then_some((step, result))
        })
    }

    /// What becomes of earlier steps. `last` gives the manifest of the stage's last execution.
    pub(crate) fn outlook(&self, last: impl FnOnce() -> Option<Manifest>) -> Option<Reason> {
        if matches!(self.decision.verdict, Verdict::Execute(Missing::Forced)) {
            return None;
        }
        if let Some((step, _)) = self.latest(self.chain.goal) {
            return Some(Reason::GoesOn { step, unit: self.chain.unit.clone(), last: step == self.chain.goal });
        }
        let (why, last, now) = (self.chain.whole.as_ref()?, last()?, &self.decision.manifest);
        let before = self.stage.chain_with(last.params()?, &documents(self.decision))?;
        // The same but for how many steps are wanted: what a person would expect to be gone on from.
        let bare = |action: &Manifest, chain: &Chain| Checkpoint::of(action, &chain.params, None, 0);
        let same = last.outputs == now.outputs && bare(&last, &before) == bare(now, &self.chain);
        (same && before.goal != self.chain.goal).then(|| Reason::StartsOver { why: why.clone() })
    }

    /// Puts the state of the latest step into a folder that does not exist yet, to be read only. One that is damaged is
    /// passed over, and told: the store has put it aside.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(crate) fn resume(
        &self,
        folder: &Path,
        how: Placement,
        tell: &dyn Fn(String),
    ) -> Result<Option<Found>, StoreError> {
        let mut most = self.chain.goal;
        while let Some((step, mut result)) = self.latest(most) {
            self.deciding.bring(&self.state(step).manifest().key(), None);
            match self.store.materialise(&result.outputs[Checkpoint::STATE], folder, how) {
                Ok(()) => {
                    let (next, goal) = (self.name(step + 1), self.chain.goal);
                    tell(if step == goal {
                        format!("{} is in the cache already", self.name(step))
                    } else {
                        format!("resumed at {next} of {goal}")
                    });
                    let seconds = result.seconds + result.resumed.map_or(0.0, |earlier| earlier.seconds);
                    let resumed = Resumed { step, unit: self.chain.unit.clone(), seconds };
                    return Ok(Some(Found { resumed, lines: result.outputs.remove(Checkpoint::METRICS) }));
                }
                Err(error) if error.is_damage() => {
                    tell(format!("{} cannot be gone on from: {error}", self.name(step)));
                    most = step - 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Makes the state after a step known; `seconds` and `resumed` are the execution's so far. Tells whether it
    /// is what the store had there, if it had anything; what it had stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(
        &self,
        step: u64,
        state: Artifact,
        beside: Beside,
        seconds: f64,
        resumed: Option<Resumed>,
    ) -> Result<bool, StoreError> {
        let mut outputs = BTreeMap::from([(Checkpoint::STATE.to_owned(), state)]);
        outputs.extend(beside.lines.map(|lines| (Checkpoint::METRICS.to_owned(), lines)));
        let result = ActionResult { seconds, resumed, metrics: beside.metrics, ..ActionResult::of(outputs) };
        let state = self.state(step);
        let (manifest, key) = (state.manifest(), state.manifest().key());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        let mut same = true;
        if let Published::Conflict(first) = self.store.publish(&key, manifest, &result)? {
            // One that was dropped has nothing that could differ.
            same = first.outputs.is_empty();
            if same || !self.store.is_whole(&first) {
                self.store.replace(&key, manifest, &result)?;
            }
        }
        if let Some(known) = self.known().as_mut() {
            known.keys.insert(key);
            known.states.extend(self.store.result(&key).map(|result| (step, result)));
        }
        Ok(same)
    }

    /// Drops the states that the stage does not say to keep, and marks for `gc` those that it does. Returns how many were dropped.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) fn thin(&self) -> Result<usize, StoreError> {
        let mut known = self.known();
        let known = known.get_or_insert_with(|| self.look());
        let bytes = |result: &ActionResult| result.outputs.values().map(|artifact| artifact.bytes).sum();
        let states = known.states.iter().map(|(step, result)| State {
            step: *step,
            bytes: bytes(result),
            metrics: &result.metrics,
        });
        let default = Keep::default();
        let keep = self.stage.keep.as_deref().unwrap_or(&default);
        let retained = retained(&states.collect::<Vec<_>>(), keep);
        for (step, result) in &mut known.states {
            let named = retained.named.contains(step);
            if named != result.named {
                result.named = named;
                let state = self.state(*step);
                self.store.replace(&state.manifest().key(), state.manifest(), result)?;
            }
        }
        let steps: Vec<u64> = known.states.keys().copied().filter(|step| !retained.kept.contains(step)).collect();
        if steps.is_empty() {
            return Ok(0);
        }
        let dropped: Vec<(Manifest, ActionResult)> = steps
            .iter()
            .filter_map(|step| Some((self.state(*step).manifest().clone(), known.states.remove(step)?)))
            .collect();
        let kept: Vec<ActionResult> = known.states.values().cloned().collect();
        self.store.drop_states(&dropped, &kept, &known.keys, &mut known.needed)?;
        Ok(dropped.len())
    }

    /// Looks for all states up to the last one wanted.
    fn look(&self) -> Known {
        let states = states_of(self.store, &self.decision.manifest, &self.chain);
        let mut state = self.state(0);
        let keys = possible(self.store, &self.state(0), self.chain.goal).map(|step| {
            state.set_step(step);
            state.manifest().key()
        });
        Known { keys: keys.collect(), states, ..Known::default() }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `epoch 3`.
    pub(crate) fn name(&self, step: u64) -> String {
        format!("{} {step}", self.chain.unit)
    }
}

/// The state after a step of an execution, as an action.
fn state_of(action: &Manifest, chain: &Chain, step: u64) -> Checkpoint {
    Checkpoint::of(action, &chain.params, chain.whole.as_ref().map(|_| chain.goal), step)
}

/// The steps up to `most` of which there may be a state, from the last one. `state` is any of their chain.
fn possible(store: &Store, state: &Checkpoint, most: u64) -> Box<dyn Iterator<Item = u64>> {
    if most <= FEW {
        return Box::new((1..=most).rev());
    }
    let mut state = state.clone();
    let mut steps: BTreeSet<u64> = (most - ASKED..=most).collect();
    for (key, found) in store.states() {
        state.set_step(found.step());
        if found.step() <= most && state.manifest().key() == key {
            steps.insert(found.step());
        }
    }
    Box::new(steps.into_iter().rev())
}

/// The states of a chain that are in the store, up to the last one wanted.
pub(crate) fn states_of(store: &Store, action: &Manifest, chain: &Chain) -> BTreeMap<u64, ActionResult> {
    let mut state = state_of(action, chain, 0);
    let found = possible(store, &state.clone(), chain.goal).filter_map(|step| {
        state.set_step(step);
        let result = store.result(&state.manifest().key())?;
        result.outputs.contains_key(Checkpoint::STATE).then_some((step, result))
    });
    found.collect()
}

/// The canonical bytes of the document inputs by name: a document is an input's only one.
pub(crate) fn documents(decision: &Decision) -> BTreeMap<&str, &[u8]> {
    decision.documents.iter().map(|((name, _), bytes)| (name.as_str(), bytes.as_slice())).collect()
}
