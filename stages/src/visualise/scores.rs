//! `visualise/scores`: precision, recall, F1 and support of each class.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::dots::{Dot, DotChart};
use super::chart::table::{Align, Row, Table};
use super::confusion::read_matrix;
use super::figure::{Chart, Figure};
use super::read::grouped;
use super::share::{share, wilson};
use crate::kind::{Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/scores",
    summary: "Draws precision, recall, F1 and support of each class.",
    inputs: &[super::CONFUSION],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/scores.rs",
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
        Self { title: "Scores of each class".to_owned(), caption: String::new() }
    }
}

/// How well a class is found.
struct Class {
    name: String,
    /// Precision, recall, F1.
    scores: [f64; 3],
    support: u64,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let (names, counts) = read_matrix(context.input("confusion")?)?;
    let classes: Vec<Class> = names.into_iter().enumerate().map(|(i, name)| class(i, name, &counts)).collect();
    let all: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..classes.len()).map(|i| counts[i][i]).sum();
    let means = mean(&classes);
    let title = format!("{} (macro F1 {:.4}, accuracy {:.4})", params.title, means[2], share(right, all));
    let subtitle = "Recall of each class; lines are 95% intervals for its number of images".to_owned();
    let table = table(&classes, means, all);
    let dots = classes.iter().map(|class| Dot {
        name: class.name.clone(),
        value: class.scores[1],
        label: format!("{:.4}", class.scores[1]),
        interval: (class.support > 0).then(|| wilson(class.scores[1], class.support)),
        bold: false,
    });
    let dots = DotChart { width: table.size().0, axis: "recall".to_owned(), dots: dots.collect() };
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![Box::new(dots)], vec![Box::new(table)]];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// The scores of class `i` of a confusion matrix; 0 where one is undefined.
fn class(i: usize, name: String, counts: &[Vec<u64>]) -> Class {
    let right = counts[i][i];
    let support = counts[i].iter().sum();
    let predicted = counts.iter().map(|row| row[i]).sum();
    Class {
        name,
        scores: [share(right, predicted), share(right, support), share(2 * right, support + predicted)],
        support,
    }
}

/// The means over classes, each class counting the same.
fn mean(classes: &[Class]) -> [f64; 3] {
    [0, 1, 2].map(|k| classes.iter().map(|class| class.scores[k]).sum::<f64>() / classes.len() as f64)
}

fn table(classes: &[Class], means: [f64; 3], all: u64) -> Table {
    let row = |name: &str, scores: [f64; 3], support: u64| {
        let scores = scores.map(|score| format!("{score:.4}"));
        Row::new([name.to_owned()].into_iter().chain(scores).chain([grouped(support)]))
    };
    let rows = classes.iter().map(|class| row(&class.name, class.scores, class.support));
    let heads = [("class", Align::Left), ("precision", Align::Right), ("recall", Align::Right), ("F1", Align::Right)];
    let heads = heads.into_iter().chain([("support", Align::Right)]);
    Table {
        title: String::new(),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).collect(),
        rows: rows.chain([row("macro average", means, all).bold(true)]).collect(),
        notes: Vec::new(),
        width: 520.0,
    }
}
