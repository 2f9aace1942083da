//! The sum of two tensors, through a ReLU if asked for.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{read, tensor, values};
use crate::ops::simd::{vectorised, zip_with};
use crate::ops::tape::apply_2;

struct Add {
    relu: bool,
}

/// [`ops::add`](crate::ops::add) on the CPU.
pub(crate) fn add(a: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    if a.shape() != b.shape() {
        bail!("add: the shapes {:?} and {:?} differ", a.shape(), b.shape());
    }
    apply_2(&a.contiguous()?, &b.contiguous()?, Add { relu })
}

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(&self, a: &CpuStorage, to: &Layout, b: &CpuStorage, from: &Layout) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (values(a, to)?, values(b, from)?);
        let y = vectorised(
            #[inline(always)]
            || {
                if self.relu { zip_with(a, b, |a, b| (a + b).max(0.0)) } else { zip_with(a, b, |a, b| a + b) }
            },
        );
        Ok((CpuStorage::F32(y), to.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, y: &Tensor, gy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if !self.relu {
            return Ok((Some(gy.clone()), Some(gy.clone())));
        }
        let g = read([y, &gy.contiguous()?], |[y, gy]| {
            vectorised(
                #[inline(always)]
                || zip_with(gy, y, |g, y| if y > 0.0 { g } else { 0.0 }),
            )
        })?;
        let g = tensor(g, y.shape())?;
        Ok((Some(g.clone()), Some(g)))
    }
}
