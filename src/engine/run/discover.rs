//! Finding the inputs of a stage: it is executed once with all of the project open to it, and what it reads is told. Nothing is published.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::context::heed;
use super::determinism::producers;
use super::fold::{self, FoundInput};
use crate::engine::decide::decision::Deciding;
use crate::engine::decide::sources::Sources;
use crate::engine::execute::execution::Execution;
use crate::engine::execute::found::Found;
use crate::engine::executor::Executor as _;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::log::Log;
use crate::engine::local::Local;
use crate::interrupt::Interrupt;
use crate::pipeline::{Body, From, Pipeline, StageId};
use crate::store::Store;

/// What was found of a stage.
#[derive(Debug)]
pub struct Discovered {
    /// The inputs to declare beside those that are, by name.
    pub inputs: Vec<(String, FoundInput)>,
    /// Files that it asked for whether they are there, and did not read.
    pub asked: Vec<PathBuf>,
    /// Files of the project that it wanted and that are not there.
    pub missing: Vec<PathBuf>,
    /// How many files of the project it read that are not declared.
    pub files: usize,
    /// Why it failed, if it did: there may be more to find.
    pub failure: Option<String>,
    /// What it said.
    pub log: PathBuf,
}

/// Executes a stage, once what it declares to need is up to date, and finds what it reads of the project. `note` is told what the user should know
/// beside.
///
/// # Errors
/// Why it cannot be executed so. `None` if the user asked to stop.
pub fn discover(
    pipeline: &Pipeline,
    store: &Store,
    id: StageId,
    threads: usize,
    worker: &Path,
    interrupt: &Interrupt,
    note: &mut dyn FnMut(&str),
) -> Result<Discovered, Option<String>> {
    let stage = &pipeline.stages[id.0];
    if let Body::Uses { kind, .. } = &stage.body {
        return Err(Some(format!("`{}` uses the kind `{}`, whose inputs are known: `kiln kinds {}`", stage.name, kind.name(), kind.name())));
    }
    let told = |error: String| Some(error);
    let _hold = store.hold().map_err(|e| told(e.to_string()))?;
    heed(store, interrupt).map_err(|e| told(e.to_string()))?;
    let memo = store.memo();
    let order: Vec<StageId> = (0..=id.0).map(StageId).collect();
    let sources = Sources::scan(pipeline, &order, &BTreeSet::new(), memo);
    let deciding = Deciding { pipeline, store, memo, sources: &sources, ownership: None, remote: None };
    let known = producers(pipeline, &deciding, id).map_err(told)?;
    let outputs = |stage: StageId, output: &str| known.get(&stage)?.outputs.get(output).cloned();
    let decision = deciding.decide(id, true, &outputs).map_err(|failed| told(failed.text()))?;
    let artifact = |from: &From| match from {
        From::Source(_) => None,
        From::Output { stage, output } => outputs(*stage, output),
    };
    let items = stage.inputs.iter();
    let inputs = items.map(|(name, items)| (name.clone(), items.iter().map(|i| artifact(&i.from)).collect())).collect();
    let executor = Local::new(store, &pipeline.root, worker, threads);
    executor.remarks(stage).iter().for_each(|remark| note(remark));
    if !executor.is_guarded() {
        return Err(told("without the guard a command could write to the project; so its inputs are not looked for".into()));
    }
    let log = store.log_path(&store.new_run_id(), &format!("{}-discover", stage.name));
    let found = Mutex::new(Found::default());
    let execution = Execution {
        pipeline,
        store,
        memo,
        sources: &sources,
        executor: &executor,
        stage,
        decision: &decision,
        inputs,
        threads: threads.clamp(1, stage.resources.cpus.max(1)),
        log: Log { path: &log, store },
        interrupt,
        events: &|_| {},
        detail: &drop,
        discovers: true,
        found: &found,
        keeps: false,
        deciding: &deciding,
    };
    let ended = execution.execute();
    executor.tidy();
    let failure = match ended {
        Ok(_) => None,
        Err(NoResult::Interrupted) => return Err(None),
        Err(NoResult::Failed(failed)) => Some(failed.text()),
    };
    let found = found.into_inner().unwrap_or_default();
    Ok(Discovered {
        inputs: fold::inputs(&found, pipeline, id),
        files: found.read.len(),
        asked: found.asked.into_iter().collect(),
        missing: found.missing.into_iter().collect(),
        failure,
        log,
    })
}
