//! `kiln log`: what a stage said when it was last executed.

use std::path::Path;
use std::rc::Rc;

use clap::Args;
use kiln::engine::Records;
use kiln::record::{Outcome, StageRecord};

use super::args::Place;
use super::past::Past;
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Log {
    /// The stage: `train[model=5]`.
    stage: String,
    /// The log of this run instead of that of the last execution.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// The path of the log instead of its text.
    #[arg(long)]
    path: bool,
}

pub(crate) fn log(place: &Place, args: &Log) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let asked = std::slice::from_ref(&args.stage);
    let run = match &args.run {
        Some(run) => Rc::new(past.find(run)?),
        None => {
            let mut records = Records::new(&past.store, &past.project);
            // The newest run that has such a stage says which is meant; one before it may have executed it.
            let named = records.find(|run| project::recorded(run, asked).is_ok());
            let named = named.or_else(|| records.find(|_| true)).ok_or_else(|| past.nothing())?;
            let name = only(&project::recorded(&named, asked)?, &args.stage)?;
            records.with_stage(&name, was_executed).ok_or_else(|| never(&name))?
        }
    };
    let name = only(&project::recorded(&run, asked)?, &args.stage)?;
    let stage = run.stages.iter().find(|stage| stage.name == name).ok_or_else(|| never(&name))?;
    if !was_executed(stage) {
        return Err(not_executed(&run.id, stage));
    }
    let Some(log) = &stage.log else {
        let text = format!("`{}` said nothing in run {}", stage.name, run.id);
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
    render::file(&path).map_err(|error| gone(&stage.name, &path, &error))?;
    Ok(0)
}

fn was_executed(stage: &StageRecord) -> bool {
    stage.log.is_some()
        || stage.outcome == Outcome::Executed
        || (stage.outcome == Outcome::Failed && stage.start.is_some())
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
