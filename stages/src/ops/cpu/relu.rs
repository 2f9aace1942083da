//! The ReLU on its own, where no convolution or dense layer comes before it.

use crate::ops::simd::{vectorised, zip_with};
use crate::ops::tape::apply_1;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{read, tensor, values};

struct Relu;

/// [`ops::relu`](crate::ops::relu) on the CPU.
pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    apply_1(&x.contiguous()?, Relu)
}

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let y = vectorised(
            #[inline(always)]
            || zip_with(x, x, |x, _| x.max(0.0)),
        );
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let dx = read([y, &gy.contiguous()?], |[y, gy]| {
            vectorised(
                #[inline(always)]
                || zip_with(gy, y, |g, y| if y > 0.0 { g } else { 0.0 }),
            )
        })?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}
