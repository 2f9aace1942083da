//! Products of operands that are rounded to bfloat16, with float32 sums: convolutions and dense layers of `precision: bf16`.
//!
//! A product `a b` is defined to the bit, so that it is the same on every processor. Operands are rounded to nearest even, and those
//! below the least normal number count as 0. The sum over k is cut into blocks of [`BLOCK`]. In a block, the products of even and of odd
//! numbers are summed apart, each from 0 and in order, by fused multiply-adds. Both sums are added, and their sum is added to the sum of the
//! blocks before. Results below the least normal number become 0. The order is that of AMX's TDPBF16PS.
//!
//! `round.rs` rounds; `pack.rs` lays the operands out; `portable.rs` computes products on any processor; `unit.rs` chooses who computes; `convolve.rs` and
//! `dense.rs` bring layers into the form of products.

mod convolve;
mod dense;
mod pack;
mod portable;
mod round;
mod unit;

pub(super) use convolve::{backward, forward};
pub(crate) use dense::Factors;
pub(super) use dense::{input_gradient, product};
pub use round::round;
pub use unit::{Unit as Bf16Unit, unit, use_unit};

/// Terms of a sum that are summed apart from others.
const BLOCK: usize = 32;
