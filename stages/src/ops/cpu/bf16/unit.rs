//! Who computes products: chosen at run time by what the processor has. All give the same bits.

use std::sync::atomic::{AtomicU8, Ordering};

use pulp::{Simd, WithSimd};

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
}

impl Unit {
    /// All that this processor has; the fastest is the last.
    pub fn all() -> Vec<Self> {
        vec![Self::Portable]
    }
}

/// The unit that is forced, less 1; 0 for none.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// From now on products are computed by this unit, or again by the fastest. Tests compare them.
///
/// # Panics
/// If the processor has no such unit.
pub fn use_unit(unit: Option<Unit>) {
    assert!(unit.is_none_or(|unit| Unit::all().contains(&unit)), "this processor has no {unit:?}");
    FORCED.store(unit.map_or(0, |unit| unit as u8 + 1), Ordering::Relaxed);
}

/// The unit that computes products.
pub fn unit() -> Unit {
    Unit::Portable
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

/// Runs a kernel on the fastest unit.
#[inline]
pub(super) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    simd::dispatch(On(kernel))
}

struct On<K>(K);

impl<K: Kernel> WithSimd for On<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Output {
        self.0.run(Portable(simd))
    }
}
