//! Trials: what tries a stage and publishes nothing of it. What the stage needs is brought up to date first, from the remote cache as well.

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln::engine::{self, Means, Options, RecordedKeys, Step};
use kiln::pipeline::{self, Pipeline, StageId};
use kiln::record::RunStatus;
use kiln::store::{Ownership, Store};
use serde::Serialize;

use super::render::look::Look;
use super::select::Select;
use super::{EXIT_FAILED, Stop, render};

/// How stages are tried.
pub(super) struct Trials<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) store: &'a Store,
    pub(super) means: Means<'a>,
    /// What was said of the parameters, for the record.
    pub(super) select: &'a Select,
    /// Whether nothing is said but mistakes.
    pub(super) quiet: bool,
    /// Whether outputs replace what Kiln did not make.
    pub(super) overwrite: bool,
}

impl Trials<'_> {
    /// Tries each of some stages, and tells what came of them: as text, or as JSON.
    pub(super) fn each<T: Serialize>(
        &self,
        stages: &BTreeSet<StageId>,
        json: bool,
        mut try_out: impl FnMut(StageId) -> Result<T, Option<String>>,
        text: fn(&[T], &Look) -> String,
        is_same: fn(&T) -> bool,
    ) -> Result<u8, Stop> {
        let mut tried = Vec::new();
        for &id in stages {
            self.bring(id)?;
            tried.push(outcome(try_out(id))?);
        }
        self.end()?;
        if json {
            render::json(&serde_json::json!({ "version": 1, "stages": tried }))?;
        } else {
            render::data(&text(&tried, &Look::stdout()))?;
        }
        Ok(if tried.iter().all(is_same) { 0 } else { EXIT_FAILED })
    }

    /// Brings what a stage needs up to date.
    pub(super) fn bring(&self, id: StageId) -> Result<(), Stop> {
        let Self { pipeline, store, means, .. } = *self;
        let name = pipeline.stages[id.0].name.to_string();
        let mut needed = pipeline::select(pipeline, std::slice::from_ref(&name)).map_err(Stop::Mistakes)?;
        needed.remove(&id);
        let ownership = Ownership::new(store, &pipeline.root, self.overwrite);
        let remote = means.remote.map(|remote| (remote.as_ref(), true));
        let plan = engine::plan(pipeline, store, &needed, &BTreeSet::new(), &ownership, remote, &RecordedKeys::new());
        // What can be restored need not be in place.
        if plan.iter().all(|planned| matches!(planned.step, Step::UpToDate | Step::Restore)) {
            return Ok(());
        }
        let before = Options {
            stages: needed,
            force: BTreeSet::new(),
            keep: BTreeSet::new(),
            jobs: means.jobs,
            keep_going: false,
            executor: None,
            leave_jobs: false,
            verbose: false,
            overwrite: self.overwrite,
            worker: means.worker.to_owned(),
            set: self.select.set.clone(),
            git: None,
            absent: RecordedKeys::new(),
            identity: None,
            remote: means.remote.map(Arc::clone),
        };
        let mut reporter = render::reporter(self.quiet);
        match engine::run(pipeline, store, &before, means.interrupt, reporter.as_mut())?.status {
            RunStatus::Ok => Ok(()),
            RunStatus::Failed => Err(Stop::Failed),
            RunStatus::Interrupted | RunStatus::Running | RunStatus::Killed => Err(Stop::Interrupted),
        }
    }

    /// Keeps what was found out of files, and tells what there is to say of the remote cache.
    pub(super) fn end(&self) -> Result<(), Stop> {
        render::remote::news(self.means.remote.map(Arc::as_ref));
        Ok(self.store.memo().save()?)
    }

    /// Says what goes on.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            render::talk(&format!("{text}\n"));
        }
    }
}

/// What came of a trial, or why the command ends.
pub(super) fn outcome<T>(tried: Result<T, Option<String>>) -> Result<T, Stop> {
    tried.map_err(|why| why.map_or(Stop::Interrupted, |why| Stop::Error(anyhow::anyhow!(why))))
}
