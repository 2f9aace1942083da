//! `visualise/accuracy`: the test accuracy of each variant with its confidence interval, and a table of metrics.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::dots::{Dot, DotChart};
use super::chart::table::{Align, Row, Table};
use super::figure::{Chart, Figure};
use super::read;
use super::share::wilson;
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/accuracy",
    summary: "Draws the test accuracy of each variant and a table of its metrics.",
    inputs: &[super::port("metrics", Arity::Many, "`metrics.json` of evaluate stages")],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/accuracy.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// Coordinates (`model=5`) or their value (`5`) -> the name of the variant.
    names: BTreeMap<String, String>,
    /// The metrics of the table: keys of `metrics.json`, those of inner objects after a dot.
    columns: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            title: "Test accuracy".to_owned(),
            caption: String::new(),
            names: BTreeMap::new(),
            columns: ["accuracy", "loss", "macro.precision", "macro.recall", "macro.f1"].map(str::to_owned).to_vec(),
        }
    }
}

/// A variant and its `metrics.json`.
struct Variant {
    name: String,
    metrics: Value,
    accuracy: f64,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let mut variants = Vec::new();
    let inputs = context.all("metrics");
    for (input, name) in inputs.iter().zip(read::names(inputs, &params.names)) {
        let metrics: Value = read::json(&input.path)?;
        let accuracy = number(&metrics, "accuracy")
            .with_context(|| format!("{} has no number `accuracy`", input.path.display()))?;
        variants.push(Variant { name, metrics, accuracy });
    }
    ensure!(!variants.is_empty(), "input `metrics` was not given");
    let best = (1..variants.len()).fold(0, |b, i| if variants[i].accuracy > variants[b].accuracy { i } else { b });
    let table = table(&variants, best, &params.columns);
    let width = table.size().0;
    let title = format!("{}: {:.4} at best", params.title, variants[best].accuracy);
    let subtitle = format!("Best: {:.4} ({}){}", variants[best].accuracy, variants[best].name, tested(&variants));
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![Box::new(dots(&variants, best, width))], vec![Box::new(table)]];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// What the intervals mean, where the number of test samples is known.
fn tested(variants: &[Variant]) -> String {
    match samples(&variants[0].metrics) {
        Some(n) => format!("; lines are 95% intervals for {} test samples", read::grouped(n)),
        None => String::new(),
    }
}

fn dots(variants: &[Variant], best: usize, width: f64) -> DotChart {
    let dots = variants.iter().enumerate().map(|(i, variant)| Dot {
        name: variant.name.clone(),
        value: variant.accuracy,
        label: format!("{:.4}", variant.accuracy),
        interval: samples(&variant.metrics).map(|n| wilson(variant.accuracy, n)),
        bold: i == best,
    });
    DotChart { width, axis: "test accuracy".to_owned(), dots: dots.collect() }
}

fn table(variants: &[Variant], best: usize, columns: &[String]) -> Table {
    let head = |key: &String| (key.replace(['.', '_'], " "), Align::Right);
    let rows = variants.iter().enumerate().map(|(i, variant)| {
        let cell = |key: &String| number(&variant.metrics, key).map_or("–".to_owned(), |v| format!("{v:.4}"));
        Row::new([variant.name.clone()].into_iter().chain(columns.iter().map(cell))).bold(i == best)
    });
    Table {
        title: String::new(),
        columns: [("variant".to_owned(), Align::Left)].into_iter().chain(columns.iter().map(head)).collect(),
        rows: rows.collect(),
        notes: Vec::new(),
        width: 520.0,
    }
}

/// The number under a key; those of inner objects after a dot.
fn number(metrics: &Value, key: &str) -> Option<f64> {
    key.split('.').try_fold(metrics, |value, key| value.get(key))?.as_f64()
}

/// How many samples were tested: the support of all classes.
fn samples(metrics: &Value) -> Option<u64> {
    let classes = metrics.get("classes")?.as_object()?;
    classes.values().map(|class| class.get("support")?.as_u64()).sum::<Option<u64>>().filter(|n| *n > 0)
}
