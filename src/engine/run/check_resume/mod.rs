//! Checking that a stage goes on to the same: it is executed in a single go, then its first half, then the rest from the state that the
//! first half left. States and outputs are compared, and nothing is published.
//!
//! `mod` executes; `contents` finds where two files or folders differ, `tensors` in which part of a file, `pickle` in which value of one.

mod contents;
mod pickle;
mod tensors;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::trial::{Means, Trial};
use crate::diagnostic::with_causes;
use crate::engine::decide::checkpoints::documents;
use crate::engine::execute::rehearsal::{Keeping, Rehearsal};
use crate::hash::{ActionKey, Artifact};
use crate::kind::Chain;
use crate::pipeline::{Pipeline, Stage, StageId};
use crate::record::Resumed;
use crate::store::{ActionResult, Placement, Scratch, Store};

pub use contents::FileDifference;

/// What came of a stage that was executed in a single go and in two halves.
#[derive(Debug, Serialize)]
pub struct ResumeCheck {
    /// Its name.
    pub stage: String,
    /// Its key.
    pub key: ActionKey,
    /// What a step is: `epoch`.
    pub unit: String,
    /// How many steps there are.
    pub steps: u64,
    /// The last step of the first half.
    pub half: u64,
    /// Whether the first half was asked for as so many steps. If not, it was stopped after the last of them.
    pub fewer: bool,
    /// The first step whose states differ, and how they do.
    pub state: Option<StateDifference>,
    /// The outputs that differ.
    pub outputs: Vec<OutputDifference>,
    /// The logs of the three executions.
    pub logs: [PathBuf; 3],
    /// How long each took, in seconds.
    pub seconds: [f64; 3],
}

impl ResumeCheck {
    /// Whether all came out the same.
    pub fn is_same(&self) -> bool {
        self.state.is_none() && self.outputs.is_empty()
    }
}

/// Two states of a step that differ.
#[derive(Debug, Serialize)]
pub struct StateDifference {
    /// The step.
    pub step: u64,
    /// Its files that differ.
    pub files: Vec<FileDifference>,
}

/// Two outputs that differ.
#[derive(Debug, Serialize)]
pub struct OutputDifference {
    /// The output's name.
    pub output: String,
    /// Its files that differ.
    pub files: Vec<FileDifference>,
}

/// Executes a stage in a single go and in two halves, and compares. All that it needs has to be up to date. Neither the project nor the
/// results in the store change. `note` is told what goes on.
///
/// # Errors
/// Why there is nothing to compare; `None` if the user asked to stop.
pub fn check_resume(
    pipeline: &Pipeline,
    store: &Store,
    id: StageId,
    means: &Means<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<ResumeCheck, Option<String>> {
    let trial = Trial::prepare(pipeline, store, id, means, true, note)?;
    let name = trial.stage.name.to_string();
    let documents = documents(&trial.decision);
    let chain = trial.stage.chain(&documents).ok_or_else(|| not_made_of_steps(trial.stage))?;
    if chain.goal < 2 {
        return Err(Some(format!("{name} has {}: to be halved it needs two or more", count(chain.goal, &chain.unit))));
    }
    let scratch = store.scratch("halves").map_err(|e| with_causes(&e))?;
    let aside = |name: &str| -> Result<Rehearsal, String> {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        Ok(Rehearsal::new(folder))
    };
    let mut stage = trial.stage.clone();
    // What is tried again would hide what is looked for.
    stage.retries = 0;

    note(&format!("{name}: {} in a single go", count(chain.goal, &chain.unit)));
    let whole = aside("whole")?;
    let (straight, straight_log) = trial.execute("straight", &stage, Keeping::Aside(&whole))?;
    let half = middle(&whole.steps(), chain.goal).ok_or_else(|| leaves_nothing(&name, &chain, &whole.steps()))?;

    let fewer = if chain.whole.is_none() { stage.with_goal(half, &documents) } else { None };
    note(&format!("{name}: the first {}", count(half, &chain.unit)));
    let mut first = aside("first")?;
    first.until = fewer.is_none().then_some(half);
    let (begun, begun_log) = trial.execute("first-half", fewer.as_ref().unwrap_or(&stage), Keeping::Aside(&first))?;
    if !first.state(half).exists() {
        return Err(Some(format!(
            "{name}: of {} it left the state of {} {half} in a single go, and not when it was to do {} alone",
            count(chain.goal, &chain.unit),
            chain.unit,
            count(half, &chain.unit),
        )));
    }
    let mut state = differing(&whole, &first, 1, half)?;

    note(&format!(
        "{name}: the other {}, from the state of {} {half}",
        count(chain.goal - half, &chain.unit),
        chain.unit
    ));
    let mut second = aside("second")?;
    second.from = Some(resumed(store, &first, half, &chain, begun.seconds)?);
    let (ended, ended_log) = trial.execute("second-half", &stage, Keeping::Aside(&second))?;
    if state.is_none() {
        state = differing(&whole, &second, half + 1, chain.goal)?;
    }
    let outputs = outputs(store, &scratch, &straight, &ended)?;
    Ok(ResumeCheck {
        stage: name,
        key: trial.decision.key,
        unit: chain.unit,
        steps: chain.goal,
        half,
        fewer: fewer.is_some(),
        state,
        outputs,
        logs: [straight_log, begun_log, ended_log],
        seconds: [straight.seconds, begun.seconds, ended.seconds],
    })
}

fn not_made_of_steps(stage: &Stage) -> String {
    format!("{} is not made of steps\nhint: a command says so by `steps: {{parameter: ...}}`", stage.name)
}

fn leaves_nothing(name: &str, chain: &Chain, steps: &[u64]) -> String {
    let unit = &chain.unit;
    let left = match steps {
        [] => "no state".to_owned(),
        _ => format!("the state of the last {unit} alone"),
    };
    format!(
        "{name}: it left {left}, so there is nothing to go on from\nhint: leave one in KILN_STATES after each {unit}"
    )
}

/// The step to halve at: of those before the last whose state was left, the one that is nearest to the middle.
fn middle(steps: &[u64], goal: u64) -> Option<u64> {
    steps.iter().copied().filter(|step| *step < goal).min_by_key(|step| (step * 2).abs_diff(goal))
}

/// The state to go on from, as an execution finds it: in the store, which forgets it when nobody needs it.
fn resumed(
    store: &Store,
    first: &Rehearsal,
    half: u64,
    chain: &Chain,
    seconds: f64,
) -> Result<(Resumed, Artifact, Option<Artifact>), String> {
    let capture = |path: PathBuf| store.capture(&path).map_err(|e| with_causes(&e));
    let lines = first.lines(half);
    let lines = if lines.exists() { Some(capture(lines)?) } else { None };
    Ok((Resumed { step: half, unit: chain.unit.clone(), seconds }, capture(first.state(half))?, lines))
}

/// The first of some steps whose states differ.
fn differing(one: &Rehearsal, other: &Rehearsal, from: u64, to: u64) -> Result<Option<StateDifference>, String> {
    let others = other.steps();
    for step in one.steps().into_iter().filter(|step| (from..=to).contains(step) && others.contains(step)) {
        let files = contents::differences(&one.state(step), &other.state(step), false)
            .map_err(|e| format!("cannot compare states: {e}"))?;
        if !files.is_empty() {
            return Ok(Some(StateDifference { step, files }));
        }
    }
    Ok(None)
}

/// The outputs that differ. They are compared as files again.
fn outputs(
    store: &Store,
    scratch: &Scratch,
    one: &ActionResult,
    other: &ActionResult,
) -> Result<Vec<OutputDifference>, String> {
    let mut all = Vec::new();
    let both: BTreeMap<_, _> =
        one.outputs.iter().filter_map(|(name, artifact)| Some((name, (artifact, other.outputs.get(name)?)))).collect();
    for (position, (name, (one, other))) in both.into_iter().enumerate() {
        if one == other {
            continue;
        }
        let places = ["straight", "halves"].map(|which| scratch.path().join(format!("{which}-{position}")));
        for (artifact, place) in [one, other].into_iter().zip(&places) {
            store.materialise(artifact, place, Placement::Copy).map_err(|e| with_causes(&e))?;
        }
        let files =
            contents::differences(&places[0], &places[1], true).map_err(|e| format!("cannot compare `{name}`: {e}"))?;
        all.push(OutputDifference { output: name.clone(), files });
    }
    Ok(all)
}

/// `1 epoch`, `4 epochs`.
fn count(number: u64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}
