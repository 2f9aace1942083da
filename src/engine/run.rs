//! A run: what is asked of it, from the first look at the sources to its record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;

use super::crew::{Given, bring_up_to_date};
use super::event::Reporter;
use super::history::History;
use super::rerun;
use super::sources::Sources;
use crate::events::{self, RunEvent};
use crate::interrupt::Interrupt;
use crate::pipeline::{Identity, Pipeline, StageId};
use crate::record::{Outcome, RunId, RunRecord, RunStatus, StageRecord};
use crate::store::{Project, Store, StoreError, Trace};

/// What is asked of a run.
#[derive(Clone)]
pub struct Options {
    /// The stages to bring up to date, with everything they need.
    pub stages: BTreeSet<StageId>,
    /// Stages to execute whatever the store has.
    pub force: BTreeSet<StageId>,
    /// How many processors the run may keep busy.
    pub jobs: usize,
    /// Whether to go on with what does not depend on a failed stage.
    pub keep_going: bool,
    /// Whether outputs replace what Kiln did not make.
    pub overwrite: bool,
    /// The program that serves as worker: Kiln itself.
    pub worker: PathBuf,
    /// `--set` arguments, for the record.
    pub set: Vec<String>,
    /// What the pipeline is known by, if the next run may be told what has changed.
    pub identity: Option<Identity>,
}

/// Brings stages up to date and records what was done. The record is written to the store whatever happened to the
/// stages.
///
/// # Errors
/// If the record cannot be written.
pub fn run(
    pipeline: &Pipeline,
    store: &Store,
    options: &Options,
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
) -> Result<RunRecord, StoreError> {
    let began = Began::now(store, Project::at(&pipeline.root, &pipeline.file));
    let _hold = match store.try_hold()? {
        Some(hold) => hold,
        None => {
            let text = "waiting for another Kiln that deletes from the cache".to_owned();
            reporter.tell(&RunEvent::Note { text });
            store.hold()?
        }
    };
    // From here on there is something to be left consistent.
    heed(store, interrupt)?;
    let order: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).filter(|s| options.stages.contains(s)).collect();
    let (mut trace, event) = began.trace(pipeline, store, options, order.len());
    reporter.tell(&event);
    let sources = Sources::scan(pipeline, &order, store.memo());
    let history = History::new(store, &began.project);
    let given = Given { pipeline, store, sources: &sources, edge: BTreeMap::new() };
    let stages = bring_up_to_date(&given, options, interrupt, &began, &history, &mut trace, reporter);
    let record = began.record(pipeline, options, interrupt, stages);
    let pages = store.write_pages_and_run(&record)?;
    if let Some(trace) = trace {
        trace.remove();
    }
    if let Err(error) = store.memo().save() {
        // Only the next run's time is lost.
        tracing::warn!("cannot save the hash memo: {error}");
    }
    if let Some(identity) = &options.identity {
        rerun::keep(pipeline, store, &sources, &record, &pages, identity);
    }
    reporter.run_finished(&record);
    Ok(record)
}

/// Hears the user's wish to stop from now on, and lets the store hear it.
pub(super) fn heed(store: &Store, interrupt: &Interrupt) -> Result<(), StoreError> {
    interrupt.listen().map_err(StoreError::io("listen for signals in", store.root()))?;
    store.heed(interrupt);
    Ok(())
}

/// When a run began, and what it is called.
pub(super) struct Began {
    pub(super) id: RunId,
    pub(super) at: Instant,
    /// Whose run it is.
    pub(super) project: Project,
    started: Timestamp,
    /// Where in the project the cache lies, if it does.
    cache: Option<PathBuf>,
}

impl Began {
    pub(super) fn now(store: &Store, project: Project) -> Self {
        let (at, started) = (Instant::now(), Timestamp::now());
        let project = project.named(store.root());
        Self { id: store.new_run_id(), at, started, cache: project.cache(store.root()), project }
    }

    /// What is known of the run when it begins.
    pub(super) fn event(&self, pipeline: &Pipeline, options: &Options, stages: usize) -> RunEvent {
        RunEvent::Run(Box::new(events::Began {
            version: events::VERSION,
            id: self.id.clone(),
            started: self.started,
            project: pipeline.root.clone(),
            pipeline: pipeline.file.clone(),
            cache: self.cache.clone(),
            lineage: self.project.lineage.clone(),
            profile: pipeline.profile.clone(),
            set: options.set.clone(),
            host: super::host(),
            process: std::process::id(),
            stages,
        }))
    }

    /// Begins to leave traces of the run, and tells how it begins. A run that cannot do that is as good as any other until it is killed.
    pub(super) fn trace(
        &self,
        pipeline: &Pipeline,
        store: &Store,
        options: &Options,
        stages: usize,
    ) -> (Option<Trace>, RunEvent) {
        let event = self.event(pipeline, options, stages);
        let trace = store.trace(&self.id, self.started, &event);
        (trace.inspect_err(|error| tracing::warn!("the run leaves no traces: {error}")).ok(), event)
    }

    /// The record of the run.
    pub(super) fn record(
        self,
        pipeline: &Pipeline,
        options: &Options,
        interrupt: &Interrupt,
        stages: Vec<StageRecord>,
    ) -> RunRecord {
        let status = if interrupt.is_set() {
            RunStatus::Interrupted
        } else if stages.iter().any(|s| s.outcome == Outcome::Failed) {
            RunStatus::Failed
        } else {
            RunStatus::Ok
        };
        RunRecord {
            version: 1,
            id: self.id,
            status,
            started: self.started,
            seconds: self.at.elapsed().as_secs_f64(),
            project: self.project.root,
            pipeline: self.project.pipeline,
            lineage: self.project.lineage.filter(|_| self.cache.is_none()),
            cache: self.cache,
            profile: pipeline.profile.clone(),
            set: options.set.clone(),
            params: pipeline.params.clone(),
            host: super::host(),
            stages,
        }
    }
}
