//! How much each pair of neighbours belongs together: the distribution that a t-SNE map imitates.

use rayon::prelude::*;

use crate::analysis::nearest::Neighbour;

/// Halvings of the interval in the search for a bandwidth: down to the last bit of a double.
const HALVINGS: usize = 200;

/// A symmetric distribution over pairs of points, sparse, a row a point.
pub(super) struct Affinities {
    /// Row `i` is `starts[i]..starts[i + 1]` of the others.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Affinities {
    /// The affinities of points with these nearest neighbours: in every point's row Gaussian with the bandwidth whose
    /// perplexity is `perplexity`, then averaged over both directions; they sum to 1.
    pub(super) fn new(neighbours: &[Vec<Neighbour>], perplexity: f64) -> Self {
        let n = neighbours.len();
        let forth: Vec<Vec<(u32, f64)>> = neighbours.par_iter().map(|row| conditional(row, perplexity)).collect();
        let mut back = vec![Vec::new(); n];
        for (i, row) in forth.iter().enumerate() {
            for &(j, p) in row {
                back[j as usize].push((i as u32, p));
            }
        }
        let mut found = Self { starts: vec![0], columns: Vec::new(), values: Vec::new() };
        for (forth, back) in forth.iter().zip(&back) {
            let mut row: Vec<(u32, f64)> = forth.iter().chain(back).copied().collect();
            row.sort_by_key(|&(j, _)| j);
            row.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
            for (j, p) in row {
                found.columns.push(j);
                found.values.push(p / (2.0 * n as f64));
            }
            found.starts.push(found.columns.len());
        }
        found
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The points that attract point `i`, with their affinities.
    pub(super) fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().map(|&j| j as usize).zip(self.values[range].iter().copied())
    }

    /// The Kullback-Leibler divergence from these affinities to those of a map, in nats. Exact: the map's normaliser is
    /// summed over all pairs, O(N^2).
    pub(super) fn kl_divergence(&self, map: &[[f64; 2]]) -> f64 {
        let similarity = |a: [f64; 2], b: [f64; 2]| 1.0 / (1.0 + (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
        let sums: Vec<f64> =
            map.par_iter().map(|&a| map.iter().map(|&b| similarity(a, b)).sum::<f64>() - 1.0).collect();
        let normaliser: f64 = sums.iter().sum();
        let terms: Vec<f64> = (0..self.len())
            .into_par_iter()
            .map(|i| {
                let term = |(j, p): (usize, f64)| p * (p * normaliser / similarity(map[i], map[j])).ln();
                self.row(i).filter(|&(_, p)| p > 0.0).map(term).sum()
            })
            .collect();
        terms.iter().sum()
    }
}

/// The probabilities with which a point picks its neighbours: Gaussian in the distance, with the precision found by
/// bisection at which their entropy is the logarithm of the perplexity.
fn conditional(neighbours: &[Neighbour], perplexity: f64) -> Vec<(u32, f64)> {
    let target = perplexity.ln();
    // Measured from the nearest, no exponential vanishes for all neighbours at once; the probabilities are the same.
    let nearest = neighbours[0].squared;
    let mean = neighbours.iter().map(|n| n.squared - nearest).sum::<f64>() / neighbours.len() as f64;
    let weights = |precision: f64| neighbours.iter().map(move |n| (-(n.squared - nearest) * precision).exp());
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut precision = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    for _ in 0..HALVINGS {
        let sum: f64 = weights(precision).sum();
        let distance: f64 = weights(precision).zip(neighbours).map(|(w, n)| w * (n.squared - nearest)).sum();
        let entropy = sum.ln() + precision * distance / sum;
        if (entropy - target).abs() < 1e-12 {
            break;
        }
        // Entropy falls as precision grows. Where all neighbours are equally far it cannot, and the weights stay equal.
        if entropy > target {
            low = precision
        } else {
            high = precision
        }
        let next = if high.is_finite() { (low + high) / 2.0 } else { precision * 2.0 };
        if next == precision || !next.is_finite() {
            break;
        }
        precision = next;
    }
    let sum: f64 = weights(precision).sum();
    neighbours.iter().zip(weights(precision)).map(|(n, w)| (n.index as u32, w / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn perplexity_of(row: &[(u32, f64)]) -> f64 {
        row.iter().filter(|(_, p)| *p > 0.0).map(|(_, p)| -p * p.ln()).sum::<f64>().exp()
    }

    fn at(distances: &[f64]) -> Vec<Neighbour> {
        distances.iter().enumerate().map(|(index, d)| Neighbour { index, squared: d * d }).collect()
    }

    #[test]
    fn a_row_has_the_perplexity_asked_for_at_any_scale() {
        for scale in [1e-12, 1.0, 1e15] {
            let distances: Vec<f64> = (1..=30).map(|d| f64::from(d) * scale).collect();
            let row = conditional(&at(&distances), 8.0);
            assert!((perplexity_of(&row) - 8.0).abs() < 1e-8, "scale {scale}: {}", perplexity_of(&row));
        }
    }

    #[test]
    fn equally_far_neighbours_share_equally() {
        for distance in [0.0, 3.0] {
            let row = conditional(&at(&[distance; 5]), 2.0);
            assert!(row.iter().all(|(_, p)| (p - 0.2).abs() < 1e-12));
        }
    }

    #[test]
    fn affinities_are_symmetric_and_sum_to_one() {
        let neighbour = |index, squared| Neighbour { index, squared };
        let rows = [
            vec![neighbour(1, 1.0), neighbour(2, 4.0)],
            vec![neighbour(0, 1.0), neighbour(2, 2.0)],
            vec![neighbour(1, 2.0), neighbour(3, 3.0)],
            vec![neighbour(2, 3.0), neighbour(0, 9.0)],
        ];
        let found = Affinities::new(&rows, 1.5);
        let get = |i: usize, j: usize| found.row(i).find(|(k, _)| *k == j).map_or(0.0, |(_, p)| p);
        let total: f64 = (0..4).flat_map(|i| found.row(i)).map(|(_, p)| p).sum();
        assert!((total - 1.0).abs() < 1e-12);
        for i in 0..4 {
            for j in 0..4 {
                assert_eq!(get(i, j), get(j, i), "{i} {j}");
            }
        }
    }
}
