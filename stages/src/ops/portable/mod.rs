//! The operators composed of candle's own: slower, but with right gradients on every device.
//!
//! candle's pooling and ReLU are not used: their gradients are wrong (a quarter of the truth for maximum pooling,
//! misaligned on odd sizes; 1 for ReLU at exactly 0).

mod conv;
mod dropout;
mod loss;
mod norm;
mod pool;

pub use conv::{conv2d, dense};
pub use dropout::dropout;
pub use loss::{softmax, softmax_cross_entropy};
pub use norm::{batch_norm_infer, batch_norm_train};
pub use pool::{avg_pool2d, global_avg_pool2d, max_pool2d};

use candle_core::{Result, Tensor};

/// [`ops::relu`](super::relu) of candle operators.
///
/// # Errors
/// candle's.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.detach().gt(0f32)?.where_cond(x, &x.zeros_like()?)
}

/// [`ops::add`](super::add) of candle operators.
///
/// # Errors
/// If the shapes differ.
pub fn add(a: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    let y = a.add(b)?;
    if relu { self::relu(&y) } else { Ok(y) }
}
