//! Where a curve of sorted distances bends: the radius that the data itself suggests for DBSCAN.

/// The bend of a k-distance curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knee {
    /// How many points, in the order of their distances, lie before the bend.
    pub rank: usize,
    /// The distance at the bend.
    pub distance: f64,
}

/// Finds the knee of the k-distance curve: the distances from every point to its k-th nearest neighbour, ascending.
///
/// Inside clusters the curve is nearly flat, among outliers it climbs; the radius belongs at the bend (Ester, Kriegel,
/// Sander and Xu, A density-based algorithm for discovering clusters, 1996, section 4.2, who pick it by eye). The bend
/// is taken as Kneedle does (Satopää, Albrecht, Irwin and Raghavan, Finding a "Kneedle" in a haystack, 2011) without its
/// smoothing, since the curve has a value a point: rank and distance are both scaled to 0..=1, and the knee is where
/// the curve is farthest below the diagonal. No label is looked at, and no parameter but `k` is needed.
///
/// `None` where the curve has no bend: fewer than three distances, or all of them equal, or nowhere below the diagonal,
/// or a distance of 0 there (more than k coincident copies of most points).
pub fn knee(distances: &[f64]) -> Option<Knee> {
    let (&first, &last) = (distances.first()?, distances.last()?);
    let (height, width) = (last - first, (distances.len() - 1) as f64);
    if height.is_nan() || height <= 0.0 {
        return None;
    }
    let depth = |rank: usize| rank as f64 / width - (distances[rank] - first) / height;
    let rank = (0..distances.len()).max_by(|&a, &b| depth(a).total_cmp(&depth(b)).then(b.cmp(&a)))?;
    let distance = distances[rank];
    (depth(rank) > 0.0 && distance > 0.0).then_some(Knee { rank, distance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_corner_of_a_hockey_stick() {
        // Flat up to 0.19 at rank 90, then steep.
        let distances: Vec<f64> = (0..100)
            .map(|i| if i <= 90 { 0.1 + 0.001 * f64::from(i) } else { 0.19 + 0.2 * f64::from(i - 90) })
            .collect();
        let knee = knee(&distances).unwrap();
        assert_eq!(knee.rank, 90);
        assert!((knee.distance - 0.19).abs() < 1e-12);
    }

    #[test]
    fn a_curve_without_a_bend_has_none() {
        assert_eq!(knee(&[]), None);
        assert_eq!(knee(&[1.0, 2.0]), None);
        assert_eq!(knee(&[0.5; 10]), None);
        assert_eq!(knee(&(0..10).map(|i| f64::from(i).sqrt()).collect::<Vec<_>>()), None);
    }
}
