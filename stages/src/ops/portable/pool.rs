//! Pools of candle operators.

use candle_core::{Result, Tensor};

use crate::ops::window::{Axis, Window};
use crate::ops::{Padding, check};

/// [`ops::max_pool2d`](crate::ops::max_pool2d) of candle operators.
///
/// # Errors
/// If the window does not fit the image.
pub fn max_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    let window = check::pool2d("max_pool2d", x, size, stride, padding)?;
    let padded = pad(x, &window, f32::NEG_INFINITY)?;
    let mut offsets = offsets(&window);
    let (i, j) = offsets.next().unwrap_or((0, 0));
    // A later element wins only if it is greater, so the first maximum gets the gradient.
    offsets.try_fold(corner(&padded, &window, i, j)?, |best, (i, j)| {
        let next = corner(&padded, &window, i, j)?;
        next.detach().gt(&best.detach())?.where_cond(&next, &best)
    })
}

/// [`ops::avg_pool2d`](crate::ops::avg_pool2d) of candle operators.
///
/// # Errors
/// If the window does not fit the image.
pub fn avg_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    let window = check::pool2d("avg_pool2d", x, size, stride, padding)?;
    let padded = pad(x, &window, 0.0)?;
    let mut offsets = offsets(&window);
    let (i, j) = offsets.next().unwrap_or((0, 0));
    let sum =
        offsets.try_fold(corner(&padded, &window, i, j)?, |sum, (i, j)| sum.add(&corner(&padded, &window, i, j)?))?;
    let shares: Vec<f32> = (0..window.rows.output)
        .flat_map(|i| (0..window.columns.output).map(move |j| (i, j)))
        .map(|(i, j)| 1.0 / (window.rows.inside(i).2 * window.columns.inside(j).2) as f32)
        .collect();
    let shares = Tensor::from_vec(shares, (1, window.rows.output, window.columns.output, 1), x.device())?;
    sum.broadcast_mul(&shares)
}

/// [`ops::global_avg_pool2d`](crate::ops::global_avg_pool2d) of candle operators.
///
/// # Errors
/// If `x` is not `[N,H,W,C]`.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    check::images("global_avg_pool2d", x)?;
    x.mean((1, 2))
}

fn offsets(window: &Window) -> impl Iterator<Item = (usize, usize)> + use<> {
    let width = window.columns.window;
    (0..window.rows.window).flat_map(move |i| (0..width).map(move |j| (i, j)))
}

fn pad(x: &Tensor, window: &Window, value: f32) -> Result<Tensor> {
    let x = pad_axis(x, 1, &window.rows, value)?;
    pad_axis(&x, 2, &window.columns, value)
}

fn pad_axis(x: &Tensor, dim: usize, axis: &Axis, value: f32) -> Result<Tensor> {
    let border = |len: usize| -> Result<Option<Tensor>> {
        let mut dims = x.dims().to_vec();
        dims[dim] = len;
        if len == 0 { Ok(None) } else { Tensor::full(value, dims, x.device()).map(Some) }
    };
    let (before, after) = (border(axis.before)?, border(axis.after())?);
    let parts: Vec<&Tensor> = before.iter().chain([x]).chain(after.iter()).collect();
    if parts.len() == 1 { Ok(x.clone()) } else { Tensor::cat(&parts, dim) }
}

/// Element (i, j) of every window, `[N,OH,OW,C]`.
fn corner(padded: &Tensor, window: &Window, i: usize, j: usize) -> Result<Tensor> {
    let x = every(padded, 1, &window.rows, i)?;
    every(&x, 2, &window.columns, j)
}

fn every(x: &Tensor, dim: usize, axis: &Axis, offset: usize) -> Result<Tensor> {
    let index = Tensor::arange_step(
        offset as u32,
        (offset + (axis.output - 1) * axis.stride + 1) as u32,
        axis.stride as u32,
        x.device(),
    )?;
    x.contiguous()?.index_select(&index, dim)
}
