//! The three matrix products of a dense layer, for a batch of few rows and a large matrix of weights.
//!
//! Each reads or writes the weights once, in their order in memory or in blocks from the end, since their size decides the time. Every element of
//! the results is summed in the same order whatever the number of rows, so a sample's result does not depend on its batch.

use std::array;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::MARGIN;
use super::tile::{self, Grid, Runs, add, load, multiply, outer, split, store, with_rows};

/// Rows of weights that are packed at a time: with 512 outputs they fill a quarter of a second-level cache of 512 KiB.
const DEPTH: usize = 64;

/// Rows, inputs and outputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
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
        let Self { sizes, x, w, b, relu, panels } = self;
        let Sizes { rows, inputs, outputs } = sizes;
        assert_eq!((x.len(), w.len()), (rows * inputs, inputs * outputs), "operands");
        let width = tile::columns::<S>();
        if rows <= FEW && outputs.is_multiple_of(width) {
            return if S::F32_LANES < 16 {
                stream::<S, 4>(simd, sizes, (x, w, b), relu, panels)
            } else {
                stream::<S, 8>(simd, sizes, (x, w, b), relu, panels)
            };
        }
        // With room for the margin that the result needs where it is a factor of the next product.
        let mut y = Vec::with_capacity(rows * outputs + MARGIN);
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
                            let sums = load::<S, M, 2>(simd, to, outputs, kept);
                            let mut sums = multiply::<S, M, 2>(simd, at, runs, weights.as_ptr(), sums);
                            if last {
                                tile::relu::<S, M, 2>(simd, &mut sums);
                            }
                            store::<S, M, 2>(sums, to, outputs, kept);
                        }
                    });
                }
            }
        }
        y
    }
}

/// Up to so many rows, copying the weights into panels takes longer than what is gained by it.
const FEW: usize = 32;

/// Room between rows that are walked side by side: rows a power of two apart share a few lines of the cache.
pub(super) const PAD: usize = 16;

/// The forward product for few rows: `K` rows of weights at a time are held in registers while all rows of the result
/// pass by, in the same order of sums as with panels. The weights are read once, where they are.
#[inline(always)]
fn stream<S: Simd, const K: usize>(
    simd: S,
    sizes: Sizes,
    (x, w, b): (&[f32], &[f32], &[f32]),
    relu: bool,
    sums: &mut Vec<f32>,
) -> Vec<f32> {
    let Sizes { rows, inputs, outputs } = sizes;
    let stride = outputs + PAD;
    sums.resize((rows * stride).max(sums.len()), 0.0);
    for row in sums.chunks_exact_mut(stride).take(rows) {
        if b.is_empty() {
            row.fill(0.0);
        } else {
            row[..outputs].copy_from_slice(b);
        }
    }
    let whole = inputs / K * K;
    for first in (0..whole).step_by(K) {
        add_inputs::<S, K>(simd, sizes, (x, w), first, sums);
    }
    for first in whole..inputs {
        add_inputs::<S, 1>(simd, sizes, (x, w), first, sums);
    }
    let mut y = Vec::with_capacity(rows * outputs + MARGIN);
    for row in sums.chunks_exact(stride).take(rows) {
        if relu {
            y.extend(row[..outputs].iter().map(|y| y.max(0.0)));
        } else {
            y.extend_from_slice(&row[..outputs]);
        }
    }
    y
}

/// Adds what `K` inputs from `first` on contribute to sums [`PAD`] elements further apart than there are outputs.
#[inline(always)]
fn add_inputs<S: Simd, const K: usize>(
    simd: S,
    Sizes { rows, inputs, outputs }: Sizes,
    (x, w): (&[f32], &[f32]),
    first: usize,
    sums: &mut [f32],
) {
    let (width, stride) = (tile::columns::<S>(), outputs + PAD);
    assert!(first + K <= inputs && outputs.is_multiple_of(width), "whole vectors of outputs");
    assert!(x.len() >= rows * inputs && w.len() >= inputs * outputs && sums.len() >= rows * stride, "operands");
    for output in (0..outputs).step_by(width) {
        // SAFETY: `first..first + K` are inputs, `output..output + width` outputs, and the slices were found to hold all.
        unsafe {
            let weights: [[S::f32s; 2]; K] = array::from_fn(
                #[inline(always)]
                |k| w.as_ptr().add((first + k) * outputs + output).cast::<[S::f32s; 2]>().read_unaligned(),
            );
            for k in 0..K {
                fetch(w.as_ptr().wrapping_add((first + K + k) * outputs + output), width);
            }
            let at = |row: usize| (x.as_ptr().wrapping_add(row * inputs + first), row * stride + output);
            let mut row = 0;
            while row + 2 <= rows {
                pass::<S, K, 2>(simd, [at(row), at(row + 1)], &weights, sums.as_mut_ptr());
                row += 2;
            }
            if row < rows {
                pass::<S, K, 1>(simd, [at(row)], &weights, sums.as_mut_ptr());
            }
        }
    }
}

/// Asks for elements that will be read soon, into the second-level cache; any address will do.
#[inline(always)]
fn fetch(from: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        let mut at = 0;
        while at < len {
            // SAFETY: a prefetch reads nothing and does not fault.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(at).cast()) };
            at += LINE;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, len);
}

/// Elements of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 16;

/// Adds the products of `K` elements of `R` rows, each with its place in `sums`, to two vectors each.
///
/// # Safety
/// Each row must be readable for `K` elements, `sums` for two vectors at each place.
#[inline(always)]
unsafe fn pass<S: Simd, const K: usize, const R: usize>(
    simd: S,
    rows: [(*const f32, usize); R],
    weights: &[[S::f32s; 2]; K],
    sums: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let to = rows.map(|(_, at)| sums.add(at).cast::<[S::f32s; 2]>());
        let mut acc = to.map(|to| to.read_unaligned());
        for (k, [w0, w1]) in weights.iter().enumerate() {
            for i in 0..R {
                let x = simd.splat_f32s(*rows[i].0.add(k));
                acc[i] = [simd.mul_add_e_f32s(x, *w0, acc[i][0]), simd.mul_add_e_f32s(x, *w1, acc[i][1])];
            }
        }
        for i in 0..R {
            to[i].write_unaligned(acc[i]);
        }
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

/// Whether this thread takes the weights from the last to the first. Every other thread of a pool does, as two that go
/// through the same weights at once are in each other's way: to get a line that the other core has just fetched takes longer than to get it from the last-level cache.
/// The results are the same.
fn walks_backwards() -> bool {
    rayon::current_thread_index().is_some_and(|thread| thread % 2 == 1)
}

/// Inputs whose weights are used by all rows before others are touched.
const INPUTS: usize = 32;

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
        // Some inputs for a few rows before others: the rows stay in the first-level cache, the weights in the second. Each
        // tile of rows asks for its part of the weights that come next.
        let (blocks, tiles, backwards) = (inputs.div_ceil(INPUTS), split(rows).count(), walks_backwards());
        for number in 0..blocks {
            let block = if backwards { blocks - 1 - number } else { number } * INPUTS;
            let end = (block + INPUTS).min(inputs);
            for (tile, (row, count)) in split(rows).enumerate() {
                for input in (block..end).step_by(2) {
                    let next = if backwards { input.wrapping_sub(INPUTS) } else { input + INPUTS };
                    let part = 2 * outputs * tile / tiles..2 * outputs * (tile + 1) / tiles;
                    fetch(w.as_ptr().wrapping_add(next.wrapping_mul(outputs).wrapping_add(part.start)), part.len());
                    // Two inputs at a time; the last of an odd number twice.
                    let pair = [input, (input + 1).min(end - 1)];
                    let weights = pair.map(|input| &w[input * outputs..][..outputs]);
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
    // Apart from what is left of the rows, which is mostly nothing: so the vectors are summed where they are, in registers.
    let mut sums = [[0.0; 2]; M];
    for i in 0..M {
        for j in 0..2 {
            sums[i][j] = simd.reduce_sum_f32s(acc[i][j]);
        }
    }
    if !b_rest[0].is_empty() {
        for i in 0..M {
            for j in 0..2 {
                for (a, b) in a_rest[i].iter().zip(b_rest[j]) {
                    sums[i][j] += a * b;
                }
            }
        }
    }
    sums
}

/// `x^T g`, the gradient of w, or the rows `inputs` of it: added to `to` if `accumulate`, else written there.
pub(super) struct WeightGradient<'a> {
    pub(super) sizes: Sizes,
    pub(super) x: &'a [f32],
    /// Goes on for the width of a tile after its last row.
    pub(super) g: &'a [f32],
    /// Elements from a row of `g` to the next.
    pub(super) stride: usize,
    pub(super) inputs: Range<usize>,
    pub(super) to: &'a mut [f32],
    pub(super) accumulate: bool,
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sizes: Sizes { rows, inputs, outputs }, x, g, stride, inputs: part, to, accumulate } = self;
        let width = tile::columns::<S>();
        assert_eq!((x.len(), to.len()), (rows * inputs, part.len() * outputs), "operands");
        assert!(part.end <= inputs, "rows of the product");
        assert!(stride >= outputs && g.len() >= rows * stride + width, "gradients and the width of a tile");
        let grid = Grid { rows: 1, columns: rows, a: (0, inputs), b: (0, stride) };
        for (row, count) in split(part.len()) {
            let x = &x[part.start + row..];
            for output in (0..outputs).step_by(width) {
                let kept = width.min(outputs - output);
                with_rows!(count, M => {
                    // SAFETY: each row of x has M elements from here, g `width` from `output`, the last row's included;
                    // rows `row..row + M` of the result hold `kept` elements from `output`.
                    unsafe {
                        let sums = outer::<S, M, 2>(simd, x.as_ptr(), g.as_ptr().add(output), grid);
                        let to = to.as_mut_ptr().add(row * outputs + output);
                        if accumulate {
                            add::<S, M, 2>(simd, sums, to, outputs, kept);
                        } else {
                            store::<S, M, 2>(sums, to, outputs, kept);
                        }
                    }
                });
            }
        }
    }
}
