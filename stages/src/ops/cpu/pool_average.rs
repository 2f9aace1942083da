//! Average pooling, by windows and over whole images.

use crate::ops::simd::vectorised;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{read, tensor, values};
use crate::ops::tape::apply_1;
use crate::ops::window::Window;
use crate::ops::{Padding, check};

struct AveragePool {
    window: Window,
    channels: usize,
    shape: Shape,
}

/// [`ops::avg_pool2d`](crate::ops::avg_pool2d) on the CPU.
pub(crate) fn avg_pool2d(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Tensor> {
    let window = check::pool2d("avg_pool2d", x, size, stride, padding)?;
    let (n, _, _, channels) = x.dims4()?;
    let shape = (n, window.rows.output, window.columns.output, channels).into();
    apply_1(&x.contiguous()?, AveragePool { window, channels, shape })
}

/// [`ops::global_avg_pool2d`](crate::ops::global_avg_pool2d) on the CPU: one window, of the image's size.
pub(crate) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (n, height, width, channels) = check::images("global_avg_pool2d", x)?;
    let window = Window::new("global_avg_pool2d", Padding::Valid, (height, width), (height, width), 1)?;
    apply_1(&x.contiguous()?, AveragePool { window, channels, shape: (n, channels).into() })
}

impl CustomOp1 for AveragePool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let y = vectorised(
            #[inline(always)]
            || self.forward(x),
        );
        Ok((CpuStorage::F32(y), self.shape.clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let gy = gy.contiguous()?;
        let dx = read([&gy], |[gy]| {
            vectorised(
                #[inline(always)]
                || self.backward(gy, x.elem_count()),
            )
        })?;
        Ok(Some(tensor(dx, x.shape())?))
    }
}

impl AveragePool {
    #[inline(always)]
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let Window { rows, columns } = self.window;
        let channels = self.channels;
        let mut y = Vec::with_capacity(self.shape.elem_count());
        for x in x.chunks_exact(self.window.pixels() * channels) {
            for i in 0..rows.output {
                let (_, top, height) = rows.inside(i);
                for j in 0..columns.output {
                    let (_, left, width) = columns.inside(j);
                    let start = y.len();
                    y.resize(start + channels, 0.0);
                    let sum = &mut y[start..];
                    for r in top..top + height {
                        let row = &x[(r * columns.input + left) * channels..][..width * channels];
                        for pixel in row.chunks_exact(channels) {
                            sum.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
                        }
                    }
                    let share = 1.0 / (height * width) as f32;
                    sum.iter_mut().for_each(|sum| *sum *= share);
                }
            }
        }
        y
    }

    #[inline(always)]
    fn backward(&self, gy: &[f32], len: usize) -> Vec<f32> {
        let Window { rows, columns } = self.window;
        let channels = self.channels;
        let mut dx = vec![0.0; len];
        let images = dx.chunks_exact_mut(self.window.pixels() * channels);
        for (dx, gy) in images.zip(gy.chunks_exact(self.window.positions() * channels)) {
            for (position, gy) in gy.chunks_exact(channels).enumerate() {
                let (_, top, height) = rows.inside(position / columns.output);
                let (_, left, width) = columns.inside(position % columns.output);
                let share = 1.0 / (height * width) as f32;
                for r in top..top + height {
                    let row = &mut dx[(r * columns.input + left) * channels..][..width * channels];
                    for pixel in row.chunks_exact_mut(channels) {
                        pixel.iter_mut().zip(gy).for_each(|(dx, g)| *dx += g * share);
                    }
                }
            }
        }
        dx
    }
}
