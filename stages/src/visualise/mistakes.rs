//! `visualise/mistakes`: the images that a network was most sure of and wrong about.

use std::num::NonZeroUsize;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::image_grid::{Group, ImageGrid, Picture};
use super::figure::Figure;
use super::images::Images;
use super::predictions::{self, Prediction};
use super::read::grouped;
use super::style;
use crate::artifact::dataset::Dataset;
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/mistakes",
    summary: "Draws the most confident mistakes of a network, a row a true class.",
    inputs: &[
        super::port("data", Arity::One, "the image set that was evaluated"),
        super::port("predictions", Arity::One, "`predictions.csv` of an evaluate stage"),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/mistakes.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// The most images of each class.
    most: NonZeroUsize,
}

impl Default for Params {
    fn default() -> Self {
        let most = NonZeroUsize::new(6).expect("6 is not 0");
        Self { title: "The most confident mistakes".to_owned(), caption: String::new(), most }
    }
}

/// A probability with three decimals. Only what is 1 is written as 1, and only what is 0 as 0.
fn probability(p: f64) -> String {
    match p {
        _ if (0.9995..1.0).contains(&p) => ">0.999".to_owned(),
        _ if p > 0.0 && p < 0.0005 => "<0.001".to_owned(),
        _ => format!("{p:.3}"),
    }
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let data = Dataset::open(context.input("data")?)?;
    let path = context.input("predictions")?;
    let predictions = predictions::open(path)?;
    for p in &predictions {
        ensure!(
            data.labels.get(p.index).is_some_and(|label| *label as usize == p.label)
                && p.predicted < data.classes.len(),
            "image {} of {} is not in the image set, or of another class there: they do not belong together",
            p.index,
            path.display()
        );
    }
    let images = Images::new(&data)?;
    let mut wrong: Vec<&Prediction> = predictions.iter().filter(|p| !p.is_right()).collect();
    wrong.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.index.cmp(&b.index)));
    let mut groups = Vec::new();
    for (class, name) in data.classes.iter().enumerate() {
        let of: Vec<&Prediction> = wrong.iter().copied().filter(|p| p.label == class).collect();
        let support = data.labels.iter().filter(|label| **label as usize == class).count();
        if of.is_empty() {
            continue;
        }
        let mut pictures = Vec::new();
        for p in of.iter().take(params.most.get()) {
            let original = &data.original_classes[data.original_labels[p.index] as usize];
            let caption =
                format!("{original}, taken for {} ({})", data.classes[p.predicted], probability(p.confidence));
            pictures.push(Picture { image: images.get(p.index)?, caption, colour: style::category(p.predicted) });
        }
        let detail = format!("{} of {} wrong", grouped(of.len() as u64), grouped(support as u64));
        groups.push(Group { name: name.clone(), detail, pictures });
    }
    let all = predictions.len();
    let title = format!(
        "{}: {} of {} images are wrong ({:.2}%)",
        params.title,
        grouped(wrong.len() as u64),
        grouped(all as u64),
        100.0 * wrong.len() as f64 / all as f64
    );
    let subtitle =
        "A row a true class; under each image its original label, the class it was taken for, and how sure the \
                    network was"
            .to_owned();
    let rows: Vec<Vec<Box<dyn super::figure::Chart>>> =
        if groups.is_empty() { Vec::new() } else { vec![vec![Box::new(ImageGrid { groups })]] };
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}
