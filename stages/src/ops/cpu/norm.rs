//! Batch normalisation.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};

use super::column_sums::ColumnSums;
use super::{read, tensor, values};
use crate::ops::simd::{dispatch, vectorised};
use crate::ops::tape::{apply_3, tracks};
use crate::ops::{BatchNorm, GradSink, check};

/// Elements of rows that are worked on at a time, at least, where each is computed by itself: rows of few channels alone keep vectors short.
const WIDTH: usize = 256;

pub(super) struct Normalise {
    pub(super) mean: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`.
    inverse: Vec<f32>,
    /// Whether mean and variance depend on x.
    training: bool,
    /// Whether a ReLU follows.
    pub(super) relu: bool,
    pub(super) needs_x: bool,
    needs_parameters: bool,
    grads: Option<GradSink>,
}

/// [`ops::batch_norm_train`](crate::ops::batch_norm_train) on the CPU.
pub(crate) fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    relu: bool,
    grads: Option<&GradSink>,
) -> Result<BatchNorm> {
    let x = x.contiguous()?;
    let (op, seen) = Normalise::of_batch(&x, gamma, beta, (epsilon, relu), grads)?;
    let y = apply_3(&x, &gamma.contiguous()?, &beta.contiguous()?, op)?;
    Ok(seen.with(y))
}

/// [`ops::batch_norm_infer`](crate::ops::batch_norm_infer) on the CPU; mean and variance get no gradient.
pub(crate) fn batch_norm_infer(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<Tensor> {
    check::batch_norm("batch_norm_infer", x, &[gamma, beta, mean, variance])?;
    let op = Normalise {
        mean: mean.to_vec1()?,
        inverse: inverses(&variance.to_vec1()?, epsilon),
        training: false,
        relu,
        needs_x: tracks(x),
        needs_parameters: tracks(gamma) || tracks(beta),
        grads: None,
    };
    apply_3(&x.contiguous()?, &gamma.contiguous()?, &beta.contiguous()?, op)
}

fn inverses(variance: &[f32], epsilon: f64) -> Vec<f32> {
    variance.iter().map(|v| (1.0 / (f64::from(*v) + epsilon).sqrt()) as f32).collect()
}

/// The sum of each channel.
fn sums_of(x: &[f32], channels: usize) -> ColumnSums<1> {
    struct Sum<'a>(&'a [f32], ColumnSums<1>);
    impl WithSimd for Sum<'_> {
        type Output = ColumnSums<1>;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, simd: S) -> ColumnSums<1> {
            self.1.add_elements(simd, self.0);
            self.1
        }
    }
    dispatch(Sum(x, ColumnSums::new(channels)))
}

/// The mean of each channel over so many rows.
pub(super) fn mean(sums: ColumnSums<1>, rows: usize) -> Vec<f32> {
    let [sums] = sums.totals();
    sums.iter().map(|sum| (sum / rows as f64) as f32).collect()
}

/// The variance of each channel, whose means are given.
pub(super) fn variance(x: &[f32], means: &[f32]) -> Vec<f32> {
    dispatch(Variance { x, means })
}

struct Variance<'a> {
    x: &'a [f32],
    means: &'a [f32],
}

impl WithSimd for Variance<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { x, means } = self;
        let mut sums = ColumnSums::new(means.len());
        sums.add(
            simd,
            ([x], [means]),
            #[inline(always)]
            |[x], [mean]| {
                let deviation = simd.sub_f32s(x, mean);
                [simd.mul_f32s(deviation, deviation)]
            },
        );
        mean(sums, x.len() / means.len())
    }
}

/// The normalised value, before a ReLU. The gradients compute it again: if it were rounded otherwise there, another value would pass
/// the ReLU.
#[inline(always)]
fn scaled(deviation: f32, scale: f32, beta: f32) -> f32 {
    deviation * scale + beta
}

/// The gradient of an element of x, from that of its normalised value.
#[inline(always)]
fn through(g: f32, deviation: f32, [mean_gradient, slope, scale]: [f32; 3]) -> f32 {
    (g - mean_gradient - deviation * slope) * scale
}

/// A value a channel, over and over, for rows that are worked on together.
fn repeated(values: &[f32]) -> Vec<f32> {
    values.repeat(WIDTH.div_ceil(values.len()))
}

/// The mean and variance of a batch.
pub(super) struct Statistics {
    mean: Tensor,
    variance: Tensor,
}

impl Statistics {
    pub(super) fn with(self, y: Tensor) -> BatchNorm {
        BatchNorm { y, mean: self.mean, variance: self.variance }
    }
}

impl Normalise {
    /// By the statistics of a contiguous batch.
    pub(super) fn of_batch(
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        (epsilon, relu): (f64, bool),
        grads: Option<&GradSink>,
    ) -> Result<(Self, Statistics)> {
        let (rows, channels) = check::batch_norm("batch_norm_train", x, &[gamma, beta])?;
        let (mean, variance) = read([x], |[x]| {
            let mean = mean(sums_of(x, channels), rows);
            let variance = variance(x, &mean);
            (mean, variance)
        })?;
        let needs = (tracks(x), tracks(gamma) || tracks(beta));
        let op = Self::by((&mean, &variance), (epsilon, relu), needs, grads);
        Ok((op, Statistics { mean: tensor(mean, channels)?, variance: tensor(variance, channels)? }))
    }

    /// By given statistics of a batch, and for gradients of x and of the parameters if they are needed.
    pub(super) fn by(
        (mean, variance): (&[f32], &[f32]),
        (epsilon, relu): (f64, bool),
        (needs_x, needs_parameters): (bool, bool),
        grads: Option<&GradSink>,
    ) -> Self {
        let (mean, inverse) = (mean.to_vec(), inverses(variance, epsilon));
        Self { mean, inverse, training: true, relu, needs_x, needs_parameters, grads: grads.cloned() }
    }

    /// The inverse deviation times gamma.
    pub(super) fn scale(&self, gamma: &[f32]) -> Vec<f32> {
        gamma.iter().zip(&self.inverse).map(|(gamma, inverse)| gamma * inverse).collect()
    }

    pub(super) fn forward(&self, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
        let [mean, scale, beta] = [&self.mean, &self.scale(gamma), beta].map(repeated);
        vectorised(
            #[inline(always)]
            || {
                let mut y = Vec::with_capacity(x.len());
                let room = y.spare_capacity_mut().chunks_mut(mean.len());
                for (rows, y) in x.chunks(mean.len()).zip(room) {
                    let parameters = mean.iter().zip(&scale).zip(&beta);
                    for ((y, x), ((mean, scale), beta)) in y.iter_mut().zip(rows).zip(parameters) {
                        let value = scaled(x - mean, *scale, *beta);
                        y.write(if self.relu { value.max(0.0) } else { value });
                    }
                }
                // SAFETY: an element was written for each of x.
                unsafe { y.set_len(x.len()) };
                y
            },
        )
    }

    /// Adds to the sums over rows of the gradient of y, and of that times the normalised input. What passed a ReLU is computed anew, by
    /// the arithmetic of the forward pass: the arrays are larger than the caches, and that takes less time than to read the output.
    #[inline(always)]
    pub(super) fn add_sums<S: Simd, const RELU: bool>(
        &self,
        simd: S,
        sums: &mut ColumnSums<2>,
        operands: [&[f32]; 2],
        [scale, beta]: [&[f32]; 2],
    ) {
        let zero = simd.splat_f32s(0.0);
        sums.add(
            simd,
            (operands, [&self.mean, &self.inverse, scale, beta]),
            #[inline(always)]
            |[x, gy], [mean, inverse, scale, beta]| {
                let deviation = simd.sub_f32s(x, mean);
                // As `scaled` has it.
                let y = simd.add_f32s(simd.mul_f32s(deviation, scale), beta);
                let g = if RELU { simd.select_f32s(simd.greater_than_f32s(y, zero), gy, zero) } else { gy };
                [g, simd.mul_f32s(g, simd.mul_f32s(deviation, inverse))]
            },
        );
    }

    /// What the gradient of x is made of, from the sums over all `rows`.
    pub(super) fn image_gradient(
        &self,
        sums: &[Vec<f64>; 2],
        rows: usize,
        [scale, beta]: [&[f32]; 2],
    ) -> ImageGradient {
        // With statistics of the batch its mean gradient, and the part along the normalised input, cancel out.
        let share = |sum: &f64| if self.training { (sum / rows as f64) as f32 } else { 0.0 };
        let mean_gradient: Vec<f32> = sums[0].iter().map(share).collect();
        let slope: Vec<f32> = sums[1].iter().zip(&self.inverse).map(|(sum, inverse)| share(sum) * inverse).collect();
        let [mean, slope, mean_gradient, scale, beta] = [&self.mean, &slope, &mean_gradient, scale, beta].map(repeated);
        ImageGradient { mean, slope, mean_gradient, scale, beta }
    }

    /// Hands the gradients of gamma and beta, the sums, to the sink, or to the caller if there is none.
    pub(super) fn give(&self, [beta, gamma]: [Vec<f64>; 2]) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let single = |sums: &[f64]| sums.iter().map(|sum| *sum as f32).collect::<Vec<_>>();
        let (beta, gamma) = (single(&beta), single(&gamma));
        match &self.grads {
            _ if !self.needs_parameters => Ok((None, None)),
            None => Ok((Some(tensor(gamma, self.mean.len())?), Some(tensor(beta, self.mean.len())?))),
            Some(grads) => {
                grads.write(|to_gamma, add_gamma, to_beta, add_beta| {
                    put(to_gamma, &gamma, add_gamma);
                    put(to_beta, &beta, add_beta);
                });
                Ok((None, None))
            }
        }
    }
}

/// The gradient of x but for x itself and the gradient of y: values a channel, over and over.
pub(super) struct ImageGradient {
    mean: Vec<f32>,
    slope: Vec<f32>,
    mean_gradient: Vec<f32>,
    scale: Vec<f32>,
    beta: Vec<f32>,
}

impl ImageGradient {
    /// Writes it for some rows.
    #[inline(always)]
    pub(super) fn write<const RELU: bool>(&self, [x, gy]: [&[f32]; 2], to: &mut [MaybeUninit<f32>]) {
        assert!(gy.len() == x.len() && to.len() == x.len(), "operands");
        let Self { mean, slope, mean_gradient, scale, beta } = self;
        let operands = x.chunks(mean.len()).zip(gy.chunks(mean.len()));
        for ((x, gy), to) in operands.zip(to.chunks_mut(mean.len())) {
            let parameters = mean.iter().zip(slope).zip(mean_gradient).zip(scale).zip(beta);
            for (((to, x), gy), ((((mean, slope), mean_gradient), scale), beta)) in
                to.iter_mut().zip(x).zip(gy).zip(parameters)
            {
                let deviation = x - mean;
                let g = if !RELU || scaled(deviation, *scale, *beta) > 0.0 { *gy } else { 0.0 };
                to.write(through(g, deviation, [*mean_gradient, *slope, *scale]));
            }
        }
    }

    /// Replaces the gradient of y, where a ReLU let it pass, by that of x.
    #[inline(always)]
    pub(super) fn replace(&self, x: &[f32], gradient: &mut [f32]) {
        assert_eq!(gradient.len(), x.len(), "operands");
        let Self { mean, slope, mean_gradient, scale, .. } = self;
        for (x, gradient) in x.chunks(mean.len()).zip(gradient.chunks_mut(mean.len())) {
            let parameters = mean.iter().zip(slope).zip(mean_gradient).zip(scale);
            for ((gradient, x), (((mean, slope), mean_gradient), scale)) in gradient.iter_mut().zip(x).zip(parameters) {
                *gradient = through(*gradient, x - mean, [*mean_gradient, *slope, *scale]);
            }
        }
    }
}

/// The gradients of beta and gamma, and, if needed, of x.
struct Backward<'a, const RELU: bool> {
    op: &'a Normalise,
    /// x and the gradient of y.
    operands: [&'a [f32]; 2],
    gamma: &'a [f32],
    beta: &'a [f32],
}

impl<const RELU: bool> WithSimd for Backward<'_, RELU> {
    type Output = ([Vec<f64>; 2], Option<Vec<f32>>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { op, operands, gamma, beta } = self;
        let parameters = [&op.scale(gamma), beta];
        let mut sums = ColumnSums::new(beta.len());
        op.add_sums::<S, RELU>(simd, &mut sums, operands, parameters);
        let sums = sums.totals();
        if !op.needs_x {
            return (sums, None);
        }
        let len = operands[0].len();
        let gradient = op.image_gradient(&sums, len / beta.len(), parameters);
        let mut dx = Vec::with_capacity(len);
        gradient.write::<RELU>(operands, &mut dx.spare_capacity_mut()[..len]);
        // SAFETY: so many elements were written.
        unsafe { dx.set_len(len) };
        (sums, Some(dx))
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch_norm"
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
        let (x, gamma, beta) = (values(x, x_layout)?, values(gamma, gamma_layout)?, values(beta, beta_layout)?);
        Ok((CpuStorage::F32(self.forward(x, gamma, beta)), x_layout.shape().clone()))
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
            let operands = [x, gy];
            match self.relu {
                true => dispatch(Backward::<true> { op: self, operands, gamma, beta }),
                false => dispatch(Backward::<false> { op: self, operands, gamma, beta }),
            }
        })?;
        let (gamma, beta) = self.give(sums)?;
        Ok((dx.map(|dx| tensor(dx, x.shape())).transpose()?, gamma, beta))
    }
}

fn put(to: &mut [f32], from: &[f32], add: bool) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if add { *to + from } else { *from };
    }
}
