//! Convolution as a candle custom op; `tile.rs` does the arithmetic.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::convolve::{self, Parameters, Problem, Upstream, Wanted};
use super::{add, bf16, read, read_if, read_rows, tensor, values};
use crate::ops::tape::{self, Back, apply_2, apply_3, tracks};
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
    // Gradients that have no sink go by the tape.
    if tape::records() && (op.grads.is_some() || !op.needs_w) {
        return op.record(&x, w, b);
    }
    match b {
        Some(b) => apply_3(&x, &w, &b.contiguous()?, op),
        None => apply_2(&x, &w, op),
    }
}

/// A convolution on the tape, with what its way back needs.
struct Recorded {
    op: Conv2d,
    w: Tensor,
    y: Tensor,
}

impl Back for Recorded {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn back(&self, x: &Tensor, gy: &Tensor, received: Option<&Tensor>) -> Result<Option<Tensor>> {
        let (dx, _, _) = self.op.backward([x, &self.w, &self.y], gy, received, 0)?;
        Ok(dx)
    }
}

impl Conv2d {
    fn record(self, x: &Tensor, w: Tensor, b: Option<&Tensor>) -> Result<Tensor> {
        let (y, shape) = match b {
            Some(b) => read([x, &w, &b.contiguous()?], |[x, w, b]| self.forward(x, w, b))?,
            None => read([x, &w], |[x, w]| self.forward(x, w, &[]))?,
        };
        let y = tensor(y, shape)?;
        let is_tracked = self.needs_x || self.needs_w;
        Ok(if is_tracked { tape::record(x, Recorded { op: self, w, y: y.clone() }, y) } else { y })
    }

    fn forward(&self, x: &[f32], w: &[f32], b: &[f32]) -> (Vec<f32>, Shape) {
        let y = match self.precision {
            Precision::Float32 => convolve::forward(&self.problem, x, w, b, None),
            Precision::Bf16 => bf16::forward(&self.problem, x, w, b),
        };
        let Problem { images, window, outputs, .. } = self.problem;
        (y, (images, window.rows.output, window.columns.output, outputs).into())
    }

    /// The gradients of x, w and b. To that of x is added what it received from elsewhere.
    fn backward(
        &self,
        operands: [&Tensor; 3],
        gy: &Tensor,
        received: Option<&Tensor>,
        biases: usize,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [x, w, y] = operands;
        let is_own = self.needs_w && self.grads.is_none();
        let room = |len| vec![0.0; if is_own { len } else { 0 }];
        let mut own = (room(w.elem_count()), room(biases));
        let parameters = (&mut own.0[..], &mut own.1[..]);
        let dx = match self.precision {
            Precision::Float32 => read_if(received, |received| {
                let wanted = Wanted::new(self.needs_x, received);
                read_rows(gy, |gy| {
                    read(operands, |[x, w, y]| {
                        let upstream = Upstream::Values { y, gy };
                        self.with_parameters(parameters, |to| {
                            convolve::backward(&self.problem, [x, w], upstream, wanted, to)
                        })
                    })
                })
            })?,
            Precision::Bf16 => read([x, w, y, &gy.contiguous()?], |operands| {
                self.with_parameters(parameters, |to| bf16::backward(&self.problem, operands, self.needs_x, to))
            })?,
        };
        let dx = dx.map(|dx| tensor(dx, x.shape())).transpose()?;
        let dx = match (self.precision, dx, received) {
            (Precision::Bf16, Some(dx), Some(received)) => Some(add(received, &dx, false)?),
            (_, dx, _) => dx,
        };
        if !is_own {
            return Ok((dx, None, None));
        }
        Ok((dx, Some(tensor(own.0, w.shape())?), Some(tensor(own.1, biases)?)))
    }

    /// Runs a kernel that adds to the gradients of weights and biases: in the sink if there is one, else in `own`, or not at all.
    fn with_parameters<R>(&self, own: Parameters, run: impl FnOnce(Option<Parameters>) -> R) -> R {
        match &self.grads {
            _ if !self.needs_w => run(None),
            Some(grads) => into_sink(grads, |parameters| run(Some(parameters))),
            None => run(Some(own)),
        }
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
        let (y, shape) = self.forward(x, w, b);
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        y: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.backward([x, w, y], gy, None, b.elem_count())
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
        let (y, shape) = self.forward(values(x, x_layout)?, values(w, w_layout)?, &[]);
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, y: &Tensor, gy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward([x, w, y], gy, None, 0)?;
        Ok((dx, dw))
    }
}
