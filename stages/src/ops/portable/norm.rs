//! Batch normalisation of candle operators.

use candle_core::{Result, Tensor};

use crate::ops::{BatchNorm, check};

/// [`ops::batch_norm_train`](crate::ops::batch_norm_train) of candle operators.
///
/// # Errors
/// If the shapes do not fit.
pub fn batch_norm_train(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f64, relu: bool) -> Result<BatchNorm> {
    check::batch_norm("batch_norm_train", x, &[gamma, beta])?;
    let rows = x.flatten_to(x.rank() - 2)?;
    let mean = rows.mean_keepdim(0)?;
    let centred = rows.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(0)?;
    let y = centred.broadcast_div(&(&variance + epsilon)?.sqrt()?)?;
    let y = y.broadcast_mul(gamma)?.broadcast_add(beta)?.reshape(x.shape())?;
    let y = if relu { super::relu(&y)? } else { y };
    Ok(BatchNorm { y, mean: mean.squeeze(0)?.detach(), variance: variance.squeeze(0)?.detach() })
}

/// [`ops::batch_norm_infer`](crate::ops::batch_norm_infer) of candle operators.
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
    check::batch_norm("batch_norm_infer", x, &[gamma, beta, mean, variance])?;
    let scale = gamma.div(&(variance + epsilon)?.sqrt()?)?;
    let offset = beta.sub(&mean.mul(&scale)?)?;
    let y = x.broadcast_mul(&scale)?.broadcast_add(&offset)?;
    if relu { super::relu(&y) } else { Ok(y) }
}
