//! Products by float32's fused multiply-adds: what every processor can do.

use pulp::{Simd, WithSimd};

use super::super::tile::{split_by, with_rows};
use super::BLOCK;
use super::pack::MOST;
use super::round::Element;
use super::unit::{Compute, Sizes};

/// The product on vectors of float32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable<S>(pub(super) S);

/// Rows of a tile, each with two vectors of columns and two sums of each: as many sums as there are registers for. AVX-512 has 32 of them,
/// AVX2 has 16.
const fn most<S: Simd>() -> usize {
    if S::F32_LANES >= 16 { 6 } else { 3 }
}

impl<S: Simd> Compute for Portable<S> {
    type Element = f32;

    const WIDTH: usize = 2 * S::F32_LANES;
    const ROWS: usize = 1;
    const DEPTH: usize = 4;

    #[inline(always)]
    fn arrange(_: &mut [f32]) {}

    #[inline(always)]
    fn lay(lines: &[[f32; MOST]; 4], to: &mut [f32]) {
        for (line, to) in lines.iter().zip(to.chunks_exact_mut(Self::WIDTH)) {
            to.iter_mut().zip(line).for_each(|(to, x)| *to = f32::of(*x));
        }
    }

    #[inline(always)]
    unsafe fn add(self, a: *const f32, b: *const f32, c: *mut f32, sizes: Sizes, plain: bool) {
        if plain {
            self.0.vectorize(Tiles::<true> { a, b, c, sizes });
        } else {
            self.0.vectorize(Tiles::<false> { a, b, c, sizes });
        }
    }
}

/// The loops over tiles, compiled once for all kernels. Only [`Compute::add`] makes one, of what its caller promises.
struct Tiles<const PLAIN: bool> {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    sizes: Sizes,
}

impl<const PLAIN: bool> WithSimd for Tiles<PLAIN> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, c, sizes: Sizes { rows, depth, panels } } = self;
        let (width, stride) = (2 * S::F32_LANES, panels * 2 * S::F32_LANES);
        for panel in 0..panels {
            for (row, count) in split_by(rows, most::<S>()) {
                // SAFETY: the panel and the rows are among those that the caller of `add` promises.
                unsafe {
                    let at = (a.add(row * depth), b.add(panel * depth * width), c.add(row * stride + panel * width));
                    with_rows!(count, M => tile::<S, M, PLAIN>(simd, at, depth, stride));
                }
            }
        }
    }
}

/// Adds the products of `M` rows and one panel.
///
/// # Safety
/// The first must be readable for `M` rows of `depth`, the second for a panel, and the third for `M` rows of a panel's width, `stride` apart.
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const PLAIN: bool>(
    simd: S,
    (a, b, c): (*const f32, *const f32, *mut f32),
    depth: usize,
    stride: usize,
) {
    let multiply_add =
        |a, b, c| if PLAIN { simd.mul_add_e_f32s(a, b, c) } else { multiply_add_and_flush(simd, a, b, c) };
    let add = |a, b| if PLAIN { simd.add_f32s(a, b) } else { flush(simd, simd.add_f32s(a, b)) };
    let zero = simd.splat_f32s(0.0);
    let mut line = b.cast::<[S::f32s; 2]>();
    for block in (0..depth).step_by(BLOCK) {
        let mut even = [[zero; 2]; M];
        let mut odd = even;
        for k in (block..(block + BLOCK).min(depth)).step_by(2) {
            // SAFETY: k and k + 1 are below the depth, which is even.
            unsafe {
                for (sums, k) in [(&mut even, k), (&mut odd, k + 1)] {
                    let [b0, b1] = line.read_unaligned();
                    line = line.add(1);
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let a = simd.splat_f32s(*a.add(i * depth + k));
                        *sums = [multiply_add(a, b0, sums[0]), multiply_add(a, b1, sums[1])];
                    }
                }
            }
        }
        let is_filled_up = block + BLOCK > depth;
        for i in 0..M {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * stride).cast::<[S::f32s; 2]>();
                let mut sums = to.read_unaligned();
                for (j, sum) in sums.iter_mut().enumerate() {
                    if !PLAIN && is_filled_up {
                        odd[i][j] = simd.add_f32s(odd[i][j], zero);
                    }
                    *sum = add(*sum, add(even[i][j], odd[i][j]));
                }
                to.write_unaligned(sums);
            }
        }
    }
}

/// `a b + c`, or 0 of its sign where that is below the least normal number once it is rounded to 24 bits.
///
/// What is rounded as a number below the least normal one has fewer bits, and may have become the least normal one by that. So the size
/// is seen from a result that is 2^32 times as large. Where that overflows, or is no number, its terms are so large that the result is not small.
#[inline(always)]
fn multiply_add_and_flush<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    let scale = simd.splat_f32s(SCALE);
    let scaled = simd.mul_add_f32s(simd.mul_f32s(a, scale), b, simd.mul_f32s(c, scale));
    let is_small = simd.less_than_f32s(simd.abs_f32s(scaled), simd.splat_f32s(SCALE * f32::MIN_POSITIVE));
    let sum = simd.mul_add_f32s(a, b, c);
    simd.select_f32s(is_small, simd.mul_f32s(sum, simd.splat_f32s(0.0)), sum)
}

const SCALE: f32 = (1_u64 << 32) as f32;

/// 0 of its sign where a sum of two numbers is below the least normal number. Such a sum is exact.
#[inline(always)]
fn flush<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let zero = simd.mul_f32s(x, simd.splat_f32s(0.0));
    simd.select_f32s(simd.less_than_f32s(simd.abs_f32s(x), simd.splat_f32s(f32::MIN_POSITIVE)), zero, x)
}
