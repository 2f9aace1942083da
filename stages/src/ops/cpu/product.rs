//! The three matrix products of a dense layer, for a batch of few rows and a large matrix of weights.
//!
//! Each reads or writes the weights once, in their order in memory, since their size decides the time. Every element of
//! the results is summed in the same order whatever the number of rows, so a sample's result does not depend on its batch.

use std::array;

use pulp::{Simd, WithSimd};

use super::tile::{self, Grid, Runs, add, load, multiply, outer, split, store, with_rows};

/// Rows of weights that are packed at a time: with 512 outputs they fill a quarter of a second-level cache of 512 KiB.
const DEPTH: usize = 64;

/// Rows, inputs and outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// `x w + b`, through a ReLU if `relu`. Without biases `b` is empty.
pub(super) struct Forward<'a> {
    pub(super) sizes: Sizes,
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) relu: bool,
    /// Scratch.
    pub(super) panels: &'a mut Vec<f32>,
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { sizes: Sizes { rows, inputs, outputs }, x, w, b, relu, panels } = self;
        assert_eq!((x.len(), w.len()), (rows * inputs, inputs * outputs), "operands");
        let width = tile::columns::<S>();
        let mut y = Vec::with_capacity(rows * outputs);
        for _ in 0..rows {
            if b.is_empty() {
                y.resize(y.len() + outputs, 0.0);
            } else {
                y.extend_from_slice(b);
            }
        }
        assert_eq!(y.len(), rows * outputs, "results");
        panels.resize(((outputs + width) * DEPTH).next_multiple_of(width * DEPTH).max(panels.len()), 0.0);
        for first in (0..inputs).step_by(DEPTH) {
            let depth = DEPTH.min(inputs - first);
            pack(&w[first * outputs..][..depth * outputs], outputs, width, panels);
            let last = relu && first + depth == inputs;
            for (panel, output) in (0..outputs).step_by(width).enumerate() {
                let kept = width.min(outputs - output);
                let weights = &panels[panel * DEPTH * width..][..depth * width];
                for (row, count) in split(rows) {
                    with_rows!(count, M => {
                        // SAFETY: rows `row..row + M` of x hold `depth` elements from `first`, those of y `kept` from
                        // `output`, and the panel has `depth` rows.
                        unsafe {
                            let at: [*const f32; M] = array::from_fn(|i| x.as_ptr().add((row + i) * inputs + first));
                            let to = y.as_mut_ptr().add(row * outputs + output);
                            let runs = Runs { runs: 1, len: depth, stride: 0 };
                            let sums = load::<S, M>(simd, to, outputs, kept);
                            let mut sums = multiply::<S, M>(simd, at, runs, weights.as_ptr(), sums);
                            if last {
                                tile::relu::<S, M>(simd, &mut sums);
                            }
                            store::<S, M>(sums, to, outputs, kept);
                        }
                    });
                }
            }
        }
        y
    }
}

/// Copies rows of weights into panels of `width` columns, [`DEPTH`] rows apart; missing columns keep what was there.
#[inline(always)]
fn pack(w: &[f32], outputs: usize, width: usize, panels: &mut [f32]) {
    let full = outputs / width * width;
    for (k, row) in w.chunks_exact(outputs).enumerate() {
        let (whole, rest) = row.split_at(full);
        // Of a length that the compiler knows, unlike the rest: a copy of two vectors instead of a call.
        for (panel, part) in whole.chunks_exact(width).enumerate() {
            panels[(panel * DEPTH + k) * width..][..width].copy_from_slice(&part[..width]);
        }
        panels[(full / width * DEPTH + k) * width..][..rest.len()].copy_from_slice(rest);
    }
}

/// `g w^T`, the gradient of x.
pub(super) struct InputGradient<'a> {
    pub(super) sizes: Sizes,
    pub(super) g: &'a [f32],
    pub(super) w: &'a [f32],
}

impl WithSimd for InputGradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { sizes: Sizes { rows, inputs, outputs }, g, w } = self;
        assert!(g.len() >= rows * outputs && w.len() == inputs * outputs, "operands");
        let mut dx = Vec::with_capacity(rows * inputs);
        let to: *mut f32 = dx.as_mut_ptr();
        for input in (0..inputs).step_by(2) {
            // Two inputs at a time; the last of an odd number twice.
            let pair = [input, (input + 1).min(inputs - 1)];
            let weights = pair.map(|input| &w[input * outputs..][..outputs]);
            for (row, count) in split(rows) {
                with_rows!(count, M => {
                    let at: [&[f32]; M] = array::from_fn(|i| &g[(row + i) * outputs..][..outputs]);
                    let sums = dots::<S, M>(simd, at, weights);
                    for (i, sums) in sums.iter().enumerate() {
                        for (input, sum) in pair.iter().zip(sums) {
                            // SAFETY: `row + i` is below `rows` and `input` below `inputs`.
                            unsafe { to.add((row + i) * inputs + input).write(*sum) };
                        }
                    }
                });
            }
        }
        // SAFETY: every element was written.
        unsafe { dx.set_len(rows * inputs) };
        dx
    }
}

/// The inner products of each of `a` with each of `b`, all of the same length.
#[inline(always)]
fn dots<S: Simd, const M: usize>(simd: S, a: [&[f32]; M], b: [&[f32]; 2]) -> [[f32; 2]; M] {
    let (b, b_rest) = (b.map(|b| S::as_simd_f32s(b).0), b.map(|b| S::as_simd_f32s(b).1));
    let vectors = b[0].len();
    let (a, a_rest) = (a.map(|a| &S::as_simd_f32s(a).0[..vectors]), a.map(|a| S::as_simd_f32s(a).1));
    let b = b.map(|b| &b[..vectors]);
    let mut acc = [[simd.splat_f32s(0.0); 2]; M];
    for k in 0..vectors {
        let (b0, b1) = (b[0][k], b[1][k]);
        for i in 0..M {
            let a = a[i][k];
            acc[i][0] = simd.mul_add_e_f32s(a, b0, acc[i][0]);
            acc[i][1] = simd.mul_add_e_f32s(a, b1, acc[i][1]);
        }
    }
    let mut sums = [[0.0; 2]; M];
    for i in 0..M {
        for j in 0..2 {
            sums[i][j] = simd.reduce_sum_f32s(acc[i][j]);
            for (a, b) in a_rest[i].iter().zip(b_rest[j]) {
                sums[i][j] += a * b;
            }
        }
    }
    sums
}

/// `x^T g`, the gradient of w: added to `to` if `accumulate`, else written there.
pub(super) struct WeightGradient<'a> {
    pub(super) sizes: Sizes,
    pub(super) x: &'a [f32],
    /// Goes on for the width of a tile after its last row.
    pub(super) g: &'a [f32],
    pub(super) to: &'a mut [f32],
    pub(super) accumulate: bool,
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sizes: Sizes { rows, inputs, outputs }, x, g, to, accumulate } = self;
        let width = tile::columns::<S>();
        assert_eq!((x.len(), to.len()), (rows * inputs, inputs * outputs), "operands");
        assert!(g.len() >= rows * outputs + width, "gradients and the width of a tile");
        let grid = Grid { rows: 1, columns: rows, a: (0, inputs), b: (0, outputs) };
        for (input, count) in split(inputs) {
            for output in (0..outputs).step_by(width) {
                let kept = width.min(outputs - output);
                with_rows!(count, M => {
                    // SAFETY: x has M elements from `input` in each row, g `width` from `output`, the last row's included;
                    // rows `input..input + M` of the result hold `kept` elements from `output`.
                    unsafe {
                        let sums = outer::<S, M>(simd, x.as_ptr().add(input), g.as_ptr().add(output), grid);
                        let to = to.as_mut_ptr().add(input * outputs + output);
                        if accumulate {
                            add::<S, M>(simd, sums, to, outputs, kept);
                        } else {
                            store::<S, M>(sums, to, outputs, kept);
                        }
                    }
                });
            }
        }
    }
}
