//! Dropout of candle operators.

use candle_core::{Result, Tensor};

use crate::ops::check;
use crate::ops::mask::Mask;

/// [`ops::dropout`](crate::ops::dropout) of candle operators. The mask is computed on the host, so that it has the
/// same bits on every device.
///
/// # Errors
/// If the rate is not in [0, 1).
pub fn dropout(x: &Tensor, rate: f32, key: u64, offset: u64) -> Result<Tensor> {
    check::dropout(rate)?;
    let mask = Mask::new(rate, key);
    let factors: Vec<f32> = (0..x.elem_count() as u64).map(|i| mask.factor(offset.wrapping_add(i))).collect();
    x.mul(&Tensor::from_vec(factors, x.shape(), x.device())?)
}
