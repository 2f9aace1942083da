//! Reads `embeddings.safetensors`: one row a sample, with its class and its label before classes were merged.

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

/// What the samples were called before labels were merged into classes, and the names of both.
pub struct Originals {
    /// The original label of every row, [N].
    pub labels: Vec<u32>,
    /// The names of the original labels.
    pub names: Vec<String>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

impl Originals {
    /// Reads the tensor `original_labels` [N] u32 and the names in the metadata.
    ///
    /// # Errors
    /// If the file does not hold them, or a class or a label has no name.
    pub fn open(path: &Path, classes: &[u32]) -> anyhow::Result<Self> {
        let file = Tensors::open(path)?;
        let names = |key: &str| -> anyhow::Result<Vec<String>> {
            let text = file.metadata(key).with_context(|| format!("{} has no names `{key}`", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("`{key}` of {} is no list of names", path.display()))
        };
        let found = Self {
            labels: file.u32("original_labels")?,
            names: names("original_classes")?,
            classes: names("classes")?,
        };
        ensure!(
            found.labels.len() == classes.len(),
            "{} holds {} classes but {} original labels",
            path.display(),
            classes.len(),
            found.labels.len()
        );
        for (labels, names) in [(&found.labels[..], &found.names), (classes, &found.classes)] {
            if let Some(label) = labels.iter().find(|&&label| label as usize >= names.len()) {
                bail!("label {label} of {} has no name: there are {}", path.display(), names.len());
            }
        }
        Ok(found)
    }
}
