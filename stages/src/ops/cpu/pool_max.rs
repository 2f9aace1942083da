//! Maximum pooling.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use crate::ops::simd::dispatch;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{read, tensor, values};
use crate::ops::tape::apply_1;
use crate::ops::window::Window;
use crate::ops::{Padding, check};

struct MaxPool(Window);

/// [`ops::max_pool2d`](crate::ops::max_pool2d) on the CPU.
pub(crate) fn max_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    let window = check::pool2d("max_pool2d", x, size, stride, padding)?;
    apply_1(&x.contiguous()?, MaxPool(window))
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, _, _, channels) = layout.shape().dims4()?;
        let Window { rows, columns } = self.0;
        let x = values(x, layout)?;
        let y = dispatch(Forward { x, window: self.0, channels });
        Ok((CpuStorage::F32(y), (n, rows.output, columns.output, channels).into()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let channels = x.dim(3)?;
        let gy = gy.contiguous()?;
        let dx = read([x, y, &gy], |[x, y, gy]| {
            if self.0.is_tiled_by_two() {
                return dispatch(Tiles { x, y, gy, window: self.0, channels });
            }
            dispatch(Backward { x, y, gy, window: self.0, channels })
        })?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}

struct Forward<'a> {
    x: &'a [f32],
    window: Window,
    channels: usize,
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { x, window, channels } = self;
        let Window { rows, columns } = window;
        let image = window.pixels() * channels;
        let mut y = Vec::with_capacity(x.len() / image * window.positions() * channels);
        for x in x.chunks_exact(image) {
            for i in 0..rows.output {
                let (_, top, height) = rows.inside(i);
                for j in 0..columns.output {
                    let (_, left, width) = columns.inside(j);
                    let start = y.len();
                    let x = &x[(top * columns.input + left) * channels..];
                    let pixels = Pixels { height, width, row: columns.input * channels, channels };
                    pixels.maximum(simd, x, &mut y.spare_capacity_mut()[..channels]);
                    // SAFETY: so many elements were written behind the first ones.
                    unsafe { y.set_len(start + channels) };
                }
            }
        }
        y
    }
}

/// A window's pixels inside the image: so many elements from a row to the next.
#[derive(Clone, Copy)]
struct Pixels {
    height: usize,
    width: usize,
    row: usize,
    channels: usize,
}

impl Pixels {
    /// Elements from the first pixel's first to the last one's last.
    fn reach(&self) -> usize {
        (self.height - 1) * self.row + self.width * self.channels
    }

    /// Whether the greater of the upper two is compared with that of the lower two. That is shorter than one after another, and
    /// another result where one of them is no number.
    #[inline(always)]
    fn is_pairs(&self) -> bool {
        (self.height, self.width) == (2, 2)
    }

    /// Where pixels begin, row by row.
    #[inline(always)]
    fn each(self) -> impl Iterator<Item = usize> {
        (0..self.height).flat_map(move |r| (0..self.width).map(move |c| r * self.row + c * self.channels))
    }

    /// The greatest of each channel: whole vectors first, kept in registers over all pixels.
    #[inline(always)]
    fn maximum<S: Simd>(self, simd: S, x: &[f32], to: &mut [MaybeUninit<f32>]) {
        assert!(self.reach() <= x.len() && to.len() == self.channels, "a window and its maximum");
        let vectors = self.channels / S::F32_LANES * S::F32_LANES;
        for k in (0..vectors).step_by(S::F32_LANES) {
            // SAFETY: a vector's elements from k on are channels, of pixels that were found to be inside.
            unsafe {
                let read = |at: usize| x.as_ptr().add(at + k).cast::<S::f32s>().read_unaligned();
                let mut best = read(0);
                if self.is_pairs() {
                    let below = greater(simd, read(self.row), read(self.row + self.channels));
                    best = greater(simd, greater(simd, best, read(self.channels)), below);
                } else {
                    for r in 0..self.height {
                        for c in 0..self.width {
                            best = greater(simd, best, read(r * self.row + c * self.channels));
                        }
                    }
                }
                to.as_mut_ptr().add(k).cast::<S::f32s>().write_unaligned(best);
            }
        }
        for k in vectors..self.channels {
            let best = if self.is_pairs() {
                let pair = |first: usize| max(x[first + k], x[first + self.channels + k]);
                max(pair(0), pair(self.row))
            } else {
                self.each().fold(x[k], |best, pixel| max(best, x[pixel + k]))
            };
            to[k].write(best);
        }
    }
}

/// [`max`] of vectors.
#[inline(always)]
fn greater<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
    simd.select_f32s(simd.greater_than_f32s(b, a), b, a)
}

/// The first of two equal numbers; one comparison, unlike `f32::max`.
#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

struct Backward<'a> {
    x: &'a [f32],
    y: &'a [f32],
    gy: &'a [f32],
    window: Window,
    channels: usize,
}

impl WithSimd for Backward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { x, y, gy, window, channels } = self;
        let Window { rows, columns } = window;
        let (image, positions) = (window.pixels() * channels, window.positions() * channels);
        let mut dx = vec![0.0; x.len()];
        let images = x.chunks_exact(image).zip(dx.chunks_exact_mut(image));
        let results = y.chunks_exact(positions).zip(gy.chunks_exact(positions));
        for ((x, dx), (y, gy)) in images.zip(results) {
            for i in 0..rows.output {
                let (_, top, height) = rows.inside(i);
                for j in 0..columns.output {
                    let (_, left, width) = columns.inside(j);
                    let result = (i * columns.output + j) * channels;
                    let first = (top * columns.input + left) * channels;
                    let pixels = Pixels { height, width, row: columns.input * channels, channels };
                    let (y, gy) = (&y[result..][..channels], &gy[result..][..channels]);
                    pixels.give(simd, &x[first..], y, gy, &mut dx[first..]);
                }
            }
        }
        dx
    }
}

impl Pixels {
    /// Adds a window's gradient to that of its first maximum: what is left of it is all of it until an element is the maximum, then nothing.
    #[inline(always)]
    fn give<S: Simd>(self, simd: S, x: &[f32], y: &[f32], gy: &[f32], dx: &mut [f32]) {
        assert!(self.reach() <= x.len() && self.reach() <= dx.len(), "a window's pixels");
        assert!(y.len() == self.channels && gy.len() == self.channels, "a window's result");
        let vectors = self.channels / S::F32_LANES * S::F32_LANES;
        let zero = simd.splat_f32s(0.0);
        for k in (0..vectors).step_by(S::F32_LANES) {
            // SAFETY: a vector's elements from k on are channels, of pixels that were found to be inside.
            unsafe {
                let read = |from: *const f32| from.cast::<S::f32s>().read_unaligned();
                let (y, mut rest) = (read(y.as_ptr().add(k)), read(gy.as_ptr().add(k)));
                for r in 0..self.height {
                    for c in 0..self.width {
                        let at = r * self.row + c * self.channels + k;
                        let hit = simd.equal_f32s(read(x.as_ptr().add(at)), y);
                        let to = dx.as_mut_ptr().add(at).cast::<S::f32s>();
                        to.write_unaligned(simd.add_f32s(to.read_unaligned(), simd.select_f32s(hit, rest, zero)));
                        rest = simd.select_f32s(hit, zero, rest);
                    }
                }
            }
        }
        for k in vectors..self.channels {
            let mut rest = gy[k];
            for pixel in self.each() {
                let hit = x[pixel + k] == y[k];
                dx[pixel + k] += if hit { rest } else { 0.0 };
                rest = if hit { 0.0 } else { rest };
            }
        }
    }
}

/// [`Backward`] for windows of 2 by 2 side by side: each element is written once. A last row or column that no window reaches has no gradient.
struct Tiles<'a> {
    x: &'a [f32],
    y: &'a [f32],
    gy: &'a [f32],
    window: Window,
    channels: usize,
}

impl WithSimd for Tiles<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { x, y, gy, window: Window { rows, columns }, channels } = self;
        let (row, result_row) = (columns.input * channels, columns.output * channels);
        let image = rows.input * row;
        let mut dx = Vec::with_capacity(x.len());
        let images = x.chunks_exact(image).zip(dx.spare_capacity_mut().chunks_exact_mut(image));
        let results = y.chunks_exact(rows.output * result_row).zip(gy.chunks_exact(rows.output * result_row));
        let mut written = 0;
        for ((x, dx), (y, gy)) in images.zip(results) {
            for i in 0..rows.output {
                let (x0, x1) = x[2 * i * row..][..2 * row].split_at(row);
                let (d0, d1) = dx[2 * i * row..][..2 * row].split_at_mut(row);
                let (y, gy) = (&y[i * result_row..][..result_row], &gy[i * result_row..][..result_row]);
                let above = x0.chunks_exact(2 * channels).zip(d0.chunks_exact_mut(2 * channels));
                let below = x1.chunks_exact(2 * channels).zip(d1.chunks_exact_mut(2 * channels));
                let results = y.chunks_exact(channels).zip(gy.chunks_exact(channels));
                for (((x0, d0), (x1, d1)), (y, gy)) in above.zip(below).zip(results) {
                    give_four(simd, [x0, x1], y, gy, [d0, d1]);
                }
                for row in [d0, d1] {
                    row[2 * result_row..].fill(MaybeUninit::new(0.0));
                }
            }
            dx[2 * rows.output * row..].fill(MaybeUninit::new(0.0));
            written += image;
        }
        assert_eq!(written, x.len(), "whole images");
        // SAFETY: so many elements were written, from the first on.
        unsafe { dx.set_len(written) };
        dx
    }
}

/// The gradient of one window: of its upper and its lower two pixels, into elements that hold nothing yet.
#[inline(always)]
fn give_four<S: Simd>(simd: S, x: [&[f32]; 2], y: &[f32], gy: &[f32], dx: [&mut [MaybeUninit<f32>]; 2]) {
    let channels = y.len();
    assert!(gy.len() == channels && x.iter().all(|x| x.len() == 2 * channels), "a window of two by two pixels");
    assert!(dx.iter().all(|dx| dx.len() == 2 * channels), "room for its gradient");
    let [d0, d1] = dx;
    let pixels = [(x[0].as_ptr(), d0.as_mut_ptr()), (x[1].as_ptr(), d1.as_mut_ptr())];
    let vectors = channels / S::F32_LANES * S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    for k in (0..vectors).step_by(S::F32_LANES) {
        // SAFETY: a vector's elements from k on are channels, of all that were found to have two pixels of them.
        unsafe {
            let read = |from: *const f32| from.cast::<S::f32s>().read_unaligned();
            let (y, mut rest) = (read(y.as_ptr().add(k)), read(gy.as_ptr().add(k)));
            for (x, dx) in pixels {
                for pixel in [k, channels + k] {
                    let hit = simd.equal_f32s(read(x.add(pixel)), y);
                    dx.add(pixel).cast::<S::f32s>().write_unaligned(simd.select_f32s(hit, rest, zero));
                    rest = simd.select_f32s(hit, zero, rest);
                }
            }
        }
    }
    for k in vectors..channels {
        let mut rest = gy[k];
        for (x, dx) in x.into_iter().zip([&mut *d0, &mut *d1]) {
            for pixel in [k, channels + k] {
                let hit = x[pixel] == y[k];
                dx[pixel].write(if hit { rest } else { 0.0 });
                rest = if hit { 0.0 } else { rest };
            }
        }
    }
}
