//! `visualise/curves`: accuracy and loss by epoch, training beside validation, with the figures of each epoch.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::legend::Legend;
use super::chart::line::{At, LineChart, Rule, Series};
use super::chart::table::{Align, Row, Table};
use super::figure::{Chart, Figure};
use super::{read, style};
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/curves",
    summary: "Draws accuracy and loss of training and validation by epoch, with a table of the epochs.",
    inputs: &[
        super::port("history", Arity::One, "`history.csv` of a train stage"),
        super::port("metrics", Arity::Optional, "`metrics.json` of an evaluate stage: its accuracy joins the title"),
        super::port(
            "training",
            Arity::Optional,
            "`metrics.json` of the train stage: the epoch whose weights were kept, and tested, is marked",
        ),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/curves.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// With more epochs than this, the table shows every second, third ... of them, the marked one and the last.
    table_rows: NonZeroUsize,
}

impl Default for Params {
    fn default() -> Self {
        let table_rows = NonZeroUsize::new(25).expect("25 is not 0");
        Self { title: "Training and validation".to_owned(), caption: String::new(), table_rows }
    }
}

#[derive(Deserialize)]
struct Epoch {
    epoch: u32,
    loss: f64,
    accuracy: f64,
    val_loss: f64,
    val_accuracy: f64,
}

/// The size of a panel.
const PANEL: Point = (380.0, 270.0);

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("history")?;
    let history: Vec<Epoch> = read::csv(path)?;
    for e in &history {
        let finite = [e.loss, e.accuracy, e.val_loss, e.val_accuracy].iter().all(|v| v.is_finite());
        ensure!(
            finite,
            "epoch {} of {} has a figure that is not a number: the training diverged",
            e.epoch,
            path.display()
        );
    }
    let best = best(&history);
    let least =
        (1..history.len()).fold(0, |least, i| if history[i].val_loss < history[least].val_loss { i } else { least });
    let subtitle = format!(
        "Best validation accuracy {:.4} in epoch {}, least validation loss {:.4} in epoch {}",
        history[best].val_accuracy, history[best].epoch, history[least].val_loss, history[least].epoch
    );
    let kept = context.optional("training").map(|path| kept(path, &history)).transpose()?;
    let of = kept.map_or(String::new(), |kept| format!(" of the weights of epoch {}", history[kept].epoch));
    let title = match context.optional("metrics") {
        Some(path) => format!("{} (test accuracy {:.4}{of})", params.title, read::accuracy(path)?),
        None => {
            let shown = kept.unwrap_or(best);
            format!("{} (validation accuracy {:.4}{of})", params.title, history[shown].val_accuracy)
        }
    };
    let marked = match kept {
        Some(kept) => Marked { row: kept, what: "the epoch whose weights were kept", rule: Some("kept") },
        None => Marked { row: best, what: "the best validation accuracy", rule: None },
    };
    let width = 2.0 * PANEL.0 + 3.0 * style::SPACE;
    let colours = [style::category(0), style::category(1)];
    let legend = Legend::new(width, ["training", "validation"].map(str::to_owned).into_iter().zip(colours));
    let accuracy = panel("Accuracy", &history, &marked, colours, [|e| e.accuracy, |e| e.val_accuracy]);
    let loss = panel("Loss", &history, &marked, colours, [|e| e.loss, |e| e.val_loss]);
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![
        vec![Box::new(legend)],
        vec![Box::new(accuracy), Box::new(loss)],
        vec![Box::new(table(&history, &marked, params.table_rows.get(), width))],
    ];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// The first epoch with the best validation accuracy.
fn best(history: &[Epoch]) -> usize {
    (1..history.len()).fold(0, |best, i| if history[i].val_accuracy > history[best].val_accuracy { i } else { best })
}

/// The epoch that stands out.
struct Marked {
    /// Its place in the history.
    row: usize,
    /// What it is, for the note under the table.
    what: &'static str,
    /// What is written at a line through the charts, if there is one.
    rule: Option<&'static str>,
}

/// The place in the history of the epoch whose weights were kept.
fn kept(path: &Path, history: &[Epoch]) -> anyhow::Result<usize> {
    #[derive(Deserialize)]
    struct Metrics {
        epoch: u32,
    }
    let Metrics { epoch } = read::json(path).with_context(|| {
        format!("{} names no epoch: the input `training` is the metrics of a train stage", path.display())
    })?;
    let found = history.iter().position(|e| e.epoch == epoch);
    found.with_context(|| {
        format!("epoch {epoch} of {} is not in the history: they do not belong together", path.display())
    })
}

fn panel(
    name: &str,
    history: &[Epoch],
    marked: &Marked,
    colours: [style::Colour; 2],
    values: [fn(&Epoch) -> f64; 2],
) -> LineChart {
    let series = values.into_iter().zip(colours).map(|(value, colour)| Series {
        colour,
        points: history.iter().map(|e| (f64::from(e.epoch), value(e))).collect(),
        marked: true,
    });
    let mut chart = LineChart::new(name, PANEL, "epoch", &name.to_lowercase(), series.collect());
    let at = At::X(f64::from(history[marked.row].epoch));
    chart.rules.extend(marked.rule.map(|label| Rule { at, label: label.to_owned(), colour: style::MUTED }));
    chart
}

fn table(history: &[Epoch], marked: &Marked, most: usize, width: f64) -> Table {
    let every = history.len().div_ceil(most);
    let shown = |i: usize| (i + 1).is_multiple_of(every) || i == marked.row || i + 1 == history.len();
    let number = |v: f64| format!("{v:.4}");
    let rows = history.iter().enumerate().filter(|(i, _)| shown(*i)).map(|(i, e)| {
        let numbers = [e.loss, e.accuracy, e.val_loss, e.val_accuracy].map(number);
        Row::new([e.epoch.to_string()].into_iter().chain(numbers)).bold(i == marked.row)
    });
    let heads = ["epoch", "loss", "accuracy", "validation loss", "validation accuracy"];
    let notes = if every > 1 {
        vec![format!("Every {every} epochs of {}; bold: {}.", history.len(), marked.what)]
    } else {
        vec![format!("Bold: {}.", marked.what)]
    };
    Table {
        title: String::new(),
        columns: heads.map(|head| (head.to_owned(), Align::Right)).to_vec(),
        rows: rows.collect(),
        notes,
        width,
    }
}
