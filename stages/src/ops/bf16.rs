//! Convolutions and dense layers whose products have operands rounded to bfloat16. The sums are float32, and so are inputs, results and
//! gradients. On the CPU alone.

use candle_core::{Result, Tensor, bail};

use super::{Conv, GradSink, Precision, check, cpu};

pub use super::cpu::bf16::{Bf16Unit as Unit, round, unit, use_unit};

/// [`conv2d`](super::conv2d) with rounded operands: of the result, and of the gradients of `x` and `w`.
///
/// # Errors
/// If the shapes do not fit, or the tensors are not on the CPU.
pub fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, conv: &Conv, grads: Option<&GradSink>) -> Result<Tensor> {
    check::sink("conv2d", grads, w, b)?;
    on_cpu(x)?;
    cpu::conv2d(x, w, b, conv, grads, Precision::Bf16)
}

/// [`dense`](super::dense) with rounded operands: of the result, and of the gradients of `x` and `w`.
///
/// # Errors
/// If the shapes do not fit, or the tensors are not on the CPU.
pub fn dense(x: &Tensor, w: &Tensor, b: Option<&Tensor>, relu: bool, grads: Option<&GradSink>) -> Result<Tensor> {
    check::sink("dense", grads, w, b)?;
    on_cpu(x)?;
    cpu::dense(x, w, b, relu, grads, Precision::Bf16)
}

fn on_cpu(x: &Tensor) -> Result<()> {
    if x.device().is_cpu() { Ok(()) } else { bail!("products in bfloat16 are computed on the CPU alone") }
}
