//! `visualise/curves`: accuracy and loss by epoch, training beside validation, with the figures of each epoch.

use std::num::NonZeroUsize;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::legend::Legend;
use super::chart::line::{LineChart, Series};
use super::chart::table::{Align, Row, Table};
use super::figure::{Chart, Figure};
use super::{read, style};
use crate::kind::{Arity, Context, Kind, check};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/curves",
    summary: "Draws accuracy and loss of training and validation by epoch, with a table of the epochs.",
    inputs: &[
        super::port("history", Arity::One, "`history.csv` of a train stage"),
        super::port("metrics", Arity::Optional, "`metrics.json` of an evaluate stage: its accuracy joins the title"),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/curves.rs",
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    title: String,
    caption: String,
    /// With more epochs than this, the table shows every second, third ... of them, the best and the last.
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
    let title = match context.optional("metrics") {
        Some(path) => format!("{} (test accuracy {:.4})", params.title, read::accuracy(path)?),
        None => format!("{} (validation accuracy {:.4})", params.title, history[best].val_accuracy),
    };
    let width = 2.0 * PANEL.0 + 3.0 * style::SPACE;
    let colours = [style::category(0), style::category(1)];
    let legend = Legend::new(width, ["training", "validation"].map(str::to_owned).into_iter().zip(colours));
    let accuracy = panel("Accuracy", &history, colours, [|e| e.accuracy, |e| e.val_accuracy]);
    let loss = panel("Loss", &history, colours, [|e| e.loss, |e| e.val_loss]);
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![
        vec![Box::new(legend)],
        vec![Box::new(accuracy), Box::new(loss)],
        vec![Box::new(table(&history, best, params.table_rows.get(), width))],
    ];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// The first epoch with the best validation accuracy.
fn best(history: &[Epoch]) -> usize {
    (1..history.len()).fold(0, |best, i| if history[i].val_accuracy > history[best].val_accuracy { i } else { best })
}

fn panel(name: &str, history: &[Epoch], colours: [style::Colour; 2], values: [fn(&Epoch) -> f64; 2]) -> LineChart {
    let series = values.into_iter().zip(colours).map(|(value, colour)| Series {
        colour,
        points: history.iter().map(|e| (f64::from(e.epoch), value(e))).collect(),
        marked: true,
    });
    LineChart::new(name, PANEL, "epoch", &name.to_lowercase(), series.collect())
}

fn table(history: &[Epoch], best: usize, most: usize, width: f64) -> Table {
    let every = history.len().div_ceil(most);
    let shown = |i: usize| (i + 1).is_multiple_of(every) || i == best || i + 1 == history.len();
    let number = |v: f64| format!("{v:.4}");
    let rows = history.iter().enumerate().filter(|(i, _)| shown(*i)).map(|(i, e)| {
        let numbers = [e.loss, e.accuracy, e.val_loss, e.val_accuracy].map(number);
        Row::new([e.epoch.to_string()].into_iter().chain(numbers)).bold(i == best)
    });
    let heads = ["epoch", "loss", "accuracy", "validation loss", "validation accuracy"];
    let notes = if every > 1 {
        vec![format!("Every {every} epochs of {}; bold: the best validation accuracy.", history.len())]
    } else {
        vec!["Bold: the best validation accuracy.".to_owned()]
    };
    Table {
        title: String::new(),
        columns: heads.map(|head| (head.to_owned(), Align::Right)).to_vec(),
        rows: rows.collect(),
        notes,
        width,
    }
}
