//! `predictions.csv` of an evaluate stage: what a network took each image for, and how sure it was.

use std::path::Path;

use anyhow::{Context as _, ensure};

/// What a network said of an image.
pub(super) struct Prediction {
    /// The row of the image set.
    pub(super) index: usize,
    /// Its class.
    pub(super) label: usize,
    /// The class it was taken for.
    pub(super) predicted: usize,
    /// The probability of that class.
    pub(super) confidence: f64,
}

impl Prediction {
    /// Whether it was right.
    pub(super) fn is_right(&self) -> bool {
        self.label == self.predicted
    }
}

/// Reads `index,label,predicted,p_0..p_{K-1}`.
///
/// # Errors
/// If the file cannot be read, has no rows, or has a row that names a class without a probability.
pub(super) fn open(path: &Path) -> anyhow::Result<Vec<Prediction>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut found = Vec::new();
    for row in reader.deserialize() {
        let (index, label, predicted, probabilities): (usize, usize, usize, Vec<f64>) =
            row.with_context(|| format!("cannot read {}", path.display()))?;
        let confidence = probabilities.get(predicted).copied().filter(|_| label < probabilities.len());
        let confidence = confidence.with_context(|| {
            format!(
                "image {index} of {} is of class {label}, taken for {predicted}: one has no probability",
                path.display()
            )
        })?;
        ensure!(
            (0.0..=1.0).contains(&confidence),
            "the probability of image {index} in {} is {confidence}",
            path.display()
        );
        found.push(Prediction { index, label, predicted, confidence });
    }
    ensure!(!found.is_empty(), "{} has no rows", path.display());
    Ok(found)
}
