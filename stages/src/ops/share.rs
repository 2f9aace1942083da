//! A shard's share of a parameter's gradient: values, or a product that is multiplied out only where it is used.

use std::ops::Range;

use super::cpu::{self, Sizes, bf16};

/// What one shard contributes to the gradient of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Share<'a> {
    /// An element each.
    Values(&'a [f32]),
    /// The gradient of a dense layer's weights.
    Product(Product<'a>),
}

/// `x^T g`, `[inputs, outputs]`, or some of its rows: the gradient of a dense layer's weights from its inputs `x`
/// `[rows, inputs]` and the gradients `g` `[rows, outputs]` of its outputs.
///
/// With few rows the factors are a small part of the product. Who changes the weights by it, a block at a time, never
/// writes it to memory and reads it back.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    factors: Factors<'a>,
    sizes: Sizes,
    /// The first row of the product, and how many.
    part: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
enum Factors<'a> {
    Float32(&'a [f32], &'a [f32]),
    Bf16(&'a bf16::Factors),
}

impl<'a> Product<'a> {
    /// Elements from a row of `g` to the next.
    pub(super) fn stride(outputs: usize) -> usize {
        outputs + cpu::PAD
    }

    /// Elements of `g`: it goes on for the width of a tile after its last row, and what is there is read and ignored.
    pub(super) fn room(rows: usize, outputs: usize) -> usize {
        rows * Self::stride(outputs) + cpu::MARGIN
    }

    /// Of `x` `[rows, inputs]` and a `g` laid out as [`stride`](Self::stride) and [`room`](Self::room) say.
    pub(super) fn new((x, g): (&'a [f32], &'a [f32]), sizes: Sizes) -> Self {
        Self { factors: Factors::Float32(x, g), sizes, part: (0, sizes.inputs) }
    }

    /// Of factors that are rounded.
    pub(super) fn rounded(factors: &'a bf16::Factors, sizes: Sizes) -> Self {
        Self { factors: Factors::Bf16(factors), sizes, part: (0, sizes.inputs) }
    }

    /// Writes the elements in `range`, whole rows, to `to`, or adds them to what is there.
    #[inline]
    pub(super) fn write(&self, range: Range<usize>, to: &mut [f32], accumulate: bool) {
        let Sizes { rows, inputs, outputs } = self.sizes;
        assert!(range.start.is_multiple_of(outputs) && range.end.is_multiple_of(outputs), "whole rows");
        let part = self.part.0 + range.start / outputs..self.part.0 + range.end / outputs;
        match self.factors {
            Factors::Float32(x, g) => {
                let g = (x, g, Self::stride(outputs));
                cpu::weight_gradient(g, (rows, inputs, outputs), part, to, accumulate);
            }
            Factors::Bf16(factors) => factors.write(outputs, part, to, accumulate),
        }
    }
}

impl Share<'_> {
    /// Elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Product(product) => product.part.1 * product.sizes.outputs,
        }
    }

    /// It can be cut after every so many elements.
    pub(super) fn grain(&self) -> usize {
        match self {
            Self::Values(_) => 1,
            Self::Product(product) => product.sizes.outputs,
        }
    }

    /// The elements before `middle`, a multiple of the grain, and the others.
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        match self {
            Self::Values(values) => {
                let (head, tail) = values.split_at(middle);
                (Self::Values(head), Self::Values(tail))
            }
            Self::Product(product) => {
                let (first, count) = product.part;
                let rows = middle / product.sizes.outputs;
                let part = |first, count| Self::Product(Product { part: (first, count), ..product });
                (part(first, rows), part(first + rows, count - rows))
            }
        }
    }
}
