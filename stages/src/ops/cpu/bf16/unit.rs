//! Who computes products: chosen at run time by what the processor has. All give the same bits.

#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::amx::Amx;
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
    /// The instruction TDPBF16PS of processors with AMX, whose registers are tiles.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Unit {
    /// All that this processor has.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        all.extend(Avx512Bf16::new().map(|_| Self::Avx512Bf16));
        #[cfg(target_arch = "x86_64")]
        all.extend(Amx::new().map(|_| Self::Amx));
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
/// Where nothing is forced, it is AMX where there is AMX: an instruction makes 8,192 products where one of float32's for vectors makes 16, and one begins
/// every 16 cycles where two of those begin in each: that is 16 times as many. AVX512-BF16 is used on AMD's processors alone. Zen 4 begins as many of its instructions in a cycle as of
/// float32's multiply-adds, and each has twice the products (measured on family 25, model 17). Intel's begin a quarter as many (family 6, model
/// 207), so there the float32 unit is the faster one.
pub fn unit() -> Unit {
    match FORCED.load(Ordering::Relaxed) {
        0 => fastest(),
        #[cfg(target_arch = "x86_64")]
        forced if forced == Unit::Avx512Bf16 as u8 + 1 => Unit::Avx512Bf16,
        #[cfg(target_arch = "x86_64")]
        forced if forced == Unit::Amx as u8 + 1 => Unit::Amx,
        _ => Unit::Portable,
    }
}

#[cfg(target_arch = "x86_64")]
fn fastest() -> Unit {
    static FASTEST: OnceLock<Unit> = OnceLock::new();
    // Where portable vectors are asked for, nothing is to be used that only some processors have.
    if simd::vectors() == "portable" {
        return Unit::Portable;
    }
    *FASTEST.get_or_init(|| match () {
        () if Amx::new().is_some() => Unit::Amx,
        () if is_amd() && Avx512Bf16::new().is_some() => Unit::Avx512Bf16,
        () => Unit::Portable,
    })
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

/// What is known of the sums that a product is added to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// They begin with this product: what is there is not read, and counts as 0.
    pub(super) begins: bool,
    /// [No result is too small](super::round::Range::is_plain).
    pub(super) plain: bool,
}

/// How a unit wants operands, and its product.
pub(super) trait Compute: Copy {
    /// The form of operands.
    type Element: Element;

    /// Columns of a panel of the right operand, at most [`MOST`].
    const WIDTH: usize;

    /// Panels are filled up with lines of 0 to a multiple of this.
    const DEPTH: usize;

    /// Rounds a run of numbers to as many elements.
    fn round(self, from: &[f32], to: &mut [Self::Element]);

    /// Brings [groups](GROUP) of terms of the left operand into the order in which they are read.
    fn arrange(terms: &mut [Self::Element]);

    /// Rounds four lines of a panel, and writes them as they are read.
    fn lay(self, lines: &[[f32; MOST]; 4], to: &mut [Self::Element]);

    /// Rounds the first `count` columns of four lines, at most [`WIDTH`](Self::WIDTH), and writes them as they are read. Each column becomes a group
    /// of a row of the left operand. The rows are `stride` apart.
    fn transpose(self, lines: &[[f32; MOST]; 4], count: usize, to: &mut [Self::Element], stride: usize);

    /// Adds the product of `a` and the panels `b`, as deep as `a`, to `c` `[rows, panels * WIDTH]`. Of the last panel only vectors that hold some
    /// of the `columns` are computed.
    ///
    /// # Safety
    /// The processor must have the unit. The groups of all rows of `a` and the panels must be readable, and `c` initialised and writable.
    unsafe fn add(self, a: Terms<Self::Element>, b: *const Self::Element, columns: usize, c: *mut f32, sum: Sum);
}

/// Terms that lie together in the left operand, and are laid out together in the right one.
pub(super) const GROUP: usize = 4;

/// The left operand: group g of row i lies at `starts[i] + groups[g]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a, E> {
    pub(super) data: *const E,
    pub(super) starts: &'a [usize],
    pub(super) groups: &'a [usize],
}

impl<E> Terms<'_, E> {
    /// Where `M` rows start.
    ///
    /// # Safety
    /// There must be `M` rows from `first` on, in what the data point to.
    #[inline(always)]
    pub(super) unsafe fn rows<const M: usize>(&self, first: usize) -> [*const E; M] {
        let mut rows = [self.data; M];
        for (i, row) in rows.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { row.add(*self.starts.get_unchecked(first + i)) };
        }
        rows
    }
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
    if let Some(simd) = pulp::x86::V4::try_new() {
        match unit() {
            Unit::Amx => {
                if let Some(unit) = Amx::new() {
                    return Simd::vectorize(simd, OnWords(kernel, unit));
                }
            }
            Unit::Avx512Bf16 => {
                if let Some(unit) = Avx512Bf16::new() {
                    return Simd::vectorize(simd, OnWords(kernel, unit));
                }
            }
            Unit::Portable => {}
        }
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
struct OnWords<K, U>(K, U);

#[cfg(target_arch = "x86_64")]
impl<K: Kernel, U: Compute> WithSimd for OnWords<K, U> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        self.0.run(self.1)
    }
}
