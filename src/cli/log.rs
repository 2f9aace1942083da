//! `kiln log`: what a stage said when it was last executed.

use std::path::Path;
use std::rc::Rc;

use clap::Args;
use kiln::engine::Records;
use kiln::reason::Reason;
use kiln::record::{Outcome, RunRecord, StageRecord};
use kiln::store::Traced;

use super::past::Past;
use super::select::ProjectArgs;
use super::{Stop, follow, project, render};

#[derive(Args, Debug)]
pub(crate) struct Log {
    /// The stage: `train[model=5]`.
    stage: String,
    /// The log of this run instead of that of the last execution.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Go on with what is added while the stage is executed; if a run goes on that has yet to come to it, wait for that. `-f` is
    /// the same, unless a YAML file comes after it.
    #[arg(short = 'F', long, conflicts_with = "path")]
    follow: bool,
    /// The path of the log instead of its text.
    #[arg(long)]
    path: bool,
}

pub(crate) fn log(place: &ProjectArgs, args: &Log) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let asked = std::slice::from_ref(&args.stage);
    if args.follow && args.run.is_none() {
        follow::wait(place, &past, &args.stage)?;
    }
    let run = match &args.run {
        Some(name) => match past.find_traced(name) {
            Some(run) => Rc::new(run.record()),
            None => Rc::new(past.find(name)?),
        },
        None => newest(&past, &args.stage)?,
    };
    let name = only(&project::recorded(&run, asked)?, &args.stage)?;
    let stage = run.stages.iter().find(|stage| stage.name == name).ok_or_else(|| never(&name))?;
    if !was_executed(stage) {
        return Err(not_executed(&run.id, stage));
    }
    if args.follow && follow::follow(&past, &run.id, stage)? {
        return Ok(0);
    }
    if args.run.is_none()
        && let Some(newer) = goes_on_without(&past, &run, &name)
        && !args.path
    {
        let text = format!("run {newer} goes on and has not executed `{name}`; this is of run {}", run.id);
        render::talk(&format!("{text}\n"));
    }
    let Some(log) = &stage.log else {
        let text = saying_nothing(&run.id, stage);
        if args.path {
            return Err(Stop::Usage(format!("{text}, so there is no log")));
        }
        render::talk(&format!("{text}\n"));
        return Ok(0);
    };
    // The project, and the cache with it, may have moved since.
    let here = past.store.log_path(&run.id, &stage.name);
    let path = if here.exists() { here } else { past.root().join(log) };
    if args.path {
        render::data(&format!("{}\n", path.display()))?;
        return Ok(0);
    }
    if let Some(text) = unfinished(&run.id, stage) {
        render::talk(&format!("{text}\n"));
    }
    render::file(&path).map_err(|error| gone(&stage.name, &path, &error))?;
    Ok(0)
}

/// The newest run that executed a stage, be it recorded or not: one that goes on or was killed counts as well.
fn newest(past: &Past, stage: &str) -> Result<Rc<RunRecord>, Stop> {
    let asked = &[stage.to_owned()];
    let executed = |run: &RunRecord| {
        let names = project::recorded(run, asked).unwrap_or_default();
        !names.is_empty() && run.stages.iter().any(|stage| names.contains(&stage.name) && was_executed(stage))
    };
    let traced = past.store.traces(Some(&past.project)).iter().map(Traced::record).find(|run| executed(run));
    let mut records = Records::new(&past.store, &past.project);
    let mut recorded = || {
        // The newest run that has such a stage says which is meant; one before it may have executed it.
        let named = records.find(|run| project::recorded(run, asked).is_ok());
        let named = named.or_else(|| records.find(|_| true)).ok_or_else(|| past.nothing())?;
        let name = only(&project::recorded(&named, asked)?, stage)?;
        records.with_stage(&name, was_executed).ok_or_else(|| never(&name))
    };
    match (traced, recorded()) {
        (Some(traced), Ok(recorded)) if recorded.started > traced.started => Ok(recorded),
        (Some(traced), _) => Ok(Rc::new(traced)),
        (None, recorded) => recorded,
    }
}

/// A run that goes on, is newer than one, and has not executed a stage.
fn goes_on_without(past: &Past, run: &RunRecord, stage: &str) -> Option<String> {
    let newest = past.store.traces(Some(&past.project)).into_iter().find(|traced| traced.alive)?;
    let knows = newest.record().stages.iter().any(|of| of.name == stage && was_executed(of));
    (newest.began.started > run.started && !knows).then_some(newest.began.id)
}

/// What is to be said before the log of an execution that has not ended by itself.
fn unfinished(run: &str, stage: &StageRecord) -> Option<String> {
    let name = &stage.name;
    match stage.why().first() {
        Some(Reason::UnderWay) => Some(format!("run {run} goes on: `{name}` has said so far")),
        Some(Reason::Killed) => Some(format!("run {run} was killed: `{name}` had said until then")),
        Some(Reason::Interrupted) if stage.start.is_some() => {
            Some(format!("run {run} was interrupted: `{name}` had said until then"))
        }
        _ => None,
    }
}

fn saying_nothing(run: &str, stage: &StageRecord) -> String {
    let name = &stage.name;
    match stage.why().first() {
        Some(Reason::UnderWay) => format!("run {run} goes on: `{name}` has said nothing so far"),
        Some(Reason::Killed) => format!("run {run} was killed: `{name}` had said nothing until then"),
        Some(Reason::Interrupted) => format!("run {run} was interrupted: `{name}` had said nothing until then"),
        _ => format!("`{name}` said nothing in run {run}"),
    }
}

fn was_executed(stage: &StageRecord) -> bool {
    stage.log.is_some()
        || stage.outcome == Outcome::Executed
        || (matches!(stage.outcome, Outcome::Failed | Outcome::Skipped) && stage.start.is_some())
}

fn only(names: &[String], asked: &str) -> Result<String, Stop> {
    match names {
        [one] => Ok(one.clone()),
        several => {
            let shown = several.iter().take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = if several.len() > 8 { ", ..." } else { "" };
            Err(Stop::Usage(format!("`{asked}` names {} stages\nhint: choose one: {shown}{more}", several.len())))
        }
    }
}

fn never(name: &str) -> Stop {
    Stop::Usage(format!("no run of this project has executed `{name}`, so there is no log of it"))
}

fn not_executed(run: &str, stage: &StageRecord) -> Stop {
    let outcome = match stage.outcome {
        Outcome::UpToDate => "up to date".to_owned(),
        outcome => outcome.to_string(),
    };
    let text = format!("run {run} did not execute `{}`: it was {outcome}", stage.name);
    Stop::Usage(format!("{text}\nhint: without `--run` the log of its last execution is shown"))
}

fn gone(stage: &str, path: &Path, error: &std::io::Error) -> Stop {
    let path = path.display();
    let hint = format!("hint: `kiln run --force '{stage}'` executes it again");
    Stop::Usage(format!("cannot read the log of `{stage}`, {path}: {error}\n{hint}"))
}
