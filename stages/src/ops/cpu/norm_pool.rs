//! Batch normalisation, a ReLU and the maximum of each 2 x 2 pixels in one operator: what is between them never goes to memory.
//!
//! The bits are those of the operators one after another. Backward, the gradient of the pools is spread over two rows of pixels at a
//! time, to where the maxima were, which are computed anew.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};

use super::column_sums::ColumnSums;
use super::norm::{ImageGradient, Normalise};
use super::{read, tensor, values};
use crate::ops::simd::{as_room, dispatch, each_vector, load, store};
use crate::ops::tape::apply_3;
use crate::ops::window::Window;
use crate::ops::{BatchNorm, Layer, Padding, check};

/// [`ops::batch_norm_max_pool_train`](crate::ops::batch_norm_max_pool_train) on the CPU, if both can be done at once.
pub(crate) fn batch_norm_max_pool_train(
    x: &Tensor,
    Layer { weight: gamma, bias: beta, grads }: Layer,
    epsilon: f64,
    (size, stride, padding): (usize, usize, Padding),
) -> Result<Option<BatchNorm>> {
    let window = check::pool2d("max_pool2d", x, size, stride, padding)?;
    if !window.is_tiled_by_two() {
        return Ok(None);
    }
    let x = x.contiguous()?;
    let (norm, seen) = Normalise::of_batch(&x, gamma, beta, (epsilon, true), grads)?;
    let y = apply_3(&x, &gamma.contiguous()?, &beta.contiguous()?, NormPool { norm, window })?;
    Ok(Some(seen.with(y)))
}

struct NormPool {
    norm: Normalise,
    window: Window,
}

impl CustomOp3 for NormPool {
    fn name(&self) -> &'static str {
        "batch_norm_max_pool"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, _, _, channels) = x_layout.shape().dims4()?;
        let scale = self.norm.scale(values(gamma, gamma_layout)?);
        let parameters = [&self.norm.mean, &scale, values(beta, beta_layout)?];
        let y = Bands { x: values(x, x_layout)?, window: self.window, parameters }.pooled();
        let Window { rows, columns } = self.window;
        Ok((CpuStorage::F32(y), (n, rows.output, columns.output, channels).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (sums, dx) = read([x, &gy.contiguous()?, gamma, beta], |[x, gy, gamma, beta]| {
            let parameters = [&self.norm.mean, &self.norm.scale(gamma), beta];
            dispatch(Backward { norm: &self.norm, bands: Bands { x, window: self.window, parameters }, gy })
        })?;
        let (gamma, beta) = self.norm.give(sums)?;
        Ok((dx.map(|dx| tensor(dx, x.shape())).transpose()?, gamma, beta))
    }
}

/// Images `[images, rows, columns, channels]`, two rows at a time.
#[derive(Clone, Copy)]
pub(super) struct Bands<'a> {
    pub(super) x: &'a [f32],
    pub(super) window: Window,
    /// The mean, the scale and beta of each channel.
    pub(super) parameters: [&'a [f32]; 3],
}

impl<'a> Bands<'a> {
    fn channels(&self) -> usize {
        self.parameters[0].len()
    }

    /// Elements of a row.
    fn row(&self) -> usize {
        self.window.columns.input * self.channels()
    }

    /// Elements of an image.
    fn image(&self) -> usize {
        self.window.rows.input * self.row()
    }

    /// Elements of an image's pools.
    pub(super) fn pools(&self) -> usize {
        self.window.positions() * self.channels()
    }

    /// Some of the images.
    pub(super) fn of_images(self, images: Range<usize>) -> Self {
        Self { x: &self.x[images.start * self.image()..images.end * self.image()], ..self }
    }

    /// Normalised, passed through the ReLU, and pooled.
    pub(super) fn pooled(self) -> Vec<f32> {
        dispatch(Forward(self))
    }

    /// The elements of each band, from the first on, and of its pools: none for rows at the end of an image that no pool reaches.
    fn each(self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let (rows, row) = (self.window.rows, self.row());
        let pools = self.window.columns.output * self.channels();
        let bands = rows.output + usize::from(rows.input > 2 * rows.output);
        (0..self.x.len() / self.image()).flat_map(move |image| {
            (0..bands).map(move |band| {
                let is_whole = band < rows.output;
                let first = image * rows.input + 2 * band;
                let last = if is_whole { first + 2 } else { (image + 1) * rows.input };
                let result = (image * rows.output + band) * pools;
                (first * row..last * row, result..result + if is_whole { pools } else { 0 })
            })
        })
    }

    /// The normalised pixels of one pool, row by row, and the greatest: of the channels in `range`, a vector or less. `x` are its
    /// upper and its lower two pixels.
    #[inline(always)]
    fn pixels<S: Simd>(&self, simd: S, x: [&[f32]; 2], range: Range<usize>) -> ([S::f32s; 4], S::f32s) {
        let (zero, channels) = (simd.splat_f32s(0.0), self.channels());
        let [mean, scale, beta] = self.parameters;
        let mean = load(simd, &mean[range.clone()]);
        let scale = load(simd, &scale[range.clone()]);
        let beta = load(simd, &beta[range.clone()]);
        let mut pixels = [zero; 4];
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let x = load(simd, &x[i / 2][i % 2 * channels..][range.clone()]);
            let y = simd.add_f32s(simd.mul_f32s(simd.sub_f32s(x, mean), scale), beta);
            // 0 for what is no number, on every processor.
            *pixel = simd.select_f32s(simd.greater_than_f32s(y, zero), y, zero);
        }
        let [a, b, c, d] = pixels;
        (pixels, simd.max_f32s(simd.max_f32s(a, b), simd.max_f32s(c, d)))
    }

    /// Spreads the gradient of a band's pools over its pixels: all of it to the first maximum, if that passed the ReLU.
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, x: &[f32], gy: &[f32], to: &mut [f32]) {
        let (zero, channels) = (simd.splat_f32s(0.0), self.channels());
        assert_eq!(x.len(), to.len(), "a band and its gradient");
        if gy.is_empty() {
            return to.fill(0.0);
        }
        let (above, below) = x.split_at(self.row());
        let (to_above, to_below) = to.split_at_mut(self.row());
        let pooled = 2 * gy.len();
        let pixels = above.chunks_exact(2 * channels).zip(below.chunks_exact(2 * channels));
        let results = to_above.chunks_exact_mut(2 * channels).zip(to_below.chunks_exact_mut(2 * channels));
        for (((above, below), (to_above, to_below)), gy) in pixels.zip(results).zip(gy.chunks_exact(channels)) {
            each_vector::<S>(
                channels,
                #[inline(always)]
                |range| {
                    let (pixels, greatest) = self.pixels(simd, [above, below], range.clone());
                    let gy = load(simd, &gy[range.clone()]);
                    let mut rest = simd.select_f32s(simd.greater_than_f32s(greatest, zero), gy, zero);
                    for (i, pixel) in pixels.into_iter().enumerate() {
                        let to = if i < 2 { &mut *to_above } else { &mut *to_below };
                        let hit = simd.equal_f32s(pixel, greatest);
                        // SAFETY: a vector of numbers is written there.
                        let to = unsafe { as_room(&mut to[i % 2 * channels..][range.clone()]) };
                        store::<S>(simd.select_f32s(hit, rest, zero), to);
                        rest = simd.select_f32s(hit, zero, rest);
                    }
                },
            );
        }
        to_above[pooled..].fill(0.0);
        to_below[pooled..].fill(0.0);
    }

    /// The sums over rows that gradients are made of, where `gy` is that of the pools.
    #[inline(always)]
    pub(super) fn sums<S: Simd>(self, simd: S, norm: &Normalise, gy: &[f32]) -> [Vec<f64>; 2] {
        let [_, scale, beta] = self.parameters;
        let mut spread = vec![0.0; 2 * self.row()];
        let mut sums = ColumnSums::new(self.channels());
        for (band, pools) in self.each() {
            let (x, spread) = (&self.x[band.clone()], &mut spread[..band.len()]);
            self.spread(simd, x, &gy[pools], spread);
            norm.add_sums::<S, false>(simd, &mut sums, [x, spread], [scale, beta]);
        }
        sums.totals()
    }

    /// Writes the gradient of the images, where `gy` is that of the pools.
    #[inline(always)]
    pub(super) fn write_gradient<S: Simd>(self, simd: S, gradient: &ImageGradient, gy: &[f32], to: &mut [f32]) {
        for (band, pools) in self.each() {
            let (x, to) = (&self.x[band.clone()], &mut to[band]);
            self.spread(simd, x, &gy[pools], to);
            gradient.replace(x, to);
        }
    }
}

struct Forward<'a>(Bands<'a>);

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let bands = self.0;
        let (x, row, channels) = (bands.x, bands.row(), bands.channels());
        let len = x.len() / bands.image() * bands.pools();
        let mut y = Vec::with_capacity(len);
        let room = &mut y.spare_capacity_mut()[..len];
        for (band, pools) in bands.each() {
            let (above, below) = x[band].split_at(row);
            let pixels = above.chunks_exact(2 * channels).zip(below.chunks_exact(2 * channels));
            for ((above, below), y) in pixels.zip(room[pools].chunks_exact_mut(channels)) {
                each_vector::<S>(
                    channels,
                    #[inline(always)]
                    |range| {
                        let (_, greatest) = bands.pixels(simd, [above, below], range.clone());
                        store::<S>(greatest, &mut y[range]);
                    },
                );
            }
        }
        // SAFETY: the pools of the bands are all elements, and each pool has two pixels in both rows of its band.
        unsafe { y.set_len(len) };
        y
    }
}

/// The gradients of beta and gamma, and, if needed, of x.
struct Backward<'a> {
    norm: &'a Normalise,
    bands: Bands<'a>,
    gy: &'a [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ([Vec<f64>; 2], Option<Vec<f32>>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { norm, bands, gy } = self;
        let Bands { x, parameters: [_, scale, beta], .. } = bands;
        let sums = bands.sums(simd, norm, gy);
        if !norm.needs_x {
            return (sums, None);
        }
        let gradient = norm.image_gradient(&sums, x.len() / beta.len(), [scale, beta]);
        let mut dx = vec![0.0; x.len()];
        bands.write_gradient(simd, &gradient, gy, &mut dx);
        (sums, Some(dx))
    }
}
