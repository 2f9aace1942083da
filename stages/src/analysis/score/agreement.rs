//! How well a clustering agrees with classes: adjusted Rand index, normalised mutual information, purity.

/// How often each pair of a cluster and a class occurs.
pub struct Agreement {
    /// `counts[cluster][class]`.
    counts: Vec<Vec<u64>>,
    clusters: Vec<u64>,
    classes: Vec<u64>,
    total: u64,
}

impl Agreement {
    /// Counts. `clusters[i]` and `classes[i]` belong to the same sample; any integers will do as names.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(clusters: &[i64], classes: &[u32]) -> Self {
        assert_eq!(clusters.len(), classes.len(), "a cluster and a class for every sample");
        let names_of_clusters = sorted(clusters);
        let names_of_classes = sorted(classes);
        let mut counts = vec![vec![0; names_of_classes.len()]; names_of_clusters.len()];
        for (cluster, class) in clusters.iter().zip(classes) {
            let row = names_of_clusters.partition_point(|n| n < cluster);
            let column = names_of_classes.partition_point(|n| n < class);
            counts[row][column] += 1;
        }
        let sums = |columns: usize| (0..columns).map(|c| counts.iter().map(|row| row[c]).sum()).collect();
        Self {
            clusters: counts.iter().map(|row| row.iter().sum()).collect(),
            classes: sums(names_of_classes.len()),
            total: clusters.len() as u64,
            counts,
        }
    }

    /// The adjusted Rand index (Hubert and Arabie, 1985): 1 for the same partition, 0 expected by chance.
    pub fn ari(&self) -> f64 {
        let pairs = |n: &u64| (*n as f64) * (*n as f64 - 1.0) / 2.0;
        let both: f64 = self.counts.iter().flatten().map(pairs).sum();
        let clusters: f64 = self.clusters.iter().map(pairs).sum();
        let classes: f64 = self.classes.iter().map(pairs).sum();
        let all = pairs(&self.total);
        let expected = if all > 0.0 { clusters * classes / all } else { 0.0 };
        let largest = (clusters + classes) / 2.0;
        // Both partitions trivial (all in one, or all alone): they are the same partition.
        if largest == expected { 1.0 } else { (both - expected) / (largest - expected) }
    }

    /// The mutual information divided by the arithmetic mean of the two entropies, as scikit-learn does by default.
    /// 1 where both partitions are a single group.
    pub fn nmi(&self) -> f64 {
        if self.clusters.len() <= 1 && self.classes.len() <= 1 {
            return 1.0;
        }
        let total = self.total as f64;
        let entropy = |sizes: &[u64]| -> f64 {
            sizes.iter().filter(|n| **n > 0).map(|&n| -(n as f64 / total) * (n as f64 / total).ln()).sum()
        };
        let mut information = 0.0;
        for (row, &cluster) in self.counts.iter().zip(&self.clusters) {
            for (&n, &class) in row.iter().zip(&self.classes).filter(|(n, _)| **n > 0) {
                let n = n as f64;
                information += n / total * (n * total / (cluster as f64 * class as f64)).ln();
            }
        }
        let mean = (entropy(&self.clusters) + entropy(&self.classes)) / 2.0;
        if mean > 0.0 { (information / mean).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The share of samples whose class is the most frequent one of their cluster (Manning, Raghavan and Schütze,
    /// Introduction to Information Retrieval, 2008, section 16.3). 0 if there are no samples.
    pub fn purity(&self) -> f64 {
        let best: u64 = self.counts.iter().map(|row| row.iter().copied().max().unwrap_or(0)).sum();
        if self.total > 0 { best as f64 / self.total as f64 } else { 0.0 }
    }
}

fn sorted<T: Copy + Ord>(names: &[T]) -> Vec<T> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_partition_under_other_names_is_perfect() {
        let agreement = Agreement::new(&[7, 7, -1, -1, 3], &[0, 0, 1, 1, 2]);
        assert_eq!((agreement.ari(), agreement.purity()), (1.0, 1.0));
        assert!((agreement.nmi() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn trivial_partitions_give_numbers() {
        let one = Agreement::new(&[0], &[4]);
        assert_eq!((one.ari(), one.nmi(), one.purity()), (1.0, 1.0, 1.0));
        let lumped = Agreement::new(&[0, 0, 0, 0], &[0, 0, 1, 1]);
        assert_eq!((lumped.ari(), lumped.nmi(), lumped.purity()), (0.0, 0.0, 0.5));
    }
}
