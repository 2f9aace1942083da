//! Which vector instructions a kernel is compiled for: chosen at run time, so that one build is fast everywhere.

use pulp::{Simd, WithSimd};

/// Runs a kernel with the widest vectors there are.
#[inline]
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
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
