//! A run after a run: where the files tell what has changed since everything was up to date, only the stages that this can reach are
//! looked at.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::context::{Options, RunStart, heed};
use super::crew::{RunContext, bring_up_to_date};
use super::event::Reporter;
use super::footprint::{self, Digests, Files, Footprint};
use crate::engine::decide::sources::Sources;
use crate::engine::record::history::History;
use crate::engine::record::records::is_good;
use crate::events::RunEvent;
use crate::hash::{Artifact, Digest};
use crate::interrupt::Interrupt;
use crate::kind::{Catalog, Role};
use crate::name_map::NameMap;
use crate::pipeline::{Body, Identity, Part, Pipeline, Report, Stage, StageId};
use crate::record::{RunRecord, RunStatus};
use crate::store::{PAGE, Project, Store, StoreError};

/// If changes can reach more of the stages than one in so many, an ordinary run is as quick.
const FEW: usize = 4;

/// If files of so many bytes may have to be hashed, it is worth reading what is known of them.
const MUCH: u64 = 16 << 20;

/// Keeps the footprint of a run that brought everything up to date, for [`rerun`]. Where there are built-in kinds, metrics or a report, it is
/// good for a run that finds nothing changed, and no other.
pub(crate) fn keep(
    pipeline: &Pipeline,
    store: &Store,
    sources: &Sources,
    record: &RunRecord,
    pages: &[Digest],
    identity: &Identity,
) {
    let all = record.stages.len() == pipeline.stages.len() && record.stages.len() > PAGE;
    let good = record.stages.iter().all(|stage| is_good(stage) && stage.warnings.is_empty());
    let commands = pipeline.stages.iter().all(|stage| matches!(stage.body, Body::Run(_)));
    let plain = pipeline.stages.iter().flat_map(|stage| stage.outputs.values()).all(|output| output.role == Role::Data);
    let whole =
        pipeline.stages.iter().flat_map(|stage| stage.inputs.values().flatten()).all(|item| item.view.is_none())
            && pipeline.stages.iter().all(|stage| stage.environment.is_none() && stage.counted.is_empty());
    if !all || !good || !whole {
        return;
    }
    let divisible = commands && plain && pipeline.report.is_none();
    let footprint = footprint::of(pipeline, store, pages, &digests(store, record, sources), divisible);
    tell_failure(footprint.map(|sections| identity.keep_beside(pipeline, &sections)));
}

/// The digest of every file that a run looked at.
fn digests<'p>(store: &Store, record: &'p RunRecord, sources: &'p Sources) -> Digests<'p> {
    let mut digests = footprint::digests_of(sources);
    for stage in &record.stages {
        let Some(result) = stage.key.and_then(|key| store.result(&key)) else { continue };
        for (name, output) in &stage.outputs {
            if let Some(artifact) = result.outputs.get(name) {
                digests.insert(&output.path, (artifact.digest, artifact.executable));
            }
        }
    }
    digests
}

/// Tells that a footprint could not be kept. Only the next run's time is lost.
fn tell_failure(kept: Option<io::Result<()>>) {
    if let Some(Err(error)) = kept {
        tracing::debug!("cannot keep the footprint: {error}");
    }
}

/// Brings a whole pipeline up to date, if it is known what has changed since it was, and records it. `options` says which way; which
/// stages follows. Returns the record, and the report that the pipeline has. `None` if it takes an ordinary run to tell.
///
/// # Errors
/// If the record cannot be written.
pub fn rerun(
    identity: &Identity,
    cache: &Path,
    catalog: &Catalog,
    options: &Options,
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
) -> Result<Option<(RunRecord, Option<Report>)>, StoreError> {
    let Some(kept) = identity.kept_beside() else { return Ok(None) };
    let store = Store::unread(cache)?;
    // One that has to wait goes the ordinary way.
    let Ok(_claim) = store.try_claim(&identity.root)? else { return Ok(None) };
    let began = RunStart::now(&store, Project::at(&identity.root, &identity.file), options);
    let Some(_hold) = store.try_hold_unread()? else { return Ok(None) };
    let mut head = Vec::new();
    let Some(footprint) = Footprint::read(&kept, &mut head).filter(|f| f.holds(&store, &identity.root, catalog)) else {
        return Ok(None);
    };
    let Some(touched) = footprint.touched(&identity.root) else { return Ok(None) };
    if touched.is_empty() {
        return idle(identity, &store, &footprint, options, interrupt, began, reporter);
    }
    if !footprint.divisible {
        return Ok(None);
    }
    let (part, ()) = rayon::join(|| identity.find_part(catalog, &touched, footprint.stages / FEW), || store.follow());
    let Some(part) = part else { return Ok(None) };
    // What changed may be in the remote cache.
    if part.pipeline.remote.is_some() || options.remote.is_some() {
        return Ok(None);
    }
    let order: Vec<StageId> = part.reached.iter().copied().collect();
    let positions: Vec<usize> = order.iter().map(|id| part.positions[id.0]).collect();
    // Only an ordinary run makes pages again that are damaged.
    let Ok(opened) = store.open_pages(&footprint.pages, &positions) else { return Ok(None) };
    tracing::debug!(reached = part.reached.len(), stages = footprint.stages, "only these can have changed");

    let Some(files) = footprint.files() else { return Ok(None) };
    let edge = edge(&part, &files, &store);
    let sources = Sources::scan(&part.pipeline, &order, &options.force, store.memo());
    if !files.agree(&sources, &positions) {
        return Ok(None);
    }
    heed(&store, interrupt)?;
    let (mut trace, event) = began.trace(&part.pipeline, &store, options, footprint.stages);
    reporter.tell(&event);
    reporter.tell(&RunEvent::UpToDate { count: footprint.stages - part.reached.len() });
    // What was recorded since, if anything, may say otherwise.
    let history = match store.last_pages(&began.project) {
        Some(pages) if pages == footprint.pages => History::beginning_with(&opened, &store, &began.project),
        _ => History::new(&store, &began.project),
    };
    let options = Options { stages: part.reached.clone(), ..options.clone() };
    let executor = options.executor(&part.pipeline, &store, interrupt);
    let given =
        RunContext { pipeline: &part.pipeline, store: &store, sources: &sources, executor: executor.as_ref(), edge };
    let stages = bring_up_to_date(&given, &options, interrupt, &began, &history, &mut trace, reporter);
    let record = std::thread::scope(|scope| -> Result<RunRecord, StoreError> {
        // Its folders are removed meanwhile, which waits for the disk on some file systems. Without a thread it is done at once.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || drop(executor));
        let record = began.record(&part.pipeline, &options, interrupt, stages, reporter);
        let pages = store.patch_pages(&footprint.pages, opened, &positions, &record.stages)?;
        let keep = || {
            if record.status == RunStatus::Ok {
                let digests = digests(&store, &record, &sources);
                let patched = footprint.patched(&store, &identity.root, &files, &pages, &digests);
                tell_failure(patched.map(|sections| identity.replace_beside(&sections)));
            }
        };
        let write = || {
            // Only the next run's time is lost.
            store.memo().save().unwrap_or_else(|error| tracing::warn!("cannot save the hash memo: {error}"));
            store.write_partial_run(record.clone(), &positions, footprint.stages, &pages)
        };
        let (written, ()) = rayon::join(write, keep);
        written
    })?;
    if let Some(trace) = trace {
        trace.remove();
    }
    reporter.run_finished(&record);
    Ok(Some((record, None)))
}

/// Records a run that has nothing to do. `None` if what is to be shown of it cannot be read.
fn idle(
    identity: &Identity,
    store: &Store,
    footprint: &Footprint<'_>,
    options: &Options,
    interrupt: &Interrupt,
    began: RunStart,
    reporter: &mut dyn Reporter,
) -> Result<Option<(RunRecord, Option<Report>)>, StoreError> {
    // There is nothing to show of stages that have neither metrics nor a report.
    let everything: Vec<usize> = if footprint.divisible { vec![] } else { (0..footprint.stages).collect() };
    let Ok(opened) = store.open_pages(&footprint.pages, &everything) else { return Ok(None) };
    let pipeline = &identity.empty(serde_json::from_str(footprint.params).unwrap_or(Value::Null));
    // Nothing goes on that could leave a trace.
    reporter.tell(&began.event(pipeline, options, footprint.stages));
    reporter.tell(&RunEvent::UpToDate { count: footprint.stages });
    let record = began.record(pipeline, options, interrupt, vec![], reporter);
    let mut record = store.write_partial_run(record, &[], footprint.stages, &footprint.pages)?;
    if !footprint.divisible {
        record.stages = opened.into_values().flatten().collect();
        record.untouched = 0;
    }
    reporter.run_finished(&record);
    Ok(Some((record, footprint.report.clone())))
}

/// The outputs of the stages at the edge of a part, of which the store's memo learns what is known of the files that those in it take.
fn edge(part: &Part, files: &Files, store: &Store) -> BTreeMap<StageId, NameMap<Artifact>> {
    let known = files.of_stages(&part.positions);
    let much = known.values().map(|(stamp, _)| stamp.size).sum::<u64>() > MUCH;
    if much || files.has_unknown(&part.positions) {
        store.memo().load();
    }
    for (stamp, artifact) in known.values() {
        store.memo().believe(stamp, artifact);
    }
    let outputs = |stage: &Stage| {
        let outputs = stage.outputs.iter();
        let known = outputs.filter_map(|(name, output)| {
            known.get(output.path.as_path()).map(|(_, artifact)| (name.clone(), artifact.clone()))
        });
        known.collect()
    };
    let stages = part.pipeline.stages.iter().enumerate().map(|(id, stage)| (StageId(id), stage));
    stages.filter(|(id, _)| !part.reached.contains(id)).map(|(id, stage)| (id, outputs(stage))).collect()
}
