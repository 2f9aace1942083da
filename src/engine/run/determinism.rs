//! Checking that a stage is deterministic: it is executed twice from the same inputs, and nothing is published.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::trial::{Means, Trial};
use crate::engine::execute::rehearsal::Keeping;
use crate::hash::{ActionKey, Digest};
use crate::pipeline::{Pipeline, StageId};
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
    means: &Means<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Twice, Option<String>> {
    let trial = Trial::prepare(pipeline, store, id, means, true, note)?;
    let mut executed: Vec<(ActionResult, PathBuf)> = Vec::new();
    for which in ["first", "second"] {
        executed.push(trial.execute(which, trial.stage, Keeping::Nothing)?);
    }
    let [(first, one), (second, two)] = <[_; 2]>::try_from(executed).map_err(|_| None)?;
    let kept = store.result(&trial.decision.key);
    let differing = first.outputs.iter().filter_map(|(output, artifact)| {
        let other = second.outputs.get(output).filter(|other| *other != artifact)?;
        let kept = kept.as_ref().and_then(|kept| kept.outputs.get(output)).map(|artifact| artifact.digest);
        Some(Difference { output: output.clone(), digests: [artifact.digest, other.digest], kept })
    });
    let differences = differing.collect();
    Ok(Twice {
        stage: trial.stage.name.to_string(),
        key: trial.decision.key,
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
