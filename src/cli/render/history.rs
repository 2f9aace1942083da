//! A metric over the runs: a table for each stage that has it.

use kiln::compare::{History, MetricRow};

use super::compare::status;
use super::list::commit_of;
use super::look::Look;
use super::number::{self, Precision};
use super::section::{NONE, Section, as_markdown, as_text};
use super::table::{Grid, Side};

/// Text for a terminal.
pub(crate) fn text(history: &History, look: &Look) -> String {
    as_text(&sections(history), look)
}

/// Markdown.
pub(crate) fn markdown(history: &History) -> String {
    as_markdown(&sections(history))
}

fn sections(history: &History) -> Vec<Section> {
    history.metrics.iter().map(|row| section(history, row)).collect()
}

/// The runs that have the number, each with the change since the one before that has it.
fn section(history: &History, row: &MetricRow) -> Section {
    let titles = [
        ("run", Side::Left),
        ("when", Side::Left),
        ("status", Side::Left),
        ("value", Side::Right),
        ("change", Side::Right),
    ];
    // In a project without Git there is nothing to say.
    let at_all = history.runs.iter().any(|run| run.git.is_some());
    let commit = at_all.then_some(("commit", Side::Left));
    let mut grid = Grid::new(1, titles.into_iter().chain(commit));
    let precision = Precision::of_column(row.values.iter().copied().flatten());
    let mut before: Option<f64> = None;
    let mut without = 0;
    for (run, value) in history.runs.iter().zip(&row.values) {
        let Some(value) = *value else {
            without += 1;
            continue;
        };
        let change = before.map_or(NONE.to_owned(), |before| precision.change(before, value));
        let when = run.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let cells = [run.id.clone(), when, status(run.status).to_owned(), precision.show(value), change];
        grid.row(cells.into_iter().chain(at_all.then(|| commit_of(run.git.as_ref()))));
        before = Some(value);
    }
    let notes = if without > 0 { vec![format!("{} without it", number::count(without, "run"))] } else { vec![] };
    Section { title: format!("{}: {}", row.stage, row.metric), grid, notes }
}
