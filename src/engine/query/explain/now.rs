//! A stage as it is now, against its last run.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::past::Past;
use super::{Action, Explanation, Origin, RunName, Side, StageState, changes, parts};
use crate::action::Manifest;
use crate::engine::decide::decision::{Deciding, Decision, Verdict, input_path};
use crate::engine::decide::documents;
use crate::engine::decide::sources::Sources;
use crate::engine::query::plan::{Found, walk, with_ancestors};
use crate::engine::record::history::History;
use crate::engine::record::records::{Records, is_good};
use crate::hash::tree::Listing;
use crate::hash::{Artifact, Digest};
use crate::kind::Catalog;
use crate::pipeline::{From, Pipeline, StageId};
use crate::store::{ActionResult, Ownership, Project, Store};

/// Explains stages as they are now, in topological order.
pub fn explain(pipeline: &Pipeline, store: &Store, catalog: &Catalog, stages: &BTreeSet<StageId>) -> Vec<Explanation> {
    let order: Vec<StageId> = with_ancestors(pipeline, stages).into_iter().collect();
    let sources = Sources::scan(pipeline, &order, &BTreeSet::new(), store.memo());
    let ownership = Ownership::new(store, &pipeline.root, false);
    let deciding =
        Deciding { pipeline, store, memo: store.memo(), sources: &sources, ownership: Some(&ownership), remote: None };
    let mut found = BTreeMap::new();
    walk(&deciding, &order, &BTreeSet::new(), &mut |id, what| drop(found.insert(id, what)));
    let ids = order.iter().map(|id| (pipeline.stages[id.0].name.to_string(), *id)).collect();
    let now = Now { deciding: &deciding, ids, found, places: RefCell::default(), documents: OnceCell::new() };
    let project = Project::at(&pipeline.root, &pipeline.file);
    let history = History::new(store, &project);
    let mut records = Records::new(store, &project);
    stages.iter().filter_map(|id| now.explain(*id, catalog, &history, &mut records)).collect()
}

/// The stages as a run would find them.
struct Now<'a> {
    deciding: &'a Deciding<'a>,
    ids: HashMap<String, StageId>,
    found: BTreeMap<StageId, Found>,
    /// Where in an input of a stage an artifact is, of those that were asked for.
    places: RefCell<HashMap<(StageId, String), Places>>,
    /// The documents that stages are handed, by digest.
    documents: OnceCell<HashMap<Digest, (StageId, String, usize)>>,
}

/// The label and digest of artifacts, and their positions.
type Places = Rc<HashMap<(String, Digest), usize>>;

impl Now<'_> {
    fn explain(
        &self,
        id: StageId,
        catalog: &Catalog,
        history: &History<'_>,
        records: &mut Records<'_>,
    ) -> Option<Explanation> {
        let pipeline = self.deciding.pipeline;
        let stage = &pipeline.stages[id.0];
        let name = stage.name.to_string();
        let found = self.found.get(&id)?;
        let (step, reasons) = found.step(self.deciding, id, history);
        // The run that last gave the stage its outputs; without one, that which last knew its key.
        let base = records.with_stage(&name, |record| record.key.is_some() && is_good(record));
        let base = base.or_else(|| records.with_stage(&name, |record| record.key.is_some()));
        let since = base.as_ref().map(|run| RunName { id: run.id.clone(), started: run.started });
        let changes = match base {
            Some(run) => {
                let then = Past::new(self.deciding.store, catalog, run);
                changes(&name, &AsOfRun { now: self, then: &then }, &then)
            }
            None => vec![],
        };
        let mut explanation = Explanation {
            stage: name,
            standing: StageState::Now(step),
            reasons,
            since,
            changes,
            key: None,
            parts: vec![],
            execution: None,
            warnings: vec![],
        };
        if let Found::Decided(decision) = found {
            explanation.key = Some(decision.key);
            let result = result(decision);
            explanation.parts =
                parts::of(stage, &decision.manifest, result, &|input, position| self.source(id, input, position).1);
            explanation.warnings = result.map_or_else(Vec::new, |result| result.all_warnings());
            // What is pinned by its digest was never executed, or need not have been.
            explanation.execution = result.filter(|result| !result.host.is_empty()).map(|result| Origin {
                run: records.executed(&decision.key),
                ended: result.created,
                host: result.host.clone(),
                seconds: result.seconds,
                adopted: result.adopted.clone(),
                maker: result.maker.clone(),
            });
        }
        Some(explanation)
    }

    /// Where the n-th artifact of an input comes from: the stage, if one makes it, and how the pipeline names it.
    fn source(&self, id: StageId, input: &str, position: usize) -> (Option<String>, Option<String>) {
        let pipeline = self.deciding.pipeline;
        let Some(item) = pipeline.stages[id.0].inputs.get(input).and_then(|items| items.get(position)) else {
            return (None, None);
        };
        match &item.from {
            From::Source(path) => (None, Some(path.display().to_string())),
            From::Output { stage, output } => {
                let name = pipeline.stages[stage.0].name.to_string();
                let text = format!("{name}.{output} ({})", input_path(pipeline, item).display());
                (Some(name), Some(text))
            }
        }
    }

    /// Where the artifacts of an input are; there may be thousands.
    fn places(&self, id: StageId, input: &str, manifest: &Manifest) -> Places {
        let mut known = self.places.borrow_mut();
        let places = known.entry((id, input.to_owned())).or_insert_with(|| {
            let items = manifest.inputs.get(input).into_iter().flatten().enumerate();
            // The first of those that are alike.
            let all: Vec<_> = items.map(|(i, item)| ((item.label.clone(), item.digest), i)).collect();
            Rc::new(all.into_iter().rev().collect())
        });
        Rc::clone(places)
    }

    /// The document with a digest, if a stage is handed it.
    fn document(&self, digest: &Digest) -> Option<Value> {
        let decision = |id: &StageId| match self.found.get(id) {
            Some(Found::Decided(decision)) => Some(decision),
            _ => None,
        };
        let known = self.documents.get_or_init(|| {
            let mut known = HashMap::new();
            for id in self.found.keys() {
                let Some(decision) = decision(id) else { continue };
                for (name, position) in decision.documents.keys() {
                    if let Some(item) = decision.manifest.inputs.get(name).and_then(|items| items.get(*position)) {
                        known.insert(item.digest, (*id, name.clone(), *position));
                    }
                }
            }
            known
        });
        let Some((id, name, position)) = known.get(digest) else {
            let mut stages = self.found.keys().map(|id| &self.deciding.pipeline.stages[id.0]);
            return stages.find_map(|stage| documents::picked(stage, digest));
        };
        serde_json::from_slice(decision(id)?.documents.get(&(name.clone(), *position))?).ok()
    }

    fn artifact(&self, stage: StageId, output: &str) -> Option<Artifact> {
        match self.found.get(&stage)? {
            Found::Decided(decision) => result(decision)?.outputs.get(output).cloned(),
            Found::Open(_) | Found::Broken(_) => None,
        }
    }
}

fn result(decision: &Decision) -> Option<&ActionResult> {
    match &decision.verdict {
        Verdict::UpToDate(result) | Verdict::Restore(result, _) => Some(result),
        Verdict::Execute(_) => None,
    }
}

/// The present, seen from a past run: outputs that are not made yet are taken to stay what they were then, which leaves
/// a stage's own changes.
struct AsOfRun<'a> {
    now: &'a Now<'a>,
    then: &'a Past<'a>,
}

impl Side for AsOfRun<'_> {
    fn action(&self, stage: &str, _: Option<&Manifest>) -> Option<Action> {
        let now = self.now;
        let pipeline = now.deciding.pipeline;
        let id = *now.ids.get(stage)?;
        let action = |manifest| Action { manifest, waits_for: vec![], notes: vec![] };
        Some(match now.found.get(&id)? {
            Found::Decided(decision) => action(Some(decision.manifest.clone())),
            Found::Broken(failed) => Action { notes: vec![failed.text()], ..action(None) },
            Found::Open(producers) => {
                let outputs = |producer: StageId, output: &str| {
                    let made = now.artifact(producer, output);
                    made.or_else(|| self.then.artifact(&pipeline.stages[producer.0].name.to_string(), output))
                };
                let manifest = now.deciding.decide(id, false, &outputs).ok().map(|decision| decision.manifest);
                let waits_for = producers.iter().map(|p| pipeline.stages[p.0].name.to_string()).collect();
                Action { waits_for, ..action(manifest) }
            }
        })
    }

    fn origin(&self, stage: &str, input: &str, label: &str, digest: &Digest) -> (Option<String>, Option<String>) {
        let Some(&id) = self.now.ids.get(stage) else { return (None, None) };
        let Some(Found::Decided(decision)) = self.now.found.get(&id) else {
            return self.of_open(id, input, label);
        };
        let places = self.now.places(id, input, &decision.manifest);
        let position = places.get(&(label.to_owned(), *digest));
        position.map_or((None, None), |position| self.now.source(id, input, *position))
    }

    fn document(&self, digest: &Digest) -> Option<Value> {
        self.now.document(digest)
    }

    fn listing(&self, stage: &str, digest: &Digest) -> Option<Listing> {
        let id = self.now.ids.get(stage)?;
        documents::source_listing(self.now.deciding, &self.now.deciding.pipeline.stages[id.0], digest)
    }

    fn is_document(&self, stage: &str, input: &str) -> bool {
        let Some(id) = self.now.ids.get(stage) else { return false };
        documents::is_own_document(&self.now.deciding.pipeline.stages[id.0], input)
    }
}

impl AsOfRun<'_> {
    /// The manifest of such a stage is put together anew, but its only input, or the one with the label, is known.
    fn of_open(&self, id: StageId, input: &str, label: &str) -> (Option<String>, Option<String>) {
        let pipeline = self.now.deciding.pipeline;
        let Some(items) = pipeline.stages[id.0].inputs.get(input) else { return (None, None) };
        let fits = |item: &crate::pipeline::Input| {
            items.len() == 1 || item.label == label || input_path(pipeline, item).display().to_string() == label
        };
        items.iter().position(fits).map_or((None, None), |position| self.now.source(id, input, position))
    }
}
