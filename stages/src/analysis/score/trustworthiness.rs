//! Whether neighbours in a projection were neighbours before (Venna and Kaski, 2001).

use ndarray::ArrayView2;

use crate::analysis::nearest::nearest;
use crate::analysis::points::{Points, Row};

/// The trustworthiness of a projection, in 0..=1: each of a point's `k` nearest neighbours in `projection` [N, 2] costs
/// as many ranks as it was farther away than the `k`-th neighbour among the original `points`. The same definition and
/// normalisation as scikit-learn's; equal distances rank in the order of the points. `None` where it is undefined:
/// `k` is 0 or at least N / 2.
pub fn trustworthiness(points: &Points<'_>, projection: ArrayView2<'_, f64>, k: usize) -> Option<f64> {
    let n = points.len();
    if k == 0 || 2 * k >= n {
        return None;
    }
    let near = nearest(&Points::new(projection), k);
    let excess: usize = points
        .map_rows(|row| near[row.index()].iter().map(|j| rank(&row, j.index).saturating_sub(k)).sum::<usize>())
        .into_iter()
        .sum();
    let (n, k) = (n as f64, k as f64);
    Some(1.0 - excess as f64 * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)))
}

/// The place of point `j` among the others, by distance from the row's own point; the nearest is 1.
fn rank(row: &Row<'_, '_>, j: usize) -> usize {
    let squared = row.exact(j);
    let found = row.nearer(squared);
    let is_set = |place: usize| found.words[place / 64] >> (place % 64) & 1 == 1;
    let set = found.words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let doubtful = found.unsure.iter().filter(|&&place| is_set(place)).count();
    let settled = found.unsure.iter().filter(|&&other| {
        let distance = row.exact(other);
        other != row.index() && (distance < squared || (distance == squared && other < j))
    });
    // The point itself is its own nearest: either certainly, or among the unsure.
    let own = usize::from(!found.unsure.contains(&row.index()));
    set - doubtful - own + settled.count() + 1
}
