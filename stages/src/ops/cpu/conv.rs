//! Convolution as a candle custom op; `tile.rs` does the arithmetic.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::convolve::{self, Parameters, Problem, Upstream};
use super::{bf16, read, tensor, values};
use crate::ops::tape::{apply_2, apply_3, tracks};
use crate::ops::{Conv, GradSink, Precision, check};

struct Conv2d {
    problem: Problem,
    precision: Precision,
    needs_x: bool,
    needs_w: bool,
    grads: Option<GradSink>,
}

/// [`ops::conv2d`](crate::ops::conv2d) on the CPU.
pub(crate) fn conv2d(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    conv: &Conv,
    grads: Option<&GradSink>,
    precision: Precision,
) -> Result<Tensor> {
    let window = check::conv2d(x, w, b, conv)?;
    let (_, _, channels, outputs) = w.dims4()?;
    let needs_w = tracks(w) || b.is_some_and(tracks);
    let op = Conv2d {
        problem: Problem { images: x.dim(0)?, window, channels, outputs, relu: conv.relu },
        precision,
        needs_x: tracks(x),
        needs_w,
        grads: grads.cloned(),
    };
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    match b {
        Some(b) => apply_3(&x, &w, &b.contiguous()?, op),
        None => apply_2(&x, &w, op),
    }
}

impl Conv2d {
    fn forward(&self, x: &[f32], w: &[f32], b: &[f32]) -> (CpuStorage, Shape) {
        let y = match self.precision {
            Precision::Float32 => convolve::forward(&self.problem, x, w, b, None),
            Precision::Bf16 => bf16::forward(&self.problem, x, w, b),
        };
        let Problem { images, window, outputs, .. } = self.problem;
        (CpuStorage::F32(y), (images, window.rows.output, window.columns.output, outputs).into())
    }

    /// The gradients of x, w and b.
    fn backward(
        &self,
        [x, w, y, gy]: [&Tensor; 4],
        biases: usize,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gy = gy.contiguous()?;
        let mut own = (Vec::new(), Vec::new());
        let dx = read([x, w, y, &gy], |[x, w, y, gy]| {
            let run = |parameters: Option<Parameters>| match self.precision {
                Precision::Float32 => {
                    convolve::backward(&self.problem, [x, w], Upstream::Values { y, gy }, self.needs_x, parameters)
                }
                Precision::Bf16 => bf16::backward(&self.problem, [x, w, y, gy], self.needs_x, parameters),
            };
            if !self.needs_w {
                return run(None);
            }
            match &self.grads {
                Some(grads) => into_sink(grads, |parameters| run(Some(parameters))),
                None => {
                    own = (vec![0.0; w.len()], vec![0.0; biases]);
                    run(Some((&mut own.0, &mut own.1)))
                }
            }
        })?;
        let dx = dx.map(|dx| tensor(dx, x.shape())).transpose()?;
        if !self.needs_w || self.grads.is_some() {
            return Ok((dx, None, None));
        }
        Ok((dx, Some(tensor(own.0, w.shape())?), Some(tensor(own.1, biases)?)))
    }
}

/// Lets a kernel add to the gradients of weights and biases in a sink.
pub(super) fn into_sink<R>(grads: &GradSink, run: impl FnOnce(Parameters) -> R) -> R {
    grads.write(|dw, add_w, db, add_b| {
        if !add_w {
            dw.fill(0.0);
        }
        if !add_b {
            db.fill(0.0);
        }
        run((dw, db))
    })
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w, b) = (values(x, x_layout)?, values(w, w_layout)?, values(b, b_layout)?);
        Ok(self.forward(x, w, b))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        y: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.backward([x, w, y, gy], b.elem_count())
    }
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(values(x, x_layout)?, values(w, w_layout)?, &[]))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, y: &Tensor, gy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward([x, w, y, gy], 0)?;
        Ok((dx, dw))
    }
}
