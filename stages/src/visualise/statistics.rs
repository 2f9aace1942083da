//! `visualise/statistics`: the least and greatest value of each pixel, and the description of the two series.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::table::{Align, Row, Table};
use super::figure::{Chart, Figure};
use super::read;
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/statistics",
    summary: "Draws the table of pixel statistics: first and last pixels, and the description of both series.",
    inputs: &[
        super::port("statistics", Arity::One, "`statistics.json` of a describe stage"),
        super::port("columns", Arity::One, "`columns.csv` of a describe stage: pixel, min, max"),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/statistics.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// How many pixels are shown at each end.
    edge: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { title: "Pixel statistics".to_owned(), caption: String::new(), edge: 5 }
    }
}

/// The rows of the description, as pandas names them.
const MEASURES: [&str; 8] = ["count", "mean", "std", "min", "25%", "50%", "75%", "max"];

#[derive(Deserialize)]
struct Statistics {
    images: u64,
    min: Series,
    max: Series,
}

/// Measure -> value; null where it has none, as the deviation of a single value.
type Series = BTreeMap<String, Option<f64>>;

#[derive(Deserialize)]
struct Column {
    pixel: String,
    min: String,
    max: String,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("statistics")?;
    let statistics: Statistics = read::json(path)?;
    let columns: Vec<Column> = read::csv(context.input("columns")?)?;
    let described = description(&statistics).with_context(|| format!("cannot draw {}", path.display()))?;
    let charts: Vec<Box<dyn Chart>> = vec![Box::new(pixels(&columns, params.edge)), Box::new(described)];
    let subtitle = format!(
        "Least and greatest value of each of {} pixels over {} images",
        read::grouped(columns.len() as u64),
        read::grouped(statistics.images)
    );
    Figure { title: params.title, subtitle, rows: vec![charts], caption: params.caption }.write(context)
}

/// The first and the last pixels.
fn pixels(columns: &[Column], edge: usize) -> Table {
    let row = |c: &Column| Row::new([&c.pixel, &c.min, &c.max].map(String::clone));
    let rows = if columns.len() <= 2 * edge + 1 {
        columns.iter().map(row).collect()
    } else {
        let (first, last) = (&columns[..edge], &columns[columns.len() - edge..]);
        first.iter().map(row).chain([Row::ellipsis(3)]).chain(last.iter().map(row)).collect()
    };
    Table {
        title: "Pixels".to_owned(),
        columns: ["pixel", "min", "max"].map(|head| (head.to_owned(), Align::Right)).to_vec(),
        rows,
        notes: vec![format!("{} rows × 2 columns", columns.len())],
        width: 240.0,
    }
}

fn description(statistics: &Statistics) -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for measure in MEASURES {
        let mut cells = vec![measure.to_owned()];
        for (name, series) in [("min", &statistics.min), ("max", &statistics.max)] {
            let value = series.get(measure).with_context(|| format!("`{name}` has no `{measure}`"))?;
            cells.push(value.map_or("NaN".to_owned(), |v| format!("{v:.6}")));
        }
        rows.push(Row::new(cells));
    }
    let heads = [("", Align::Left), ("min", Align::Right), ("max", Align::Right)];
    Ok(Table {
        title: "Description of the series".to_owned(),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).to_vec(),
        rows,
        notes: Vec::new(),
        width: 320.0,
    })
}
