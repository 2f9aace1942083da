//! Dense layers as products: forward, and the gradients of inputs and weights.

use std::ops::Range;

use super::super::product::Sizes;
use super::pack::{Buffers, Pair};
use super::round::Element;
use super::unit::{Compute, Kernel, Unit, dispatch, unit};

/// Inputs that are summed over at a time, whole blocks: their weights stay in the second-level cache.
const DEPTH: usize = 256;

/// Inputs whose gradients are computed at a time.
const INPUTS: usize = 64;

/// `x w + b`, through a ReLU if `relu`. Without biases `b` is empty.
pub(crate) fn product(sizes: Sizes, x: &[f32], w: &[f32], b: &[f32], relu: bool) -> Vec<f32> {
    dispatch(Forward { sizes, x, w, b, relu })
}

/// `g w^T`, the gradient of x.
pub(crate) fn input_gradient(sizes: Sizes, g: &[f32], w: &[f32]) -> Vec<f32> {
    dispatch(InputGradient { sizes, g, w })
}

struct Forward<'a> {
    sizes: Sizes,
    x: &'a [f32],
    w: &'a [f32],
    b: &'a [f32],
    relu: bool,
}

impl Kernel for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<U: Compute>(self, unit: U) -> Vec<f32> {
        let Self { sizes: Sizes { rows, inputs, outputs }, x, w, b, relu } = self;
        assert_eq!((x.len(), w.len()), (rows * inputs, inputs * outputs), "operands");
        assert!(b.is_empty() || b.len() == outputs, "biases");
        let mut y = Vec::with_capacity(rows * outputs);
        let mut buffers = U::Element::BUFFERS.take();
        let Buffers { left, right, sums, .. } = &mut buffers;
        sums.begin::<U>(rows, outputs);
        for first in (0..inputs).step_by(DEPTH) {
            let depth = DEPTH.min(inputs - first);
            left.fill::<U>(rows, depth, |row, to| {
                unit.round(&x[row * inputs + first..][..to.len()], to);
            });
            right.fill(unit, (depth, outputs), |k, start, to| {
                to.copy_from_slice(&w[(first + k) * outputs + start..][..to.len()]);
            });
            sums.add(unit, left, (0, rows), right);
        }
        for row in 0..rows {
            y.extend_from_slice(&sums.row(row)[..outputs]);
            let y = &mut y[row * outputs..];
            y.iter_mut().zip(b).for_each(|(y, b)| *y += b);
            if relu {
                y.iter_mut().for_each(|y| *y = y.max(0.0));
            }
        }
        U::Element::BUFFERS.set(buffers);
        y
    }
}

struct InputGradient<'a> {
    sizes: Sizes,
    g: &'a [f32],
    w: &'a [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = Vec<f32>;

    /// As `w g^T`, a few inputs at a time: so the weights are read in their order.
    #[inline(always)]
    fn run<U: Compute>(self, unit: U) -> Vec<f32> {
        let Self { sizes: Sizes { rows, inputs, outputs }, g, w } = self;
        assert!(g.len() >= rows * outputs && w.len() == inputs * outputs, "operands");
        let mut dx = vec![0.0; rows * inputs];
        let mut buffers = U::Element::BUFFERS.take();
        let Buffers { left, right, sums, .. } = &mut buffers;
        right.fill(unit, (outputs, rows), |k, start, to| {
            let from = g[start * outputs + k..].iter().step_by(outputs);
            to.iter_mut().zip(from).for_each(|(to, g)| *to = *g);
        });
        for first in (0..inputs).step_by(INPUTS) {
            let count = INPUTS.min(inputs - first);
            left.fill::<U>(count, outputs, |row, to| {
                unit.round(&w[(first + row) * outputs..][..to.len()], to);
            });
            sums.begin::<U>(count, rows);
            sums.add(unit, left, (0, count), right);
            for (row, dx) in dx.chunks_exact_mut(inputs).enumerate() {
                let dx = dx[first..first + count].iter_mut().enumerate();
                dx.for_each(|(input, dx)| *dx = sums.row(input)[row]);
            }
        }
        U::Element::BUFFERS.set(buffers);
        dx
    }
}

/// The factors of the gradient of the weights, `x^T g`, rounded and laid out for a unit. The product's rows are inputs.
#[derive(Debug, Default)]
pub(crate) struct Factors {
    unit: Option<Unit>,
    pub(super) floats: Pair<f32>,
    pub(super) words: Pair<u16>,
}

impl Factors {
    /// Takes the factors x `[rows, inputs]` and g `[rows, outputs]`; the rows of g lie `stride` apart.
    pub(crate) fn fill(&mut self, sizes: Sizes, x: &[f32], (g, stride): (&[f32], usize)) {
        self.unit = Some(unit());
        dispatch(Fill { sizes, x, g, stride, to: self });
    }

    /// Writes rows `part` of the product, `outputs` wide, or adds them to what is there.
    pub(crate) fn write(&self, outputs: usize, part: Range<usize>, to: &mut [f32], accumulate: bool) {
        assert_eq!(self.unit, Some(unit()), "the unit that the factors were laid out for");
        dispatch(Write { factors: self, outputs, part, to, accumulate });
    }
}

struct Fill<'a> {
    sizes: Sizes,
    x: &'a [f32],
    g: &'a [f32],
    stride: usize,
    to: &'a mut Factors,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<U: Compute>(self, unit: U) {
        let Self { sizes: Sizes { rows, inputs, outputs }, x, g, stride, to } = self;
        let (left, right) = U::Element::factors_mut(to);
        left.transpose(unit, (rows, inputs), x);
        right.fill(unit, (rows, outputs), |k, start, to| to.copy_from_slice(&g[k * stride + start..][..to.len()]));
    }
}

struct Write<'a> {
    factors: &'a Factors,
    outputs: usize,
    part: Range<usize>,
    to: &'a mut [f32],
    accumulate: bool,
}

impl Kernel for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn run<U: Compute>(self, unit: U) {
        let Self { factors, outputs, part, to, accumulate } = self;
        assert_eq!(to.len(), part.len() * outputs, "rows of the product");
        let (left, right) = U::Element::factors(factors);
        let mut buffers = U::Element::BUFFERS.take();
        let Buffers { sums, .. } = &mut buffers;
        for first in part.clone().step_by(INPUTS) {
            let count = INPUTS.min(part.end - first);
            sums.begin::<U>(count, outputs);
            sums.add(unit, left, (first, count), right);
            let to = to[(first - part.start) * outputs..].chunks_exact_mut(outputs);
            for (row, to) in to.take(count).enumerate() {
                let sums = &sums.row(row)[..outputs];
                if accumulate {
                    to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
                } else {
                    to.copy_from_slice(sums);
                }
            }
        }
        U::Element::BUFFERS.set(buffers);
    }
}
