//! A stage as a past run had it, against the run before.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::{Action, Explanation, Origin, RunName, Side, StageState, changes};
use crate::action::Manifest;
use crate::compare::as_recorded;
use crate::engine::decide::documents;
use crate::engine::record::records::{Records, is_good};
use crate::hash::tree::Listing;
use crate::hash::{Artifact, Digest};
use crate::kind::Catalog;
use crate::reason::Reason;
use crate::record::{Outcome, RunRecord, StageRecord};
use crate::store::{Project, Store};

/// Explains what a past run did with a stage; `None` if it has no such stage.
pub fn explain_past(
    store: &Store,
    catalog: &Catalog,
    project: &Project,
    run: &RunRecord,
    stage: &str,
) -> Option<Explanation> {
    let record = run.stages.iter().find(|record| record.name == stage)?;
    let mut records = Records::new(store, project);
    let before = records.with_stage_before(&run.id, stage, |record| record.key.is_some() && is_good(record));
    let now = Past::new(store, catalog, Rc::new(run.clone()));
    let changes = match &before {
        Some(before) => changes(stage, &now, &Past::new(store, catalog, Rc::clone(before))),
        None => vec![],
    };
    let result = record.key.and_then(|key| store.result(&key)).filter(|result| !result.host.is_empty());
    Some(Explanation {
        stage: stage.to_owned(),
        standing: StageState::Then(record.outcome),
        reasons: record.why().into_iter().chain(failed(record)).collect(),
        since: before.map(|run| RunName { id: run.id.clone(), started: run.started }),
        changes,
        key: record.key,
        warnings: record.warnings.clone(),
        parts: vec![],
        execution: result.map(|result| Origin {
            run: match record.outcome {
                Outcome::Executed => Some(run.id.clone()),
                _ => record.key.and_then(|key| records.executed(&key)),
            },
            ended: result.created,
            host: result.host,
            seconds: result.seconds,
            adopted: result.adopted,
            maker: result.maker,
        }),
    })
}

fn failed(record: &StageRecord) -> Option<Reason> {
    let failure = record.failure.clone();
    record.error.as_ref().map(|error| Reason::Failed { error: error.clone(), failure })
}

/// The stages as a run had them.
pub(super) struct Past<'a> {
    store: &'a Store,
    catalog: &'a Catalog,
    run: Rc<RunRecord>,
    index: HashMap<String, usize>,
    /// What made each output: the stage's position, and the output.
    made: OnceCell<HashMap<Digest, (usize, String)>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(store: &'a Store, catalog: &'a Catalog, run: Rc<RunRecord>) -> Self {
        let index = run.stages.iter().enumerate().map(|(i, stage)| (stage.name.clone(), i)).collect();
        Self { store, catalog, run, index, made: OnceCell::new() }
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
        let made = self.made.get_or_init(|| {
            let stages = self.run.stages.iter().enumerate().rev();
            let outputs = stages.flat_map(|(i, stage)| stage.outputs.iter().rev().map(move |output| (i, output)));
            // The first of those that are alike.
            outputs.map(|(i, (name, output))| (output.digest, (i, name.clone()))).collect()
        });
        let Some((stage, output)) = made.get(digest) else { return (None, None) };
        let stage = &self.run.stages[*stage];
        let path = stage.outputs.get(output).map_or_else(String::new, |output| output.path.display().to_string());
        (Some(stage.name.clone()), Some(format!("{}.{output} ({path})", stage.name)))
    }

    fn document(&self, digest: &Digest) -> Option<Value> {
        documents::stored(self.store, digest)
    }

    fn listing(&self, _: &str, digest: &Digest) -> Option<Listing> {
        self.store.kept_listing(digest)
    }

    fn is_document(&self, stage: &str, input: &str) -> bool {
        let Some(record) = self.stage(stage) else { return false };
        let written = |digest: &Digest| matches!(self.origin(stage, input, "", digest), (None, None));
        let documents = record.uses.as_ref().and_then(|uses| self.catalog.get(uses));
        documents.is_some_and(|kind| documents::is_document(kind.as_ref(), input))
            && record.inputs.get(input).is_some_and(|digests| digests.iter().all(written))
    }
}
