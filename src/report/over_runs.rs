//! Metrics over the runs on one page: a curve for each, and a table of the runs.

use maud::{Markup, html};

use super::grid::{self, Grid, NONE};
use super::{chart, format, page};
use crate::compare::{History, MetricRow, RunSummary};
use crate::series::Series;
use crate::show::number::Precision;

/// A page about metrics over runs, oldest first. `pipeline` is the pipeline file whose runs they are.
pub fn over_runs(history: &History, pipeline: &str) -> String {
    let title = match history.metrics.as_slice() {
        [only] => format!("{}: {} over the runs", only.stage, only.metric),
        several => format!("{} metrics over the runs", several.len()),
    };
    let body = html! {
        h1 id="runs" { (title) }
        (charts(&history.metrics))
        (table(history))
    };
    let byline = html! { (history.runs.len()) " runs, oldest first" };
    let body = body.into_string();
    page::Page { title: &title, wide: true, shows: "", pipeline, byline, headings: &[], body: &body }.html()
}

/// The variants of a stage in one chart, as long as they can be told apart.
fn charts(rows: &[MetricRow]) -> Markup {
    let of = |row: &MetricRow| row.stage.split('[').next().unwrap_or_default().to_owned();
    let alike = rows.chunk_by(|a, b| a.metric == b.metric && of(a) == of(b));
    html! {
        @for rows in alike.flat_map(|rows| rows.chunks(chart::STYLES)) { (chart(&of(&rows[0]), rows)) }
    }
}

/// The abscissa is the number of the run, from 1.
fn chart(stage: &str, rows: &[MetricRow]) -> Markup {
    let series = rows.iter().map(|row| {
        let at: Vec<f64> = (1..=row.values.len()).map(|n| n as f64).collect();
        // A run without the number is a gap.
        let values: Vec<Option<f64>> = row.values.iter().map(|value| Some(value.unwrap_or(f64::NAN))).collect();
        Series::of("run", at, vec![(row.metric.clone(), values)])
    });
    let series: Vec<Series> = series.collect();
    let variant = |row: &MetricRow| row.stage[stage.len()..].trim_matches(['[', ']']).to_owned();
    let names: Vec<String> = rows.iter().map(variant).collect();
    let lines: Vec<(&str, &Series)> = names.iter().map(String::as_str).zip(&series).collect();
    html! {
        figure.wide {
            figcaption { code { (stage) } }
            (chart::panels(&lines))
        }
    }
}

fn table(history: &History) -> Markup {
    let heads = [grid::number("#"), grid::text("run"), grid::text("when"), grid::text("commit")];
    let metrics = history.metrics.iter().map(|row| grid::number(format!("{}.{}", row.stage, row.metric)));
    let mut grid = Grid::new("The runs", heads.into_iter().chain(metrics));
    let precisions: Vec<Precision> =
        history.metrics.iter().map(|row| Precision::of_column(row.values.iter().copied().flatten())).collect();
    for (i, run) in history.runs.iter().enumerate() {
        let cells =
            [(i + 1).to_string(), run.id.to_string(), format::moment(run.started).replace(' ', "\u{a0}"), commit(run)];
        let values = history.metrics.iter().zip(&precisions);
        let values = values.map(|(row, precision)| {
            row.values.get(i).copied().flatten().map_or(NONE.to_owned(), |value| precision.show(value))
        });
        grid.row(cells.into_iter().chain(values));
    }
    grid.markup()
}

fn commit(run: &RunSummary) -> String {
    let Some(git) = &run.git else { return String::new() };
    let commit = git.commit.as_deref().map_or("", |id| id.get(..9).unwrap_or(id));
    let dirty = if git.dirty == Some(true) { "+" } else { "" };
    format!("{commit}{dirty}")
}
