//! Samples in the plane, as `project` stages write them.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde::Deserialize;

use super::read;
use crate::kind::Input;
use crate::rng::Rng;

/// What methods are called unless `names` says otherwise.
const METHODS: [(&str, &str); 3] = [("pca", "PCA"), ("tsne", "t-SNE"), ("t-sne", "t-SNE")];

/// A projection.
pub(super) struct Projected {
    /// What it is called.
    pub(super) name: String,
    /// Its file, for messages.
    pub(super) file: String,
    /// Its points in a random order: none is to lie on top of the others because it comes last in the file.
    pub(super) points: Vec<Place>,
}

/// Where a sample is.
#[derive(Deserialize)]
pub(super) struct Place {
    /// The row of the image set.
    pub(super) index: usize,
    /// Its first coordinate.
    pub(super) x: f64,
    /// Its second coordinate.
    pub(super) y: f64,
}

/// Reads `projection.csv` files.
///
/// # Errors
/// If there is none, or one is something else.
pub(super) fn open(inputs: &[Input], given: &BTreeMap<String, String>, seed: u64) -> anyhow::Result<Vec<Projected>> {
    ensure!(!inputs.is_empty(), "input `projections` was not given");
    let mut known: BTreeMap<String, String> = METHODS.map(|(key, name)| (key.to_owned(), name.to_owned())).into();
    known.extend(given.clone());
    let read = |(input, name): (&Input, String)| {
        let file = input.path.display().to_string();
        let mut points: Vec<Place> = read::csv(&input.path)?;
        for p in &points {
            ensure!(p.x.is_finite() && p.y.is_finite(), "sample {} of {file} is at ({}, {})", p.index, p.x, p.y);
        }
        Rng::new(seed, "draw order", 0).shuffle(&mut points);
        Ok(Projected { name, file, points })
    };
    inputs.iter().zip(read::names(inputs, &known)).map(read).collect()
}
