//! All squared distances of a set of points, a row at a time, by blocked matrix products in single precision, with a
//! bound on their error so that whoever compares them can settle the close calls in double precision.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// Rows that one matrix product covers: enough to be fast, few enough that the block stays in a cache.
const BLOCK: usize = 128;

/// Half the distance from 1 to the next `f32`: the largest relative error of one rounding.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Points in a Euclidean space, prepared for distances between all of them.
pub struct Points<'a> {
    exact: ArrayView2<'a, f64>,
    /// `exact`, centred and scaled so that no magnitude is above 1: rounding hurts least, and nothing overflows.
    rounded: Array2<f32>,
    /// `rounded`, transposed: matrix products read their second factor a row at a time.
    columns: Array2<f32>,
    /// The squared lengths of the rows of `rounded`.
    lengths: Vec<f32>,
    /// `rounded = (exact - mean) * scale`, a power of two.
    scale: f64,
    relative: f32,
    floor: f32,
}

/// The approximate distances from one point to all. Values are squared, in units that suit `f32`.
pub struct Row<'r, 'p> {
    /// `values[j]` approximates the squared distance to point `j`.
    pub values: &'r [f32],
    points: &'r Points<'p>,
    index: usize,
}

/// The points nearer than some distance.
pub struct Nearer {
    /// Bit `j % 64` of word `j / 64` is set if point `j` is nearer; not to be relied on for the unsure.
    pub words: Vec<u64>,
    /// The points too close to the distance to tell, in their order.
    pub unsure: Vec<usize>,
}

impl<'a> Points<'a> {
    /// Prepares the rows of a matrix [N, D] of finite values.
    pub fn new(exact: ArrayView2<'a, f64>) -> Self {
        let (rows, columns) = exact.dim();
        let mean = exact.mean_axis(Axis(0)).unwrap_or_else(|| ndarray::Array1::zeros(columns));
        let magnitude = exact.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let spread = exact
            .rows()
            .into_iter()
            .fold(0.0_f64, |m, row| row.iter().zip(&mean).fold(m, |m, (v, centre)| m.max((v - centre).abs())));
        let scale = if spread > 0.0 { (-spread.log2().ceil()).exp2() } else { 1.0 };
        let rounded = Array2::from_shape_fn((rows, columns), |(i, j)| ((exact[[i, j]] - mean[j]) * scale) as f32);
        let lengths: Vec<f32> = rounded
            .rows()
            .into_iter()
            .map(|row| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32)
            .collect();
        // |fl(a.b) - a.b| <= D u |a||b| (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1) and
        // 2|a||b| <= |a|^2 + |b|^2; 16 covers rounding the coordinates, the lengths and the final sum. Centring in
        // double precision errs by at most `centring` a coordinate, which matters where the mean dwarfs the spread.
        let centring = f64::EPSILON * magnitude * scale;
        let longest = f64::from(lengths.iter().copied().fold(0.0, f32::max)).sqrt();
        let relative = ((columns as f64 + 16.0) * UNIT) as f32;
        let floor = (16.0 * centring * (columns as f64).sqrt() * longest) as f32 + f32::MIN_POSITIVE;
        let columns = rounded.t().as_standard_layout().into_owned();
        Self { exact, rounded, columns, lengths, scale, relative, floor }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.exact.nrows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A squared distance in the units of a row's values.
    pub fn scaled(&self, squared: f64) -> f32 {
        (squared * self.scale * self.scale) as f32
    }

    /// The squared distance between two points, in double precision.
    pub fn squared(&self, i: usize, j: usize) -> f64 {
        self.exact.row(i).iter().zip(self.exact.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    /// Calls `visit` with every point's row, on all threads; the results are in the order of the points.
    pub fn map_rows<T: Send>(&self, visit: impl Fn(Row<'_, 'a>) -> T + Sync) -> Vec<T> {
        let n = self.len();
        let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
        let blocks: Vec<Vec<T>> = starts
            .into_par_iter()
            .with_max_len(1)
            .map(|start| {
                let end = (start + BLOCK).min(n);
                let mut block = Array2::<f32>::zeros((end - start, n));
                general_mat_mul(-2.0, &self.rounded.slice(s![start..end, ..]), &self.columns, 0.0, &mut block);
                let rows = block.as_slice_mut().expect("a fresh matrix is contiguous").chunks_mut(n);
                rows.zip(start..end)
                    .map(|(values, index)| {
                        let own = self.lengths[index];
                        for (value, length) in values.iter_mut().zip(&self.lengths) {
                            *value += own + length;
                        }
                        visit(Row { values, points: self, index })
                    })
                    .collect()
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}

impl Row<'_, '_> {
    /// Which point's row this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Each point's number, its approximate distance, and a bound on how far that is from the truth.
    pub fn bounded(&self) -> impl Iterator<Item = (usize, f32, f32)> + '_ {
        let points = self.points;
        let own = points.lengths[self.index];
        self.values
            .iter()
            .zip(&points.lengths)
            .enumerate()
            .map(move |(j, (&value, &length))| (j, value, points.relative * (own + length) + points.floor))
    }

    /// Which points are nearer than the root of `squared` (in the units of the points), as far as single precision can
    /// tell.
    pub fn nearer(&self, squared: f64) -> Nearer {
        let limit = self.points.scaled(squared);
        let own = self.points.lengths[self.index];
        let slack = limit * f32::EPSILON + self.points.floor;
        let close_call =
            |value: f32, length: f32| (value - limit).abs() <= self.points.relative * (own + length) + slack;
        let mut found = Nearer { words: Vec::with_capacity(self.values.len().div_ceil(64)), unsure: Vec::new() };
        let chunks = self.values.chunks(64).zip(self.points.lengths.chunks(64));
        for (at, (values, lengths)) in chunks.enumerate() {
            let word = values.iter().rev().fold(0, |word, &value| word << 1 | u64::from(value < limit));
            found.words.push(word);
            // Counted first because close calls are rare, and a loop without branches is a fast one.
            let pairs = || values.iter().zip(lengths);
            if pairs().map(|(&value, &length)| u32::from(close_call(value, length))).sum::<u32>() > 0 {
                let places = pairs().enumerate().filter(|(_, (value, length))| close_call(**value, **length));
                found.unsure.extend(places.map(|(place, _)| at * 64 + place));
            }
        }
        found
    }

    /// The squared distance to point `j` in double precision, in the units of the points.
    pub fn exact(&self, j: usize) -> f64 {
        self.points.squared(self.index, j)
    }
}
