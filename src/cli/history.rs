//! `kiln history`: a metric over the runs, oldest first.

use clap::Args;
use kiln::compare;
use kiln::pipeline::{self, StageName};
use kiln::record::{RunRecord, StageRecord};

use super::args::Place;
use super::render::look::Look;
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct History {
    /// The metric (a glob): `accuracy`, `evaluate.loss`, `macro.*`.
    metric: String,
    /// Only these stages: `evaluate`, `evaluate[model=5]`, `eval*` [default: all that have the metric].
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// So many of the last runs; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    last: usize,
    /// As JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As Markdown tables.
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn history(place: &Place, args: &History) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let store = project::store(place, &root)?;
    let mut summaries = store.runs(Some(&root))?;
    if summaries.is_empty() {
        return Err(Stop::Usage("there are no runs yet\nhint: `kiln run` makes the first".into()));
    }
    if args.last > 0 {
        summaries.truncate(args.last);
    }
    // A damaged record is passed over, as in every list of runs.
    let found = summaries.iter().rev().filter_map(|run| store.find_run(&run.id, Some(&root)).ok());
    let mut runs: Vec<RunRecord> = found.collect();
    if !args.stages.is_empty() {
        only(&mut runs, &args.stages)?;
    }
    let history = compare::history(&runs, &args.metric).map_err(super::compare::usage)?;
    if args.json {
        render::json(&history)?;
    } else {
        render::data(&match args.markdown {
            true => render::history::markdown(&history),
            false => render::history::text(&history, &Look::stdout()),
        })?;
    }
    Ok(0)
}

/// Leaves the stages that `targets` name; one that no run has is a mistake.
fn only(runs: &mut [RunRecord], targets: &[String]) -> Result<(), Stop> {
    let named = |target: &str, stage: &StageRecord| {
        let variant = stage.variant.iter().map(|(axis, label)| (axis.clone(), label.clone())).collect();
        pipeline::is_named(target, &StageName { stage: stage.stage.clone(), variant })
    };
    let all = || runs.iter().flat_map(|run| &run.stages);
    if let Some(target) = targets.iter().find(|target| !all().any(|stage| named(target, stage))) {
        let known: std::collections::BTreeSet<&str> = all().map(|stage| stage.stage.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Stop::Usage(format!("no run has a stage `{target}`\nhint: there are {known}")));
    }
    for run in runs {
        run.stages.retain(|stage| targets.iter().any(|target| named(target, stage)));
    }
    Ok(())
}
