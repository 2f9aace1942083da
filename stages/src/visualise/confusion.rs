//! `visualise/confusion`: which classes are taken for which.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::heat_map::{Cell, HeatMap};
use super::figure::Figure;
use super::read::grouped;
use super::share::share;
use crate::kind::{Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/confusion",
    summary: "Draws a confusion matrix with counts and the share of each true class.",
    inputs: &[super::CONFUSION],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/confusion.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
}

impl Default for Params {
    fn default() -> Self {
        Self { title: "Confusion matrix".to_owned(), caption: String::new() }
    }
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let (classes, counts) = read_matrix(context.input("confusion")?)?;
    let all: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..classes.len()).map(|i| counts[i][i]).sum();
    let title = format!("{} (accuracy {:.4})", params.title, share(right, all));
    let cells = counts.iter().map(|row| {
        let whole = row.iter().sum();
        let cell = |&count: &u64| Cell {
            share: share(count, whole),
            number: grouped(count),
            detail: format!("{:.1}%", 100.0 * share(count, whole)),
        };
        row.iter().map(cell).collect()
    });
    let map = HeatMap {
        row_axis: "true class".to_owned(),
        column_axis: "predicted class".to_owned(),
        cells: cells.collect(),
        rows: classes.clone(),
        columns: classes,
    };
    let subtitle = format!("{} samples; shaded by the share of the true class", grouped(all));
    Figure { title, subtitle, rows: vec![vec![Box::new(map)]], caption: params.caption }.write(context)
}

/// The classes, and the counts: a row a true class, a column a predicted one.
///
/// # Errors
/// If the file cannot be read or is not a square matrix of counts.
pub(super) fn read_matrix(path: &Path) -> anyhow::Result<(Vec<String>, Vec<Vec<u64>>)> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot open {}", path.display()))?;
    let unreadable = || format!("cannot read {}", path.display());
    let classes: Vec<String> = reader.headers().with_context(unreadable)?.iter().skip(1).map(str::to_owned).collect();
    let rows: Vec<(String, Vec<u64>)> = reader.deserialize().collect::<Result<_, _>>().with_context(unreadable)?;
    ensure!(!rows.is_empty(), "{} has no rows", path.display());
    let names: Vec<&String> = rows.iter().map(|r| &r.0).collect();
    ensure!(
        names.iter().copied().eq(&classes),
        "{} is not square: its columns are {classes:?}, its rows {names:?}",
        path.display()
    );
    Ok((classes, rows.into_iter().map(|r| r.1).collect()))
}
