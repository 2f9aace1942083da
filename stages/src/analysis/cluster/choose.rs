//! How many clusters: as many as give the highest silhouette.

use ndarray::ArrayView2;
use serde::Serialize;

use super::kmeans::{Partition, kmeans};
use crate::analysis::score::{mean, silhouettes};

/// What to choose from.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The fewest clusters that are tried.
    pub fewest: usize,
    /// The most clusters that are tried.
    pub most: usize,
    /// The random starts for each number.
    pub runs: usize,
    /// Decides the random starts.
    pub seed: u64,
    /// Partitions with a smaller cluster are not chosen.
    pub smallest: usize,
}

/// A number of clusters that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// How many.
    pub clusters: usize,
    /// The mean silhouette; `None` where it is undefined.
    pub silhouette: Option<f64>,
    /// The inertia of the best run.
    pub inertia: f64,
}

/// The chosen partition, and what it was chosen from.
pub struct Choice {
    /// The partition with the highest mean silhouette; a single cluster where none can be chosen.
    pub partition: Partition,
    /// The silhouette of every point in it; `None` where it is undefined.
    pub silhouettes: Option<Vec<f64>>,
    /// Every number that was tried, ascending.
    pub trials: Vec<Trial>,
}

/// Divides the rows of `values` [N, D] into as many clusters as have the highest mean silhouette (Rousseeuw, 1987; Kaufman
/// and Rousseeuw, Finding groups in data, 1990, section 2.2), of equals the fewest. No label is looked at.
///
/// # Errors
/// If k-means fails.
pub fn choose(values: ArrayView2<'_, f64>, search: &Search) -> anyhow::Result<Choice> {
    // With a cluster a point there is no silhouette.
    let tried: Vec<usize> = (search.fewest..=search.most.min(values.nrows().saturating_sub(1))).collect();
    let partitions = tried
        .iter()
        .map(|&clusters| kmeans(values, clusters, search.runs, search.seed))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let clusterings: Vec<&[usize]> = partitions.iter().map(|p| p.clusters.as_slice()).collect();
    let silhouettes = silhouettes(values, &clusterings);
    let means: Vec<Option<f64>> = silhouettes.iter().map(|s| mean(s.as_deref()?)).collect();
    let trials = (0..tried.len())
        .map(|at| Trial { clusters: tried[at], silhouette: means[at], inertia: partitions[at].inertia })
        .collect();
    let smallest = |partition: &Partition| partition.sizes().into_iter().min().unwrap_or(0);
    let mut best: Option<(f64, Partition, Option<Vec<f64>>)> = None;
    for ((partition, silhouettes), mean) in partitions.into_iter().zip(silhouettes).zip(&means) {
        let Some(mean) = *mean else { continue };
        if smallest(&partition) >= search.smallest && best.as_ref().is_none_or(|(highest, ..)| mean > *highest) {
            best = Some((mean, partition, silhouettes));
        }
    }
    let (partition, silhouettes) = match best {
        Some((_, partition, silhouettes)) => (partition, silhouettes),
        None => (kmeans(values, 1, 1, search.seed)?, None),
    };
    Ok(Choice { partition, silhouettes, trials })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rng::Rng;

    /// Groups of 50 points around places 10 apart, and a pair of points far away.
    fn groups(count: usize) -> Array2<f64> {
        let mut rng = Rng::new(11, "test", 0);
        Array2::from_shape_fn((50 * count + 2, 2), |(i, axis)| {
            let centre = if i / 50 == count { 60.0 } else { 10.0 * ((i / 50) >> axis & 1) as f64 };
            centre + f64::from(rng.normal())
        })
    }

    #[test]
    fn finds_as_many_groups_as_there_are() {
        let search = Search { fewest: 2, most: 8, runs: 5, seed: 1, smallest: 1 };
        let found = choose(groups(4).slice(ndarray::s![..200, ..]), &search).unwrap();
        assert_eq!(found.partition.sizes(), [50; 4]);
        assert_eq!(found.trials.iter().map(|t| t.clusters).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(found.trials[2].silhouette, mean(&found.silhouettes.unwrap()));
    }

    #[test]
    fn a_partition_with_too_small_a_cluster_is_not_chosen() {
        let search = Search { fewest: 2, most: 8, runs: 5, seed: 1, smallest: 10 };
        let found = choose(groups(4).view(), &search).unwrap();
        assert!(found.partition.sizes().into_iter().all(|size| size >= 10));
    }

    #[test]
    fn points_that_cannot_be_divided_stay_one_cluster() {
        let search = Search { fewest: 2, most: 8, runs: 2, seed: 1, smallest: 1 };
        for values in [Array2::zeros((1, 3)), Array2::zeros((2, 3))] {
            let found = choose(values.view(), &search).unwrap();
            assert_eq!(found.partition.sizes(), [values.nrows()]);
            assert!(found.silhouettes.is_none());
        }
    }
}
