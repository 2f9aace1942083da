//! A neighbour index for linfa's DBSCAN: all pairs within one radius, found by blocked matrix products.

use linfa::Float;
use linfa_nn::distance::Distance;
use linfa_nn::{BuildError, NearestNeighbour, NearestNeighbourIndex, NnError};
use ndarray::{Array2, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};

use crate::analysis::points::{Nearer, Points, Row};

/// Finds, when the index is built, every pair of points no farther apart than a radius (`<=`, as scikit-learn; linfa's
/// linear search leaves out the equal). Distances are Euclidean whatever distance function it is given.
///
/// In hundreds of dimensions trees prune nothing, and matrix products are the fastest exact way. The pairs are kept as
/// a matrix of bits: N^2 / 8 bytes, 12 MB for 10,000 points.
#[derive(Clone, Copy, Debug)]
pub struct WithinRadius {
    /// The radius. Queries with another are answered too, but slowly.
    pub radius: f64,
}

type IndexBox<'a, F> = Box<dyn 'a + Send + Sync + NearestNeighbourIndex<F>>;

impl NearestNeighbour for WithinRadius {
    fn from_batch_with_leaf_size<'a, F: Float, DT: Data<Elem = F>, D: 'a + Distance<F>>(
        &self,
        batch: &'a ArrayBase<DT, Ix2>,
        leaf_size: usize,
        _distance: D,
    ) -> Result<IndexBox<'a, F>, BuildError> {
        if leaf_size == 0 {
            return Err(BuildError::EmptyLeaf);
        }
        if batch.ncols() == 0 {
            return Err(BuildError::ZeroDimension);
        }
        let exact: Array2<f64> = batch.mapv(wide);
        let squared = self.radius * self.radius;
        let within = Points::new(exact.view()).map_rows(|row| bits(&row, squared));
        Ok(Box::new(Index { batch: batch.view(), radius: self.radius, within }))
    }
}

fn wide<F: Float>(value: F) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

/// Bit `j` is set if point `j` is within the radius.
fn bits(row: &Row<'_, '_>, squared: f64) -> Vec<u64> {
    let Nearer { mut words, unsure } = row.nearer(squared);
    for j in unsure {
        let bit = 1 << (j % 64);
        if row.exact(j) <= squared { words[j / 64] |= bit } else { words[j / 64] &= !bit }
    }
    words
}

struct Index<'a, F> {
    batch: ArrayView2<'a, F>,
    radius: f64,
    within: Vec<Vec<u64>>,
}

impl<F: Float> Index<'_, F> {
    /// Which row of the batch a point is, if it is one: a view into the same memory. The trait hands over points, not
    /// their numbers, and DBSCAN only ever asks for rows of the batch.
    fn row(&self, point: &ArrayView1<'_, F>) -> Option<usize> {
        let stride = usize::try_from(self.batch.strides()[0]).ok()? * size_of::<F>();
        let offset = (point.as_ptr() as usize).checked_sub(self.batch.as_ptr() as usize)?;
        let row = offset.checked_div(stride)?;
        (row < self.batch.nrows() && self.batch.row(row) == point).then_some(row)
    }

    fn squared_distances(&self, point: &ArrayView1<'_, F>) -> Result<Vec<f64>, NnError> {
        if point.len() != self.batch.ncols() {
            return Err(NnError::WrongDimension);
        }
        let squared = |row: ArrayView1<'_, F>| {
            row.iter().zip(point).map(|(&a, &b)| (wide(a) - wide(b)) * (wide(a) - wide(b))).sum()
        };
        Ok(self.batch.rows().into_iter().map(squared).collect())
    }
}

impl<F: Float> NearestNeighbourIndex<F> for Index<'_, F> {
    fn k_nearest(&self, point: ArrayView1<'_, F>, k: usize) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        let squared = self.squared_distances(&point)?;
        let mut order: Vec<usize> = (0..squared.len()).collect();
        order.sort_by(|&a, &b| squared[a].total_cmp(&squared[b]));
        Ok(order.into_iter().take(k).map(|i| (self.batch.row(i), i)).collect())
    }

    fn within_range(&self, point: ArrayView1<'_, F>, range: F) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        let range = wide(range);
        if let Some(row) = self.row(&point).filter(|_| range == self.radius) {
            let words = self.within[row].iter().enumerate();
            return Ok(words
                .flat_map(|(at, &word)| ones(word).map(move |bit| at * 64 + bit))
                .map(|i| (self.batch.row(i), i))
                .collect());
        }
        let squared = self.squared_distances(&point)?;
        let found = (0..squared.len()).filter(|&i| squared[i] <= range * range);
        Ok(found.map(|i| (self.batch.row(i), i)).collect())
    }
}

/// The places of the bits that are set, lowest first.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.trailing_zeros() as usize;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use linfa_nn::distance::L2Dist;
    use ndarray::array;

    use super::*;

    #[test]
    fn counts_points_at_exactly_the_radius() {
        // A grid: every inner point has four others at distance 1 to the bit.
        let grid = Array2::from_shape_fn((100, 2), |(i, j)| if j == 0 { i / 10 } else { i % 10 } as f64);
        let index = WithinRadius { radius: 1.0 }.from_batch(&grid, L2Dist).unwrap();
        let found: Vec<usize> = index.within_range(grid.row(55), 1.0).unwrap().into_iter().map(|(_, i)| i).collect();
        assert_eq!(found, [45, 54, 55, 56, 65]);
    }

    #[test]
    fn answers_other_points_and_radii_too() {
        let points = array![[0.0_f32], [1.0], [3.0]];
        let index = WithinRadius { radius: 1.0 }.from_batch(&points, L2Dist).unwrap();
        let found = |point: &ndarray::Array1<f32>, range| -> Vec<usize> {
            index.within_range(point.view(), range).unwrap().into_iter().map(|(_, i)| i).collect()
        };
        assert_eq!(found(&array![2.0], 1.0), [1, 2]);
        assert_eq!(found(&array![0.0], 0.5), [0]);
        assert_eq!(index.k_nearest(array![2.9].view(), 2).unwrap()[0].1, 2);
        assert!(matches!(index.within_range(array![1.0, 2.0].view(), 1.0), Err(NnError::WrongDimension)));
    }
}
