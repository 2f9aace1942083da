//! The operators of networks: right gradients on every device, and fast on the CPU.
//!
//! All tensors are f32; images are NHWC, convolution kernels `[KH,KW,C,O]`, dense kernels `[I,O]`, as in Keras. On the
//! CPU each operator has a kernel and a backward pass of its own (`cpu/`), as a custom op of candle or on the tape; elsewhere it is
//! composed of candle operators ([`portable`]), which the tests hold against the kernels. Kernels run on the calling
//! thread alone, so a batch is cut into shards to use several; their results are a function of the arguments only.
//!
//! `window.rs` says where sliding windows lie, `check.rs` which shapes are accepted, `mask.rs` what dropout drops,
//! `gradients.rs` where parameter gradients go, `share.rs` in which form, `optimiser.rs` and `muon.rs` how they change the parameters.
//! `tape.rs` takes gradients back through them in training, `memory.rs` aligns
//! what they work on. [`bf16`] has the layers whose operands are rounded.

pub mod bf16;
mod check;
mod cpu;
mod gradients;
mod mask;
mod memory;
pub mod muon;
pub mod optimiser;
pub mod portable;
mod precision;
mod share;
mod simd;
mod tape;
mod window;

use candle_core::{Result, Tensor};

pub use gradients::{GradSink, Gradients, Shares};
pub use precision::Precision;
pub use share::{Product, Share};
pub use simd::{use_portable_vectors, vectors};
pub use tape::Tape;
pub use window::Padding;

/// A convolution's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Step of the window along rows and columns.
    pub stride: usize,
    /// What happens at the border.
    pub padding: Padding,
    /// Whether a ReLU follows, in the same pass.
    pub relu: bool,
}

/// The parameters of a layer, and the sink of their gradients.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Its kernels, or scales.
    pub weight: &'a Tensor,
    /// Its biases, or offsets.
    pub bias: &'a Tensor,
    /// Where their gradients go.
    pub grads: Option<&'a GradSink>,
}

/// The settings of batch normalisation in training, and what follows it in the same pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Added to variances.
    pub epsilon: f64,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// The size, stride and padding of a [`max_pool2d`] that follows the ReLU.
    pub pool: Option<(usize, usize, Padding)>,
}

/// What batch normalisation of a training batch yields.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// The normalised batch. It has the shape of the input, or that of what an operator does before and behind.
    pub y: Tensor,
    /// The batch's mean of each channel, `[C]`, without a gradient.
    pub mean: Tensor,
    /// The batch's variance of each channel (divided by the number of rows), `[C]`, without a gradient.
    pub variance: Tensor,
}

/// Convolution of images `x` `[N,H,W,C]` with kernels `w` `[KH,KW,C,O]` and biases `b` `[O]`: `[N,OH,OW,O]`.
///
/// With a sink the CPU kernel leaves the gradients of `w` and `b` there. The gradient of `x` is computed only if `x`
/// depends on a variable.
///
/// # Errors
/// If the shapes do not fit.
pub fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, conv: &Conv, grads: Option<&GradSink>) -> Result<Tensor> {
    check::sink("conv2d", grads, w, b)?;
    if x.device().is_cpu() {
        cpu::conv2d(x, w, b, conv, grads, Precision::Float32)
    } else {
        portable::conv2d(x, w, b, conv)
    }
}

/// A dense layer: `x` `[N,I]` times `w` `[I,O]` plus `b` `[O]`, then a ReLU if `relu`: `[N,O]`. Gradients as in
/// [`conv2d`].
///
/// # Errors
/// If the shapes do not fit.
pub fn dense(x: &Tensor, w: &Tensor, b: Option<&Tensor>, relu: bool, grads: Option<&GradSink>) -> Result<Tensor> {
    check::sink("dense", grads, w, b)?;
    if x.device().is_cpu() {
        cpu::dense(x, w, b, relu, grads, Precision::Float32)
    } else {
        portable::dense(x, w, b, relu)
    }
}

/// The maximum of each `size` x `size` window of images `[N,H,W,C]`. The gradient goes to a window's first maximum, row
/// by row.
///
/// # Errors
/// If the window does not fit the image.
pub fn max_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    if x.device().is_cpu() {
        cpu::max_pool2d(x, size, stride, padding)
    } else {
        portable::max_pool2d(x, size, stride, padding)
    }
}

/// The mean of each `size` x `size` window of images `[N,H,W,C]`; padding does not count.
///
/// # Errors
/// If the window does not fit the image.
pub fn avg_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    if x.device().is_cpu() {
        cpu::avg_pool2d(x, size, stride, padding)
    } else {
        portable::avg_pool2d(x, size, stride, padding)
    }
}

/// The mean of each channel of each image: `[N,H,W,C]` to `[N,C]`.
///
/// # Errors
/// If `x` is not `[N,H,W,C]`.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { cpu::global_avg_pool2d(x) } else { portable::global_avg_pool2d(x) }
}

/// Batch normalisation over all axes but the last, with the batch's own statistics:
/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, then a ReLU if `relu`. A sink's weight is `gamma`, its bias `beta`.
///
/// # Errors
/// If the shapes do not fit.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    relu: bool,
    grads: Option<&GradSink>,
) -> Result<BatchNorm> {
    check::sink("batch_norm_train", grads, gamma, Some(beta))?;
    if x.device().is_cpu() {
        cpu::batch_norm_train(x, gamma, beta, epsilon, relu, grads)
    } else {
        portable::batch_norm_train(x, gamma, beta, epsilon, relu)
    }
}

/// [`batch_norm_train`], then a [`max_pool2d`] if there is one. Where the pools are 2 x 2 pixels side by side, the CPU does both at once, with the
/// same bits.
///
/// # Errors
/// If the shapes do not fit, or a pool follows no ReLU.
pub fn batch_norm_max_pool_train(x: &Tensor, scales: Layer, norm: &Norm) -> Result<BatchNorm> {
    check::sink("batch_norm_train", scales.grads, scales.weight, Some(scales.bias))?;
    check::norm("batch_norm_max_pool_train", norm)?;
    let Norm { epsilon, relu, pool } = *norm;
    if x.device().is_cpu()
        && let Some(pool) = pool
        && let Some(done) = cpu::batch_norm_max_pool_train(x, scales, epsilon, pool)?
    {
        return Ok(done);
    }
    let norm = batch_norm_train(x, scales.weight, scales.bias, epsilon, relu, scales.grads)?;
    let Some((size, stride, padding)) = pool else { return Ok(norm) };
    Ok(BatchNorm { y: max_pool2d(&norm.y, size, stride, padding)?, ..norm })
}

/// [`conv2d`], then [`batch_norm_max_pool_train`].
///
/// While a [`Tape`] records, the CPU does them at once, with the same bits: if both layers are trained and have sinks, the convolution has no ReLU,
/// and pools are 2 x 2 pixels side by side.
///
/// # Errors
/// If the shapes do not fit, or a pool follows no ReLU.
pub fn conv2d_batch_norm_train(
    x: &Tensor,
    (kernels, conv): (Layer, &Conv),
    (scales, norm): (Layer, &Norm),
) -> Result<BatchNorm> {
    check::sink("conv2d", kernels.grads, kernels.weight, Some(kernels.bias))?;
    check::sink("batch_norm_train", scales.grads, scales.weight, Some(scales.bias))?;
    check::norm("conv2d_batch_norm_train", norm)?;
    if x.device().is_cpu()
        && let Some(done) = cpu::conv2d_batch_norm_train(x, (kernels, conv), (scales, norm))?
    {
        return Ok(done);
    }
    let y = conv2d(x, kernels.weight, Some(kernels.bias), conv, kernels.grads)?;
    batch_norm_max_pool_train(&y, scales, norm)
}

/// Batch normalisation with given statistics: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, then a ReLU if `relu`.
///
/// # Errors
/// If the shapes do not fit.
pub fn batch_norm_infer(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<Tensor> {
    if x.device().is_cpu() {
        cpu::batch_norm_infer(x, gamma, beta, mean, variance, epsilon, relu)
    } else {
        portable::batch_norm_infer(x, gamma, beta, mean, variance, epsilon, relu)
    }
}

/// `max(x, 0)`, with gradient 0 at 0.
///
/// # Errors
/// candle's.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { cpu::relu(x) } else { portable::relu(x) }
}

/// The sum of two tensors of one shape, through a ReLU if `relu`.
///
/// # Errors
/// If the shapes differ.
pub fn add(a: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    if a.device().is_cpu() { cpu::add(a, b, relu) } else { portable::add(a, b, relu) }
}

/// Images, or anything else, as one row each: `[N,...]` to `[N,K]`.
///
/// # Errors
/// candle's.
pub fn flatten(x: &Tensor) -> Result<Tensor> {
    tape::flatten(x)
}

/// Joins tensors along their last axis: the channels of images.
///
/// # Errors
/// If the other axes differ.
pub fn concat(parts: &[Tensor]) -> Result<Tensor> {
    tape::concat(parts)
}

/// Zeroes each element with probability `rate` and scales the others by `1 / (1 - rate)`. Element `i` of `x` is dropped
/// or not by a hash of `key` and `offset + i`: give a shard the number of its first element as the offset, and the mask
/// is the same however the batch is cut.
///
/// # Errors
/// If the rate is not in [0, 1).
pub fn dropout(x: &Tensor, rate: f32, key: u64, offset: u64) -> Result<Tensor> {
    if x.device().is_cpu() { cpu::dropout(x, rate, key, offset) } else { portable::dropout(x, rate, key, offset) }
}

/// The softmax of each row of `[N,K]`.
///
/// # Errors
/// If `logits` is not `[N,K]`.
pub fn softmax(logits: &Tensor) -> Result<Tensor> {
    if logits.device().is_cpu() { cpu::softmax(logits) } else { portable::softmax(logits) }
}

/// The cross-entropy between the softmax of `logits` `[N,K]` and the labels, summed over the rows and divided by
/// `total`: with the size of the whole batch, the losses of its shards add up to the mean. Targets are
/// `1 - label_smoothing` for the label, plus `label_smoothing / K` for every class. A scalar tensor.
///
/// # Errors
/// If a label is not a class, or their number is not the number of rows.
pub fn softmax_cross_entropy(logits: &Tensor, labels: &[u32], total: usize, label_smoothing: f32) -> Result<Tensor> {
    if logits.device().is_cpu() {
        cpu::softmax_cross_entropy(logits, labels, total, label_smoothing)
    } else {
        portable::softmax_cross_entropy(logits, labels, total, label_smoothing)
    }
}
