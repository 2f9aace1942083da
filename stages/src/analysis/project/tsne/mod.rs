//! t-SNE (van der Maaten and Hinton, 2008) by Barnes and Hut's approximation (van der Maaten, 2014).
//!
//! Neighbours are exact; the start is PCA; early exaggeration, momentum, gains and learning rate are scikit-learn's and
//! openTSNE's (Belkina et al., 2019). Every number is computed by one thread and every sum has a fixed order, so a
//! projection is a function of points, parameters and seed. `affinities.rs` says which points attract each other,
//! `quadtree.rs` how all repel each other, `descent.rs` moves them.

mod affinities;
mod descent;
mod quadtree;

use anyhow::{Context as _, ensure};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::pca::pca;
use crate::analysis::nearest::nearest;
use crate::analysis::points::Points;
use crate::analysis::tagged::{Limits, require};
use crate::kind::ParamError;
use crate::rng::Rng;
use affinities::Affinities;

/// The standard deviation of the start along its first axis: small, so that far-reaching forces form first.
const START: f64 = 1e-4;

/// The parameters of `method: tsne`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tsne {
    /// How many neighbours a point effectively has. Clamped to a third of the other points.
    #[serde(default = "thirty")]
    pub perplexity: f64,
    /// Steps of the descent, the first quarter (at most 250) with early exaggeration.
    #[serde(default = "thousand")]
    pub iterations: usize,
    /// Decides the small noise on the start, which keeps coincident and collinear points from staying so.
    #[serde(default)]
    pub seed: u64,
}

fn thirty() -> f64 {
    30.0
}

fn thousand() -> usize {
    1000
}

impl Limits for Tsne {
    fn limits(&self) -> Result<(), ParamError> {
        let enough = self.perplexity >= 1.0 && self.perplexity.is_finite();
        require(enough, "perplexity", "the perplexity must be at least 1", "5 to 50 is usual")?;
        require(self.iterations > 0, "iterations", "there must be at least one iteration", "try 1000")
    }
}

/// A map of points to the plane.
pub struct TsneProjection {
    /// Where the points are, [N, 2], centred on the origin.
    pub projection: Array2<f64>,
    /// The Kullback-Leibler divergence of the map's similarities from the points', in nats: over the neighbours'
    /// affinities, with the map's normaliser summed over all pairs.
    pub kl_divergence: f64,
    /// The perplexity that was used.
    pub perplexity: f64,
}

/// Maps the rows of `values` [N, D]. `progress` is told how many iterations are done, now and then.
///
/// # Errors
/// If there are fewer than four points.
pub fn tsne(values: &Array2<f64>, params: &Tsne, progress: &dyn Fn(usize)) -> anyhow::Result<TsneProjection> {
    let n = values.nrows();
    ensure!(n >= 4, "t-SNE needs at least 4 embeddings, but there are {n}");
    ensure!(u32::try_from(n).is_ok(), "t-SNE takes at most {} embeddings, but there are {n}", u32::MAX);
    let perplexity = params.perplexity.min((n - 1) as f64 / 3.0);
    let neighbours = nearest(&Points::new(values.view()), (3.0 * perplexity) as usize + 1);
    let affinities = Affinities::new(&neighbours, perplexity);
    let start = start(values, params.seed).context("the start of t-SNE")?;
    let map = descent::descend(&affinities, start, params.iterations, progress);
    let kl_divergence = affinities.kl_divergence(&map);
    let projection = Array2::from_shape_fn((n, 2), |(i, axis)| map[i][axis]);
    Ok(TsneProjection { projection, kl_divergence, perplexity })
}

/// The principal components, shrunk, with noise of a hundredth of their size.
fn start(values: &Array2<f64>, seed: u64) -> anyhow::Result<Vec<[f64; 2]>> {
    let found = pca(values)?;
    let deviation = found.variance[0].sqrt();
    let shrink = if deviation > 0.0 { START / deviation } else { 0.0 };
    let mut rng = Rng::new(seed, "t-SNE start", 0);
    let mut noise = || START / 100.0 * f64::from(rng.normal());
    Ok(found.projection.rows().into_iter().map(|p| [p[0] * shrink + noise(), p[1] * shrink + noise()]).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::analysis::embeddings::Embeddings;
    use crate::artifact::tensors::Tensors;

    #[test]
    fn measures_scikit_learns_map_as_scikit_learns_affinities_do() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analysis");
        let values = Embeddings::open(&fixtures.join("embeddings.safetensors")).unwrap().values;
        let map = Tensors::open(&fixtures.join("embeddings.safetensors")).unwrap().f32("tsne").unwrap().into_owned();
        let map: Vec<[f64; 2]> = map.chunks(2).map(|p| [f64::from(p[0]), f64::from(p[1])]).collect();
        let reference = std::fs::read_to_string(fixtures.join("reference.json")).unwrap();
        let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
        let found = Affinities::new(&nearest(&Points::new(values.view()), 91), 30.0).kl_divergence(&map);
        let expected = reference["tsne"]["kl_divergence"].as_f64().unwrap();
        // scikit-learn's perplexities are right to 1e-5, and its affinities are single precision.
        assert!((found - expected).abs() < 1e-4, "{found}, scikit-learn {expected}");
    }
}
