//! Dropout; the mask is computed again for the backward pass rather than kept.

use crate::ops::simd::vectorised;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{read, tensor, values};
use crate::ops::check;
use crate::ops::mask::Mask;
use crate::ops::tape::apply_1;

struct Dropout {
    mask: Mask,
    offset: u64,
}

/// [`ops::dropout`](crate::ops::dropout) on the CPU.
pub(crate) fn dropout(x: &Tensor, rate: f32, key: u64, offset: u64) -> Result<Tensor> {
    check::dropout(rate)?;
    apply_1(&x.contiguous()?, Dropout { mask: Mask::new(rate, key), offset })
}

impl Dropout {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        vectorised(
            #[inline(always)]
            || {
                let mut y = Vec::with_capacity(x.len());
                let (mut rest, mut room) = (x, &mut y.spare_capacity_mut()[..x.len()]);
                while !rest.is_empty() {
                    let index = self.offset.wrapping_add((x.len() - rest.len()) as u64);
                    // As far as the upper half of the element's number stays the same.
                    let run = ((1u64 << 32) - (index & 0xffff_ffff)).min(rest.len() as u64) as usize;
                    let (head, tail) = rest.split_at(run);
                    let (to, room_left) = room.split_at_mut(run);
                    let (block, lower) = (self.mask.block(index >> 32), index as u32);
                    for (i, (to, x)) in to.iter_mut().zip(head).enumerate() {
                        to.write(x * block.factor(lower.wrapping_add(i as u32)));
                    }
                    (rest, room) = (tail, room_left);
                }
                // SAFETY: the runs cover x, and of each all elements were written.
                unsafe { y.set_len(x.len()) };
                y
            },
        )
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.apply(values(x, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let dx = read([&gy.contiguous()?], |[gy]| self.apply(gy))?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}
