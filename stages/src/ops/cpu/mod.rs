//! The operators' CPU kernels, with backward passes of their own: as custom ops of candle, or recorded on the tape.
//!
//! `convolve.rs` is convolution over slices, made of two loops, `slide.rs` (outputs) and `weigh.rs` (gradients of the
//! weights), or handed to `winograd/` where the kernels are 3 x 3; `product.rs` are the products of dense layers. All build
//! on the register-blocked sums of `tile.rs`. `panels.rs` lays weights out for the two loops, and `frame.rs` images; `rows.rs` are gradients that
//! lie among others.
//! `column_sums.rs` sums what batch normalisation asks of each channel, `norm_pool.rs` is batch normalisation with a pool
//! behind it, and `conv_norm.rs` that with a convolution before it.
//! `bf16/` has the same layers as products of rounded operands. Vector instructions are chosen at run time.

mod add;
pub(super) mod bf16;
mod column_sums;
mod conv;
mod conv_norm;
mod convolve;
mod dense;
mod dropout;
mod frame;
mod loss;
mod norm;
mod norm_pool;
mod panels;
mod pool_average;
mod pool_max;
mod product;
mod relu;
mod rows;
mod slide;
mod tile;
mod weigh;
mod winograd;

pub(super) use add::add;
pub(super) use conv::conv2d;
pub(super) use conv_norm::conv2d_batch_norm_train;
pub(super) use dense::{MARGIN, PAD, dense, matmul, weight_gradient};
pub(super) use dropout::dropout;
pub(super) use loss::{softmax, softmax_cross_entropy};
pub(super) use norm::{batch_norm_infer, batch_norm_train};
pub(super) use norm_pool::batch_norm_max_pool_train;
pub(super) use pool_average::{avg_pool2d, global_avg_pool2d};
pub(super) use pool_max::max_pool2d;
pub(super) use product::Sizes;
pub(super) use relu::relu;

use rows::Rows;

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};

/// The elements of a contiguous f32 storage.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a CPU kernel was given a tensor that is not contiguous"),
    }
}

/// Calls `read` with the elements of contiguous f32 tensors on the CPU.
pub(super) fn read<const N: usize, R>(tensors: [&Tensor; N], read: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let locked = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&locked) {
        match &**storage {
            Storage::Cpu(storage) => *slice = values(storage, layout)?,
            _ => bail!("a CPU kernel was given a tensor of another device"),
        }
    }
    Ok(read(slices))
}

/// Calls `with` with the elements of a tensor, if there is one.
fn read_if<R>(tensor: Option<&Tensor>, with: impl FnOnce(Option<&[f32]>) -> Result<R>) -> Result<R> {
    match tensor {
        Some(tensor) => read([&tensor.contiguous()?], |[values]| with(Some(values)))?,
        None => with(None),
    }
}

/// Calls `with` with a tensor's rows along its last axis. They may lie among those of others that it was joined with.
fn read_rows<R>(tensor: &Tensor, with: impl FnOnce(Rows) -> Result<R>) -> Result<R> {
    let rows = Rows::of(tensor.layout());
    let tensor = if rows.is_some() { tensor.clone() } else { tensor.contiguous()? };
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(storage), Some((first, pitch))) = (&*storage, Rows::of(layout)) else {
        bail!("a CPU kernel was given a tensor of another device, or without rows")
    };
    with(Rows { values: storage.as_slice::<f32>()?.get(first..).unwrap_or(&[]), pitch })
}

/// A CPU tensor that takes the values over.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}
