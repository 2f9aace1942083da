//! Convolution with 3 x 3 kernels by Winograd's F(4x4, 3x3): a quarter of the multiplications.
//!
//! The outputs are cut into tiles of 4 x 4. A tile's 6 x 6 inputs are brought to 36 points (`transform.rs`, `tiles.rs`), where
//! convolution is a product of matrices each (`product.rs`) with the kernels at the same points (`kernels.rs`); the
//! outputs are interpolated from the products. The gradient of the images is such a convolution of the output's gradient with the
//! flipped kernels; the gradient of the kernels is made at the points too, from the transposed maps. Sums round differently from those
//! of the direct form: results differ by about 1e-6 of the greatest.

mod kernels;
mod product;
mod tiles;
mod transform;

use std::cell::RefCell;

use pulp::{Simd, WithSimd};

use self::tiles::{Planes, Tiling};
use super::convolve::{Parameters, Problem, frame_gradient};
use super::frame::{Frame, Place};
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
pub(super) fn forward(problem: &Problem, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
    SCRATCH.with_borrow_mut(|scratch| dispatch(Forward { problem, x, w, b, scratch }))
}

/// As [`convolve::backward`](super::convolve::backward).
pub(super) fn backward(
    problem: &Problem,
    [x, w, y, gy]: [&[f32]; 4],
    needs_x: bool,
    parameters: Option<Parameters>,
) -> Option<Vec<f32>> {
    SCRATCH.with_borrow_mut(|scratch| dispatch(Backward { problem, x, w, y, gy, needs_x, parameters, scratch }))
}

/// Buffers that a thread keeps, so that a step allocates nothing but its results.
#[derive(Default)]
struct Scratch {
    images: Vec<f32>,
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
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Problem { images, window, channels, outputs, relu } = *self.problem;
        let Scratch { images: frames, kernels, tiles, results, .. } = self.scratch;
        let (image, positions) = (self.problem.image(), window.positions() * outputs);
        assert_eq!((self.x.len(), self.w.len()), (images * image, 9 * channels * outputs), "operands");
        let tiling = Tiling::new(window.rows.output, window.columns.output);
        let frame = tiling.frame(channels);
        let chunk = (TILES / tiling.tiles()).clamp(1, images.max(1));
        kernels::pack(simd, self.w, (channels, outputs), kernels);
        let mut y = Vec::with_capacity(images * positions);
        let to: *mut f32 = y.as_mut_ptr();
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let shape = Planes { tiles: count * tiling.tiles(), channels };
            let result = Planes { tiles: shape.tiles, channels: outputs };
            let frames = framed(self.problem, frame, &self.x[start * image..][..count * image], frames);
            let tiles = room(tiles, shape.len());
            let results = room(results, result.len());
            tiling.gather(
                simd,
                (frames, frame, (0, 0)),
                count,
                #[inline(always)]
                |d| transform::input(simd, d),
                tiles,
            );
            product::with_kernels(simd, (tiles, shape), kernels, outputs, results);
            let size = (count, window.rows.output, window.columns.output);
            // SAFETY: `to` has room for `images * positions` elements, of which these are `count` images'.
            unsafe { tiling.scatter(simd, (results, result), size, (self.b, relu), to.add(start * positions)) };
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
    y: &'a [f32],
    gy: &'a [f32],
    needs_x: bool,
    parameters: Option<Parameters<'a>>,
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = Option<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Option<Vec<f32>> {
        let Problem { images, window, channels, outputs, .. } = *self.problem;
        let Scratch { images: frames, gradients, flipped, kernels, tiles, results, weights } = self.scratch;
        let (image, positions) = (self.problem.image(), window.positions() * outputs);
        assert_eq!((self.x.len(), self.w.len()), (images * image, 9 * channels * outputs), "operands");
        assert_eq!((self.y.len(), self.gy.len()), (images * positions, images * positions), "results");
        // Tiles of the output, whose gradients make the kernels'; and tiles of the input, whose gradients are convolved.
        let of_output = Tiling::new(window.rows.output, window.columns.output);
        let of_input = Tiling::new(window.rows.input, window.columns.input);
        let frame = of_output.frame(channels);
        let g_frame = of_input.frame(outputs);
        // The flipped kernel reaches two positions back, less what the window itself reached.
        let margin = (2 - window.rows.before, 2 - window.columns.before);
        let place = Place { top: margin.0, left: margin.1, stride: (1, 1) };
        let chunk = (TILES / of_input.tiles()).clamp(1, images.max(1));
        if self.needs_x {
            kernels::flip(self.w, (channels, outputs), flipped);
            kernels::pack(simd, &flipped[..self.w.len()], (outputs, channels), kernels);
        }
        let mut dx = Vec::with_capacity(if self.needs_x { images * image } else { 0 });
        let to: *mut f32 = dx.as_mut_ptr();
        let weight_planes = Planes { tiles: channels, channels: outputs };
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let range = start * positions..(start + count) * positions;
            let bias = self.parameters.as_mut().map_or(&mut [] as &mut [f32], |(_, bias)| bias);
            let gradients = room(gradients, count * g_frame.image());
            let each = self.y[range.clone()].chunks_exact(positions).zip(self.gy[range].chunks_exact(positions));
            for ((y, gy), to) in each.zip(gradients.chunks_exact_mut(g_frame.image())) {
                frame_gradient(self.problem, g_frame, place, (y, gy), bias, to);
            }
            if self.parameters.is_some() {
                let shape = Planes { tiles: count * of_output.tiles(), channels };
                let result = Planes { tiles: shape.tiles, channels: outputs };
                let frames = framed(self.problem, frame, &self.x[start * image..][..count * image], frames);
                let (tiles, results) = (room(tiles, shape.len()), room(results, result.len()));
                of_output.gather(
                    simd,
                    (frames, frame, (0, 0)),
                    count,
                    #[inline(always)]
                    |d| transform::input(simd, d),
                    tiles,
                );
                let at = (&*gradients, g_frame, margin);
                of_output.gather(
                    simd,
                    at,
                    count,
                    #[inline(always)]
                    |g| transform::gradient(simd, g),
                    results,
                );
                let weights = room(weights, weight_planes.len());
                product::with_gradients(simd, (tiles, shape), (results, result), start > 0, weights);
            }
            if self.needs_x {
                let shape = Planes { tiles: count * of_input.tiles(), channels: outputs };
                let result = Planes { tiles: shape.tiles, channels };
                let (tiles, results) = (room(tiles, shape.len()), room(results, result.len()));
                of_input.gather(
                    simd,
                    (gradients, g_frame, (0, 0)),
                    count,
                    #[inline(always)]
                    |d| transform::input(simd, d),
                    tiles,
                );
                product::with_kernels(simd, (tiles, shape), kernels, channels, results);
                let size = (count, window.rows.input, window.columns.input);
                // SAFETY: `to` has room for `images * image` elements, of which these are `count` images'.
                unsafe { of_input.scatter(simd, (results, result), size, (&[], false), to.add(start * image)) };
            }
        }
        if let Some((weight, _)) = &mut self.parameters
            && images > 0
        {
            kernels::unpack(simd, weights, weight_planes, weight);
        }
        if !self.needs_x {
            return None;
        }
        // SAFETY: the chunks cover all images, and the tiles of each all of its gradient.
        unsafe { dx.set_len(images * image) };
        Some(dx)
    }
}

/// Images in their frames.
#[inline(always)]
fn framed<'a>(problem: &Problem, frame: Frame, x: &[f32], to: &'a mut Vec<f32>) -> &'a [f32] {
    let (rows, columns) = (problem.window.rows, problem.window.columns);
    let image = problem.image();
    let to = room(to, x.len() / image * frame.image());
    for (x, to) in x.chunks_exact(image).zip(to.chunks_exact_mut(frame.image())) {
        frame.copy(x, (rows.before, columns.before), (rows.input, columns.input), to);
    }
    to
}
