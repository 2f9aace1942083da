//! How clusters and classes agree: which cluster takes the colour of which class, and the adjusted Rand index.

use std::collections::BTreeMap;

use super::style::{self, Colour};

/// How many samples each pair of a cluster and a class has in common.
pub(super) struct Contingency {
    counts: BTreeMap<(i64, u32), u64>,
}

impl Contingency {
    /// Counts pairs of (cluster, class).
    pub(super) fn new(pairs: impl IntoIterator<Item = (i64, u32)>) -> Self {
        let mut counts = BTreeMap::new();
        for pair in pairs {
            *counts.entry(pair).or_insert(0) += 1;
        }
        Self { counts }
    }

    /// The clusters and their sizes, noise (-1) first.
    pub(super) fn clusters(&self) -> BTreeMap<i64, u64> {
        let mut sizes = BTreeMap::new();
        for ((cluster, _), count) in &self.counts {
            *sizes.entry(*cluster).or_insert(0) += count;
        }
        sizes
    }

    /// The class of each cluster: the pair with the largest overlap first, then the largest among the clusters and
    /// classes that are left. A cluster that no class is left for has none; noise never has one.
    pub(super) fn classes(&self) -> BTreeMap<i64, u32> {
        let mut pairs: Vec<_> = self.counts.iter().filter(|((cluster, _), _)| *cluster >= 0).collect();
        pairs.sort_by_key(|(pair, count)| (std::cmp::Reverse(**count), **pair));
        let mut matched: BTreeMap<i64, u32> = BTreeMap::new();
        for ((cluster, class), _) in pairs {
            if !matched.contains_key(cluster) && !matched.values().any(|c| c == class) {
                matched.insert(*cluster, *class);
            }
        }
        matched
    }

    /// The colour of each cluster: that of the class it matches, or one that none of the `classes` has; noise is grey.
    pub(super) fn colours(&self, classes: usize) -> BTreeMap<i64, Colour> {
        let matched = self.classes();
        let mut spare = classes..;
        let colour = |cluster: i64| match matched.get(&cluster) {
            _ if cluster < 0 => style::NOISE,
            Some(class) => style::category(*class as usize),
            None => style::category(spare.next().expect("the range has no end")),
        };
        let clusters: Vec<i64> = self.clusters().into_keys().collect();
        clusters.iter().copied().zip(clusters.iter().copied().map(colour)).collect()
    }

    /// The clusters in the order of the classes they match, then the others, then noise.
    pub(super) fn order(&self) -> Vec<i64> {
        let matched = self.classes();
        let mut order: Vec<i64> = self.clusters().into_keys().collect();
        order.sort_by_key(|cluster| (*cluster < 0, matched.get(cluster).map_or(u32::MAX, |class| *class), *cluster));
        order
    }

    /// The share of samples whose class is the most frequent one of their cluster; noise counts as a cluster.
    pub(super) fn purity(&self) -> f64 {
        let mut best: BTreeMap<i64, u64> = BTreeMap::new();
        for ((cluster, _), count) in &self.counts {
            let most = best.entry(*cluster).or_default();
            *most = (*most).max(*count);
        }
        best.values().sum::<u64>() as f64 / self.counts.values().sum::<u64>().max(1) as f64
    }

    /// The adjusted Rand index (Hubert and Arabie, 1985) as scikit-learn's `adjusted_rand_score` has it: noise counts
    /// as a cluster, and two trivial partitions agree.
    pub(super) fn adjusted_rand_index(&self) -> f64 {
        let pairs = |n: u64| n as f64 * (n as f64 - 1.0) / 2.0;
        let mut classes: BTreeMap<u32, u64> = BTreeMap::new();
        for ((_, class), count) in &self.counts {
            *classes.entry(*class).or_insert(0) += count;
        }
        let both: f64 = self.counts.values().map(|&n| pairs(n)).sum();
        let cluster: f64 = self.clusters().values().map(|&n| pairs(n)).sum();
        let class: f64 = classes.values().map(|&n| pairs(n)).sum();
        let all = pairs(self.counts.values().sum());
        let expected = if all > 0.0 { cluster * class / all } else { 0.0 };
        let most = (cluster + class) / 2.0;
        if most == expected { 1.0 } else { (both - expected) / (most - expected) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjusted_rand_index_is_that_of_scikit_learn() {
        // sklearn.metrics.adjusted_rand_score([0,0,1,1,1,2], [0,0,0,1,1,-1]) of scikit-learn 1.9.1.
        let pairs = [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (-1, 2)];
        assert!((Contingency::new(pairs).adjusted_rand_index() - 0.3181818181818182).abs() < 1e-12);
        assert!((Contingency::new(pairs).purity() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(Contingency::new([(0, 0), (0, 0)]).adjusted_rand_index(), 1.0);
    }

    #[test]
    fn clusters_take_the_class_that_they_share_most_with() {
        let pairs = [(7, 0), (7, 0), (7, 1), (3, 1), (3, 0), (5, 1), (5, 1), (-1, 2)];
        let classes = Contingency::new(pairs).classes();
        assert_eq!(classes, BTreeMap::from([(5, 1), (7, 0)]));
    }
}
