//! A convolution and the batch normalisation behind it, in training, as one operator.
//!
//! The means are summed up while the outputs of the convolution are in the cache. Backward, the gradient of these outputs is computed a
//! few images at a time, where the convolution's backward pass asks for it, and never goes to memory. The bits are those of the
//! operators one after another.

use std::ops::Range;

use candle_core::{Result, Tensor};
use pulp::{Simd, WithSimd};

use super::column_sums::ColumnSums;
use super::conv::into_sink;
use super::convolve::{self, Problem, Upstream, Wanted};
use super::norm::{self, ImageGradient, Normalise};
use super::norm_pool::Bands;
use super::{read, read_if, tensor};
use crate::ops::simd::{as_room, dispatch};
use crate::ops::tape::{self, Back, tracks};
use crate::ops::window::Window;
use crate::ops::{BatchNorm, Conv, GradSink, Layer, Norm, check};

/// [`ops::conv2d_batch_norm_train`](crate::ops::conv2d_batch_norm_train) on the CPU, if both can be done at once.
pub(crate) fn conv2d_batch_norm_train(
    x: &Tensor,
    (kernels, conv): (Layer, &Conv),
    (scales, norm): (Layer, &Norm),
) -> Result<Option<BatchNorm>> {
    let window = check::conv2d(x, kernels.weight, Some(kernels.bias), conv)?;
    let (_, _, channels, outputs) = kernels.weight.dims4()?;
    let problem = Problem { images: x.dim(0)?, window, channels, outputs, relu: false };
    let pool = norm.pool.map(|(side, stride, padding)| {
        let size = (window.rows.output, window.columns.output);
        Window::new("max_pool2d", padding, size, (side, side), stride)
    });
    let pool = pool.transpose()?;
    let is_trained = [kernels.weight, scales.weight].into_iter().all(tracks);
    let at_once = tape::records() && is_trained && !conv.relu && pool.is_none_or(|pool| pool.is_tiled_by_two());
    match (kernels.grads, scales.grads) {
        (Some(kernel_grads), Some(scale_grads)) if at_once => {
            let grads = (kernel_grads.clone(), scale_grads);
            ConvNorm::train(x, (kernels, problem), (scales, norm, pool), grads).map(Some)
        }
        _ => Ok(None),
    }
}

/// What the way back needs.
struct ConvNorm {
    problem: Problem,
    needs_x: bool,
    norm: Normalise,
    pool: Option<Window>,
    /// The outputs of the convolution.
    convolved: Vec<f32>,
    w: Tensor,
    gamma: Tensor,
    beta: Tensor,
    grads: GradSink,
}

impl ConvNorm {
    fn train(
        x: &Tensor,
        (kernels, problem): (Layer, Problem),
        (scales, Norm { epsilon, relu, .. }, pool): (Layer, &Norm, Option<Window>),
        (grads, scale_grads): (GradSink, &GradSink),
    ) -> Result<BatchNorm> {
        let (x, w, b) = (x.contiguous()?, kernels.weight.contiguous()?, kernels.bias.contiguous()?);
        let (gamma, beta) = (scales.weight.contiguous()?, scales.bias.contiguous()?);
        let Problem { images, window, outputs, .. } = problem;
        check::per_channel("batch_norm_train", outputs, &[&gamma, &beta])?;
        let mut sums = ColumnSums::new(outputs);
        let convolved = read([&x, &w, &b], |[x, w, b]| convolve::forward(&problem, x, w, b, Some(&mut sums)))?;
        let mean = norm::mean(sums, images * window.positions());
        let variance = norm::variance(&convolved, &mean);
        let norm = Normalise::by((&mean, &variance), (*epsilon, *relu), (true, true), Some(scale_grads));
        let y = read([&gamma, &beta], |[gamma, beta]| match pool {
            Some(window) => {
                Bands { x: &convolved, window, parameters: [&norm.mean, &norm.scale(gamma), beta] }.pooled()
            }
            None => norm.forward(&convolved, gamma, beta),
        })?;
        let size =
            pool.map_or((window.rows.output, window.columns.output), |pool| (pool.rows.output, pool.columns.output));
        let y = tensor(y, (images, size.0, size.1, outputs))?;
        let op = Self { problem, needs_x: tracks(&x), norm, pool, convolved, w, gamma, beta, grads };
        let y = tape::record(&x, op, y);
        Ok(BatchNorm { y, mean: tensor(mean, outputs)?, variance: tensor(variance, outputs)? })
    }
}

impl Back for ConvNorm {
    fn name(&self) -> &'static str {
        "conv2d_batch_norm"
    }

    fn back(&self, x: &Tensor, gy: &Tensor, received: Option<&Tensor>) -> Result<Option<Tensor>> {
        let Self { problem, norm, convolved, .. } = self;
        let operands = [x, &self.w, &self.gamma, &self.beta, &gy.contiguous()?];
        let (sums, dx) = read_if(received, |received| {
            read(operands, |[x, w, gamma, beta, gy]| {
                let scale = norm.scale(gamma);
                let parameters = [&scale, beta];
                let bands =
                    self.pool.map(|window| Bands { x: convolved, window, parameters: [&norm.mean, &scale, beta] });
                let sums = dispatch(Sums { norm, bands, operands: [convolved, gy], parameters });
                let gradient = norm.image_gradient(&sums, convolved.len() / problem.outputs, parameters);
                let image = problem.window.positions() * problem.outputs;
                let upstream = NormGradient { gradient, relu: norm.relu, bands, convolved, gy, image };
                let wanted = Wanted::new(self.needs_x, received);
                let dx = into_sink(&self.grads, |parameters| {
                    convolve::backward(problem, [x, w], Upstream::Norm(&upstream), wanted, Some(parameters))
                });
                (sums, dx)
            })
        })?;
        norm.give(sums)?;
        dx.map(|dx| tensor(dx, x.shape())).transpose()
    }
}

/// The sums over rows that the gradients of batch normalisation are made of.
struct Sums<'a> {
    norm: &'a Normalise,
    bands: Option<Bands<'a>>,
    /// The outputs of the convolution, and the gradient of what was made of them.
    operands: [&'a [f32]; 2],
    /// The scale and beta.
    parameters: [&'a [f32]; 2],
}

impl WithSimd for Sums<'_> {
    type Output = [Vec<f64>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<f64>; 2] {
        let Self { norm, bands, operands, parameters } = self;
        if let Some(bands) = bands {
            return bands.sums(simd, norm, operands[1]);
        }
        let mut sums = ColumnSums::new(norm.mean.len());
        match norm.relu {
            true => norm.add_sums::<S, true>(simd, &mut sums, operands, parameters),
            false => norm.add_sums::<S, false>(simd, &mut sums, operands, parameters),
        }
        sums.totals()
    }
}

/// The gradient of a convolution's outputs through the batch normalisation behind it, computed where it is asked for.
pub(super) struct NormGradient<'a> {
    gradient: ImageGradient,
    relu: bool,
    /// The images of the convolution's outputs, if they were pooled.
    bands: Option<Bands<'a>>,
    convolved: &'a [f32],
    /// The gradient of what was made of them.
    gy: &'a [f32],
    /// Elements of an image of the convolution's outputs.
    image: usize,
}

impl NormGradient<'_> {
    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.convolved.len()
    }

    /// Writes that of some images.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&self, simd: S, images: Range<usize>, to: &mut [f32]) {
        let range = images.start * self.image..images.end * self.image;
        if let Some(bands) = &self.bands {
            let gy = &self.gy[images.start * bands.pools()..images.end * bands.pools()];
            return bands.of_images(images).write_gradient(simd, &self.gradient, gy, to);
        }
        let operands = [&self.convolved[range.clone()], &self.gy[range]];
        // SAFETY: gradients are written there.
        let to = unsafe { as_room(to) };
        match self.relu {
            true => self.gradient.write::<true>(operands, to),
            false => self.gradient.write::<false>(operands, to),
        }
    }
}
