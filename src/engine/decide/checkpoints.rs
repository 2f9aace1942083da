//! The checkpoints of a stage: the states after its steps, kept as action results of their own, from which a later
//! execution goes on.
//!
//! A checkpoint's manifest is the stage's, but for its parameters: the chain's, which do not say how many steps are
//! wanted, and the number of the step. So executions that want different numbers share what they have in common.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::decision::{Decision, Missing, Verdict};
use crate::action::{Body, Manifest, Output};
use crate::kind::{Chain, Kind, Role};
use crate::pipeline::{self, Stage};
use crate::reason::Reason;
use crate::record::Resumed;
use crate::store::{ActionResult, Place, Published, Store, StoreError};

/// The output of a checkpoint: a folder.
const OUTPUT: &str = "checkpoint";

/// Steps beyond this one are kept but not looked for: each costs a look into the index.
const REACH: u64 = 100_000;

/// The checkpoints of one stage.
pub(crate) struct Checkpoints<'a> {
    store: &'a Store,
    decision: &'a Decision,
    kind: &'a dyn Kind,
    chain: Chain,
}

impl<'a> Checkpoints<'a> {
    /// The checkpoints of a stage; `None` if it is not made of steps.
    pub(crate) fn of(store: &'a Store, stage: &'a Stage, decision: &'a Decision) -> Option<Self> {
        let pipeline::Body::Uses { kind, params } = &stage.body else { return None };
        let chain = kind.chain(params, &documents(decision))?;
        Some(Self { store, decision, kind: kind.as_ref(), chain })
    }

    /// The manifest of a step.
    fn manifest(&self, step: u64) -> Manifest {
        let mut params = json!({ "chain": self.chain.params, "step": step });
        if self.chain.whole.is_some() {
            params["of"] = self.chain.goal.into();
        }
        let mut manifest = Manifest::uses(self.kind.name(), self.kind.fingerprint(), params);
        manifest.inputs = self.decision.manifest.inputs.clone();
        manifest.outputs = BTreeMap::from([(OUTPUT.to_owned(), Output { path: None, role: Role::Data })]);
        manifest
    }

    /// The latest step up to `most` that is in the store.
    fn latest(&self, most: u64) -> Option<(u64, ActionResult)> {
        let mut manifest = self.manifest(0);
        (1..=most.min(REACH)).rev().find_map(|step| {
            if let Body::Uses { params, .. } = &mut manifest.body {
                params["step"] = step.into();
            }
            let result = self.store.result(&manifest.key())?;
            self.store.has(result.outputs.get(OUTPUT)?).then_some((step, result))
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
        let Body::Uses { uses, fingerprint, params } = last.body else { return None };
        let before = self.kind.chain(&params, &documents(self.decision))?;
        // The same but for how many steps are wanted: what a person would expect to be gone on from.
        let same = (uses.as_str(), fingerprint.as_str()) == (self.kind.name(), self.kind.fingerprint())
            && (&last.inputs, &last.outputs, &before.params) == (&now.inputs, &now.outputs, &self.chain.params);
        (same && before.goal != self.chain.goal).then(|| Reason::StartsOver { why: why.clone() })
    }

    /// Puts the state of the latest step into a folder that does not exist yet, to be read only. One that is damaged is
    /// passed over, and told: the store has put it aside.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(crate) fn resume(&self, folder: &Path, tell: &dyn Fn(String)) -> Result<Option<Resumed>, StoreError> {
        let mut most = self.chain.goal;
        while let Some((step, result)) = self.latest(most) {
            match self.store.materialise(&result.outputs[OUTPUT], folder, Place::Link) {
                Ok(()) => {
                    let (next, goal) = (self.name(step + 1), self.chain.goal);
                    tell(if step == goal {
                        format!("{} is in the cache already", self.name(step))
                    } else {
                        format!("resumed at {next} of {goal}")
                    });
                    let seconds = result.seconds + result.resumed.map_or(0.0, |earlier| earlier.seconds);
                    return Ok(Some(Resumed { step, unit: self.chain.unit.clone(), seconds }));
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

    /// Takes the state after a step into the store; `seconds` and `resumed` are the execution's so far. Tells whether it
    /// is what the store had there, if it had anything; what it had stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(
        &self,
        step: u64,
        folder: &Path,
        seconds: f64,
        resumed: Option<Resumed>,
    ) -> Result<bool, StoreError> {
        let outputs = BTreeMap::from([(OUTPUT.to_owned(), self.store.capture(folder)?)]);
        let result = ActionResult { seconds, resumed, ..ActionResult::of(outputs) };
        let manifest = self.manifest(step);
        let key = manifest.key();
        let Published::Conflict(first) = self.store.publish(&key, &manifest, &result)? else { return Ok(true) };
        if !first.outputs.values().all(|artifact| self.store.has(artifact)) {
            self.store.replace(&key, &manifest, &result)?;
        }
        Ok(false)
    }

    /// `epoch 3`.
    pub(crate) fn name(&self, step: u64) -> String {
        format!("{} {step}", self.chain.unit)
    }
}

/// The canonical bytes of the document inputs by name: a document is an input's only one.
fn documents(decision: &Decision) -> BTreeMap<&str, &[u8]> {
    decision.documents.iter().map(|((name, _), bytes)| (name.as_str(), bytes.as_slice())).collect()
}
