//! DBSCAN's radius, chosen from the points alone.

use super::dbscan::sorted;
use super::knee::knee;
use super::spread::{Spread, joins, spreads};
use crate::analysis::nearest::nearest;
use crate::analysis::points::Points;

/// A radius, and what it was chosen from.
#[derive(Clone, Debug, PartialEq)]
pub struct Automatic {
    /// The radius.
    pub eps: f64,
    /// The k-distance curve: the distance from every point to neighbour number `min_samples - 1`, ascending.
    pub distances: Vec<f64>,
    /// The clusters at each of these radii.
    pub spreads: Vec<Spread>,
}

/// The radius whose clusters tell most of the points: of all distances of the k-distance curve the one with the largest
/// [`Spread::told`], the least of equals. No label is looked at.
///
/// A small radius leaves most points out as noise, a large one puts all into one cluster; between them lie the radii
/// that divide the points into many clusters and leave few out. (The bend of the curve, where Ester, Kriegel, Sander and Xu
/// read the radius off by eye, lies too high where clusters are close to each other: they melt into one.) Where no radius
/// gives two clusters, the bend it is.
///
/// The radius then moves up within what gives the same clusters, to the middle of the widest gap between two distances of
/// points, so that no rounding decides which points are within it.
///
/// `None` where all points have their neighbours at the same distance.
pub fn automatic(points: &Points<'_>, min_samples: usize) -> Option<Automatic> {
    let neighbours = nearest(points, min_samples - 1);
    let distances = sorted(&neighbours, min_samples);
    let mut squares: Vec<f64> =
        neighbours.iter().filter_map(|row| row.get(min_samples - 2)).map(|n| n.squared).collect();
    squares.sort_unstable_by(f64::total_cmp);
    let joins = joins(points, &neighbours);
    let spreads = spreads(points.len(), &joins, &squares);
    let told = |rank: &usize| spreads[*rank].told();
    let best =
        (0..squares.len()).filter(|rank| told(rank) > 0.0).max_by(|a, b| told(a).total_cmp(&told(b)).then(b.cmp(a)));
    let rank = match best {
        Some(rank) => rank,
        None => knee(&distances)?.rank,
    };
    let low = squares[rank];
    let next = joins.iter().map(|join| join.squared).chain(squares.iter().copied()).filter(|squared| *squared > low);
    let eps = match next.min_by(f64::total_cmp) {
        Some(high) => widest(points, low.sqrt(), high.sqrt()),
        None => 1.5 * low.sqrt(),
    };
    Some(Automatic { eps, distances, spreads })
}

/// The middle of the widest gap between distances of points, from `low` to `high`.
fn widest(points: &Points<'_>, low: f64, high: f64) -> f64 {
    let between = points.map_rows(|row| {
        let (inner, outer) = (row.nearer(low * low), row.nearer(high * high));
        let words = outer.words.iter().zip(&inner.words).enumerate();
        let sure = words.flat_map(|(at, (outer, inner))| {
            let word = outer & !inner;
            (0..64).filter(move |bit| (word >> bit) & 1 == 1).map(move |bit| at * 64 + bit)
        });
        let found = sure.chain(inner.unsure.iter().copied()).chain(outer.unsure.iter().copied());
        // Each pair once.
        found.filter(|j| *j < row.index()).map(|j| row.exact(j).sqrt()).collect::<Vec<f64>>()
    });
    let mut places: Vec<f64> = between.into_iter().flatten().filter(|d| (low..=high).contains(d)).collect();
    places.extend([low, high]);
    places.sort_unstable_by(f64::total_cmp);
    let gaps = places.windows(2).map(|pair| (pair[1] - pair[0], pair[0].midpoint(pair[1])));
    let (_, middle) = gaps.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1))).unwrap_or((0.0, low));
    middle
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rng::Rng;

    /// Six groups, each close to the next, and points scattered between them.
    fn chain() -> Array2<f64> {
        let mut rng = Rng::new(2, "test", 0);
        Array2::from_shape_fn((600, 2), |(i, j)| {
            let spread = if i % 20 == 0 { 1.5 } else { 0.3 };
            let centre = if j == 0 { 2.4 * (i % 6) as f64 } else { 0.0 };
            centre + spread * f64::from(rng.normal())
        })
    }

    #[test]
    fn groups_that_lie_close_to_each_other_are_kept_apart() {
        let values = chain();
        let found = automatic(&Points::new(values.view()), 10).unwrap();
        let rank = found.distances.iter().filter(|d| **d <= found.eps).count() - 1;
        assert_eq!(found.spreads[rank].clusters, 6);
        assert!(found.spreads[rank].kept > 0.85, "{:?}", found.spreads[rank]);
        // Of more points scattered between them, the bend of the curve would take in enough to melt them.
        let bend = knee(&found.distances).unwrap();
        assert!(found.spreads[bend.rank].told() <= found.spreads[rank].told(), "{:?}", found.spreads[bend.rank]);
    }

    #[test]
    fn the_radius_is_nobodys_distance() {
        for values in [chain(), Array2::from_shape_fn((40, 1), |(i, _)| (i / 10 * 100 + i % 10) as f64)] {
            let points = Points::new(values.view());
            let eps = automatic(&points, 4).unwrap().eps;
            let n = values.nrows();
            let gap = |(i, j): (usize, usize)| (points.squared(i, j).sqrt() - eps).abs();
            let nearest = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(gap).fold(f64::INFINITY, f64::min);
            assert!(nearest > 1e-7 * eps, "a pair is {nearest} from the radius {eps}");
        }
    }

    #[test]
    fn without_groups_the_bend_is_taken_and_without_that_nothing() {
        let even = Array2::from_shape_fn((100, 1), |(i, _)| if i < 90 { i as f64 } else { (i * i) as f64 });
        let found = automatic(&Points::new(even.view()), 3).unwrap();
        assert!(found.eps > 1.0);
        let same = Array2::<f64>::zeros((50, 2));
        assert_eq!(automatic(&Points::new(same.view()), 5), None);
    }
}
