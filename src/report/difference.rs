//! What differs between runs, as tables of a page: parameters first, then metrics.

use std::collections::HashMap;

use maud::{Markup, html};

use super::format;
use super::grid::{Grid, NONE, number, text};
use super::subject::{scalar, words};
use crate::compare::{Change, Comparison, Fields, MetricRow, StageDiff};
use crate::hash::Digest;
use crate::show::difference;
use crate::show::names::collapsed;
use crate::show::number::{Precision, count, duration};
use crate::show::script::as_parameter;

/// So many rows of a table are shown.
const ROWS: usize = 200;

/// Everything that differs.
pub(super) fn between(comparison: &Comparison) -> Markup {
    html! {
        (runs(comparison))
        (params(comparison))
        (metrics(comparison))
        (stages(comparison))
    }
}

fn runs(comparison: &Comparison) -> Markup {
    let heads = [text("run"), text("started"), text("status"), number("took"), number("executed"), text("profile")];
    let mut grid = Grid::new("The runs compared", heads);
    for run in &comparison.runs {
        let options = run.profile.iter().cloned().chain(run.set.iter().map(|set| format!("--set {set}")));
        grid.row([
            run.id.clone(),
            format::moment(run.started).replace(' ', "\u{a0}"),
            run.status.to_string(),
            duration(run.seconds),
            run.counts.executed.to_string(),
            options.collect::<Vec<_>>().join(" "),
        ]);
    }
    grid.markup()
}

fn params(comparison: &Comparison) -> Markup {
    let ids = comparison.runs.iter().map(|run| text(run.id.clone()));
    let mut grid = Grid::new("Parameters that differ", [text("of"), text("parameter")].into_iter().chain(ids));
    let cells = |change: &Change| -> Vec<String> {
        let values = change.values.iter().map(|value| value.as_ref().map_or_else(|| NONE.to_owned(), scalar));
        std::iter::once(as_parameter(&change.path)).chain(values).collect()
    };
    comparison.params.iter().for_each(|change| grid.row(std::iter::once("pipeline".to_owned()).chain(cells(change))));
    let changes =
        comparison.stages.iter().flat_map(|stage| stage.params.iter().map(move |change| (stage, cells(change))));
    for (name, cells) in merged(changes) {
        grid.row(std::iter::once(name).chain(cells));
    }
    for Fields { stages, input, change } in comparison.fields() {
        let mut cells = cells(change);
        cells[0] = format!("{input}: {}", change.path);
        grid.row(std::iter::once(stages.join(", ")).chain(cells));
    }
    for (stage, input) in comparison
        .stages
        .iter()
        .flat_map(|s| s.inputs.iter().map(move |i| (s, i)))
        .filter(|(_, i)| i.source && i.fields.is_empty())
    {
        let digests =
            input.digests.iter().map(|digests| digests.iter().flatten().map(Digest::short).collect::<Vec<_>>());
        let digests = digests.map(|digests| if digests.is_empty() { NONE.to_owned() } else { digests.join(" ") });
        let gone = if input.gone { " (only the digests are known)" } else { "" };
        grid.row([stage.name.clone(), format!("input {}{gone}", input.name)].into_iter().chain(digests));
    }
    if grid.is_empty() {
        return html! { p.note { "No parameter differs." } };
    }
    grid.cut(ROWS);
    grid.markup()
}

/// Numbers that differ, those of single classes left out.
fn metrics(comparison: &Comparison) -> Markup {
    let mut all: HashMap<&str, Vec<f64>> = HashMap::new();
    for row in &comparison.metrics {
        all.entry(&row.metric).or_default().extend(row.values.iter().copied().flatten());
    }
    let all: HashMap<&str, Precision> = all.into_iter().map(|(name, values)| (name, Precision::of(values))).collect();
    let ids = comparison.runs.iter().map(|run| number(run.id.clone()));
    let heads = [text("stage"), text("metric")].into_iter().chain(ids).chain([number("difference")]);
    let mut grid = Grid::new("Metrics that differ", heads);
    let (mut same, mut details) = (0, 0);
    for row in &comparison.metrics {
        if !row.differs() {
            same += 1;
        } else if row.detail() {
            details += 1;
        } else {
            let precision = all[row.metric.as_str()].telling(row.values.iter().copied().flatten());
            let values = values(row, precision);
            let delta = row.ends().map_or_else(|| NONE.to_owned(), |(first, last)| precision.change(first, last));
            grid.row([row.stage.clone(), row.metric.clone()].into_iter().chain(values).chain([delta]));
        }
    }
    if grid.is_empty() {
        return html! { p.note { "No metric differs; " (count(same, "number")) " the same." } };
    }
    grid.cut(ROWS);
    if details > 0 {
        grid.note(format!("{} of single classes or components differ, too.", count(details, "number")));
    }
    if same > 0 {
        grid.note(format!("{} the same.", count(same, "number")));
    }
    grid.markup()
}

fn values(row: &MetricRow, precision: Precision) -> Vec<String> {
    row.values.iter().map(|value| value.map_or_else(|| NONE.to_owned(), |value| precision.show(value))).collect()
}

fn stages(comparison: &Comparison) -> Markup {
    let mut grid =
        Grid::new("Stages with other outputs", [text("stage"), text("outcome"), text("outputs"), text("why")]);
    let told = comparison.stages.iter().filter(|stage| !stage.unchanged() && !stage.outputs.is_empty());
    let rows = told.map(|stage| {
        let outputs = stage.outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
        let outcome = stage.outcome().map_or("gone", words).to_owned();
        (stage, vec![outcome, outputs, why(stage)])
    });
    for (name, cells) in merged(rows) {
        grid.row(std::iter::once(name).chain(cells));
    }
    if grid.is_empty() {
        return html! { p.note { "No output differs." } };
    }
    grid.cut(ROWS);
    grid.markup()
}

/// What differs most tellingly, and how much else does.
fn why(stage: &StageDiff) -> String {
    let all = stage.changes.as_deref().unwrap_or_default();
    let more = if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
    all.first().map(|first| format!("{}{more}", difference::words(first))).unwrap_or_default()
}

/// Variants of a stage with the same cells share a row.
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
