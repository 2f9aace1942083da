//! Dense layers: a matrix product with its bias and ReLU.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::product::{self, Sizes};
use super::{bf16, read, tensor, values};
use crate::ops::simd::dispatch;
use crate::ops::tape::{apply_2, apply_3, tracks};
use crate::ops::{GradSink, Precision, check};

struct Dense {
    precision: Precision,
    relu: bool,
    needs_x: bool,
    needs_w: bool,
    grads: Option<GradSink>,
}

/// [`ops::dense`](crate::ops::dense) on the CPU.
pub(crate) fn dense(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    relu: bool,
    grads: Option<&GradSink>,
    precision: Precision,
) -> Result<Tensor> {
    check::dense(x, w, b)?;
    let needs_w = tracks(w) || b.is_some_and(tracks);
    let op = Dense { precision, relu, needs_x: tracks(x), needs_w, grads: grads.cloned() };
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    match b {
        Some(b) => apply_3(&x, &w, &b.contiguous()?, op),
        None => apply_2(&x, &w, op),
    }
}

/// Buffers that a thread keeps: panels of weights, and the output's gradient behind the ReLU.
#[derive(Default)]
struct Scratch {
    panels: Vec<f32>,
    gradient: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// More than the width of any tile.
pub(crate) const MARGIN: usize = 64;

/// Room after each row of factors that are kept.
pub(crate) const PAD: usize = product::PAD;

impl Dense {
    fn forward(&self, sizes: Sizes, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
        if self.precision == Precision::Bf16 {
            return bf16::product(sizes, x, w, b, self.relu);
        }
        SCRATCH.with_borrow_mut(|Scratch { panels, .. }| {
            dispatch(product::Forward { sizes, x, w, b, relu: self.relu, panels })
        })
    }

    /// The gradients of x, w and b.
    fn backward(
        &self,
        [x, w, y, gy]: [&Tensor; 4],
        biases: usize,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((rows, inputs), outputs) = (x.dims2()?, w.dim(1)?);
        let sizes = Sizes { rows, inputs, outputs };
        let gy = gy.contiguous()?;
        let mut own = (Vec::new(), Vec::new());
        let dx = read([x, w, y, &gy], |[x, w, y, gy]| {
            SCRATCH.with_borrow_mut(|Scratch { gradient: g, .. }| {
                self.mask(y, gy, g);
                let write = |dw: &mut [f32], add_w: bool, db: &mut [f32], add_b: bool| {
                    match self.precision {
                        Precision::Float32 => {
                            weight_gradient((x, g, outputs), (rows, inputs, outputs), 0..inputs, dw, add_w);
                        }
                        Precision::Bf16 => {
                            let mut factors = bf16::Factors::default();
                            factors.fill(sizes, x, (g, outputs));
                            factors.write(outputs, 0..inputs, dw, add_w);
                        }
                    }
                    add_rows(g, (rows, outputs), db, add_b);
                };
                if self.needs_w {
                    match &self.grads {
                        Some(grads) => {
                            let biases = |db: &mut [f32]| add_rows(g, (rows, outputs), db, false);
                            if !grads.defer((x, g), sizes, self.precision, biases) {
                                grads.write(write);
                            }
                        }
                        None => {
                            own = (vec![0.0; inputs * outputs], vec![0.0; biases]);
                            write(&mut own.0, false, &mut own.1, false);
                        }
                    }
                }
                self.needs_x.then(|| match self.precision {
                    Precision::Float32 => dispatch(product::InputGradient { sizes, g, w }),
                    Precision::Bf16 => bf16::input_gradient(sizes, g, w),
                })
            })
        })?;
        let dx = dx.map(|dx| tensor(dx, (rows, inputs))).transpose()?;
        if !self.needs_w || self.grads.is_some() {
            return Ok((dx, None, None));
        }
        Ok((dx, Some(tensor(own.0, (inputs, outputs))?), Some(tensor(own.1, biases)?)))
    }

    /// The gradient before the ReLU, with a margin after it: a product may read, and ignore, a tile's width there.
    fn mask(&self, y: &[f32], gy: &[f32], to: &mut Vec<f32>) {
        to.clear();
        if self.relu {
            to.extend(gy.iter().zip(y).map(|(g, y)| if *y > 0.0 { *g } else { 0.0 }));
        } else {
            to.extend_from_slice(gy);
        }
        to.resize(gy.len() + MARGIN, 0.0);
    }
}

/// `x w`; sizes are rows, inputs and outputs.
pub(crate) fn matmul(sizes: Sizes, x: &[f32], w: &[f32]) -> Vec<f32> {
    SCRATCH.with_borrow_mut(|Scratch { panels, .. }| {
        dispatch(product::Forward { sizes, x, w, b: &[], relu: false, panels })
    })
}

/// Rows `part` of `x^T g`, to be added to `to` if `accumulate`; sizes are rows, inputs and outputs. The rows of `g` lie
/// `stride` apart, and it goes on for [`MARGIN`] after the last.
pub(crate) fn weight_gradient(
    (x, g, stride): (&[f32], &[f32], usize),
    (rows, inputs, outputs): (usize, usize, usize),
    part: Range<usize>,
    to: &mut [f32],
    accumulate: bool,
) {
    let sizes = Sizes { rows, inputs, outputs };
    dispatch(product::WeightGradient { sizes, x, g, stride, inputs: part, to, accumulate });
}

/// The sum of the rows of `g` `[rows, outputs]`, added to what is there if `accumulate`.
fn add_rows(g: &[f32], (rows, outputs): (usize, usize), to: &mut [f32], accumulate: bool) {
    if !accumulate {
        to.fill(0.0);
    }
    for row in g.chunks_exact(outputs).take(rows) {
        to.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
    }
}

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
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
        let ((rows, inputs), (_, outputs)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let sizes = Sizes { rows, inputs, outputs };
        let y = self.forward(sizes, values(x, x_layout)?, values(w, w_layout)?, values(b, b_layout)?);
        Ok((CpuStorage::F32(y), (rows, outputs).into()))
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

impl CustomOp2 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, inputs), (_, outputs)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let sizes = Sizes { rows, inputs, outputs };
        let y = self.forward(sizes, values(x, x_layout)?, values(w, w_layout)?, &[]);
        Ok((CpuStorage::F32(y), (rows, outputs).into()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, y: &Tensor, gy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward([x, w, y, gy], 0)?;
        Ok((dx, dw))
    }
}
