//! The `evaluate` kind: a trained model's figures on an image set.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::dataset::Dataset;
use crate::artifact::{csv_writer, write_json};
use crate::kind::{Arity, Context, Kind, Output, Port, Reads, Role, check, schema};
use crate::model::inference::{self, argmax, cross_entropy};
use crate::model::threads::Threads;
use crate::model::{device, file};
use crate::ops::Precision;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&EVALUATE];

/// Evaluates a model.
pub const EVALUATE: Kind = Kind {
    name: "evaluate",
    summary: "Measures a trained model on an image set",
    inputs: &[
        Port { name: "model", doc: "the trained model (model.safetensors)", arity: Arity::One, reads: Reads::Artifact },
        Port {
            name: "data",
            doc: "the image set, normalised like the one it was trained on",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
    ],
    outputs: &[
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "accuracy, loss (mean cross-entropy), macro averages, precision, recall, F1 and support of each class",
        },
        Output {
            name: "confusion",
            file: "confusion.csv",
            role: Role::Data,
            doc: "true,<class>...: a row a true class, a column a predicted one, counts of images",
        },
        Output {
            name: "predictions",
            file: "predictions.csv",
            role: Role::Data,
            doc: "index,label,predicted,p_0..p_{K-1}: a row an image, class numbers, probabilities",
        },
    ],
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "evaluate.rs",
};

/// `with:` of an `evaluate` stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Whether every image is also classified mirrored, left to right, and the logits of both are averaged (test-time
    /// augmentation).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub mirror: bool,
    /// What the operands of convolutions and dense layers are rounded to. Weights, sums and all else stay float32.
    #[serde(skip_serializing_if = "Precision::is_default")]
    #[schemars(extend("default" = "float32"))]
    pub precision: Precision,
}

/// `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// Mean cross-entropy, without label smoothing.
    pub loss: f64,
    /// Means over classes, each class counting the same.
    #[serde(rename = "macro")]
    pub average: Scores,
    /// Each class by name.
    pub classes: BTreeMap<String, ClassScores>,
}

/// How well classes are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Of the images predicted to be of the class, the share that is; 0 where none was.
    pub precision: f64,
    /// Of the images of the class, the share that was predicted to be; 0 where there is none.
    pub recall: f64,
    /// Harmonic mean of both; 0 where both are.
    pub f1: f64,
}

/// How well one class is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// The number of images of the class.
    pub support: u64,
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let trained = file::read(context.input("model")?, &device::device(&context.device)?)?;
    let data = Dataset::open(context.input("data")?)?;
    trained.expect(&data.shape[1..], &data.classes)?;
    ensure!(!data.is_empty(), "there is no image to evaluate the model on");
    let pixels = data.normalised()?;
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    let threads = Threads::new(context.threads)?;
    let network = &trained.network.with_precision(params.precision)?;
    let mut logits = inference::over(network, &threads, &pixels, &rows, |x| network.logits(x))?;
    if params.mirror {
        let pixels = mirrored(&pixels, data.shape[2], data.shape[3]);
        let others = inference::over(network, &threads, &pixels, &rows, |x| network.logits(x))?;
        logits.iter_mut().zip(others).for_each(|(logit, other)| *logit = 0.5 * (*logit + other));
    }

    let classes = data.classes.len();
    let mut loss = 0.0;
    let mut confusion = vec![vec![0u64; classes]; classes];
    let mut predictions = csv_writer(context.output("predictions")?)?;
    let mut header: Vec<String> = ["index", "label", "predicted"].map(str::to_owned).into();
    header.extend((0..classes).map(|k| format!("p_{k}")));
    predictions.write_record(&header)?;
    for (index, (logits, &label)) in logits.chunks(classes).zip(&data.labels).enumerate() {
        let predicted = argmax(logits);
        loss += cross_entropy(logits, label as usize, 0.0);
        confusion[label as usize][predicted] += 1;
        let mut record = vec![index.to_string(), label.to_string(), predicted.to_string()];
        record.extend(probabilities(logits).iter().map(f32::to_string));
        predictions.write_record(&record)?;
    }
    predictions.flush()?;

    let mut table = csv_writer(context.output("confusion")?)?;
    table.write_record(std::iter::once("true").chain(data.classes.iter().map(String::as_str)))?;
    for (class, counts) in data.classes.iter().zip(&confusion) {
        table.write_record(std::iter::once(class.clone()).chain(counts.iter().map(u64::to_string)))?;
    }
    table.flush()?;
    write_json(context.output("metrics")?, &metrics(&confusion, &data.classes, loss / data.len() as f64))
}

/// Rows of `width` pixels of `channels` values, each row from right to left.
fn mirrored(pixels: &[f32], width: usize, channels: usize) -> Vec<f32> {
    pixels.chunks_exact(width * channels).flat_map(|row| row.chunks_exact(channels).rev()).flatten().copied().collect()
}

/// Softmax of a row of logits.
fn probabilities(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&x| f64::from(x - max).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| (p / sum) as f32).collect()
}

/// The figures of a confusion matrix (rows are true classes, columns predicted ones).
pub fn metrics(confusion: &[Vec<u64>], names: &[String], loss: f64) -> Metrics {
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let of_class = |class: usize| {
        let right = confusion[class][class];
        let support: u64 = confusion[class].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
        let f1 = share(2 * right, support + predicted);
        let scores = Scores { precision: share(right, predicted), recall: share(right, support), f1 };
        ClassScores { scores, support }
    };
    let scores: Vec<ClassScores> = (0..names.len()).map(of_class).collect();
    let mean = |field: fn(&Scores) -> f64| scores.iter().map(|s| field(&s.scores)).sum::<f64>() / scores.len() as f64;
    let right: u64 = (0..names.len()).map(|c| confusion[c][c]).sum();
    Metrics {
        accuracy: share(right, confusion.iter().flatten().sum()),
        loss,
        average: Scores { precision: mean(|s| s.precision), recall: mean(|s| s.recall), f1: mean(|s| s.f1) },
        classes: names.iter().cloned().zip(scores).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_confusion_matrix() {
        // scikit-learn 1.9: classification_report([0]*5 + [1]*5, [0,0,0,0,1,1,1,1,0,0], labels=[0, 1, 2])
        let confusion = vec![vec![4, 1, 0], vec![2, 3, 0], vec![0, 0, 0]];
        let names = ["a", "b", "c"].map(str::to_owned);
        let found = metrics(&confusion, &names, 0.5);
        assert_eq!(found.accuracy, 0.7);
        let a = found.classes["a"];
        assert!((a.scores.precision - 4.0 / 6.0).abs() < 1e-12 && (a.scores.recall - 0.8).abs() < 1e-12);
        assert!((a.scores.f1 - 8.0 / 11.0).abs() < 1e-12 && a.support == 5);
        assert_eq!(found.classes["c"], ClassScores { scores: Scores::default(), support: 0 });
        assert!((found.average.f1 - (8.0 / 11.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn probabilities_do_not_overflow() {
        assert_eq!(probabilities(&[1000.0, 1000.0]), [0.5, 0.5]);
        assert!((probabilities(&[0.0, 1.0]).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
