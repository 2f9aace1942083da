//! Parts of a parameter's gradient: values, or a product that is multiplied out piece by piece where it is used.

use std::ops::Range;

use super::cpu::product::{Sizes, WeightGradient};
use super::simd::dispatch;

/// What a parameter's gradient is a sum of.
#[derive(Clone, Copy, Debug)]
pub enum Term<'a> {
    /// The values of all elements.
    Values(&'a [f32]),
    /// Values that have not been computed.
    Product(&'a Product),
}

/// `x^T g`: the gradient of a dense layer's weights [inputs, outputs], as the layer's inputs x [rows, inputs] and the gradients of its sums
/// g [rows, outputs].
///
/// A batch has few rows and a large layer has megabytes of weights. An optimiser that multiplies out a few weights'
/// gradients at a time, and uses them at once, never sends the gradient through memory.
#[derive(Debug, Default)]
pub struct Product {
    sizes: Sizes,
    x: Vec<f32>,
    g: Vec<f32>,
}

/// Inputs whose weights are multiplied out at a time: two tiles of them.
const INPUTS: usize = 12;

impl Product {
    /// Sets the factors; `g` goes on for the width of a tile after its last row.
    pub(super) fn set(&mut self, sizes: Sizes, x: &[f32], g: &[f32]) {
        self.sizes = sizes;
        self.x.clear();
        self.x.extend_from_slice(x);
        self.g.clear();
        self.g.extend_from_slice(g);
    }

    /// Writes the elements in `range`, whole rows of the weights, or adds them.
    pub(super) fn write(&self, range: Range<usize>, to: &mut [f32], accumulate: bool) {
        let Self { sizes, x, g } = self;
        let (inputs, to) = (range.start / sizes.outputs..range.end / sizes.outputs, &mut to[..range.len()]);
        debug_assert!(range.start % sizes.outputs == 0 && range.end % sizes.outputs == 0, "whole rows");
        dispatch(WeightGradient { sizes: *sizes, inputs, x, g, to, accumulate });
    }
}

impl Term<'_> {
    /// Elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Product(product) => product.sizes.inputs * product.sizes.outputs,
        }
    }

    /// The number of elements whose multiples a gradient may be cut at, and of those a block should have.
    pub(super) fn grain(&self) -> (usize, usize) {
        match self {
            Self::Values(_) => (1, 1024),
            Self::Product(product) => (product.sizes.outputs, INPUTS * product.sizes.outputs),
        }
    }

    /// Writes the elements in `range`, or adds them.
    #[inline(always)]
    pub(super) fn write(&self, range: Range<usize>, to: &mut [f32], accumulate: bool) {
        match self {
            Self::Values(values) if accumulate => to.iter_mut().zip(&values[range]).for_each(|(to, v)| *to += v),
            Self::Values(values) => to.copy_from_slice(&values[range]),
            Self::Product(product) => product.write(range, to, accumulate),
        }
    }
}
