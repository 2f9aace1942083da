//! Convolution with 3 x 3 kernels by Winograd's F(4x4, 3x3): a quarter of the multiplications.
//!
//! The outputs are cut into tiles of 4 x 4. A tile's 6 x 6 inputs are brought to 36 points (`transform.rs`, `tiles.rs`), where
//! convolution is a product of matrices each (`product.rs`) with the kernels at the same points (`kernels.rs`); the
//! outputs are interpolated from the products. A tile is read where it lies; what of it lies beyond its image is 0. The gradient of
//! the images is such a convolution of the output's gradient with the flipped kernels; the gradient of the kernels is made at the points
//! too, from the transposed maps. Sums round differently from those of the direct form: results differ by about 1e-6 of the greatest.

mod kernels;
mod product;
mod tiles;
mod transform;

use std::cell::RefCell;
use std::slice;

use pulp::{Simd, WithSimd};

use self::tiles::{Images, Planes, Tiling};
use super::column_sums::ColumnSums;
use super::convolve::{Parameters, Problem, Upstream, Wanted};
use super::rows::Rows;
use crate::ops::simd::dispatch;

/// Tiles at a time, about: enough rows for the products, few enough for their planes to stay in the second-level cache.
const TILES: usize = 64;

/// What channels and outputs must be multiples of: the widest vector there is.
const LANES: usize = 16;

/// Whether a convolution is done this way. The shape of an image decides and not their number: a sample's result does not
/// depend on the samples beside it.
pub(super) fn applies(problem: &Problem) -> bool {
    let Problem { window, channels, outputs, .. } = *problem;
    let axes = [window.rows, window.columns];
    let tiles = Tiling::new(window.rows.output, window.columns.output).tiles();
    axes.iter().all(|axis| axis.window == 3 && axis.stride == 1)
        && channels % LANES == 0
        && outputs % LANES == 0
        // Products are saved from four outputs a tile on; bringing tiles to the points and back must be paid for too.
        && window.positions() >= 6 * tiles
        && window.pixels() >= 6 * Tiling::new(window.rows.input, window.columns.input).tiles()
}

/// As [`convolve::forward`](super::convolve::forward).
pub(super) fn forward(problem: &Problem, [x, w, b]: [&[f32]; 3], sums: Option<&mut ColumnSums<1>>) -> Vec<f32> {
    SCRATCH.with_borrow_mut(|scratch| dispatch(Forward { problem, x, w, b, sums, scratch }))
}

/// As [`convolve::backward`](super::convolve::backward).
pub(super) fn backward(
    problem: &Problem,
    [x, w]: [&[f32]; 2],
    upstream: Upstream,
    wanted: Wanted,
    parameters: Option<Parameters>,
) -> Option<Vec<f32>> {
    SCRATCH.with_borrow_mut(|scratch| dispatch(Backward { problem, x, w, upstream, wanted, parameters, scratch }))
}

/// Buffers that a thread keeps, so that a step allocates nothing but its results.
#[derive(Default)]
struct Scratch {
    /// The output's gradient, if it comes through batch normalisation.
    upstream: Vec<f32>,
    /// The output's gradient where a ReLU let it pass.
    gradients: Vec<f32>,
    flipped: Vec<f32>,
    kernels: Vec<f32>,
    /// Tiles of images, or of the output's gradient as the image of the backward convolution, at the points.
    tiles: Vec<f32>,
    /// Products at the points, or tiles of the output's gradient.
    results: Vec<f32>,
    weights: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first elements of a buffer that only grows.
#[inline(always)]
fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len.max(buffer.len()), 0.0);
    &mut buffer[..len]
}

struct Forward<'a> {
    problem: &'a Problem,
    x: &'a [f32],
    w: &'a [f32],
    b: &'a [f32],
    sums: Option<&'a mut ColumnSums<1>>,
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Vec<f32> {
        let Problem { images, window, channels, outputs, relu } = *self.problem;
        let Scratch { kernels, tiles, results, .. } = self.scratch;
        let (image, positions) = (self.problem.image(), window.positions() * outputs);
        assert_eq!((self.x.len(), self.w.len()), (images * image, 9 * channels * outputs), "operands");
        let tiling = Tiling::new(window.rows.output, window.columns.output);
        let before = (window.rows.before, window.columns.before);
        let chunk = (TILES / tiling.tiles()).clamp(1, images.max(1));
        kernels::pack(simd, self.w, (channels, outputs), kernels);
        let mut y = Vec::with_capacity(images * positions);
        let to: *mut f32 = y.as_mut_ptr();
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let shape = Planes { tiles: count * tiling.tiles(), channels };
            let result = Planes { tiles: shape.tiles, channels: outputs };
            let x = inputs(self.problem, &self.x[start * image..][..count * image]);
            let tiles = room(tiles, shape.len());
            let results = room(results, result.len());
            tiling.gather(
                simd,
                (x, before),
                #[inline(always)]
                |d| transform::input(simd, d),
                tiles,
            );
            product::with_kernels(simd, (tiles, shape), kernels, outputs, results);
            let size = (count, window.rows.output, window.columns.output);
            // SAFETY: `to` has room for `images * positions` elements, of which these are `count` images'.
            unsafe { tiling.scatter(simd, (results, result), size, (self.b, relu), &[], to.add(start * positions)) };
            if let Some(sums) = &mut self.sums {
                // SAFETY: they were written just now.
                let y = unsafe { slice::from_raw_parts(to.add(start * positions), count * positions) };
                sums.add_elements(simd, y);
            }
        }
        // SAFETY: the chunks cover all images, and the tiles of each all its outputs.
        unsafe { y.set_len(images * positions) };
        y
    }
}

struct Backward<'a> {
    problem: &'a Problem,
    x: &'a [f32],
    w: &'a [f32],
    upstream: Upstream<'a>,
    wanted: Wanted<'a>,
    parameters: Option<Parameters<'a>>,
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = Option<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Option<Vec<f32>> {
        let Problem { images, window, channels, outputs, .. } = *self.problem;
        let Scratch { upstream, gradients, flipped, kernels, tiles, results, weights } = self.scratch;
        let image = self.problem.image();
        assert_eq!((self.x.len(), self.w.len()), (images * image, 9 * channels * outputs), "operands");
        assert!(self.upstream.has(images * window.positions(), outputs), "results");
        // Tiles of the output, whose gradients make the kernels'; and tiles of the input, whose gradients are convolved.
        let of_output = Tiling::new(window.rows.output, window.columns.output);
        let of_input = Tiling::new(window.rows.input, window.columns.input);
        let before = (window.rows.before, window.columns.before);
        // The flipped kernel reaches two positions back, less what the window itself reached.
        let before_flipped = (2 - before.0, 2 - before.1);
        let chunk = (TILES / of_input.tiles()).clamp(1, images.max(1));
        let needs_x = self.wanted != Wanted::Nothing;
        if needs_x {
            kernels::flip(self.w, (channels, outputs), flipped);
            kernels::pack(simd, &flipped[..self.w.len()], (outputs, channels), kernels);
        }
        let mut dx = Vec::with_capacity(if needs_x { images * image } else { 0 });
        let to: *mut f32 = dx.as_mut_ptr();
        let weight_planes = Planes { tiles: channels, channels: outputs };
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let size = (window.positions(), outputs);
            let (y, gy) = self.upstream.of_images(simd, start..start + count, size, upstream);
            let bias = self.parameters.as_mut().map_or(&mut [] as &mut [f32], |(_, bias)| bias);
            let gy = match self.problem.relu {
                true => passed(y, gy, outputs, gradients),
                false if gy.pitch == outputs => &gy.values[..y.len()],
                false => packed(gy, (count * window.positions(), outputs), gradients),
            };
            if !bias.is_empty() {
                for gy in gy.chunks_exact(outputs) {
                    bias.iter_mut().zip(gy).for_each(|(sum, g)| *sum += *g);
                }
            }
            let gy = Images { pixels: gy, rows: window.rows.output, columns: window.columns.output, channels: outputs };
            if self.parameters.is_some() {
                let shape = Planes { tiles: count * of_output.tiles(), channels };
                let result = Planes { tiles: shape.tiles, channels: outputs };
                let x = inputs(self.problem, &self.x[start * image..][..count * image]);
                let (tiles, results) = (room(tiles, shape.len()), room(results, result.len()));
                of_output.gather(
                    simd,
                    (x, before),
                    #[inline(always)]
                    |d| transform::input(simd, d),
                    tiles,
                );
                of_output.gather(
                    simd,
                    (gy, (0, 0)),
                    #[inline(always)]
                    |g| transform::gradient(simd, g),
                    results,
                );
                let weights = room(weights, weight_planes.len());
                product::with_gradients(simd, (tiles, shape), (results, result), start > 0, weights);
            }
            if needs_x {
                let shape = Planes { tiles: count * of_input.tiles(), channels: outputs };
                let result = Planes { tiles: shape.tiles, channels };
                let (tiles, results) = (room(tiles, shape.len()), room(results, result.len()));
                of_input.gather(
                    simd,
                    (gy, before_flipped),
                    #[inline(always)]
                    |d| transform::input(simd, d),
                    tiles,
                );
                product::with_kernels(simd, (tiles, shape), kernels, channels, results);
                let size = (count, window.rows.input, window.columns.input);
                let addend = self.wanted.addend(start * image..(start + count) * image);
                // SAFETY: `to` has room for `images * image` elements, of which these are `count` images'.
                unsafe { of_input.scatter(simd, (results, result), size, (&[], false), addend, to.add(start * image)) };
            }
        }
        if let Some((weight, _)) = &mut self.parameters
            && images > 0
        {
            kernels::unpack(simd, weights, weight_planes, weight);
        }
        if !needs_x {
            return None;
        }
        // SAFETY: the chunks cover all images, and the tiles of each all of its gradient.
        unsafe { dx.set_len(images * image) };
        Some(dx)
    }
}

/// What a convolution's windows slide over.
fn inputs<'a>(problem: &Problem, x: &'a [f32]) -> Images<'a> {
    let (rows, columns) = (problem.window.rows.input, problem.window.columns.input);
    Images { pixels: x, rows, columns, channels: problem.channels }
}

/// A gradient `[positions, outputs]` where the output is above 0, else 0.
#[inline(always)]
fn passed<'a>(y: &[f32], gy: Rows, outputs: usize, to: &'a mut Vec<f32>) -> &'a [f32] {
    let to = room(to, y.len());
    for (i, (to, y)) in to.chunks_exact_mut(outputs).zip(y.chunks_exact(outputs)).enumerate() {
        for ((to, y), gy) in to.iter_mut().zip(y).zip(gy.row(i, outputs)) {
            *to = if *y > 0.0 { *gy } else { 0.0 };
        }
    }
    to
}

/// Rows `[count, len]` without what lies between them.
#[inline(always)]
fn packed<'a>(rows: Rows, (count, len): (usize, usize), to: &'a mut Vec<f32>) -> &'a [f32] {
    let to = room(to, count * len);
    for (i, to) in to.chunks_exact_mut(len).enumerate() {
        to.copy_from_slice(rows.row(i, len));
    }
    to
}
