//! DBSCAN (Ester, Kriegel, Sander and Xu, 1996), its radius given or chosen from the data.

use anyhow::{Context as _, ensure};
use linfa::ParamGuard;
use linfa::traits::Transformer;
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Auto;
use super::automatic::{Automatic, automatic};
use super::radius::WithinRadius;
use crate::analysis::nearest::{Neighbour, nearest};
use crate::analysis::points::Points;
use crate::analysis::tagged::{Limits, require};
use crate::kind::ParamError;

/// The parameters of `method: dbscan`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dbscan {
    /// How many points, itself included, a core point has within the radius.
    #[serde(default = "twenty")]
    pub min_samples: usize,
    /// The radius, or `auto`: the one whose clusters tell most of the points.
    #[serde(default)]
    pub eps: Eps,
    /// What is done to every embedding first.
    #[serde(default)]
    pub normalise: Normalise,
}

fn twenty() -> usize {
    20
}

/// The radius of a neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a positive number or `auto`")]
pub enum Eps {
    /// A number, in the units of the embeddings after normalisation.
    Given(f64),
    /// The radius whose clusters tell most of the points.
    Named(Auto),
}

impl Default for Eps {
    fn default() -> Self {
        Self::Named(Auto::Auto)
    }
}

/// What is done to every embedding before distances are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Divided by its Euclidean length: directions are compared. An embedding of zeros stays as it is.
    #[default]
    L2,
    /// Nothing.
    None,
}

impl Normalise {
    /// The embeddings after it. Lengths of 1 are rounded to single precision: what a Python user gets who normalises the
    /// `f32` file.
    pub fn apply(self, values: &Array2<f64>) -> Array2<f64> {
        let mut values = values.clone();
        if self == Self::L2 {
            for mut row in values.axis_iter_mut(Axis(0)) {
                let length = row.dot(&row).sqrt();
                if length > 0.0 {
                    row.mapv_inplace(|v| f64::from((v / length) as f32));
                }
            }
        }
        values
    }
}

impl Limits for Dbscan {
    fn limits(&self) -> Result<(), ParamError> {
        require(self.min_samples >= 2, "min_samples", "there must be at least two", "try 20")?;
        let positive = !matches!(self.eps, Eps::Given(eps) if !(eps > 0.0 && eps.is_finite()));
        require(positive, "eps", "the radius must be positive", "leave it out, or write `eps: auto`")
    }
}

/// What DBSCAN found.
pub struct Density {
    /// The cluster of every point, counted from 0 in the order of their first core points; `None` is noise.
    pub clusters: Vec<Option<usize>>,
    /// The radius that was used.
    pub eps: f64,
    /// The embeddings that were clustered: the given ones, normalised.
    pub values: Array2<f64>,
    /// What the radius was chosen from, if it was chosen.
    pub choice: Option<Automatic>,
}

/// Groups the rows of `values` [N, D] by density. The labels are those of scikit-learn's brute force on the same
/// values, a point at exactly the radius included. O(N^2 D) work, N^2 / 8 bytes.
///
/// # Errors
/// If the radius is to be chosen and cannot be: too few points, or all of them the same.
pub fn dbscan(values: &Array2<f64>, params: &Dbscan) -> anyhow::Result<Density> {
    let values = params.normalise.apply(values);
    let (eps, choice) = match params.eps {
        Eps::Given(eps) => (eps, None),
        Eps::Named(Auto::Auto) => {
            ensure!(
                values.nrows() > params.min_samples,
                "`eps: auto` needs more embeddings than min_samples = {}, but there are {}: give `eps` a number",
                params.min_samples,
                values.nrows()
            );
            let found = automatic(&Points::new(values.view()), params.min_samples);
            let found = found.context(
                "`eps: auto` finds no radius: every embedding has its neighbours at the same distance. Give `eps` a number",
            )?;
            (found.eps, Some(found))
        }
    };
    let clusters = linfa_clustering::Dbscan::params_with(params.min_samples, L2Dist, WithinRadius { radius: eps })
        .tolerance(eps)
        .check()
        .context("DBSCAN refused its parameters")?
        .transform(&values)
        .to_vec();
    Ok(Density { clusters, eps, values, choice })
}

/// The k-distance curve: the distance from every point to the last of the neighbours that would make it a core point,
/// ascending. A core point has `min_samples` points in its radius, itself included; with fewer points in all the curve is
/// empty.
pub fn k_distances(values: &Array2<f64>, min_samples: usize) -> Vec<f64> {
    if values.nrows() < min_samples {
        return Vec::new();
    }
    sorted(&nearest(&Points::new(values.view()), min_samples - 1), min_samples)
}

/// The distance from every point to neighbour number `min_samples - 1`, ascending.
pub(super) fn sorted(neighbours: &[Vec<Neighbour>], min_samples: usize) -> Vec<f64> {
    let far = neighbours.iter().filter_map(|row| row.get(min_samples - 2));
    let mut distances: Vec<f64> = far.map(|far| far.squared.sqrt()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    distances
}
