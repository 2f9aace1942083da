//! Checking that a stage is deterministic: it is executed twice from the same inputs, and nothing is published.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::context::heed;
use crate::engine::decide::decision::{Deciding, Verdict};
use crate::engine::decide::sources::Sources;
use crate::engine::execute::execution::Execution;
use crate::engine::executor::Executor as _;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::log::Log;
use crate::engine::local::Local;
use crate::hash::{ActionKey, Artifact, Digest};
use crate::interrupt::Interrupt;
use crate::pipeline::{From, Pipeline, StageId};
use crate::record::RunId;
use crate::store::{ActionResult, Store};

/// A stage that was executed twice.
#[derive(Debug, Serialize)]
pub struct Twice {
    /// Its name.
    pub stage: String,
    /// Its key.
    pub key: ActionKey,
    /// Outputs that came out different.
    pub differences: Vec<Difference>,
    /// The logs of both executions.
    pub logs: [PathBuf; 2],
    /// The first line in which the logs differ, if they do.
    pub log_difference: Option<LogDifference>,
    /// How long each took, in seconds.
    pub seconds: [f64; 2],
}

/// An output that came out different.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The output's name.
    pub output: String,
    /// What the executions gave.
    pub digests: [Digest; 2],
    /// What the store has for it, from an earlier execution.
    pub kept: Option<Digest>,
}

/// A line in which two logs differ.
#[derive(Debug, Serialize)]
pub struct LogDifference {
    /// Its number, from 1.
    pub line: usize,
    /// What each log has there; nothing where it has ended.
    pub texts: [String; 2],
}

/// Executes a stage twice and compares what came out. All that it needs has to be up to date. Neither the project nor
/// the results in the store change. `note` is told what the user should know beside.
///
/// # Errors
/// Why there is nothing to compare: a stage it needs is not up to date, or an execution failed. `None` if the user
/// asked to stop.
pub fn check_determinism(
    pipeline: &Pipeline,
    store: &Store,
    id: StageId,
    threads: usize,
    worker: &Path,
    interrupt: &Interrupt,
    note: &mut dyn FnMut(&str),
) -> Result<Twice, Option<String>> {
    let told = |error: String| Some(error);
    let _hold = store.hold().map_err(|e| told(e.to_string()))?;
    heed(store, interrupt).map_err(|e| told(e.to_string()))?;
    let memo = store.memo();
    let order: Vec<StageId> = (0..=id.0).map(StageId).collect();
    let sources = Sources::scan(pipeline, &order, &BTreeSet::from([id]), memo);
    let deciding = Deciding { pipeline, store, memo, sources: &sources, ownership: None, remote: None };

    let known = producers(pipeline, &deciding, id).map_err(told)?;
    let outputs = |stage: StageId, output: &str| known.get(&stage)?.outputs.get(output).cloned();
    let decision = deciding.decide(id, true, &outputs).map_err(|failed| told(failed.text()))?;
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

    let executor = Local::new(store, &pipeline.root, worker, threads);
    executor.remarks(stage).iter().for_each(|remark| note(remark));
    let run: RunId = store.new_run_id();
    let name = stage.name.to_string();
    let mut executed: Vec<(ActionResult, PathBuf)> = Vec::new();
    for which in ["first", "second"] {
        let log = store.log_path(&run, &format!("{name}-{which}"));
        // There to be compared, whatever the stage says.
        log.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&log))
            .map_err(|e| told(format!("cannot create {}: {e}", log.display())))?;
        let execution = Execution {
            pipeline,
            store,
            memo,
            sources: &sources,
            executor: &executor,
            stage,
            decision: &decision,
            inputs: inputs.clone(),
            threads: threads.clamp(1, stage.resources.cpus.max(1)),
            log: Log { path: &log, store },
            interrupt,
            events: &|_| {},
            keeps: false,
            deciding: &deciding,
        };
        let ended = execution.execute();
        executor.tidy();
        match ended {
            Ok(result) => executed.push((result, log)),
            Err(NoResult::Interrupted) => return Err(None),
            Err(NoResult::Failed(failed)) => {
                return Err(told(format!("{name}: the {which} execution failed: {}", failed.text())));
            }
        }
    }
    let [(first, one), (second, two)] = <[_; 2]>::try_from(executed).map_err(|_| None)?;
    let kept = store.result(&decision.key);
    let differing = first.outputs.iter().filter_map(|(output, artifact)| {
        let other = second.outputs.get(output).filter(|other| *other != artifact)?;
        let kept = kept.as_ref().and_then(|kept| kept.outputs.get(output)).map(|artifact| artifact.digest);
        Some(Difference { output: output.clone(), digests: [artifact.digest, other.digest], kept })
    });
    let differences = differing.collect();
    Ok(Twice {
        stage: name,
        key: decision.key,
        differences,
        log_difference: first_difference(&one, &two),
        logs: [one, two],
        seconds: [first.seconds, second.seconds],
    })
}

/// Logs may be of any size: so much of each is compared.
const COMPARED: u64 = 1 << 20;

fn first_difference(one: &Path, two: &Path) -> Option<LogDifference> {
    let read = |path: &Path| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(COMPARED).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let (one, two) = (read(one).ok()?, read(two).ok()?);
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (lines(&one), lines(&two));
    let differs = (0..one.len().max(two.len())).find(|line| one.get(*line) != two.get(*line))?;
    let text = |lines: &[String]| lines.get(differs).cloned().unwrap_or_default();
    Some(LogDifference { line: differs + 1, texts: [text(&one), text(&two)] })
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
