//! k-means, best of several runs from greedy k-means++ starts.

use anyhow::{Context as _, ensure};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans as Linfa, KMeansInit};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Auto;
use crate::analysis::tagged::{Limits, require};
use crate::kind::ParamError;
use crate::rng::Rng;

/// The parameters of `method: kmeans`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KMeans {
    /// How many clusters to look for, or `auto`: the number with the highest silhouette.
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    let mean = values.mean_axis(Axis(0)).context("there are no embeddings")?;
    let spread = (&values - &mean).mapv(|v| v * v).sum() / (n * columns) as f64;
    let tolerance = (1e-6 * spread.sqrt()).max(f64::MIN_POSITIVE);
    let fit = |run: usize| -> anyhow::Result<(f64, Vec<(usize, f64)>)> {
        let mut rng = Rng::new(seed, "k-means", run as u64);
        let model = Linfa::params_with_rng(clusters, Xoshiro256PlusPlus::seed_from_u64(rng.next_u64()))
            .n_runs(1)
            .tolerance(tolerance)
            .max_n_iterations(1000)
            .init_method(KMeansInit::Precomputed(start(values, clusters, &mut rng)))
            .fit(&DatasetBase::from(values))
            .context("k-means failed")?;
        let nearest = nearest(values, model.centroids());
        Ok((nearest.iter().map(|&(_, squared)| squared).sum(), nearest))
    };
    let (mut inertia, mut nearest) = fit(0)?;
    for run in 1..runs {
        let found = fit(run)?;
        if found.0 < inertia {
            (inertia, nearest) = found;
        }
    }
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
    Ok(Partition { clusters: names, inertia })
}

/// The centre that each point is nearest to, the first of equals, and its squared distance.
fn nearest(values: ArrayView2<'_, f64>, centres: &Array2<f64>) -> Vec<(usize, f64)> {
    let of = |i: usize| {
        (0..centres.nrows()).fold((0, f64::INFINITY), |best, centre| {
            let distance = squared(values.row(i), centres.row(centre));
            if distance < best.1 { (centre, distance) } else { best }
        })
    };
    (0..values.nrows()).into_par_iter().map(of).collect()
}

fn squared(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Centres to start from, by greedy k-means++ (Arthur and Vassilvitskii, 2007, section 5): each is the best of a few points
/// that are drawn by their squared distance to the centres so far. Plain k-means++ draws one, and the best of ten runs
/// from its starts may miss what scikit-learn, which draws as many as here, finds.
fn start(values: ArrayView2<'_, f64>, clusters: usize, rng: &mut Rng) -> Array2<f64> {
    let (n, trials) = (values.nrows(), 2 + (clusters as f64).ln() as usize);
    let mut chosen = vec![rng.below(n)];
    let nearer = |least: &[f64], to: usize| -> Vec<f64> {
        let distance = |i: usize| squared(values.row(i), values.row(to)).min(least[i]);
        (0..n).into_par_iter().map(distance).collect()
    };
    let mut least = nearer(&vec![f64::INFINITY; n], chosen[0]);
    while chosen.len() < clusters {
        let sums: Vec<f64> = least
            .iter()
            .scan(0.0, |sum, squared| {
                *sum += squared;
                Some(*sum)
            })
            .collect();
        let total = sums[n - 1];
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..trials {
            let draw = f64::from(rng.uniform()) * total;
            let drawn = sums.partition_point(|sum| *sum <= draw);
            // Where every point lies on a centre, any will do.
            let drawn = if drawn < n { drawn } else { rng.below(n) };
            let left = nearer(&least, drawn);
            let sum: f64 = left.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, drawn, left));
            }
        }
        let (_, drawn, left) = best.expect("there is at least one trial");
        chosen.push(drawn);
        least = left;
    }
    values.select(Axis(0), &chosen)
}
