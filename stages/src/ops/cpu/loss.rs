//! Softmax and its cross-entropy.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{read, tensor, values};
use crate::ops::check;
use crate::ops::tape::apply_1;

struct Softmax(usize);

struct CrossEntropy {
    classes: usize,
    labels: Vec<u32>,
    total: usize,
    smoothing: f32,
}

/// [`ops::softmax`](crate::ops::softmax) on the CPU.
pub(crate) fn softmax(logits: &Tensor) -> Result<Tensor> {
    let (_, classes) = check::logits("softmax", logits)?;
    apply_1(&logits.contiguous()?, Softmax(classes))
}

/// [`ops::softmax_cross_entropy`](crate::ops::softmax_cross_entropy) on the CPU.
pub(crate) fn softmax_cross_entropy(
    logits: &Tensor,
    labels: &[u32],
    total: usize,
    label_smoothing: f32,
) -> Result<Tensor> {
    let (_, classes) = check::cross_entropy(logits, labels, total, label_smoothing)?;
    let op = CrossEntropy { classes, labels: labels.to_vec(), total, smoothing: label_smoothing };
    apply_1(&logits.contiguous()?, op)
}

fn greatest(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Makes a row of logits their softmax.
fn normalise(row: &mut [f32]) {
    let max = greatest(row);
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut p = values(x, layout)?.to_vec();
        p.chunks_exact_mut(self.0).for_each(normalise);
        Ok((CpuStorage::F32(p), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, p: &Tensor, gp: &Tensor) -> Result<Option<Tensor>> {
        let dx = read([p, &gp.contiguous()?], |[p, gp]| {
            let mut dx = gp.to_vec();
            for (dx, p) in dx.chunks_exact_mut(self.0).zip(p.chunks_exact(self.0)) {
                let dot: f32 = dx.iter().zip(p).map(|(g, p)| g * p).sum();
                dx.iter_mut().zip(p).for_each(|(g, p)| *g = p * (*g - dot));
            }
            dx
        })?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}

impl CrossEntropy {
    fn loss(&self, logits: &[f32]) -> f64 {
        let mut sum = 0.0;
        for (row, label) in logits.chunks_exact(self.classes).zip(&self.labels) {
            let max = greatest(row);
            let log_sum = row.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln();
            let log_p = |x: f32| f64::from(x - max) - log_sum;
            let smooth = f64::from(self.smoothing);
            sum -= (1.0 - smooth) * log_p(row[*label as usize]);
            if smooth > 0.0 {
                sum -= smooth * row.iter().map(|x| log_p(*x)).sum::<f64>() / self.classes as f64;
            }
        }
        sum / self.total as f64
    }

    fn gradient(&self, logits: &[f32], scale: f32) -> Vec<f32> {
        let spread = self.smoothing / self.classes as f32;
        let mut gradient = logits.to_vec();
        for (row, label) in gradient.chunks_exact_mut(self.classes).zip(&self.labels) {
            normalise(row);
            row.iter_mut().for_each(|p| *p -= spread);
            row[*label as usize] -= 1.0 - self.smoothing;
            row.iter_mut().for_each(|p| *p *= scale);
        }
        gradient
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.loss(values(x, layout)?) as f32]), ().into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let scale = g.to_scalar::<f32>()? / self.total as f32;
        let dx = read([x], |[x]| self.gradient(x, scale))?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}
