//! `kiln compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use kiln::compare::{self, CompareError, Gate, GateResult};
use kiln::git::Range;
use kiln::record::{OutputRecord, RunRecord};
use serde::Serialize;

use super::page::Target;
use super::past::Past;
use super::render::look::Look;
use super::select::{Far, ProjectArgs};
use super::{EXIT_FAILED, Stop, named, render, report};

/// Where the page goes in the project, unless it is named.
const PAGE: &str = "out/compare.html";

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Runs, oldest first: an id or its beginning, `latest`, `latest~2`, a tag, or a revision of Git's (`main`, `HEAD~3`), which is the newest
    /// run of that commit; `main..` and `main...HEAD` are two [default: the last two].
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Compare with this run or revision, which comes first.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["within", "by"])]
    pub(crate) base: Option<String>,
    /// Where a commit has no run, check it out into a folder of its own and run it with the same cache; the project stays as it is.
    #[arg(long, conflicts_with_all = ["within", "by"])]
    pub(crate) run: bool,
    /// Compare the variants of one run side by side.
    #[arg(long, value_name = "RUN", conflicts_with = "runs", num_args = 0..=1, default_missing_value = "latest")]
    pub(crate) within: Option<String>,
    /// Put variants together that differ in this matrix axis only, such as a seed: mean, standard deviation and number of
    /// every metric; of the latest run, unless `--within` names one.
    #[arg(long, value_name = "AXIS", conflicts_with = "runs")]
    pub(crate) by: Option<String>,
    /// End with 1 if a metric is like this: `[STAGE.]METRIC OP NUMBER`, of the difference, last run minus first
    /// (`accuracy < -0.002`), of its share of the first (`loss > 5%`), or of the last value itself
    /// (`value(evaluate[*].accuracy) < 0.9`). May be repeated.
    #[arg(long, value_name = "CONDITION")]
    pub(crate) fail_if: Vec<String>,
    /// Hold gates against the means over this matrix axis, such as a seed: what may be chance by the 95% interval fails none.
    #[arg(long, value_name = "AXIS", requires = "fail_if", conflicts_with_all = ["within", "by"])]
    pub(crate) over: Option<String>,
    /// Show only these columns (globs).
    #[arg(long, value_name = "GLOB")]
    pub(crate) columns: Vec<String>,
    /// Sort variants by a column, or metrics of runs by `stage`, `metric`, `delta` or a run; `-accuracy` for the highest
    /// first.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// Show the outputs that differ between the runs, with their digests.
    #[arg(long, conflicts_with_all = ["within", "by", "html"])]
    pub(crate) outputs: bool,
    /// Show every number, the per-class ones too.
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// As Markdown tables.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// As a page: differences, curves laid over each other, figures side by side [default: `out/compare.html` in the project].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "markdown", "within", "by"], num_args = 0..=1,
        require_equals = true)]
    pub(crate) html: Option<Option<PathBuf>>,
    /// Write the page even where something else lies than a page of Kiln's.
    #[arg(long, requires = "html")]
    pub(crate) force_overwrite: bool,
    #[command(flatten)]
    pub(crate) far: Far,
}

/// A comparison, and what became of the gates.
#[derive(Serialize)]
struct Gated<'a, T> {
    #[serde(flatten)]
    comparison: &'a T,
    #[serde(skip_serializing_if = "<[GateResult]>::is_empty")]
    gates: &'a [GateResult],
}

pub(crate) fn compare(place: &ProjectArgs, args: &Compare) -> Result<u8, Stop> {
    let gates: Vec<Gate> = args.fail_if.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(usage)?;
    let past = Past::open(place)?;
    let results = match (&args.within, &args.by) {
        (None, None) => {
            let runs = records(&past, place, args)?;
            if let [base, .., last] = runs.as_slice() {
                named::are_two(base, last, !gates.is_empty())?;
            }
            between(&runs, args, &gates, &past)?
        }
        (run, _) => within(&found(&past, place, args, run.as_deref().unwrap_or("latest"))?, args, &gates)?,
    };
    for failure in results.iter().flat_map(render::gates::failures) {
        render::error(&failure);
    }
    Ok(if results.iter().any(|result| result.failed) { EXIT_FAILED } else { 0 })
}

/// Runs side by side.
fn between(runs: &[RunRecord], args: &Compare, gates: &[Gate], past: &Past) -> Result<Vec<GateResult>, Stop> {
    let comparison = compare::diff(runs);
    // Before columns are chosen: a gate may be on a metric that is not shown.
    let results = match &args.over {
        None => checked(gates, &comparison)?,
        Some(axis) => {
            let over = comparison.over(axis).map_err(usage)?;
            gates.iter().map(|gate| over.check(gate, &comparison)).collect::<Result<_, _>>().map_err(usage)?
        }
    };
    if let Some(file) = &args.html {
        let artifacts = |run: &RunRecord, output: &OutputRecord| report::bytes(past, run, output);
        let target = match file {
            Some(file) => Target::here(file, &past.store, args.force_overwrite),
            // Without a name it goes where the report of a run goes, wherever the user stands.
            None => {
                let file = report::place_of(Path::new(PAGE), past.root(), &past.project);
                Target::within(past.root(), &file, &past.store, args.force_overwrite)
            }
        };
        target.check()?;
        let own = past.project.pipeline.to_string_lossy();
        target.write(&kiln::report::side_by_side(runs, &own, &artifacts, &past.evidence()))?;
        render::data(&format!("{}\n", target.shown().display()))?;
        return Ok(results);
    }
    let mut comparison = comparison.look_into(runs, &past.evidence()).select(&args.columns).map_err(usage)?;
    if let Some(by) = &args.sort {
        comparison = comparison.sort(by).map_err(usage)?;
    }
    let show = render::compare::Show { all: all(args), outputs: args.outputs };
    if args.json {
        render::json(&Gated { comparison: &comparison, gates: &results })?;
    } else {
        render::data(&match args.markdown {
            true => render::compare::comparison_markdown(&comparison, &results, show),
            false => render::compare::comparison_text(&comparison, &results, show, &Look::stdout()),
        })?;
    }
    Ok(results)
}

/// The variants of one run side by side, or put together.
fn within(run: &RunRecord, args: &Compare, gates: &[Gate]) -> Result<Vec<GateResult>, Stop> {
    let results = checked(gates, &compare::diff(std::slice::from_ref(run)))?;
    let sort = args.sort.as_deref();
    match &args.by {
        None => {
            let table = compare::within(run, None).and_then(|table| table.select(&args.columns, sort));
            let table = table.map_err(usage)?;
            if args.json {
                render::json(&Gated { comparison: &table, gates: &results })?;
            } else {
                render::data(&match args.markdown {
                    true => render::compare::variants_markdown(&table, &results, all(args)),
                    false => render::compare::variants_text(&table, &results, all(args), &Look::stdout()),
                })?;
            }
        }
        Some(axis) => {
            let table = compare::within_by(run, axis).and_then(|table| {
                // The column to sort by need not be kept.
                let kept = table.clone().select(&args.columns, None)?;
                let Some(sort) = sort else { return kept.by(axis) };
                let order = table.by(axis)?.sort(sort)?;
                let mut kept = kept.by(axis)?;
                kept.rows.sort_by_key(|row| order.rows.iter().position(|other| other.variant == row.variant));
                Ok(kept)
            });
            let table = table.map_err(usage)?;
            if args.json {
                render::json(&Gated { comparison: &table, gates: &results })?;
            } else {
                render::data(&match args.markdown {
                    true => render::spread::markdown(&table, &results, all(args)),
                    false => render::spread::text(&table, &results, all(args), &Look::stdout()),
                })?;
            }
        }
    }
    Ok(results)
}

fn checked(gates: &[Gate], comparison: &compare::Comparison) -> Result<Vec<GateResult>, Stop> {
    gates.iter().map(|gate| gate.check(comparison)).collect::<Result<_, _>>().map_err(usage)
}

/// Who names columns wants to see them.
fn all(args: &Compare) -> bool {
    args.all || !args.columns.is_empty()
}

/// The runs asked for; one alone is compared with the last; none means the last two.
fn records(past: &Past, place: &ProjectArgs, args: &Compare) -> Result<Vec<RunRecord>, Stop> {
    let mut names: Vec<String> = args.base.iter().cloned().collect();
    for name in &args.runs {
        names.extend(ends(past, name)?);
    }
    let find = |name: &str| found(past, place, args, name);
    match names.as_slice() {
        [] => {
            let runs = past.store.runs(Some(&past.project))?;
            if runs.len() < 2 {
                let hint = past.elsewhere().map_or_else(String::new, |others| format!("; {others}"));
                let count = runs.len();
                let text = format!("comparing takes two runs and there are {count}\nhint: `kiln run` makes one{hint}");
                return Err(Stop::Usage(text));
            }
            runs[..2].iter().rev().map(|run| past.find(&run.id)).collect()
        }
        // The last run first: running a commit makes another one.
        [one] => {
            if past.store.runs(Some(&past.project))?.is_empty() {
                let text = format!(
                    "`{one}` is compared with the last run here, and there is none\n\
                     hint: `kiln run` makes one; `kiln compare --within {one}` shows that run alone"
                );
                return Err(Stop::Usage(text));
            }
            let last = past.find("latest")?;
            Ok(vec![find(one)?, last])
        }
        several => several.iter().map(|name| find(name)).collect(),
    }
}

/// The run that a name stands for.
fn found(past: &Past, place: &ProjectArgs, args: &Compare, name: &str) -> Result<RunRecord, Stop> {
    let command = format!("kiln compare --run {name}");
    let asked = named::Asked { name, runs: args.run, judges: !args.fail_if.is_empty(), command: &command };
    named::compared(past, place, &args.far, &asked)
}

/// The names in `main..` or `main...HEAD`; any other name is one.
fn ends(past: &Past, name: &str) -> Result<Vec<String>, Stop> {
    let Some(range) = Range::of(name) else { return Ok(vec![name.to_owned()]) };
    let to = if range.to.is_empty() { "latest" } else { &range.to };
    let from = match range.fork {
        true => past.fork(&range.from, if range.to.is_empty() { "HEAD" } else { &range.to })?,
        false => range.from.clone(),
    };
    Ok(vec![from, to.to_owned()])
}

/// A mistake in what was asked for, with its hint.
pub(super) fn usage(error: CompareError) -> Stop {
    let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    Stop::Usage(format!("{error}{hint}"))
}
