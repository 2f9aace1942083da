//! Executions of one stage that publish nothing: all that it needs is up to date, and each begins with the same inputs. Neither the project
//! nor the results in the store change.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::context::heed;
use crate::engine::decide::checkpoints::Checkpoints;
use crate::engine::decide::decision::{Deciding, Decision, Verdict};
use crate::engine::decide::sources::Sources;
use crate::engine::execute::execution::{Course, Execution};
use crate::engine::execute::found::Found;
use crate::engine::execute::rehearsal::Keeping;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::log::Log;
use crate::engine::executor::{End, Executor as _, Exit};
use crate::engine::local::Local;
use crate::hash::Artifact;
use crate::interrupt::Interrupt;
use crate::name_map::NameMap;
use crate::pipeline::{Body, From, Pipeline, Stage, StageId};
use crate::record::RunId;
use crate::remote::Remote;
use crate::store::{ActionResult, Hold, Store};

/// By what means stages are executed.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// How many processors may be kept busy.
    pub jobs: usize,
    /// The program that serves as worker: Kiln itself.
    pub worker: &'a Path,
    /// Whether the user asks to stop.
    pub interrupt: &'a Interrupt,
    /// The remote cache, if there is one: what the stage needs may come from there.
    pub remote: Option<&'a Arc<Remote>>,
}

/// A stage, ready to be executed as often as one likes.
pub(super) struct Trial<'a> {
    pipeline: &'a Pipeline,
    store: &'a Store,
    interrupt: &'a Interrupt,
    remote: Option<&'a Remote>,
    sources: Sources,
    executor: Local<'a>,
    threads: usize,
    run: RunId,
    inputs: BTreeMap<String, Vec<Option<Artifact>>>,
    /// Whether the command may read what the stage does not declare, so that it is found.
    pub(super) discovers: bool,
    /// What it has read of that.
    pub(super) found: Mutex<Found>,
    /// The stage as the pipeline has it.
    pub(super) stage: &'a Stage,
    /// What it would be known by.
    pub(super) decision: Decision,
    _hold: Hold,
}

impl<'a> Trial<'a> {
    /// A stage whose needs are up to date. `forced` says that it begins with nothing, though there be states of its steps. `note` is told what the
    /// user should know beside.
    ///
    /// # Errors
    /// Why it cannot be executed.
    pub(super) fn prepare(
        pipeline: &'a Pipeline,
        store: &'a Store,
        id: StageId,
        means: &Means<'a>,
        forced: bool,
        note: &mut dyn FnMut(&str),
    ) -> Result<Self, String> {
        let Means { jobs, worker, interrupt, .. } = *means;
        let remote = means.remote.map(Arc::as_ref);
        let hold = store.hold().map_err(|e| e.to_string())?;
        heed(store, interrupt).map_err(|e| e.to_string())?;
        let order: Vec<StageId> = (0..=id.0).map(StageId).collect();
        let sources = Sources::scan(pipeline, &order, &BTreeSet::from([id]), store.memo());
        let deciding = Deciding { pipeline, store, memo: store.memo(), sources: &sources, ownership: None, remote };
        let known = producers(pipeline, &deciding, id)?;
        let outputs = |stage: StageId, output: &str| known.get(&stage)?.outputs.get(output).cloned();
        let decision = deciding.decide(id, forced, &outputs).map_err(|failed| failed.text())?;
        let stage = &pipeline.stages[id.0];
        let artifact = |from: &From| match from {
            From::Source(_) => None,
            From::Output { stage, output } => outputs(*stage, output),
        };
        let inputs: BTreeMap<String, Vec<Option<Artifact>>> = stage
            .inputs
            .iter()
            .map(|(name, items)| (name.clone(), items.iter().map(|i| artifact(&i.from)).collect()))
            .collect();
        inputs.values().flatten().flatten().for_each(|artifact| deciding.bring_artifact(artifact));
        if !forced {
            Checkpoints::of(&deciding, stage, &decision).iter().for_each(Checkpoints::ask);
        }
        let executor = Local::new(store, &pipeline.root, worker, jobs);
        executor.remarks(stage).iter().for_each(|remark| note(remark));
        let threads = jobs.clamp(1, stage.resources.cpus.max(1));
        let run = store.new_run_id();
        let (discovers, found) = (false, Mutex::default());
        Ok(Self {
            pipeline,
            store,
            interrupt,
            remote,
            sources,
            executor,
            threads,
            run,
            inputs,
            discovers,
            found,
            stage,
            decision,
            _hold: hold,
        })
    }

    /// Executes it, in the words of `which` for the `first` time, as a stage that may differ from the pipeline's in its values.
    ///
    /// # Errors
    /// Why there is no result; `None` if the user asked to stop.
    pub(super) fn execute(
        &self,
        which: &str,
        stage: &Stage,
        keeping: Keeping<'_>,
    ) -> Result<(ActionResult, PathBuf), Option<String>> {
        let name = self.stage.name.to_string();
        let log = self.log(which)?;
        let deciding = self.deciding();
        let execution = self.execution(&deciding, stage, &log, keeping);
        let ended = execution.execute();
        self.executor.tidy();
        match ended {
            Ok(result) => Ok((result, log)),
            Err(NoResult::Interrupted) => Err(None),
            Err(NoResult::Failed(_)) if execution.is_far_enough() => Ok((ActionResult::of(NameMap::new()), log)),
            // It is executed here, so nobody can lose it.
            Err(NoResult::Lost(lost)) => Err(Some(lost.failed.text())),
            Err(NoResult::Failed(failed)) => {
                Err(Some(format!("{name}: the {which} execution failed: {}", failed.text())))
            }
        }
    }

    /// Whether what the stage does not declare is out of its reach.
    pub(super) fn is_guarded(&self) -> bool {
        self.executor.is_guarded()
    }

    /// Runs a program where the command of the stage would run, on the terminal; returns its code.
    ///
    /// # Errors
    /// Why it cannot be run; `None` if the user asked to stop.
    pub(super) fn visit(&self, words: &[OsString]) -> Result<i32, Option<String>> {
        let Body::Run(command) = &self.stage.body else {
            return Err(Some(format!("{} is of a built-in kind, so there is no command to try", self.stage.name)));
        };
        let log = self.store.log_path(&self.run, &format!("{}-shell", self.stage.name));
        let deciding = self.deciding();
        let ended = self.execution(&deciding, self.stage, &log, Keeping::Nothing).visit(command, words);
        self.executor.tidy();
        match ended {
            Ok(Exit { end: End::Code(code), .. }) => Ok(code),
            Ok(Exit { end: End::Signal { number, .. }, .. }) => Ok(128 + number),
            Ok(_) | Err(NoResult::Interrupted) => Err(None),
            Err(NoResult::Lost(lost)) => Err(Some(lost.failed.text())),
            Err(NoResult::Failed(failed)) => Err(Some(failed.text())),
        }
    }

    fn deciding(&self) -> Deciding<'_> {
        let Self { pipeline, store, remote, .. } = *self;
        Deciding { pipeline, store, memo: store.memo(), sources: &self.sources, ownership: None, remote }
    }

    fn execution<'e>(
        &'e self,
        deciding: &'e Deciding<'e>,
        stage: &'e Stage,
        log: &'e Path,
        keeping: Keeping<'e>,
    ) -> Execution<'e> {
        Execution {
            pipeline: self.pipeline,
            store: self.store,
            memo: self.store.memo(),
            sources: &self.sources,
            executor: &self.executor,
            stage,
            decision: &self.decision,
            inputs: self.inputs.clone(),
            threads: self.threads,
            log: Log { path: log, store: self.store },
            interrupt: self.interrupt,
            events: &|_| {},
            detail: &drop,
            discovers: self.discovers,
            found: &self.found,
            keeping,
            leaves_folder: false,
            deciding,
            course: Course::default(),
        }
    }

    /// The log of an execution, which is there to be compared, whatever the stage says.
    fn log(&self, which: &str) -> Result<PathBuf, Option<String>> {
        let log = self.store.log_path(&self.run, &format!("{}-{which}", self.stage.name));
        log.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&log))
            .map_err(|e| Some(format!("cannot create {}: {e}", log.display())))?;
        Ok(log)
    }
}

/// The results of everything a stage needs.
fn producers(
    pipeline: &Pipeline,
    deciding: &Deciding<'_>,
    id: StageId,
) -> Result<BTreeMap<StageId, ActionResult>, String> {
    let name = pipeline.stages[id.0].name.to_string();
    let needed = crate::pipeline::select(pipeline, std::slice::from_ref(&name))
        .map_err(|_| format!("there is no stage `{name}`"))?;
    let mut known: BTreeMap<StageId, ActionResult> = BTreeMap::new();
    for producer in needed.into_iter().filter(|stage| *stage != id) {
        let outputs = |stage: StageId, output: &str| known.get(&stage)?.outputs.get(output).cloned();
        match deciding.decide(producer, false, &outputs).map_err(|failed| failed.text())?.verdict {
            Verdict::UpToDate(result) | Verdict::Restore(result, _) => known.insert(producer, result),
            Verdict::Execute(_) => {
                return Err(format!("{name} needs {}, which is not up to date", pipeline.stages[producer.0].name));
            }
        };
    }
    Ok(known)
}
