//! Who computes products: chosen at run time by what the processor has. All give the same bits.

#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512Bf16;
use super::pack::MOST;
use super::portable::Portable;
use super::round::Element;
use crate::ops::simd;

/// An implementation of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unit {
    /// Float32's multiply-adds, on any processor.
    Portable,
    /// The instruction VDPBF16PS of processors with AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Unit {
    /// All that this processor has.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        all.extend(Avx512Bf16::new().map(|_| Self::Avx512Bf16));
        all
    }
}

/// The unit that is forced, plus 1; 0 for none.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// From now on products are computed by this unit, or again by the one that is thought the fastest. Tests compare them.
///
/// # Panics
/// If the processor has no such unit.
pub fn use_unit(unit: Option<Unit>) {
    assert!(unit.is_none_or(|unit| Unit::all().contains(&unit)), "this processor has no {unit:?}");
    FORCED.store(unit.map_or(0, |unit| unit as u8 + 1), Ordering::Relaxed);
}

/// The unit that computes products.
///
/// Where nothing is forced, AVX512-BF16 is used on AMD's processors alone. Zen 4 and 5 are said to begin as many of its instructions in a cycle as
/// of float32's multiply-adds, and each has twice the products. Intel's begin a quarter as many (measured on family 6, model 207), so there
/// the float32 unit is the faster one.
pub fn unit() -> Unit {
    match FORCED.load(Ordering::Relaxed) {
        0 => fastest(),
        #[cfg(target_arch = "x86_64")]
        forced if forced == Unit::Avx512Bf16 as u8 + 1 => Unit::Avx512Bf16,
        _ => Unit::Portable,
    }
}

#[cfg(target_arch = "x86_64")]
fn fastest() -> Unit {
    static IS_FAST: OnceLock<bool> = OnceLock::new();
    // Where portable vectors are asked for, nothing is to be used that only some processors have.
    let is_fast = || *IS_FAST.get_or_init(|| is_amd() && Avx512Bf16::new().is_some());
    if simd::vectors() != "portable" && is_fast() { Unit::Avx512Bf16 } else { Unit::Portable }
}

#[cfg(not(target_arch = "x86_64"))]
fn fastest() -> Unit {
    Unit::Portable
}

/// Whether the processor says that it is AMD's.
#[cfg(target_arch = "x86_64")]
fn is_amd() -> bool {
    #[allow(unused_unsafe, reason = "older compilers have it as an unsafe function")]
    // SAFETY: all processors of 64 bits have the instruction.
    let about = unsafe { std::arch::x86_64::__cpuid(0) };
    [about.ebx, about.edx, about.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

/// Rows of the left operand, terms of each sum, panels of the right operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) panels: usize,
}

/// How a unit wants operands, and its product.
pub(super) trait Compute: Copy {
    /// The form of operands.
    type Element: Element;

    /// Columns of a panel of the right operand, at most [`MOST`].
    const WIDTH: usize;
    /// Rows that are taken at a time.
    const ROWS: usize;
    /// Terms that are taken at a time, a multiple of 4: the operands are filled up with zeros.
    const DEPTH: usize;

    /// Brings elements of rows of the left operand into the order in which they are read.
    fn arrange(rows: &mut [Self::Element]);

    /// Rounds four lines of a panel, and writes them as they are read.
    fn lay(lines: &[[f32; MOST]; 4], to: &mut [Self::Element]);

    /// Adds the product of `a` `[rows, depth]` and the panels `b` to `c` `[rows, panels * WIDTH]`. `plain` says that
    /// [no result is too small](super::round::Range::is_plain).
    ///
    /// # Safety
    /// The processor must have the unit, `a` and `b` must be readable and `c` initialised and writable for these sizes, in which the rows and
    /// the depth are multiples of what the unit takes.
    unsafe fn add(self, a: *const Self::Element, b: *const Self::Element, c: *mut f32, sizes: Sizes, plain: bool);
}

/// What is computed by products.
pub(super) trait Kernel {
    /// What comes out.
    type Output;

    /// Computes it with a unit.
    fn run<U: Compute>(self, unit: U) -> Self::Output;
}

/// Runs a kernel on the unit that computes products.
#[inline]
pub(super) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if unit() == Unit::Avx512Bf16
        && let (Some(simd), Some(unit)) = (pulp::x86::V4::try_new(), Avx512Bf16::new())
    {
        return Simd::vectorize(simd, OnWords(kernel, unit));
    }
    simd::dispatch(OnFloats(kernel))
}

struct OnFloats<K>(K);

impl<K: Kernel> WithSimd for OnFloats<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Output {
        self.0.run(Portable(simd))
    }
}

/// A kernel whose products are computed by an instruction. What else it does, as the rounding of operands, is compiled for vectors as well.
#[cfg(target_arch = "x86_64")]
struct OnWords<K>(K, Avx512Bf16);

#[cfg(target_arch = "x86_64")]
impl<K: Kernel> WithSimd for OnWords<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        self.0.run(self.1)
    }
}
