//! Reads `embeddings.safetensors`: one row a sample, with its class.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use ndarray::Array2;

use crate::artifact::tensors::Tensors;

/// Embeddings and the classes of the samples they stand for.
pub struct Embeddings {
    /// Row-major [N, D], finite; at least one row and one column.
    pub values: Array2<f64>,
    /// The class of every row, [N].
    pub labels: Vec<u32>,
}

impl Embeddings {
    /// Reads the tensors `embeddings` [N, D] f32 and `labels` [N] u32.
    ///
    /// # Errors
    /// If the file does not hold them, if their shapes disagree, if there is nothing in them, or if a value is not a
    /// finite number (the first such place is named).
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = Tensors::open(path)?;
        let shape = file.shape("embeddings")?;
        let &[rows, columns] = shape.as_slice() else {
            bail!("`embeddings` of {} has shape {shape:?}, not [N, D]", path.display());
        };
        ensure!(rows > 0 && columns > 0, "`embeddings` of {} is empty: its shape is {shape:?}", path.display());
        let labels = file.u32("labels")?;
        ensure!(labels.len() == rows, "{} holds {rows} embeddings but {} labels", path.display(), labels.len());
        let values = file.f32("embeddings")?;
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            bail!(
                "`embeddings` of {} is {} in row {}, column {} (counted from 0): did the training diverge?",
                path.display(),
                values[at],
                at / columns,
                at % columns
            );
        }
        let values = values.iter().copied().map(f64::from).collect();
        let values = Array2::from_shape_vec((rows, columns), values).context("the tensor is shorter than its shape")?;
        Ok(Self { values, labels })
    }
}
