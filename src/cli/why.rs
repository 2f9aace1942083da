//! `kiln why`: why a stage is dirty, field by field, or why it needs nothing; and the same of a past run.

use clap::Args;
use kiln::catalog::catalog;
use kiln::engine::{self, Explanation, StageState};
use kiln::show::reason::words;
use serde_json::{Value, json};

use super::past::Past;
use super::render::look::Look;
use super::select::{ProjectArgs, Select};
use super::status::State;
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Why {
    /// The stages to explain: `train[model=5]`, `train`, `eval*`.
    #[arg(value_name = "STAGE", required = true)]
    stages: Vec<String>,
    #[command(flatten)]
    select: Select,
    /// Explain what this run did instead of what the next one would do.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["profile", "set"])]
    run: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn why(place: &ProjectArgs, args: &Why) -> Result<u8, Stop> {
    let explanations = match &args.run {
        Some(run) => past(place, args, run)?,
        None => {
            let pipeline = project::load(place, &place.file, &args.select)?;
            let stages = project::named(&pipeline, &args.stages)?;
            let store = project::store(place, &pipeline.root)?;
            engine::explain(&pipeline, &store, &catalog(), &stages)
        }
    };
    if args.json {
        let all: Vec<Value> = explanations.iter().map(as_json).collect();
        render::json(&json!({ "version": 1, "stages": all }))?;
    } else {
        render::data(&render::why::why(&explanations, &Look::stdout()))?;
    }
    Ok(0)
}

fn past(place: &ProjectArgs, args: &Why, run: &str) -> Result<Vec<Explanation>, Stop> {
    let past = Past::open(place)?;
    let record = past.find(run)?;
    let names = project::recorded(&record, &args.stages)?;
    let catalog = catalog();
    let owner = past.store.owner_of(&record, &past.project);
    let explain = |name: &String| engine::explain_past(&past.store, &catalog, &owner, &record, name);
    Ok(names.iter().filter_map(explain).collect())
}

fn as_json(explanation: &Explanation) -> Value {
    let Explanation { stage, standing, reasons, since, changes, key, parts, execution, warnings } = explanation;
    let mut value = json!({
        "stage": stage,
        "reasons": reasons.iter().map(words).collect::<Vec<_>>(),
        "causes": reasons,
        "since": since,
        "changes": changes,
        "key": key,
        "parts": parts,
        "execution": execution,
        "warnings": warnings,
    });
    match standing {
        StageState::Now(step) => value["state"] = json!(State::of(step)),
        StageState::Then(outcome) => value["outcome"] = json!(outcome),
    }
    value
}
