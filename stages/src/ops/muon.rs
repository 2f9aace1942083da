//! Muon: momentum whose matrix is made nearly orthogonal before it becomes a step.

use super::cpu::{self, MARGIN, Sizes};
use super::optimiser::{Gradient, flushed};
use super::simd::vectorised;

/// Factors of the polynomial a s + b s^3 + c s^5 that an iteration applies to every singular value s (Jordan et al., "Muon: An
/// optimizer for hidden layers in neural networks", 2024).
const POLYNOMIAL: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// The root mean square of a step at a learning rate of 1: about that of AdamW's steps, so that its learning rates serve here
/// too (Liu et al., "Muon is Scalable for LLM Training", 2025, equation 4).
const STEP_SIZE: f32 = 0.2;

/// Added to a norm, so that nothing is divided by 0.
const EPSILON: f64 = 1e-7;

/// Muon for one matrix, `keras.optimizers.Muon`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// Step size.
    pub learning_rate: f32,
    /// The share of the velocity that a step keeps, 0.95 in Keras.
    pub momentum: f32,
    /// Nesterov's form of momentum.
    pub nesterov: bool,
    /// Iterations of Newton and Schulz, 5 in Keras.
    pub ns_steps: usize,
    /// Decoupled: each step first takes `learning_rate * weight_decay` of the parameter away.
    pub weight_decay: f32,
}

impl Muon {
    /// One step of a matrix `[rows, columns]`. `velocity` is as long as the parameter, zero before the first step.
    ///
    /// # Panics
    /// If the slices differ in length, or are none of such a matrix.
    pub fn update(&self, parameter: &mut [f32], [rows, columns]: [usize; 2], velocity: &mut [f32], gradient: Gradient) {
        assert_eq!((parameter.len(), velocity.len()), (rows * columns, rows * columns), "a matrix and its velocity");
        let momentum = self.momentum;
        let mut step = Vec::with_capacity(parameter.len() + MARGIN);
        step.resize(parameter.len(), 0.0);
        vectorised(
            #[inline(always)]
            || {
                gradient.for_each_block(
                    parameter.len(),
                    #[inline(always)]
                    |range, gradient| {
                        let pairs = velocity[range.clone()].iter_mut().zip(&mut step[range]);
                        for ((v, s), g) in pairs.zip(gradient) {
                            *v = flushed(momentum * *v + g);
                            *s = if self.nesterov { g + momentum * *v } else { *v };
                        }
                    },
                );
            },
        );
        let step = orthogonalised(step, [rows, columns], self.ns_steps);
        let rate = self.learning_rate * STEP_SIZE * (rows.max(columns) as f32).sqrt();
        let keep = 1.0 - self.learning_rate * self.weight_decay;
        vectorised(
            #[inline(always)]
            || {
                for (p, s) in parameter.iter_mut().zip(&step) {
                    *p = *p * keep - rate * s;
                }
            },
        );
    }
}

/// A matrix `[rows, columns]` with the same singular vectors, and singular values of about 0.7 to 1.2: those that are 0, or
/// very small beside the norm, stay small. By the iteration of Newton and Schulz, in a form that rises fast.
fn orthogonalised(matrix: Vec<f32>, [rows, columns]: [usize; 2], iterations: usize) -> Vec<f32> {
    if rows < columns {
        let turned = orthogonalised(transposed(&matrix, rows, columns), [columns, rows], iterations);
        return transposed(&turned, columns, rows);
    }
    let [a, b, c] = POLYNOMIAL;
    let len = rows * columns;
    let mut x = matrix;
    let scale = (1.0 / (norm(&x) + EPSILON)) as f32;
    x.iter_mut().for_each(|x| *x *= scale);
    let mut gram = vec![0.0; columns * columns];
    for _ in 0..iterations {
        // A product reads, and ignores, what follows its last row.
        x.resize(len + MARGIN, 0.0);
        let sizes = (rows, columns, columns);
        cpu::weight_gradient((&x[..len], &x, columns), sizes, 0..columns, &mut gram, false);
        let mut factor = cpu::matmul(Sizes { rows: columns, inputs: columns, outputs: columns }, &gram, &gram);
        factor.iter_mut().zip(&gram).for_each(|(square, gram)| *square = c * *square + b * gram);
        factor.iter_mut().step_by(columns + 1).for_each(|diagonal| *diagonal += a);
        x = cpu::matmul(Sizes { rows, inputs: columns, outputs: columns }, &x[..len], &factor);
    }
    x
}

/// The Euclidean norm. The order of the sums is the same on every processor.
fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for chunk in values.chunks(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

/// `[columns, rows]` of `[rows, columns]`, with room after the last element.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(rows * columns + MARGIN);
    for column in 0..columns {
        turned.extend(matrix[column..].iter().step_by(columns).take(rows));
    }
    turned
}
