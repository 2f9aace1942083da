//! Side buffers that take the gradients of a layer's parameters past candle's gradient store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor};

use super::Precision;
use super::cpu::{Sizes, bf16};
use super::share::{Product, Share};

/// The gradients of one layer's parameter pair (weight and bias, or scale and offset), summed over the backward passes
/// since the last [`reset`](Self::reset).
///
/// candle's own store fills a tensor with zeros and adds to it for every parameter and every step; given a sink, an
/// operator's CPU kernel writes here instead and the store receives nothing. The portable form knows no sinks: call
/// [`absorb`](Self::absorb) after each backward pass, and the sink holds the gradients whichever form ran. Clones share
/// the buffers. One sink belongs to one shard: two threads that add to one would add in an undefined order.
#[derive(Clone, Debug)]
pub struct GradSink(Arc<Mutex<Pair>>);

#[derive(Debug)]
struct Pair {
    weight: Slot,
    bias: Slot,
    factors: Factors,
}

/// The factors of a weight gradient that was not multiplied out; their buffers are kept.
#[derive(Debug, Default)]
struct Factors {
    x: Vec<f32>,
    g: Vec<f32>,
    rounded: bf16::Factors,
    /// Their sizes, and whether they are those that are rounded, while there are factors.
    kept: Option<(Sizes, Precision)>,
}

/// A gradient whose first contribution overwrites, so that a reset need not write zeros.
#[derive(Debug)]
struct Slot {
    values: Vec<f32>,
    empty: bool,
}

impl GradSink {
    /// A sink for so many weights and biases (0 for a layer without biases).
    pub fn new(weights: usize, biases: usize) -> Self {
        let slot = |len| Slot { values: vec![0.0; len], empty: true };
        Self(Arc::new(Mutex::new(Pair { weight: slot(weights), bias: slot(biases), factors: Factors::default() })))
    }

    /// Forgets what was summed.
    pub fn reset(&self) {
        let mut pair = self.pair();
        pair.weight.empty = true;
        pair.bias.empty = true;
        pair.factors.kept = None;
    }

    /// The sums so far, all zero if nothing was added. Holds the sink locked: drop it before the next pass.
    pub fn lock(&self) -> Gradients<'_> {
        let mut pair = self.pair();
        pair.multiply();
        pair.weight.settle();
        pair.bias.settle();
        Gradients(pair)
    }

    /// The same in the form in which they came.
    pub fn shares(&self) -> Shares<'_> {
        let mut pair = self.pair();
        if pair.factors.kept.is_none() {
            pair.weight.settle();
        }
        pair.bias.settle();
        Shares(pair)
    }

    /// Adds the gradients that candle's store holds for the pair, and removes them there. It finds some after a
    /// backward pass through the portable form (a GPU), none after the CPU kernels.
    ///
    /// # Errors
    /// If they cannot be read back.
    pub fn absorb(&self, store: &mut GradStore, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let mut pair = self.pair();
        pair.multiply();
        if let Some(gradient) = store.remove(weight) {
            pair.weight.add(&gradient.flatten_all()?.to_vec1::<f32>()?);
        }
        if let Some(gradient) = bias.and_then(|bias| store.remove(bias)) {
            pair.bias.add(&gradient.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }

    /// Lets a kernel add to the sums: `add(weight, accumulate, bias, accumulate)` must write every element, adding to
    /// what is there if its `accumulate` is set and replacing it otherwise.
    pub(super) fn write<R>(&self, add: impl FnOnce(&mut [f32], bool, &mut [f32], bool) -> R) -> R {
        let mut pair = self.pair();
        pair.multiply();
        let Pair { weight, bias, .. } = &mut *pair;
        let result = add(&mut weight.values, !weight.empty, &mut bias.values, !bias.empty);
        weight.empty = false;
        bias.empty = false;
        result
    }

    /// Keeps the gradient of a dense layer's weights as its factors `x` and `g` (see [`Product`]), and lets `biases` write
    /// that of its biases. Does nothing and says false where the sink holds something
    /// already, or the factors would not be smaller.
    pub(super) fn defer(
        &self,
        (x, g): (&[f32], &[f32]),
        sizes: Sizes,
        precision: Precision,
        biases: impl FnOnce(&mut [f32]),
    ) -> bool {
        let mut pair = self.pair();
        let Sizes { inputs, outputs, .. } = sizes;
        if !pair.weight.empty || pair.factors.kept.is_some() || x.len() + g.len() >= inputs * outputs {
            return false;
        }
        pair.factors.keep((x, g), sizes, precision);
        biases(&mut pair.bias.values);
        pair.bias.empty = false;
        true
    }

    /// Whether the buffers have these lengths.
    pub(super) fn fits(&self, weights: usize, biases: usize) -> bool {
        let pair = self.pair();
        pair.weight.values.len() == weights && pair.bias.values.len() == biases
    }

    fn pair(&self) -> MutexGuard<'_, Pair> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pair {
    /// Replaces factors by their product.
    fn multiply(&mut self) {
        if let Some(product) = self.factors.product() {
            let len = self.weight.values.len();
            product.write(0..len, &mut self.weight.values, !self.weight.empty);
            self.weight.empty = false;
            self.factors.kept = None;
        }
    }
}

impl Factors {
    fn keep(&mut self, (x, g): (&[f32], &[f32]), sizes: Sizes, precision: Precision) {
        let Sizes { rows, outputs, .. } = sizes;
        self.kept = Some((sizes, precision));
        if precision == Precision::Bf16 {
            return self.rounded.fill(sizes, x, (g, outputs));
        }
        self.x.clear();
        self.x.extend_from_slice(x);
        self.g.resize(Product::room(rows, outputs), 0.0);
        for (to, from) in self.g.chunks_exact_mut(Product::stride(outputs)).zip(g.chunks_exact(outputs)).take(rows) {
            to[..outputs].copy_from_slice(from);
        }
    }

    fn product(&self) -> Option<Product<'_>> {
        self.kept.map(|(sizes, precision)| match precision {
            Precision::Float32 => Product::new((&self.x, &self.g), sizes),
            Precision::Bf16 => Product::rounded(&self.rounded, sizes),
        })
    }
}

impl Slot {
    fn settle(&mut self) {
        if self.empty {
            self.values.fill(0.0);
            self.empty = false;
        }
    }

    fn add(&mut self, gradient: &[f32]) {
        self.settle();
        for (sum, value) in self.values.iter_mut().zip(gradient) {
            *sum += value;
        }
    }
}

/// A locked [`GradSink`], whose weight gradient may not be multiplied out.
pub struct Shares<'a>(MutexGuard<'a, Pair>);

impl Shares<'_> {
    /// The weight's gradient, row-major in the weight's shape.
    pub fn weight(&self) -> Share<'_> {
        self.0.factors.product().map_or(Share::Values(&self.0.weight.values), Share::Product)
    }

    /// The bias's gradient; empty for a layer without biases.
    pub fn bias(&self) -> Share<'_> {
        Share::Values(&self.0.bias.values)
    }
}

/// A locked [`GradSink`].
pub struct Gradients<'a>(MutexGuard<'a, Pair>);

impl Gradients<'_> {
    /// The weight's gradient, row-major in the weight's shape.
    pub fn weight(&self) -> &[f32] {
        &self.0.weight.values
    }

    /// The bias's gradient; empty for a layer without biases.
    pub fn bias(&self) -> &[f32] {
        &self.0.bias.values
    }
}
