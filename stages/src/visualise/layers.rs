//! `visualise/layers`: the table of a network's layers, their output shapes and parameters.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::table::{Align, Row, Table};
use super::figure::Figure;
use super::read::{self, grouped};
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/layers",
    summary: "Draws the table of a network's layers: type, output shape, parameters, totals.",
    inputs: &[super::port("summary", Arity::One, "`summary.json` of a train stage")],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/layers.rs",
};

#[derive(Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; without it the network's name.
    title: Option<String>,
    /// A remark below the figure.
    caption: String,
}

#[derive(Deserialize)]
struct Summary {
    name: String,
    #[serde(default)]
    input: Vec<usize>,
    layers: Vec<Layer>,
    parameters: u64,
    trainable: u64,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    r#type: String,
    output_shape: Vec<usize>,
    parameters: u64,
    /// The layers inside a block, a list a branch.
    #[serde(default)]
    inner: Vec<Vec<Layer>>,
}

impl Layer {
    /// Its row, and below it the rows of the layers inside it.
    fn rows(&self, depth: usize) -> Vec<Row> {
        let indent = INDENT.repeat(depth);
        let name = format!("{indent}{} ({})", self.name, self.r#type);
        let own = Row::new([name, shape(&self.output_shape), grouped(self.parameters)]);
        [own].into_iter().chain(self.inner.iter().flatten().flat_map(|l| l.rows(depth + 1))).collect()
    }
}

/// What stands before a layer inside a block. Ordinary spaces would be dropped at the start of a text.
const INDENT: &str = "\u{a0}\u{a0}\u{a0}\u{a0}";

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("summary")?;
    let summary: Summary = read::json(path)?;
    anyhow::ensure!(!summary.layers.is_empty(), "{} has no layers", path.display());
    anyhow::ensure!(
        summary.trainable <= summary.parameters,
        "{} has more trainable parameters than parameters",
        path.display()
    );
    let subtitle = match summary.input.as_slice() {
        [] => String::new(),
        input => format!("Input {}", shape(input)),
    };
    let title = params.title.clone().unwrap_or_else(|| format!("Layers of {}", summary.name));
    let title = format!("{title}: {} parameters", grouped(summary.parameters));
    Figure { title, subtitle, rows: vec![vec![Box::new(table(&summary))]], caption: params.caption }.write(context)
}

fn table(summary: &Summary) -> Table {
    let total = |name: &str, count: u64| format!("{name} params: {} ({})", grouped(count), memory(count));
    let mut notes = vec![
        total("Total", summary.parameters),
        total("Trainable", summary.trainable),
        total("Non-trainable", summary.parameters - summary.trainable),
    ];
    if summary.layers.iter().any(|l| !l.inner.is_empty()) {
        notes.push("Indented: layers inside a block, which counts their parameters.".to_owned());
    }
    Table {
        title: String::new(),
        columns: vec![
            ("Layer (type)".to_owned(), Align::Left),
            ("Output shape".to_owned(), Align::Left),
            ("Param #".to_owned(), Align::Right),
        ],
        rows: summary.layers.iter().flat_map(|l| l.rows(0)).collect(),
        notes,
        width: 460.0,
    }
}

/// A shape as Keras writes it: the number of images is open.
fn shape(sides: &[usize]) -> String {
    let sides: Vec<String> = sides.iter().map(usize::to_string).collect();
    format!("(None, {})", sides.join(", "))
}

/// The memory that so many 32-bit parameters take, in the units of Keras (powers of 1024).
fn memory(parameters: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let (mut bytes, mut unit) = (parameters as f64 * 4.0, 0);
    while bytes >= 1024.0 && unit + 1 < UNITS.len() {
        bytes /= 1024.0;
        unit += 1;
    }
    format!("{bytes:.2} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_keras_prints() {
        assert_eq!([0, 963_205, 3_223_909].map(memory), ["0.00 B", "3.67 MB", "12.30 MB"]);
    }
}
