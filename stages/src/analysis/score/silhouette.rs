//! The silhouette of a clustering (Rousseeuw, 1987): how much closer points are to their own cluster than to the next.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

const BLOCK: usize = 256;

/// Below this share of the lengths of two points, the squared distance that the matrix product gives is mostly
/// cancellation, and is computed again from the differences.
const CANCELLED: f64 = 1e-6;

/// The mean silhouette over all points, exact in double precision; `clusters[i]` names the cluster of row `i`, counted
/// from 0. A point alone in its cluster counts 0, as in scikit-learn. `None` where it is undefined: fewer than two
/// clusters, or every point alone.
///
/// All pairs are visited: O(N^2 D) work, O(N K) memory.
///
/// # Panics
/// If the number of rows is not the number of `clusters`.
pub fn silhouette(values: ArrayView2<'_, f64>, clusters: &[usize]) -> Option<f64> {
    assert_eq!(values.nrows(), clusters.len(), "a cluster for every row");
    let count = clusters.iter().max()? + 1;
    let mut sizes = vec![0usize; count];
    clusters.iter().for_each(|&c| sizes[c] += 1);
    let inhabited = sizes.iter().filter(|&&n| n > 0).count();
    if inhabited < 2 || inhabited == clusters.len() {
        return None;
    }
    let sums = distances_to_clusters(values, clusters, count);
    let total: f64 = clusters
        .iter()
        .enumerate()
        .filter(|&(_, &own)| sizes[own] > 1)
        .map(|(i, &own)| {
            let within = sums[[i, own]] / (sizes[own] - 1) as f64;
            let next = (0..count)
                .filter(|&c| c != own && sizes[c] > 0)
                .map(|c| sums[[i, c]] / sizes[c] as f64)
                .fold(f64::INFINITY, f64::min);
            let larger = within.max(next);
            if larger > 0.0 { (next - within) / larger } else { 0.0 }
        })
        .sum();
    Some(total / clusters.len() as f64)
}

/// The sum of the distances from every point to the points of every cluster, [N, K]. Each pair of blocks is computed
/// once and counted both ways; the parts are added in a fixed order.
fn distances_to_clusters(values: ArrayView2<'_, f64>, clusters: &[usize], count: usize) -> Array2<f64> {
    let n = values.nrows();
    let mean = values.mean_axis(ndarray::Axis(0)).expect("there are rows");
    let centred = &values - &mean;
    let lengths: Vec<f64> = centred.rows().into_iter().map(|row| row.dot(&row)).collect();
    let mut sums = Array2::<f64>::zeros((n, count));
    for first in (0..n).step_by(BLOCK) {
        let rows = first..(first + BLOCK).min(n);
        let starts: Vec<usize> = (first..n).step_by(BLOCK).collect();
        let parts: Vec<(Array2<f64>, Array2<f64>)> = starts
            .par_iter()
            .map(|&start| {
                let columns = start..(start + BLOCK).min(n);
                let mut products = Array2::<f64>::zeros((rows.len(), columns.len()));
                let (a, b) = (centred.slice(s![rows.clone(), ..]), centred.slice(s![columns.clone(), ..]));
                general_mat_mul(1.0, &a, &b.t(), 0.0, &mut products);
                let mut forth = Array2::zeros((rows.len(), count));
                let mut back = Array2::zeros((columns.len(), count));
                for (r, i) in rows.clone().enumerate() {
                    for (c, j) in columns.clone().enumerate() {
                        let lengths = lengths[i] + lengths[j];
                        let mut squared = lengths - 2.0 * products[[r, c]];
                        if squared < CANCELLED * lengths {
                            squared = a.row(r).iter().zip(b.row(c)).map(|(x, y)| (x - y) * (x - y)).sum();
                        }
                        let distance = squared.sqrt();
                        forth[[r, clusters[j]]] += distance;
                        back[[c, clusters[i]]] += distance;
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
    sums
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
