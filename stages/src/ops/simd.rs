//! Which vector instructions a kernel is compiled for: chosen at run time, so that one build is fast everywhere.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use pulp::{Simd, WithSimd};

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// From now on kernels use vectors that every processor has (or again the widest there are). Their results then have the
/// same bits on all processors. Tests compare such results.
pub fn use_portable_vectors(portable: bool) {
    PORTABLE.store(portable, Ordering::Relaxed);
}

/// The vectors that kernels use: `avx512`, `avx2` or `portable`. Results may differ in their last bits between these.
pub fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if !PORTABLE.load(Ordering::Relaxed) {
        if pulp::x86::V4::try_new().is_some() {
            return "avx512";
        }
        if pulp::x86::V3::try_new().is_some() {
            return "avx2";
        }
    }
    "portable"
}

/// Runs a kernel with the widest vectors there are.
#[inline]
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    if PORTABLE.load(Ordering::Relaxed) {
        return Simd::vectorize(pulp::Scalar, kernel);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V4::try_new() {
        return Simd::vectorize(simd, kernel);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, kernel);
    }
    pulp::Arch::new().dispatch(kernel)
}

/// Runs plain loops, compiled for the widest vectors there are. Mark the closure and what it calls `#[inline(always)]`:
/// only what is inlined is compiled that way. The results have the same bits with any vectors.
#[inline]
pub(super) fn vectorised<R>(loops: impl FnMut() -> R) -> R {
    dispatch(Loops(loops))
}

struct Loops<F>(F);

// Called by reference: to call a closure by value goes through a function that the compiler does not inline.
impl<R, F: FnMut() -> R> WithSimd for Loops<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Calls `f` with the range of each vector of so many elements, and of those that are left.
#[inline(always)]
pub(super) fn each_vector<S: Simd>(len: usize, mut f: impl FnMut(Range<usize>)) {
    let mut start = 0;
    while start + S::F32_LANES <= len {
        f(start..start + S::F32_LANES);
        start += S::F32_LANES;
    }
    if start < len {
        f(start..len);
    }
}

/// A vector of elements; those that it has more than `from` are 0.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    if from.len() == S::F32_LANES {
        // SAFETY: so many elements are there.
        return unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() };
    }
    simd.partial_load_f32s(from)
}

/// Writes the first elements of a vector: as many as there is room for, at most all.
#[inline(always)]
pub(super) fn store<S: Simd>(vector: S::f32s, to: &mut [MaybeUninit<f32>]) {
    if to.len() == S::F32_LANES {
        // SAFETY: so many elements are there.
        return unsafe { to.as_mut_ptr().cast::<S::f32s>().write_unaligned(vector) };
    }
    // SAFETY: a vector is made of f32.
    let elements = unsafe { std::slice::from_raw_parts((&raw const vector).cast::<f32>(), S::F32_LANES) };
    to.iter_mut().zip(elements).for_each(|(to, element)| _ = to.write(*element));
}

/// Elements as room to write to.
///
/// # Safety
/// Nothing but numbers may be written there.
#[inline(always)]
pub(super) unsafe fn as_room(elements: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: the layout is the same, and what is there stays initialised.
    unsafe { &mut *(std::ptr::from_mut(elements) as *mut [MaybeUninit<f32>]) }
}

/// `f` of each pair of elements, for [`vectorised`] loops: to collect an iterator goes through functions that the compiler does not inline.
#[inline(always)]
pub(super) fn zip_with(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "pairs");
    let mut to = Vec::with_capacity(a.len());
    for ((to, a), b) in to.spare_capacity_mut().iter_mut().zip(a).zip(b) {
        to.write(f(*a, *b));
    }
    // SAFETY: an element was written for each of `a` and `b`.
    unsafe { to.set_len(a.len()) };
    to
}
