//! What is asked of a run, and what is known of it from its beginning.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::event::Reporter;
use crate::engine::cluster::Cluster;
use crate::engine::decide::absent::RecordedKeys;
use crate::engine::executor::Executor;
use crate::engine::local::Local;
use crate::engine::record::host::host;
use crate::events::{self, RunEvent};
use crate::git::{Head, Look};
use crate::interrupt::Interrupt;
use crate::pipeline::{ExecutorSpec, Identity, Pipeline, StageId};
use crate::record::{Git, Outcome, RunId, RunOrigin, RunRecord, RunStatus, StageRecord};
use crate::remote::Remote;
use crate::store::{Project, Store, StoreError, Trace};

/// What is asked of a run.
#[derive(Clone)]
pub struct Options {
    /// The stages to bring up to date, with everything they need.
    pub stages: BTreeSet<StageId>,
    /// Stages to execute whatever the store has.
    pub force: BTreeSet<StageId>,
    /// Stages whose folder is kept if they fail.
    pub keep: BTreeSet<StageId>,
    /// How many processors the run may keep busy.
    pub jobs: usize,
    /// Who runs the stages, if not who the pipeline names.
    pub executor: Option<ExecutorSpec>,
    /// Whether jobs on a cluster go on when the run is stopped.
    pub leave_jobs: bool,
    /// Whether to go on with what does not depend on a failed stage.
    pub keep_going: bool,
    /// Whether to tell how things are done.
    pub verbose: bool,
    /// Whether outputs replace what Kiln did not make.
    pub overwrite: bool,
    /// The program that serves as worker: Kiln itself.
    pub worker: PathBuf,
    /// `--set` arguments, for the record.
    pub set: Vec<String>,
    /// What the record says of Git, where that is known; else it is looked up.
    pub git: Option<Git>,
    /// The keys of a run in which sources that are not here were what they are taken to be.
    pub absent: RecordedKeys,
    /// What the pipeline is known by, if the next run may be told what has changed.
    pub identity: Option<Identity>,
    /// The remote cache, if there is one.
    pub remote: Option<Arc<Remote>>,
}

impl Options {
    /// Who runs the stages of a pipeline.
    pub(crate) fn executor<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        store: &'a Store,
        interrupt: &'a Interrupt,
    ) -> Box<dyn Executor + 'a> {
        let here = Local::new(store, &pipeline.root, &self.worker, self.jobs);
        match self.executor.as_ref().or(pipeline.executor.as_ref()) {
            None | Some(ExecutorSpec::Local) => Box::new(here),
            Some(ExecutorSpec::Cluster(spec)) => {
                let cluster = Cluster::new(here, pipeline, store, &self.worker, spec, self.leave_jobs, interrupt);
                Box::new(cluster.by_way_of(self.remote.as_deref()))
            }
        }
    }
}

/// Hears the user's wish to stop from now on, and lets the store hear it.
pub(crate) fn heed(store: &Store, interrupt: &Interrupt) -> Result<(), StoreError> {
    interrupt.listen().map_err(StoreError::io("listen for signals in", store.root()))?;
    store.heed(interrupt);
    Ok(())
}

/// When a run began, and what it is called.
pub(crate) struct RunStart {
    pub(crate) id: RunId,
    pub(crate) at: Instant,
    /// Whose run it is.
    pub(crate) project: Project,
    pub(crate) started: Timestamp,
    /// Where in the project the cache lies, if it does.
    cache: Option<PathBuf>,
    /// The look at the repository that goes on beside the run.
    look: Option<Look>,
}

impl RunStart {
    pub(crate) fn now(store: &Store, project: Project, options: &Options) -> Self {
        let (at, started) = (Instant::now(), Timestamp::now());
        let look = options.git.is_none().then(|| Look::begin(&project.root, &project.pipeline));
        let project = project.named(store.root());
        Self { id: store.new_run_id(), at, started, cache: project.cache(store.root()), project, look }
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self, options: &Options) -> Head {
        let known = || Head::known(options.git.as_ref().and_then(|git| git.commit.clone()));
        self.look.as_ref().map_or_else(known, Look::head)
    }

    /// What is known of the run when it begins.
    pub(crate) fn event(&self, pipeline: &Pipeline, options: &Options, stages: usize) -> RunEvent {
        RunEvent::Run(Box::new(events::RunStarted {
            version: events::VERSION,
            id: self.id.clone(),
            started: self.started,
            origin: RunOrigin {
                project: pipeline.root.clone(),
                pipeline: pipeline.file.clone(),
                cache: self.cache.clone(),
                lineage: self.project.lineage.clone(),
                profile: pipeline.profile.clone(),
            },
            set: options.set.clone(),
            host: host(),
            process: std::process::id(),
            stages,
        }))
    }

    /// Begins to leave traces of the run, and tells how it begins. A run that cannot do that is as good as any other until it is killed.
    pub(crate) fn trace(
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
    pub(crate) fn record(
        self,
        pipeline: &Pipeline,
        options: &Options,
        interrupt: &Interrupt,
        stages: Vec<StageRecord>,
        reporter: &mut dyn Reporter,
    ) -> RunRecord {
        let seconds = self.at.elapsed().as_secs_f64();
        let git = match self.look {
            Some(look) => {
                let seen = look.end(&|path| is_output(pipeline, path));
                seen.warning.into_iter().for_each(|text| reporter.tell(&RunEvent::Note { text }));
                seen.git
            }
            None => options.git.clone(),
        };
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
            seconds,
            origin: RunOrigin {
                project: self.project.root,
                pipeline: self.project.pipeline,
                lineage: self.project.lineage.filter(|_| self.cache.is_none()),
                cache: self.cache,
                profile: pipeline.profile.clone(),
            },
            set: options.set.clone(),
            params: pipeline.params.clone(),
            host: host(),
            git,
            remote: options.remote.as_ref().map(|remote| remote.traffic()).filter(|traffic| traffic.is_any()),
            stages,
            untouched: 0,
        }
    }
}

/// Whether a file is an output of a stage, or in one.
fn is_output(pipeline: &Pipeline, file: &Path) -> bool {
    let Ok(path) = file.strip_prefix(&pipeline.root) else { return false };
    let mut outputs = pipeline.stages.iter().flat_map(|stage| stage.outputs.values());
    outputs.any(|output| path.starts_with(&output.path))
}
