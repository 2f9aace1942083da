//! Comparisons and tables of variants, as text for a terminal and as Markdown.

use std::collections::HashMap;

use kiln::compare::{
    Change, Column, Comparison, Counts, Fields, GateResult, InputChange, MetricRow, RunSummary, StageDiff, VariantRow,
    VariantTable,
};
use kiln::hash::Digest;
use kiln::record::{Outcome, RunStatus};
use kiln::show::difference;
use kiln::show::script::{as_parameter, as_written};
use serde_json::Value;

use super::gates;
use super::look::{Look, one_line};
use super::names::{base, collapsed};
use super::number::{self, Precision, SECONDS};
use super::section::{NONE, Section, as_markdown, as_text};
use super::table::{Grid, Side};
use super::{stand, summary};

/// So many rows of a table are shown unless all are asked for.
const ROWS: usize = 100;
/// So many characters of a parameter's value, and of a reason, are shown.
const VALUE: usize = 60;
const REASON: usize = 120;

/// What of a comparison is shown beside the differences.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Show {
    /// What did not change, too, and every number.
    pub(crate) all: bool,
    /// The digests of outputs that differ.
    pub(crate) outputs: bool,
}

/// Text for a terminal.
pub(crate) fn comparison_text(comparison: &Comparison, gates: &[GateResult], show: Show, look: &Look) -> String {
    as_text(&comparison_sections(comparison, gates, show), look)
}

/// Markdown, for a pull request or a report.
pub(crate) fn comparison_markdown(comparison: &Comparison, gates: &[GateResult], show: Show) -> String {
    as_markdown(&comparison_sections(comparison, gates, show))
}

/// Text for a terminal. `all` shows the numbers that are nested under a key, too.
pub(crate) fn variants_text(table: &VariantTable, gates: &[GateResult], all: bool, look: &Look) -> String {
    as_text(&variants_sections(table, gates, all), look)
}

/// Markdown, for a pull request or a report.
pub(crate) fn variants_markdown(table: &VariantTable, gates: &[GateResult], all: bool) -> String {
    as_markdown(&variants_sections(table, gates, all))
}

fn comparison_sections(comparison: &Comparison, gates: &[GateResult], show: Show) -> Vec<Section> {
    let mut sections = vec![
        runs(&comparison.runs),
        parameters(comparison, show.all),
        stages(&comparison.stages, show.all),
        metrics(&comparison.metrics, &comparison.runs, show.all),
    ];
    sections.extend(show.outputs.then(|| digests(&comparison.stages, &comparison.runs)));
    sections.extend(gates::section(gates));
    sections
}

fn variants_sections(table: &VariantTable, gates: &[GateResult], all: bool) -> Vec<Section> {
    std::iter::once(variants(table, all)).chain(gates::section(gates)).collect()
}

/// The outputs whose contents differ, with their digests.
fn digests(stages: &[StageDiff], runs: &[RunSummary]) -> Section {
    let head = [("output".to_owned(), Side::Left), ("path".to_owned(), Side::Left)];
    let mut grid = Grid::new(2, head.into_iter().chain(run_columns(runs, Side::Left)));
    for (stage, output) in stages.iter().flat_map(|stage| stage.outputs.iter().map(move |output| (stage, output))) {
        let digests = output.digests.iter().map(|digest| digest.map_or(NONE.to_owned(), |digest| digest.short()));
        let name = format!("{}.{}", stage.name, output.name);
        grid.row([name, stand::shown(&output.path)].into_iter().chain(digests));
    }
    let title = if grid.is_empty() { "no output differs" } else { "outputs that differ" };
    Section { title: title.into(), grid, notes: vec![] }
}

fn runs(runs: &[RunSummary]) -> Section {
    let titles = [
        ("run", Side::Left),
        ("started", Side::Left),
        ("status", Side::Left),
        ("seconds", Side::Right),
        ("stages", Side::Left),
        ("options", Side::Left),
    ];
    let mut grid = Grid::new(1, titles).wrapping(5);
    for run in runs {
        let options = run.profile.iter().map(|profile| format!("--profile {profile}"));
        let options = options.chain(run.set.iter().map(|set| format!("--set {set}"))).collect::<Vec<_>>().join(" ");
        let started = run.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        grid.row([
            run.id.clone(),
            started,
            status(run.status).to_owned(),
            SECONDS.show(run.seconds),
            counted(&run.counts),
            options,
        ]);
    }
    Section { title: "runs".into(), grid, notes: vec![] }
}

pub(super) fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Ok => "ok",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
        RunStatus::Running => "running",
        RunStatus::Killed => "killed",
    }
}

fn counted(counts: &Counts) -> String {
    summary::counted(counts).join(", ")
}

fn run_columns(runs: &[RunSummary], side: Side) -> impl Iterator<Item = (String, Side)> {
    runs.iter().map(move |run| (run.id.clone(), side))
}

/// Changed parameters of the pipeline and of its stages; variants with the same change share a row.
pub(super) fn parameters(comparison: &Comparison, all: bool) -> Section {
    let head = [("of".to_owned(), Side::Left), ("parameter".to_owned(), Side::Left)];
    let mut grid = Grid::new(2, head.into_iter().chain(run_columns(&comparison.runs, Side::Left)));
    let cells = |path: String, change: &Change| {
        let values = change.values.iter().map(|value| value.as_ref().map_or(NONE.to_owned(), shown_value));
        std::iter::once(path).chain(values).collect::<Vec<_>>()
    };
    let mut rows: Vec<(String, Vec<String>)> =
        comparison.params.iter().map(|change| ("pipeline".to_owned(), cells(change.path.clone(), change))).collect();
    let in_all = comparison.stages.iter().filter(|stage| stage.outcomes.iter().all(Option::is_some));
    let changes = in_all.flat_map(|stage| stage.params.iter().map(move |change| (stage, change)));
    rows.extend(merged(changes.map(|(stage, change)| (stage, cells(as_parameter(&change.path), change)))));
    rows.extend(comparison.fields().into_iter().map(|Fields { stages, input, change }| {
        (several(&stages), cells(format!("{input}: {}", change.path), change))
    }));
    let inputs = comparison.stages.iter().flat_map(|stage| stage.inputs.iter().map(move |input| (stage, input)));
    let files = inputs.filter(|(_, input)| input.source && input.fields.is_empty());
    let mut notes = Vec::new();
    if files.clone().any(|(_, input)| input.gone) {
        notes.push("of documents that are no longer in the cache only the digests are known".to_owned());
    }
    rows.extend(merged(files.map(|(stage, input)| (stage, digests_of(input)))));
    notes.splice(0..0, cut(&mut rows, all));
    rows.into_iter().for_each(|(of, cells)| grid.row(std::iter::once(of).chain(cells)));
    let title = if grid.is_empty() { "no parameter changed" } else { "parameters that changed" };
    Section { title: title.into(), grid, notes }
}

/// The digests of an input in each run.
fn digests_of(input: &InputChange) -> Vec<String> {
    let short = |digests: &Option<Vec<Digest>>| match digests {
        Some(digests) => digests.iter().map(Digest::short).collect::<Vec<_>>().join(" "),
        None => NONE.to_owned(),
    };
    std::iter::once(format!("input {}", input.name)).chain(input.digests.iter().map(short)).collect()
}

/// Stages under one label: the variants of each together.
fn several(names: &[&str]) -> String {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for name in names {
        match groups.iter_mut().find(|group| base(group[0]) == base(name)) {
            Some(group) => group.push(name),
            None => groups.push(vec![name]),
        }
    }
    groups.iter().map(|group| collapsed(group)).collect::<Vec<_>>().join(", ")
}

fn shown_value(value: &Value) -> String {
    shortened(&as_written(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn shortened(text: &str) -> String {
    console::truncate_str(text, VALUE, "...").into_owned()
}

/// Rows with the same stage and the same cells become one, named after all its variants; in order of first appearance.
fn merged<'a>(rows: impl Iterator<Item = (&'a StageDiff, Vec<String>)>) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    let mut places: HashMap<(&str, Vec<String>), usize> = HashMap::new();
    for (stage, cells) in rows {
        let place = *places.entry((&stage.stage, cells.clone())).or_insert_with(|| {
            groups.push((vec![], cells));
            groups.len() - 1
        });
        groups[place].0.push(&stage.name);
    }
    groups.into_iter().map(|(names, cells)| (collapsed(&names), cells)).collect()
}

fn cut<T>(rows: &mut Vec<T>, all: bool) -> Vec<String> {
    let more = rows.len().saturating_sub(ROWS);
    if all || more == 0 {
        return vec![];
    }
    rows.truncate(ROWS);
    vec![format!("and {more} more")]
}

/// What became of the stages in the last run, and what of them differs from the others.
pub(super) fn stages(stages: &[StageDiff], all: bool) -> Section {
    let titles = ["stage", "outcome", "key", "outputs", "why"].map(|title| (title, Side::Left));
    let mut grid = Grid::new(1, titles).wrapping(4);
    let told = stages.iter().filter(|stage| all || !stage.unchanged());
    let mut rows = merged(told.map(|stage| (stage, stage_cells(stage))));
    let mut notes = cut(&mut rows, all);
    rows.into_iter().for_each(|(name, cells)| grid.row(std::iter::once(name).chain(cells)));
    let unchanged = if all { 0 } else { stages.iter().filter(|stage| stage.unchanged()).count() };
    if unchanged > 0 {
        notes.push(format!("{} up to date with nothing changed", number::count(unchanged, "stage")));
    }
    Section { title: "stages of the last run".into(), grid, notes }
}

fn stage_cells(stage: &StageDiff) -> Vec<String> {
    let outcome = stage.outcome().map_or("gone".to_owned(), |outcome| match outcome {
        Outcome::UpToDate => "up to date".to_owned(),
        outcome => outcome.to_string(),
    });
    let key = match stage.key_changed {
        Some(true) => "changed",
        Some(false) => "same",
        None => NONE,
    };
    vec![outcome, key.to_owned(), outputs(stage), why(stage)]
}

fn outputs(stage: &StageDiff) -> String {
    let done = |o: &Option<Outcome>| matches!(o, Some(Outcome::Executed | Outcome::UpToDate | Outcome::Restored));
    if !stage.outcomes.iter().all(done) {
        return NONE.to_owned();
    }
    match &stage.outputs[..] {
        [] => "same".to_owned(),
        changed => format!("changed: {}", changed.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

fn why(stage: &StageDiff) -> String {
    if let Some(error) = &stage.error {
        return shortened(error.lines().next().unwrap_or_default());
    }
    let earlier = stage.outcomes.split_last().is_some_and(|(_, earlier)| earlier.iter().any(Option::is_some));
    match (stage.outcome(), earlier) {
        (None, _) => "the last run has no such stage".to_owned(),
        (Some(_), false) => "no earlier run has it".to_owned(),
        (Some(Outcome::Skipped | Outcome::Failed), _) => brief(&stage.reasons),
        _ => match (stage.key_changed, &stage.changes) {
            (Some(true), Some(changes)) => brief(&changes.iter().map(difference::words).collect::<Vec<_>>()),
            // Another of the runs compared is like the last one.
            (Some(true), None) if stage.against.is_some() => "what it was is no longer in the cache".to_owned(),
            (Some(false), _) if !stage.outputs.is_empty() => "the same action, with other outputs".to_owned(),
            _ => String::new(),
        },
    }
}

/// The first few, and how many more there are.
fn brief(all: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<String> =
        all.iter().take(SHOWN).map(|text| console::truncate_str(&one_line(text), REASON, "...").into_owned()).collect();
    if all.len() > SHOWN {
        shown.push(format!("and {} more", all.len() - SHOWN));
    }
    shown.join("; ")
}

/// Numbers in every run; those that are the same are counted only.
pub(super) fn metrics(rows: &[MetricRow], runs: &[RunSummary], all: bool) -> Section {
    let head = [("stage".to_owned(), Side::Left), ("metric".to_owned(), Side::Left)];
    let head = head.into_iter().chain(run_columns(runs, Side::Right));
    let mut grid = Grid::new(2, head.chain([("delta".to_owned(), Side::Right)]));
    let precisions = precisions(rows.iter().map(|row| (row.metric.as_str(), row.values.iter().copied().flatten())));
    let mut told = Vec::new();
    let (mut same, mut details) = (0, 0);
    for row in rows {
        let precision = precisions[row.metric.as_str()].telling(row.values.iter().copied().flatten());
        let values: Vec<String> =
            row.values.iter().map(|value| value.map_or(NONE.to_owned(), |v| precision.show(v))).collect();
        let delta = row.ends().map_or(NONE.to_owned(), |(first, last)| precision.change(first, last));
        if !all && !row.differs() {
            same += 1;
        } else if !all && row.detail() {
            details += 1;
        } else {
            told.push(
                [row.stage.clone(), row.metric.clone()].into_iter().chain(values).chain([delta]).collect::<Vec<_>>(),
            );
        }
    }
    let mut notes = cut(&mut told, all);
    told.into_iter().for_each(|cells| grid.row(cells));
    if details > 0 {
        notes.push(format!("{} of single classes or components changed, too", number::count(details, "number")));
    }
    if same > 0 {
        notes.push(format!("{} the same", number::count(same, "number")));
    }
    let title = if grid.is_empty() { "no metric changed" } else { "metrics" };
    Section { title: title.into(), grid, notes }
}

/// One precision for each metric (or column), over all its values.
fn precisions<'a, I: IntoIterator<Item = f64>>(
    named: impl Iterator<Item = (&'a str, I)>,
) -> HashMap<&'a str, Precision> {
    let mut values: HashMap<&str, Vec<f64>> = HashMap::new();
    for (name, own) in named {
        values.entry(name).or_default().extend(own);
    }
    values.into_iter().map(|(name, values)| (name, Precision::of(values))).collect()
}

fn variants(table: &VariantTable, all: bool) -> Section {
    let columns: Vec<&Column> = table.columns.iter().filter(|column| all || !column.detail).collect();
    // A state is worth a column only where something is not as it should be.
    let amiss = table.rows.iter().any(|row| state(row).is_some());
    let head =
        table.axes.iter().map(|axis| (axis.clone(), if numeric(table, axis) { Side::Right } else { Side::Left }));
    let head = head.chain(amiss.then(|| ("state".to_owned(), Side::Left)));
    let keys = table.axes.len() + usize::from(amiss);
    let mut grid = Grid::new(keys, head.chain(columns.iter().map(|column| (column.label.clone(), Side::Right))));
    let values = |column: &Column| {
        table.rows.iter().filter_map(|row| row.values.get(&column.label).copied()).collect::<Vec<_>>()
    };
    let precision =
        |column: &Column| if column.metric.is_some() { Precision::of_column(values(column)) } else { SECONDS };
    let precisions: Vec<Precision> = columns.iter().map(|column| precision(column)).collect();
    for row in &table.rows {
        let axes = table.axes.iter().map(|axis| row.variant.get(axis).cloned().unwrap_or_default());
        let state = amiss.then(|| state(row).unwrap_or_default());
        let numbers = columns.iter().zip(&precisions).map(|(column, precision)| {
            row.values.get(&column.label).map_or(NONE.to_owned(), |value| precision.show(*value))
        });
        grid.row(axes.chain(state).chain(numbers));
    }
    let mut notes = Vec::new();
    let hidden = table.columns.len() - columns.len();
    if hidden > 0 {
        notes.push(format!("{} left out", number::count(hidden, "more column")));
    }
    if !table.others.is_empty() {
        notes.push(format!("stages with other variants: {}", table.others.join(", ")));
    }
    let title = match &table.axes[..] {
        _ if table.rows.is_empty() => format!("run {} has no variants", table.run.id),
        [] => format!("run {}", table.run.id),
        axes => format!("run {} by {}", table.run.id, axes.join(", ")),
    };
    Section { title, grid, notes }
}

fn numeric(table: &VariantTable, axis: &str) -> bool {
    table.rows.iter().all(|row| row.variant.get(axis).is_some_and(|value| value.parse::<f64>().is_ok()))
}

/// `train failed`: the first stage of a row that has no result.
fn state(row: &VariantRow) -> Option<String> {
    let worst = |outcome: Outcome| row.outcomes.iter().find(|(_, o)| **o == outcome);
    let (stage, outcome) = worst(Outcome::Failed).or_else(|| worst(Outcome::Skipped))?;
    Some(format!("{stage} {outcome}"))
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
