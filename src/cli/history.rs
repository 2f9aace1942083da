//! `kiln history`: a metric over the runs, oldest first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use kiln::compare::{self, Counts};
use kiln::pipeline::{self, StageName};
use kiln::record::{RunRecord, StageRecord};

use super::page::Target;
use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{Stop, render, report};

/// Where the page goes.
const PAGE: &str = "out/history.html";

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
    /// As a page: curves over the runs, and a table [default: `out/history.html` in the project].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "markdown"], num_args = 0..=1, require_equals = true)]
    html: Option<Option<PathBuf>>,
    /// Write the page even over a file that is not a page of Kiln's.
    #[arg(long, requires = "html")]
    force_overwrite: bool,
}

pub(crate) fn history(place: &ProjectArgs, args: &History) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let runs = past.store.measured(&past.project, if args.last > 0 { args.last } else { usize::MAX }).into_iter();
    let mut runs: Vec<(RunRecord, Counts)> =
        runs.map(|(run, summary)| (run, Counts::of_outcomes(&summary.outcomes))).collect();
    if runs.is_empty() {
        return Err(past.nothing());
    }
    if !args.stages.is_empty() {
        only(&mut runs, &args.stages)?;
    }
    let history = compare::history(&runs, &args.metric).map_err(super::compare::usage)?;
    if let Some(file) = &args.html {
        let target = match file {
            Some(file) => Target::here(file, &past.store, args.force_overwrite),
            None => {
                let file = report::place_of(Path::new(PAGE), past.root(), &past.project);
                Target::within(past.root(), &file, &past.store, args.force_overwrite)
            }
        };
        target.check()?;
        target.write(&kiln::report::over_runs(&history, &past.project.pipeline.to_string_lossy()))?;
        render::data(&format!("{}\n", target.shown().display()))?;
    } else if args.json {
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
fn only(runs: &mut [(RunRecord, Counts)], targets: &[String]) -> Result<(), Stop> {
    let named = |target: &str, stage: &StageRecord| {
        let variant = stage.variant.iter().map(|(axis, label)| (axis.clone(), label.clone())).collect();
        pipeline::is_named(target, &StageName { stage: stage.stage.clone(), variant })
    };
    let all = || runs.iter().flat_map(|(run, _)| &run.stages);
    if let Some(target) = targets.iter().find(|target| !all().any(|stage| named(target, stage))) {
        let known: BTreeSet<&str> = all().map(|stage| stage.stage.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        let hint = if known.is_empty() { String::new() } else { format!("\nhint: there are some of {known}") };
        return Err(Stop::Usage(format!("no run has metrics of a stage `{target}`{hint}")));
    }
    for (run, _) in runs {
        run.stages.retain(|stage| targets.iter().any(|target| named(target, stage)));
    }
    Ok(())
}
