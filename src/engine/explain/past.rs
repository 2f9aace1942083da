//! A stage as a past run had it, against the run before.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::{Action, Explanation, Origin, RunName, Side, Standing, changes};
use crate::action::{Body, Input, Manifest};
use crate::engine::documents;
use crate::engine::records::{Records, is_good};
use crate::hash::{Artifact, Digest};
use crate::record::{Outcome, RunRecord, StageRecord};
use crate::store::{Project, Store};

/// Explains what a past run did with a stage; `None` if it has no such stage.
pub fn explain_past(store: &Store, project: &Project, run: &RunRecord, stage: &str) -> Option<Explanation> {
    let record = run.stages.iter().find(|record| record.name == stage)?;
    let mut records = Records::new(store, project);
    let before = records.with_stage_before(&run.id, stage, |record| record.key.is_some() && is_good(record));
    let now = Past::new(store, Rc::new(run.clone()));
    let changes = match &before {
        Some(before) => changes(stage, &now, &Past::new(store, Rc::clone(before))),
        None => vec![],
    };
    let result = record.key.and_then(|key| store.result(&key)).filter(|result| !result.host.is_empty());
    Some(Explanation {
        stage: stage.to_owned(),
        standing: Standing::Then(record.outcome),
        reasons: record.reasons.iter().chain(&record.error).cloned().collect(),
        since: before.map(|run| RunName { id: run.id.clone(), started: run.started }),
        changes,
        key: record.key,
        parts: vec![],
        execution: result.map(|result| Origin {
            run: match record.outcome {
                Outcome::Executed => Some(run.id.clone()),
                _ => record.key.and_then(|key| records.executed(&key)),
            },
            ended: result.created,
            host: result.host,
            seconds: result.seconds,
        }),
    })
}

/// The stages as a run had them.
pub(super) struct Past<'a> {
    store: &'a Store,
    run: Rc<RunRecord>,
    index: HashMap<String, usize>,
}

impl<'a> Past<'a> {
    pub(super) fn new(store: &'a Store, run: Rc<RunRecord>) -> Self {
        let index = run.stages.iter().enumerate().map(|(i, stage)| (stage.name.clone(), i)).collect();
        Self { store, run, index }
    }

    fn stage(&self, name: &str) -> Option<&StageRecord> {
        self.run.stages.get(*self.index.get(name)?)
    }

    /// An output as the run left it.
    pub(super) fn artifact(&self, stage: &str, output: &str) -> Option<Artifact> {
        let record = self.stage(stage)?;
        let digest = record.outputs.get(output)?.digest;
        let stored = record.key.and_then(|key| self.store.result(&key)?.outputs.get(output).cloned());
        let bytes = record.outputs[output].bytes;
        Some(stored.unwrap_or(Artifact { digest, tree: false, bytes, executable: false }))
    }
}

impl Side for Past<'_> {
    fn action(&self, stage: &str, other: Option<&Manifest>) -> Option<Action> {
        let record = self.stage(stage)?;
        let stored = record.key.and_then(|key| self.store.manifest(&key));
        let manifest = stored.or_else(|| record.key.and(other).and_then(|other| as_recorded(record, other)));
        let notes = if record.key.is_none() { record.reasons.clone() } else { vec![] };
        Some(Action { manifest, waits_for: vec![], notes })
    }

    fn origin(&self, _: &str, _: &str, _: &str, digest: &Digest) -> (Option<String>, Option<String>) {
        let made = self.run.stages.iter().find_map(|stage| {
            let (output, record) = stage.outputs.iter().find(|(_, output)| output.digest == *digest)?;
            Some((stage.name.clone(), format!("{}.{output} ({})", stage.name, record.path.display())))
        });
        made.map_or((None, None), |(stage, text)| (Some(stage), Some(text)))
    }

    fn document(&self, digest: &Digest) -> Option<Value> {
        documents::stored(self.store, digest)
    }
}

/// The manifest of an execution that left none (it failed, or its result is gone), as far as the record tells; the rest
/// is taken to be what `like` has.
fn as_recorded(record: &StageRecord, like: &Manifest) -> Option<Manifest> {
    let body = match (&like.body, &record.uses) {
        // What is pinned is keyed by its digests, which a record does not hold apart.
        (Body::Uses { fingerprint, .. }, _) if fingerprint == "fixed-output" => like.body.clone(),
        (Body::Uses { fingerprint, .. }, Some(uses)) => {
            Body::Uses { uses: uses.clone(), fingerprint: fingerprint.clone(), params: record.params.clone() }
        }
        (Body::Run { .. }, None) => serde_json::from_value(record.params.clone()).ok()?,
        _ => return None,
    };
    let mut inputs = BTreeMap::new();
    for (name, digests) in &record.inputs {
        let labels = like.inputs.get(name).filter(|items| items.len() == digests.len());
        let items = digests.iter().enumerate().map(|(i, digest)| Input {
            digest: *digest,
            label: labels.map_or_else(String::new, |items| items[i].label.clone()),
            executable: labels.is_some_and(|items| items[i].executable),
        });
        inputs.insert(name.clone(), items.collect());
    }
    Some(Manifest { version: like.version, body, inputs, outputs: like.outputs.clone() })
}
