//! Dense layers: a matrix product with its bias and ReLU.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::gemm::{Matrix, multiply, multiply_to};
use super::{read, tensor, values};
use crate::ops::{GradSink, check};

struct Dense {
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
) -> Result<Tensor> {
    check::dense(x, w, b)?;
    let needs_w = w.track_op() || b.is_some_and(Tensor::track_op);
    let op = Dense { relu, needs_x: x.track_op(), needs_w, grads: grads.cloned() };
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    match b {
        Some(b) => x.apply_op3(&w, &b.contiguous()?, op),
        None => x.apply_op2(&w, op),
    }
}

impl Dense {
    fn forward(&self, x: &[f32], w: &[f32], b: &[f32], (n, i, o): (usize, usize, usize)) -> Vec<f32> {
        let mut y = Vec::with_capacity(n * o);
        // SAFETY: there is room for the product, which writes all of it.
        unsafe {
            multiply_to(Matrix::new(x, n, i), Matrix::new(w, i, o), y.as_mut_ptr(), false);
            y.set_len(n * o);
        }
        for row in y.chunks_exact_mut(o) {
            for (y, b) in row.iter_mut().zip(b) {
                *y += b;
            }
        }
        if self.relu {
            y.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        y
    }

    /// The gradients of x, w and b.
    fn backward(
        &self,
        [x, w, y, gy]: [&Tensor; 4],
        biases: usize,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, i), (_, o)) = (x.dims2()?, w.dims2()?);
        let gy = gy.contiguous()?;
        let mut own = (Vec::new(), Vec::new());
        let dx = read([x, w, y, &gy], |[x, w, y, gy]| {
            let masked: Vec<f32>;
            let g = if self.relu {
                masked = gy.iter().zip(y).map(|(g, y)| if *y > 0.0 { *g } else { 0.0 }).collect();
                &masked
            } else {
                gy
            };
            let write = |dw: &mut [f32], add_w: bool, db: &mut [f32], add_b: bool| {
                multiply(Matrix::new(x, n, i).transposed(), Matrix::new(g, n, o), dw, add_w);
                if !add_b {
                    db.fill(0.0);
                }
                for row in g.chunks_exact(o) {
                    db.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
                }
            };
            if self.needs_w {
                match &self.grads {
                    Some(grads) => grads.write(write),
                    None => {
                        own = (vec![0.0; i * o], vec![0.0; biases]);
                        write(&mut own.0, false, &mut own.1, false);
                    }
                }
            }
            self.needs_x.then(|| {
                let mut dx = Vec::with_capacity(n * i);
                // SAFETY: there is room for the product, which writes all of it.
                unsafe {
                    multiply_to(Matrix::new(g, n, o), Matrix::new(w, i, o).transposed(), dx.as_mut_ptr(), false);
                    dx.set_len(n * i);
                }
                dx
            })
        })?;
        let dx = dx.map(|dx| tensor(dx, (n, i))).transpose()?;
        if !self.needs_w || self.grads.is_some() {
            return Ok((dx, None, None));
        }
        Ok((dx, Some(tensor(own.0, (i, o))?), Some(tensor(own.1, biases)?)))
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
        let ((n, i), (_, o)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let y = self.forward(values(x, x_layout)?, values(w, w_layout)?, values(b, b_layout)?, (n, i, o));
        Ok((CpuStorage::F32(y), (n, o).into()))
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
        let ((n, i), (_, o)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let y = self.forward(values(x, x_layout)?, values(w, w_layout)?, &[], (n, i, o));
        Ok((CpuStorage::F32(y), (n, o).into()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, y: &Tensor, gy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward([x, w, y, gy], 0)?;
        Ok((dx, dw))
    }
}
