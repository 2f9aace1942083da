//! Variants put together over one axis: mean, standard deviation and number, as text and as Markdown.

use kiln::compare::{Column, GateResult, Spread, SpreadTable};

use super::gates;
use super::look::Look;
use super::number::{self, Precision, SECONDS};
use super::section::{NONE, Section, as_markdown, as_text};
use super::table::{Grid, Side};

/// Text for a terminal. `all` shows the numbers that are nested under a key, too.
pub(crate) fn text(table: &SpreadTable, gates: &[GateResult], all: bool, look: &Look) -> String {
    as_text(&sections(table, gates, all), look)
}

/// Markdown, for a pull request or a report.
pub(crate) fn markdown(table: &SpreadTable, gates: &[GateResult], all: bool) -> String {
    as_markdown(&sections(table, gates, all))
}

fn sections(table: &SpreadTable, gates: &[GateResult], all: bool) -> Vec<Section> {
    std::iter::once(variants(table, all)).chain(gates::section(gates)).collect()
}

fn variants(table: &SpreadTable, all: bool) -> Section {
    let columns: Vec<&Column> = table.columns.iter().filter(|column| all || !column.detail).collect();
    let head = table.axes.iter().map(|axis| (axis.clone(), side(table, axis)));
    let head = head.chain([("n".to_owned(), Side::Right)]);
    let mut grid = Grid::new(table.axes.len() + 1, head.chain(columns.iter().map(|c| (c.label.clone(), Side::Right))));
    let precisions: Vec<Precision> = columns.iter().map(|column| precision(table, column)).collect();
    let (mut some_miss, mut some_diverged) = (false, false);
    for row in &table.rows {
        let axes = table.axes.iter().map(|axis| row.variant.get(axis).cloned().unwrap_or_default());
        let mut cells: Vec<String> = axes.chain([row.n.to_string()]).collect();
        for (column, precision) in columns.iter().zip(&precisions) {
            let Some(spread) = row.values.get(&column.label) else {
                cells.push(NONE.to_owned());
                continue;
            };
            some_miss |= spread.n + spread.not_finite != row.n;
            some_diverged |= spread.not_finite > 0;
            cells.push(cell(spread, row.n, *precision));
        }
        grid.row(cells);
    }
    let mut notes = vec!["mean ± standard deviation (of a sample)".to_owned()];
    if some_miss {
        notes.push("in brackets: how many variants have the number, where not all do".to_owned());
    }
    if some_diverged {
        notes.push("numbers that are not finite are counted, and enter neither mean nor deviation".to_owned());
    }
    let hidden = table.columns.len() - columns.len();
    if hidden > 0 {
        notes.push(format!("{} left out", number::count(hidden, "more column")));
    }
    if !table.others.is_empty() {
        notes.push(format!("stages with other variants: {}", table.others.join(", ")));
    }
    Section { title: format!("run {}, over {}", table.run.id, table.by), grid, notes }
}

/// `0.5133 ± 0.0153`, with the number of variants where not all have a finite one.
fn cell(spread: &Spread, variants: usize, precision: Precision) -> String {
    let sd = spread.sd.map_or(NONE.to_owned(), |sd| precision.show(sd));
    let shown =
        if spread.n == 0 { precision.show(spread.mean) } else { format!("{} ± {sd}", precision.show(spread.mean)) };
    match (spread.n == variants, spread.not_finite) {
        (true, _) => shown,
        (false, 0) => format!("{shown} ({})", spread.n),
        (false, not_finite) => format!("{shown} ({}, {not_finite} not finite)", spread.n),
    }
}

fn side(table: &SpreadTable, axis: &str) -> Side {
    let mut values = table.rows.iter().filter_map(|row| row.variant.get(axis));
    if values.all(|value| value.parse::<f64>().is_ok()) { Side::Right } else { Side::Left }
}

fn precision(table: &SpreadTable, column: &Column) -> Precision {
    if column.metric.is_none() {
        return SECONDS;
    }
    let spreads = || table.rows.iter().filter_map(|row| row.values.get(&column.label));
    // A standard deviation of whole numbers is not whole; and one that is not zero does not look like it.
    let deviations = || spreads().filter_map(|spread| spread.sd).chain([0.0]);
    let precision = Precision::of(spreads().map(|spread| spread.mean).chain(deviations()));
    precision.telling_most(spreads().map(|spread| spread.mean)).telling_most(deviations())
}
