//! Products of operands that are rounded to bfloat16, with float32 sums: convolutions and dense layers of `precision: bf16`.
//!
//! A product `a b` is defined to the bit, so that it is the same on every processor:
//!
//! - Operands are rounded to nearest even. Those that are then below the least normal number count as 0 of their sign.
//! - The sum over k is cut into blocks of [`BLOCK`]. The last one is filled up with products of 0 and 0.
//! - In a block, the products of even and of odd k are summed apart, each from 0 and in the order of k, by fused multiply-adds. Both sums are
//!   added, and their sum is added to that of the blocks before, which begins as 0.
//! - What a multiply-add or an addition gives is rounded to 24 bits, to nearest even, as if exponents went down without end. If it is then
//!   below the least normal number, it becomes 0 of its sign.
//! - Which NaN comes out is not defined.
//!
//! Where terms come in parts, as the positions of many images do, each part has blocks of its own. The order is that of AMX's TDPBF16PS, and what is
//! rounded and becomes 0 is as in AVX512-BF16's VDPBF16PS.
//!
//! `round.rs` rounds; `pack.rs` lays the operands out; `portable.rs` computes products on any processor, `avx512.rs` by VDPBF16PS, and `amx.rs` by TDPBF16PS;
//! the last two share `words.rs`. `unit.rs` chooses who computes; `convolve.rs` and `dense.rs` bring layers into the form of products.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod convolve;
mod dense;
mod pack;
mod portable;
mod round;
mod unit;
#[cfg(target_arch = "x86_64")]
mod words;

pub(super) use convolve::{backward, forward};
pub(crate) use dense::Factors;
pub(super) use dense::{input_gradient, product};
pub use round::round;
pub use unit::{Unit as Bf16Unit, unit, use_unit};

/// Terms of a sum that are summed apart from others.
const BLOCK: usize = 32;
