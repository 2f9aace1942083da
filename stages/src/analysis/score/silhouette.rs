//! The silhouette of a clustering (Rousseeuw, 1987): how much closer points are to their own cluster than to the next.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use rayon::prelude::*;

const BLOCK: usize = 256;

/// Below this share of the lengths of two points, the squared distance that the matrix product gives is mostly
/// cancellation, and is computed again from the differences.
const CANCELLED: f64 = 1e-6;

/// The mean silhouette over all points; `None` where [`silhouettes`] are undefined.
///
/// # Panics
/// If the number of rows is not the number of `clusters`.
pub fn silhouette(values: ArrayView2<'_, f64>, clusters: &[usize]) -> Option<f64> {
    mean(&silhouettes(values, &[clusters]).pop()??)
}

/// The mean of some points' silhouettes.
pub fn mean(silhouettes: &[f64]) -> Option<f64> {
    let total: f64 = silhouettes.iter().sum();
    (!silhouettes.is_empty()).then(|| total / silhouettes.len() as f64)
}

/// The silhouette of every point in each of some clusterings, exact in double precision; `clusterings[c][i]` names the
/// cluster of row `i`, counted from 0. A point alone in its cluster counts 0, as in scikit-learn. `None` where it is
/// undefined: fewer than two clusters, or every point alone.
///
/// All pairs are visited, once for all clusterings: O(N^2 D) work, O(N K) memory, K clusters in all.
///
/// # Panics
/// If the number of rows is not the length of a clustering.
pub fn silhouettes(values: ArrayView2<'_, f64>, clusterings: &[&[usize]]) -> Vec<Option<Vec<f64>>> {
    let sizes: Vec<Vec<usize>> = clusterings
        .iter()
        .map(|clusters| {
            assert_eq!(values.nrows(), clusters.len(), "a cluster for every row");
            let mut sizes = vec![0; clusters.iter().max().map_or(0, |last| last + 1)];
            clusters.iter().for_each(|&c| sizes[c] += 1);
            sizes
        })
        .collect();
    let defined = |c: usize| {
        let inhabited = sizes[c].iter().filter(|&&n| n > 0).count();
        inhabited >= 2 && inhabited < values.nrows()
    };
    let kept: Vec<usize> = (0..clusterings.len()).filter(|&c| defined(c)).collect();
    let chosen: Vec<&[usize]> = kept.iter().map(|&c| clusterings[c]).collect();
    let mut found = vec![None; clusterings.len()];
    if kept.is_empty() {
        return found;
    }
    let sums = distances_to_clusters(values, &chosen);
    for (sums, c) in sums.iter().zip(kept) {
        found[c] = Some((0..values.nrows()).map(|i| of_point(sums.row(i), clusterings[c][i], &sizes[c])).collect());
    }
    found
}

/// The silhouette of a point of cluster `own`, given the sums of its distances to the points of every cluster.
fn of_point(sums: ArrayView1<'_, f64>, own: usize, sizes: &[usize]) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let within = sums[own] / (sizes[own] - 1) as f64;
    let others = (0..sizes.len()).filter(|&c| c != own && sizes[c] > 0);
    let next = others.map(|c| sums[c] / sizes[c] as f64).fold(f64::INFINITY, f64::min);
    let larger = within.max(next);
    if larger > 0.0 { (next - within) / larger } else { 0.0 }
}

/// For each clustering the sum of the distances from every point to the points of every cluster, [N, K]. Each pair of
/// blocks is computed once and counted both ways; the parts are added in a fixed order.
fn distances_to_clusters(values: ArrayView2<'_, f64>, clusterings: &[&[usize]]) -> Vec<Array2<f64>> {
    let n = values.nrows();
    let centred = &values - &values.mean_axis(Axis(0)).expect("there are rows");
    let lengths: Vec<f64> = centred.rows().into_iter().map(|row| row.dot(&row)).collect();
    // The clusters of all clusterings side by side: the column of point `i` in clustering `c` is `columns[i][c]`.
    let counts: Vec<usize> = clusterings.iter().map(|c| c.iter().max().map_or(0, |last| last + 1)).collect();
    let firsts: Vec<usize> = (0..counts.len()).map(|c| counts[..c].iter().sum()).collect();
    let width: usize = counts.iter().sum();
    let columns: Vec<Vec<usize>> = (0..n)
        .map(|i| clusterings.iter().zip(&firsts).map(|(clusters, first)| first + clusters[i]).collect())
        .collect();
    let mut sums = Array2::<f64>::zeros((n, width));
    for first in (0..n).step_by(BLOCK) {
        let rows = first..(first + BLOCK).min(n);
        let starts: Vec<usize> = (first..n).step_by(BLOCK).collect();
        let parts: Vec<(Array2<f64>, Array2<f64>)> = starts
            .par_iter()
            .map(|&start| {
                let others = start..(start + BLOCK).min(n);
                let mut products = Array2::<f64>::zeros((rows.len(), others.len()));
                let (a, b) = (centred.slice(s![rows.clone(), ..]), centred.slice(s![others.clone(), ..]));
                general_mat_mul(1.0, &a, &b.t(), 0.0, &mut products);
                let mut forth = Array2::zeros((rows.len(), width));
                let mut back = Array2::zeros((others.len(), width));
                for (r, i) in rows.clone().enumerate() {
                    for (c, j) in others.clone().enumerate() {
                        let lengths = lengths[i] + lengths[j];
                        let mut squared = lengths - 2.0 * products[[r, c]];
                        if squared < CANCELLED * lengths {
                            squared = a.row(r).iter().zip(b.row(c)).map(|(x, y)| (x - y) * (x - y)).sum();
                        }
                        let distance = squared.sqrt();
                        columns[j].iter().for_each(|&column| forth[[r, column]] += distance);
                        columns[i].iter().for_each(|&column| back[[c, column]] += distance);
                    }
                }
                (forth, back)
            })
            .collect();
        for (start, (forth, back)) in starts.into_iter().zip(parts) {
            let mut own = sums.slice_mut(s![rows.clone(), ..]);
            own += &forth;
            if start != first {
                let mut other = sums.slice_mut(s![start..start + back.nrows(), ..]);
                other += &back;
            }
        }
    }
    firsts.iter().zip(counts).map(|(&first, count)| sums.slice(s![.., first..first + count]).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn by_hand() {
        // Own cluster 1 away, the other 9 and 10 away (and the reverse); the lone point counts nothing.
        let values = array![[0.0], [1.0], [10.0]];
        let expected = ((10.0 - 1.0) / 10.0 + (9.0 - 1.0) / 9.0) / 3.0;
        assert!((silhouette(values.view(), &[0, 0, 1]).unwrap() - expected).abs() < 1e-15);
    }

    #[test]
    fn several_clusterings_at_once_are_each_as_alone() {
        let values = Array2::from_shape_fn((700, 3), |(i, j)| ((i * 31 + j * 17) % 101) as f64 / 7.0);
        let clusterings: Vec<Vec<usize>> = [5, 1, 3].iter().map(|k| (0..700).map(|i| i * i % k).collect()).collect();
        let views: Vec<&[usize]> = clusterings.iter().map(Vec::as_slice).collect();
        let together = silhouettes(values.view(), &views);
        for (found, clusters) in together.iter().zip(&clusterings) {
            assert_eq!(found.as_deref().and_then(mean), silhouette(values.view(), clusters));
        }
        assert!(together[0].is_some() && together[1].is_none());
    }

    #[test]
    fn undefined_without_two_clusters_or_without_company() {
        let values = array![[0.0], [1.0], [2.0]];
        assert_eq!(silhouette(values.view(), &[0, 0, 0]), None);
        assert_eq!(silhouette(values.view(), &[0, 1, 2]), None);
    }

    #[test]
    fn coincident_points_give_a_number() {
        let values = Array2::from_elem((600, 3), 0.1);
        let clusters: Vec<usize> = (0..600).map(|i| i % 2).collect();
        assert_eq!(silhouette(values.view(), &clusters), Some(0.0));
    }
}
