//! Softmax and cross-entropy of candle operators.

use candle_core::{D, Result, Tensor};

use crate::ops::check;

/// [`ops::softmax`](crate::ops::softmax) of candle operators.
///
/// # Errors
/// If `logits` is not `[N,K]`.
pub fn softmax(logits: &Tensor) -> Result<Tensor> {
    check::logits("softmax", logits)?;
    candle_nn::ops::softmax(logits, D::Minus1)
}

/// [`ops::softmax_cross_entropy`](crate::ops::softmax_cross_entropy) of candle operators.
///
/// # Errors
/// If a label is not a class, or their number is not the number of rows.
pub fn softmax_cross_entropy(logits: &Tensor, labels: &[u32], total: usize, label_smoothing: f32) -> Result<Tensor> {
    let (n, k) = check::cross_entropy(logits, labels, total, label_smoothing)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_p = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let mut targets = vec![label_smoothing / k as f32; n * k];
    for (row, label) in targets.chunks_exact_mut(k).zip(labels) {
        row[*label as usize] += 1.0 - label_smoothing;
    }
    let targets = Tensor::from_vec(targets, (n, k), logits.device())?;
    log_p.mul(&targets)?.sum_all()? * (-1.0 / total as f64)
}
