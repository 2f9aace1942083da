//! Convolution and dense layers of candle operators.

use candle_core::{Result, Tensor};

use super::relu;
use crate::ops::window::Axis;
use crate::ops::{Conv, check};

/// [`ops::conv2d`](crate::ops::conv2d) of candle operators.
///
/// # Errors
/// If the shapes do not fit.
pub fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, conv: &Conv) -> Result<Tensor> {
    let window = check::conv2d(x, w, b, conv)?;
    // Padding and leftovers are taken care of here: candle's gradient supposes that a stride leaves as much over along
    // the rows as along the columns.
    let x = fit(&fit(x, 1, &window.rows)?, 2, &window.columns)?.permute((0, 3, 1, 2))?.contiguous()?;
    let w = w.permute((3, 2, 0, 1))?.contiguous()?;
    let y = x.conv2d(&w, 0, conv.stride, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()?;
    finish(y, b, conv.relu)
}

/// [`ops::dense`](crate::ops::dense) of candle operators.
///
/// # Errors
/// If the shapes do not fit.
pub fn dense(x: &Tensor, w: &Tensor, b: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    check::dense(x, w, b)?;
    finish(x.matmul(w)?, b, relu)
}

fn finish(y: Tensor, b: Option<&Tensor>, with_relu: bool) -> Result<Tensor> {
    let y = match b {
        Some(b) => y.broadcast_add(b)?,
        None => y,
    };
    if with_relu { relu(&y) } else { Ok(y) }
}

/// Pads an axis with zeros, or cuts it, to what the windows span.
fn fit(x: &Tensor, dim: usize, axis: &Axis) -> Result<Tensor> {
    x.narrow(dim, 0, axis.input.min(axis.span()))?.pad_with_zeros(dim, axis.before, axis.after())
}
