//! Fused, in-place updates of parameters from the gradients of one or more shards, as Keras defines them, and of the
//! parameters' averages.
//!
//! They work on plain slices, so whoever holds the state can save it. Every element is updated from its own values
//! alone, so slices can be cut anywhere and updated on several threads without a bit changing.
//!
//! After a step no moment and no velocity is subnormal: below [`f32::MIN_POSITIVE`] they are 0, as TensorFlow has them. Where a unit is
//! dead, a moment without gradients falls by a tenth in each step until it is stuck at a few times 2^-149, a tenth of which
//! rounds to nothing, and from then on x86 processors take a slow path at each of its products. Of the dense layer of the study's
//! model 2 a fifth of the moments came to that, and an epoch took more than twice as long.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::simd::vectorised;
use super::{Share, cpu};
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};

/// Elements summed at a time.
const BLOCK: usize = 1024;

/// The same, about, where products are multiplied out: more rows reuse what was read of the factors more often.
const PRODUCT_BLOCK: usize = 6 * 1024;

/// The gradient of a parameter: the sum of the shards' in their order, times a factor, each element within a limit.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a> {
    shards: &'a [Share<'a>],
    scale: f32,
    limit: Option<f32>,
}

thread_local! {
    /// The block that a thread works on, kept so that a step allocates none.
    static SUMS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl<'a> Gradient<'a> {
    /// The sum of shards of equal length.
    pub fn new(shards: &'a [Share<'a>]) -> Self {
        Self { shards, scale: 1.0, limit: None }
    }

    /// The same times `scale`, for clipping.
    pub fn scaled(self, scale: f32) -> Self {
        Self { scale: self.scale * scale, ..self }
    }

    /// The same with every element kept within -limit..=limit.
    pub fn clamped(self, limit: Option<f32>) -> Self {
        Self { limit, ..self }
    }

    /// It can be cut after every so many elements.
    pub fn grain(&self) -> usize {
        self.shards.iter().map(Share::grain).max().unwrap_or(1)
    }

    /// The shards' shares.
    pub fn shards(&self) -> &'a [Share<'a>] {
        self.shards
    }

    /// The same factor and limit for other shares.
    pub fn of<'b>(&self, shards: &'b [Share<'b>]) -> Gradient<'b> {
        Gradient { shards, scale: self.scale, limit: self.limit }
    }

    /// The sum of the squares of its elements, in f64 and in order: add those of all parameters for a global norm.
    pub fn sum_of_squares(&self) -> f64 {
        let mut sum = 0.0;
        self.for_each_block(self.len(), |_, block| {
            sum += block.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>();
        });
        sum
    }

    fn len(&self) -> usize {
        self.shards.first().map_or(0, Share::len)
    }

    /// Calls `each` with the gradient, block by block; the sums stay in the nearest cache.
    #[inline(always)]
    pub(super) fn for_each_block(&self, len: usize, mut each: impl FnMut(Range<usize>, &[f32])) {
        assert!(self.shards.iter().all(|shard| shard.len() == len), "a shard's gradient has not {len} elements");
        let grain = self.grain();
        let block = if grain == 1 { BLOCK } else { (PRODUCT_BLOCK / grain).max(1) * grain };
        // Taken and put back rather than borrowed in a closure, which the compiler might not inline.
        let mut buffer = SUMS.take();
        buffer.resize(block.max(buffer.len()), 0.0);
        for start in (0..len).step_by(block) {
            let range = start..(start + block).min(len);
            let sums = &mut buffer[..range.len()];
            for (i, shard) in self.shards.iter().enumerate() {
                match shard {
                    Share::Product(product) => product.write(range.clone(), sums, i > 0),
                    Share::Values(values) if i == 0 => sums.copy_from_slice(&values[range.clone()]),
                    Share::Values(values) => {
                        sums.iter_mut().zip(&values[range.clone()]).for_each(|(sum, value)| *sum += value);
                    }
                }
            }
            if self.scale != 1.0 {
                sums.iter_mut().for_each(|sum| *sum *= self.scale);
            }
            if let Some(limit) = self.limit {
                sums.iter_mut().for_each(|sum| *sum = sum.clamp(-limit, limit));
            }
            each(range, sums);
        }
        SUMS.set(buffer);
    }
}

/// Stochastic gradient descent, `keras.optimizers.SGD`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: f32,
    /// 0 for none; then no velocity is needed.
    pub momentum: f32,
    /// Nesterov's form of momentum.
    pub nesterov: bool,
    /// Decoupled: each step first takes `learning_rate * weight_decay` of the parameter away.
    pub weight_decay: f32,
}

impl Sgd {
    /// One step. `velocity` is as long as the parameter, or empty without momentum.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn update(&self, parameter: &mut [f32], velocity: &mut [f32], gradient: Gradient) {
        let (rate, momentum) = (self.learning_rate, self.momentum);
        let keep = 1.0 - self.learning_rate * self.weight_decay;
        vectorised(
            #[inline(always)]
            || {
                gradient.for_each_block(
                    parameter.len(),
                    #[inline(always)]
                    |range, gradient| {
                        let parameter = &mut parameter[range.clone()];
                        if momentum == 0.0 {
                            for (p, g) in parameter.iter_mut().zip(gradient) {
                                *p = *p * keep - rate * g;
                            }
                            return;
                        }
                        let velocity = &mut velocity[range];
                        for ((p, v), g) in parameter.iter_mut().zip(velocity).zip(gradient) {
                            *v = flushed(momentum * *v - rate * g);
                            let step = if self.nesterov { momentum * *v - rate * g } else { *v };
                            *p = *p * keep + step;
                        }
                    },
                );
            },
        );
    }
}

/// Adam, and AdamW where `weight_decay` is not 0: `keras.optimizers.Adam` and `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f32,
    /// Decay of the first moment, 0.9 in Keras.
    pub beta_1: f32,
    /// Decay of the second moment, 0.999 in Keras.
    pub beta_2: f32,
    /// Added to the root of the second moment, 1e-7 in Keras.
    pub epsilon: f32,
    /// Decoupled: each step first takes `learning_rate * weight_decay` of the parameter away. 0 is Adam.
    pub weight_decay: f32,
}

impl Adam {
    /// Step number `step`, from 1. The moments are as long as the parameter, zero before the first step.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn update(
        &self,
        step: u64,
        parameter: &mut [f32],
        first_moment: &mut [f32],
        second_moment: &mut [f32],
        gradient: Gradient,
    ) {
        let (one_minus_1, one_minus_2) = (1.0 - self.beta_1, 1.0 - self.beta_2);
        let alpha = self.step_size(step);
        let epsilon = self.epsilon;
        let keep = 1.0 - self.learning_rate * self.weight_decay;
        vectorised(
            #[inline(always)]
            || {
                gradient.for_each_block(
                    parameter.len(),
                    #[inline(always)]
                    |range, gradient| {
                        let parameter = &mut parameter[range.clone()];
                        let moments = first_moment[range.clone()].iter_mut().zip(&mut second_moment[range]);
                        for ((p, (m, v)), g) in parameter.iter_mut().zip(moments).zip(gradient) {
                            *m = flushed(*m + (g - *m) * one_minus_1);
                            *v = flushed(*v + (g * g - *v) * one_minus_2);
                            *p = *p * keep - alpha * *m / (v.sqrt() + epsilon);
                        }
                    },
                );
            },
        );
    }

    /// The learning rate with both moments' bias corrections folded in.
    fn step_size(&self, step: u64) -> f32 {
        let decayed = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
        (f64::from(self.learning_rate) * decayed(self.beta_2).sqrt() / decayed(self.beta_1)) as f32
    }
}

/// `value`, or 0 if it is subnormal.
#[inline(always)]
pub(super) fn flushed(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// Lets `update` change a contiguous f32 variable in place. On a GPU the values travel to the host and back.
///
/// # Errors
/// If the variable is not contiguous f32, or cannot be copied.
pub fn update_in_place<R>(variable: &Var, update: impl FnOnce(&mut [f32]) -> R) -> Result<R> {
    if !variable.device().is_cpu() {
        let mut values = variable.flatten_all()?.to_vec1::<f32>()?;
        let result = update(&mut values);
        variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
        return Ok(result);
    }
    let edit = Edit { update: RefCell::new(Some(update)), result: RefCell::new(None) };
    variable.inplace_op1(&edit)?;
    match edit.result.into_inner() {
        Some(result) => Ok(result),
        None => bail!("the variable was not visited"),
    }
}

/// Moves an average towards values: of the average the share `keep` stays.
///
/// # Panics
/// If the slices differ in length.
pub fn move_average(average: &mut [f32], values: &[f32], keep: f32) {
    assert_eq!(average.len(), values.len(), "an average and what it follows");
    let share = 1.0 - keep;
    vectorised(
        #[inline(always)]
        || {
            for (a, v) in average.iter_mut().zip(values) {
                *a = *a * keep + v * share;
            }
        },
    );
}

/// Calls a function with the elements of a variable.
///
/// # Errors
/// If the variable is not f32; candle's.
pub fn read<R>(variable: &Var, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    if !variable.device().is_cpu() {
        return Ok(read(&variable.flatten_all()?.to_vec1::<f32>()?));
    }
    cpu::read([variable.as_tensor()], |[values]| read(values))
}

struct Edit<F, R> {
    update: RefCell<Option<F>>,
    result: RefCell<Option<R>>,
}

impl<R, F: FnOnce(&mut [f32]) -> R> InplaceOp1 for Edit<F, R> {
    fn name(&self) -> &'static str {
        "update in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("only contiguous f32 variables are updated in place")
        };
        if let Some(update) = self.update.take() {
            self.result.replace(Some(update(&mut values[start..end])));
        }
        Ok(())
    }
}
