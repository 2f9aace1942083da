//! The exact nearest neighbours of every point.

use super::points::{Points, Row};

/// A neighbour of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Which point it is.
    pub index: usize,
    /// Its squared distance.
    pub squared: f64,
}

/// The `k` nearest other points of every point, nearest first, equal distances in the order of the points. `k` is
/// clamped to the number of other points.
pub fn nearest(points: &Points<'_>, k: usize) -> Vec<Vec<Neighbour>> {
    let k = k.min(points.len().saturating_sub(1));
    points.map_rows(|row| nearest_in(&row, k))
}

fn nearest_in(row: &Row<'_, '_>, k: usize) -> Vec<Neighbour> {
    if k == 0 {
        return Vec::new();
    }
    // The k-th smallest upper bound: whatever is certainly farther cannot be among the k nearest.
    let others = || row.bounded().filter(|(j, ..)| *j != row.index());
    let mut upper: Vec<f32> = others().map(|(_, value, error)| value + error).collect();
    let (_, &mut limit, _) = upper.select_nth_unstable_by(k - 1, f32::total_cmp);
    let mut found: Vec<Neighbour> = others()
        .filter(|(_, value, error)| value - error <= limit)
        .map(|(index, ..)| Neighbour { index, squared: row.exact(index) })
        .collect();
    found.sort_unstable_by(|a, b| a.squared.total_cmp(&b.squared).then(a.index.cmp(&b.index)));
    found.truncate(k);
    found
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rng::Rng;

    fn brute(values: &Array2<f64>, i: usize, k: usize) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = (0..values.nrows())
            .filter(|&j| j != i)
            .map(|index| Neighbour {
                index,
                squared: values.row(i).iter().zip(values.row(index)).map(|(a, b)| (a - b) * (a - b)).sum(),
            })
            .collect();
        all.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.index.cmp(&b.index)));
        all.truncate(k);
        all
    }

    #[test]
    fn agrees_with_brute_force_where_single_precision_cannot_tell_neighbours_apart() {
        // Far from the origin, nearly on top of one another, with ties: the products in f32 see only noise.
        let mut rng = Rng::new(1, "test", 0);
        for offset in [0.0, 1e6] {
            let values = Array2::from_shape_fn((300, 7), |(i, _)| {
                offset + if i % 3 == 0 { 1e3 } else { 0.0 } + 1e-4 * rng.below(5) as f64
            });
            let found = nearest(&Points::new(values.view()), 12);
            for (i, row) in found.iter().enumerate() {
                assert_eq!(*row, brute(&values, i, 12), "point {i}, offset {offset}");
            }
        }
    }

    #[test]
    fn huge_and_tiny_values_neither_overflow_nor_vanish() {
        for unit in [1e30, 1e-30] {
            let values = Array2::from_shape_fn((9, 1), |(i, _)| unit * (i * i) as f64);
            let found = nearest(&Points::new(values.view()), 1);
            let indices: Vec<usize> = found.iter().map(|row| row[0].index).collect();
            assert_eq!(indices, [1, 0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn asks_for_no_more_neighbours_than_there_are() {
        let one = Array2::zeros((1, 3));
        assert_eq!(nearest(&Points::new(one.view()), 5), vec![vec![]]);
        let three = Array2::zeros((3, 3));
        assert!(nearest(&Points::new(three.view()), 5).iter().all(|row| row.len() == 2));
    }
}
