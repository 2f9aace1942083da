//! k-means, best of several runs from k-means++ starts.

use anyhow::{Context as _, ensure};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans as Linfa, KMeansInit};
use ndarray::ArrayView2;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Auto;
use crate::analysis::tagged::{Limits, require};
use crate::kind::ParamError;
use crate::rng::Rng;

/// The parameters of `method: kmeans`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KMeans {
    /// How many clusters to look for, or `auto`: see [`choose`](super::choose).
    #[serde(default)]
    pub clusters: Count,
    /// The most clusters that `auto` tries.
    #[serde(default = "ten")]
    pub most: usize,
    /// How many random starts to try; the one with the smallest inertia is kept.
    #[serde(default = "ten")]
    pub runs: usize,
    /// Decides the random starts.
    #[serde(default)]
    pub seed: u64,
}

fn ten() -> usize {
    10
}

/// A number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a whole number or `auto`")]
pub enum Count {
    /// So many.
    Given(usize),
    /// As many as the data suggest.
    Named(Auto),
}

impl Default for Count {
    fn default() -> Self {
        Self::Named(Auto::Auto)
    }
}

impl Limits for KMeans {
    fn limits(&self) -> Result<(), ParamError> {
        require(self.clusters != Count::Given(0), "clusters", "there must be at least one cluster", "try 5")?;
        require(self.most >= 2, "most", "`auto` has nothing to choose from", "try 10")?;
        require(self.runs > 0, "runs", "there must be at least one run", "try 10")
    }
}

/// Points divided among centres.
pub struct Partition {
    /// The cluster of every point, [N]. Clusters are numbered by their first point, so that the order in which a
    /// random start drew the centres does not show.
    pub clusters: Vec<usize>,
    /// The sum (not the mean) of the squared distances from the points to their centres.
    pub inertia: f64,
}

impl Partition {
    /// The number of points in each cluster.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.clusters.iter().max().map_or(0, |last| last + 1)];
        self.clusters.iter().for_each(|&c| sizes[c] += 1);
        sizes
    }
}

/// Divides the rows of `values` [N, D] into clusters by Lloyd's algorithm, the best of `runs` starts.
///
/// # Errors
/// If there are fewer points than clusters.
pub fn kmeans(values: ArrayView2<'_, f64>, clusters: usize, runs: usize, seed: u64) -> anyhow::Result<Partition> {
    let (n, columns) = values.dim();
    ensure!(clusters <= n, "{clusters} clusters were asked for but there are {n} embeddings: ask for fewer");
    // linfa stops when the centres together moved less than its tolerance, a distance. It must shrink and grow with
    // the data; this small a share of their spread means that assignments have settled.
    let mean = values.mean_axis(ndarray::Axis(0)).context("there are no embeddings")?;
    let spread = (&values - &mean).mapv(|v| v * v).sum() / (n * columns) as f64;
    let tolerance = (1e-6 * spread.sqrt()).max(f64::MIN_POSITIVE);
    let generator = Xoshiro256PlusPlus::seed_from_u64(Rng::new(seed, "k-means", 0).next_u64());
    let model = Linfa::params_with_rng(clusters, generator)
        .n_runs(runs)
        .tolerance(tolerance)
        .max_n_iterations(1000)
        // Not k-means||: its parallel draws depend on the number of threads.
        .init_method(KMeansInit::KMeansPlusPlus)
        .fit(&DatasetBase::from(values))
        .context("k-means failed")?;
    // The fitted model's inertia is a mean, and its cluster sizes are those of the last run rather than the best.
    let centres = model.centroids();
    let nearest: Vec<(usize, f64)> = (0..n)
        .into_par_iter()
        .map(|i| {
            let squared = |centre: usize| -> f64 {
                values.row(i).iter().zip(centres.row(centre)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            (0..clusters).fold((0, f64::INFINITY), |best, centre| {
                let distance = squared(centre);
                if distance < best.1 { (centre, distance) } else { best }
            })
        })
        .collect();
    let mut order = vec![None; clusters];
    let mut next = 0;
    let names = nearest
        .iter()
        .map(|&(centre, _)| {
            *order[centre].get_or_insert_with(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    Ok(Partition { clusters: names, inertia: nearest.iter().map(|&(_, squared)| squared).sum() })
}
