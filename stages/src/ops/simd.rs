//! Which vector instructions a kernel is compiled for: chosen at run time, so that one build is fast everywhere.

use pulp::WithSimd;

/// Runs a kernel with the widest vectors there are. Loops without multiply-adds give the same bits with any of them.
#[inline]
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(simd, kernel);
    }
    pulp::Arch::new().dispatch(kernel)
}
