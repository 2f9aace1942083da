//! Why the stages of compared runs are not the same: what of each is different, against a run that it is compared with.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Change, Comparison, InputChange, StageDiff, changes};
use crate::action::{Body, Contents, Difference, Files, Input, Manifest, differences};
use crate::hash::{ActionKey, Digest};
use crate::name_map::NameMap;
use crate::record::{RunRecord, StageRecord};

/// What was kept of the stages of past runs.
pub trait Evidence {
    /// The manifest of an action.
    fn manifest(&self, key: &ActionKey) -> Option<Manifest>;
    /// The document, or another small JSON file, with a digest.
    fn document(&self, digest: &Digest) -> Option<Value>;
    /// How two folders differ.
    fn files(&self, old: &Digest, new: &Digest) -> Option<Files>;
    /// Whether an input of a kind is a document.
    fn is_document(&self, uses: &str, input: &str) -> bool;
}

/// Fields that differ, of documents that stages were handed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields<'a> {
    /// The stages that were handed them.
    pub stages: Vec<&'a str>,
    /// The input.
    pub input: &'a str,
    /// The differing field.
    pub change: &'a Change,
}

impl Comparison {
    /// Says of every stage that differs what of it does, as far as there is evidence. `runs` are those compared.
    #[must_use]
    pub fn look_into(mut self, runs: &[RunRecord], evidence: &dyn Evidence) -> Self {
        // What a stage has made is a consequence, and no document that someone wrote.
        let made: HashSet<Digest> = runs
            .iter()
            .flat_map(|run| &run.stages)
            .flat_map(|stage| stage.outputs.values().map(|o| o.digest))
            .collect();
        let by_name: Vec<HashMap<&str, &StageRecord>> =
            runs.iter().map(|run| run.stages.iter().map(|stage| (stage.name.as_str(), stage)).collect()).collect();
        for stage in &mut self.stages {
            let records: Vec<Option<&StageRecord>> =
                by_name.iter().map(|run| run.get(stage.name.as_str()).copied()).collect();
            let uses = records.iter().rev().flatten().find_map(|record| record.uses.as_deref());
            for input in &mut stage.inputs {
                let written = uses.is_some_and(|uses| evidence.is_document(uses, &input.name));
                fields(input, written, &made, evidence);
            }
            against(stage, runs, &records, &made, evidence);
        }
        self
    }

    /// The fields of documents that differ. Stages that were handed the same share an entry.
    pub fn fields(&self) -> Vec<Fields<'_>> {
        let mut found: Vec<Fields<'_>> = Vec::new();
        let mut places: HashMap<(&str, String), usize> = HashMap::new();
        for stage in &self.stages {
            for input in &stage.inputs {
                for change in &input.fields {
                    let key = (input.name.as_str(), serde_json::to_string(change).unwrap_or_default());
                    let place = *places.entry(key).or_insert_with(|| {
                        found.push(Fields { stages: vec![], input: &input.name, change });
                        found.len() - 1
                    });
                    found[place].stages.push(&stage.name);
                }
            }
        }
        found
    }
}

/// Looks into the documents of an input that differs. `written` says that it is one even if it cannot be read.
fn fields(input: &mut InputChange, written: bool, made: &HashSet<Digest>, evidence: &dyn Evidence) {
    input.source = !input.digests.iter().flatten().flatten().any(|digest| made.contains(digest));
    if !input.source {
        return;
    }
    let mut values = Vec::new();
    for digests in &input.digests {
        values.push(match digests.as_deref() {
            None => None,
            Some([digest]) => match evidence.document(digest) {
                Some(document) => Some(document),
                None => {
                    input.gone = written;
                    return;
                }
            },
            Some(_) => return,
        });
    }
    input.fields = changes(&values.iter().map(Option::as_ref).collect::<Vec<_>>());
}

/// Says what of the last run's stage is not as it was in the first run that had it otherwise.
fn against(
    stage: &mut StageDiff,
    runs: &[RunRecord],
    records: &[Option<&StageRecord>],
    made: &HashSet<Digest>,
    evidence: &dyn Evidence,
) {
    let Some(last) = records.last().copied().flatten().filter(|last| last.key.is_some()) else { return };
    let other = |record: &Option<&StageRecord>| record.is_some_and(|r| r.key.is_some() && r.key != last.key);
    let Some(at) = records.iter().position(other) else { return };
    let Some(before) = records[at] else { return };
    stage.against = Some(runs[at].id.clone());
    stage.changes = Some(
        match manifests(before, last, evidence) {
            Some((old, new)) => differences(&old, &new),
            None => vec![],
        }
        .into_iter()
        .enumerate()
        .map(|(i, difference)| {
            let contents = Handed { evidence, made, uses: last.uses.as_deref() };
            if i < LOOKED_INTO { difference.look_into(&contents) } else { difference }
        })
        .collect(),
    )
    // Where the manifests are gone, a record does not tell all that is in a key.
    .filter(|all: &Vec<Difference>| !all.is_empty());
}

/// So many differences of a stage are looked into.
const LOOKED_INTO: usize = 100;

struct Handed<'a> {
    evidence: &'a dyn Evidence,
    made: &'a HashSet<Digest>,
    uses: Option<&'a str>,
}

impl Contents for Handed<'_> {
    fn document(&self, digest: &Digest) -> Option<Value> {
        if self.made.contains(digest) { None } else { self.evidence.document(digest) }
    }

    fn files(&self, old: &Digest, new: &Digest) -> Option<Files> {
        self.evidence.files(old, new)
    }

    fn is_document(&self, input: &str) -> bool {
        self.uses.is_some_and(|uses| self.evidence.is_document(uses, input))
    }
}

/// The manifests of two executions; of one that left none, as much as the record tells.
fn manifests(old: &StageRecord, new: &StageRecord, evidence: &dyn Evidence) -> Option<(Manifest, Manifest)> {
    let kept = |record: &StageRecord| record.key.and_then(|key| evidence.manifest(&key));
    match (kept(old), kept(new)) {
        (Some(old), Some(new)) => Some((old, new)),
        (Some(kept), None) => as_recorded(new, &kept).map(|new| (kept, new)),
        (None, Some(kept)) => as_recorded(old, &kept).map(|old| (old, kept)),
        (None, None) => {
            let like = bare(new)?;
            Some((as_recorded(old, &like)?, as_recorded(new, &like)?))
        }
    }
}

/// A manifest that knows of a stage what its record knows.
fn bare(record: &StageRecord) -> Option<Manifest> {
    let body = match &record.uses {
        Some(uses) => Body::Uses { uses: uses.clone(), fingerprint: String::new(), params: record.params.value() },
        None => serde_json::from_str(record.params.text()).ok()?,
    };
    Some(Manifest { version: 0, body, inputs: NameMap::new(), outputs: NameMap::new() })
}

/// The manifest of an execution that left none (it failed, or its result is gone), as far as the record tells; the rest
/// is taken to be what `like` has.
pub(crate) fn as_recorded(record: &StageRecord, like: &Manifest) -> Option<Manifest> {
    let body = match (&like.body, &record.uses) {
        // What is pinned is keyed by its digests, which a record does not hold apart.
        (Body::Uses { fingerprint, .. }, _) if fingerprint == "fixed-output" => like.body.clone(),
        (Body::Uses { fingerprint, .. }, Some(uses)) => {
            Body::Uses { uses: uses.clone(), fingerprint: fingerprint.clone(), params: record.params.value() }
        }
        (Body::Run { .. }, None) => serde_json::from_str(record.params.text()).ok()?,
        _ => return None,
    };
    let mut inputs = NameMap::new();
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
