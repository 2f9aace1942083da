//! `kiln runs`.

use clap::Args;
use kiln::store::{RunSummary, Traced};
use serde_json::{Value, json};

use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Runs {
    /// Those of every pipeline file and project that the cache has runs of.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn runs(place: &ProjectArgs, args: &Runs) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let project = if args.all { None } else { Some(&past.project) };
    // Traces first: a run that ends meanwhile is listed by its record.
    let traces = past.store.traces(project);
    let records = past.store.runs(project)?;
    let mut runs: Vec<Listed> = records.into_iter().map(|summary| Listed { summary, trace: None }).collect();
    // Records are in order by themselves, the newest first, even where the clock was set back. A run without one is put in by its time.
    for trace in traces {
        if runs.iter().all(|run| run.summary.id != trace.began.id) {
            let summary = trace.summary();
            let place = runs.iter().position(|run| run.summary.started <= summary.started).unwrap_or(runs.len());
            runs.insert(place, Listed { summary, trace: Some(trace) });
        }
    }
    if args.json {
        let runs = runs.iter().map(Listed::json).collect::<serde_json::Result<Vec<Value>>>()?;
        render::json(&json!({ "version": 1, "runs": runs }))?;
        return Ok(0);
    }
    if !runs.is_empty() {
        render::data(&render::list::runs(&runs, &Look::stdout()))?;
    } else if let Stop::Usage(text) = past.nothing() {
        render::talk(&format!("{text}\n"));
    }
    // What is not listed is not forgotten.
    if let Some(others) = past.elsewhere().filter(|_| !args.all && !runs.is_empty()) {
        render::talk(&format!("not listed: {others}\n"));
    }
    Ok(0)
}

/// A run of the list.
pub(crate) struct Listed {
    pub(crate) summary: RunSummary,
    /// Of a run that goes on, or was killed.
    pub(crate) trace: Option<Traced>,
}

impl Listed {
    fn json(&self) -> serde_json::Result<Value> {
        let mut run = serde_json::to_value(&self.summary)?;
        if let Some(trace) = &self.trace {
            run["under_way"] = under_way(trace);
        }
        Ok(run)
    }
}

/// The stages of a run that are under way, as JSON.
pub(crate) fn under_way(trace: &Traced) -> Value {
    let stages = trace.under_way.iter().map(|stage| {
        json!({
            "name": stage.record.name,
            "seconds": (trace.seconds() - stage.since).max(0.0),
            "progress": stage.progress,
            "log": stage.record.log,
        })
    });
    stages.collect()
}
