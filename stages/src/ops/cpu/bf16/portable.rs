//! Products by float32's fused multiply-adds: what every processor can do.

use pulp::{Simd, WithSimd};

use super::super::tile::{split_by, with_tile};
use super::BLOCK;
use super::pack::MOST;
use super::round::Element;
use super::unit::{Compute, GROUP, Sum, Terms};

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
    const DEPTH: usize = GROUP;

    #[inline(always)]
    fn round(self, from: &[f32], to: &mut [f32]) {
        to.iter_mut().zip(from).for_each(|(to, x)| *to = f32::of(*x));
    }

    #[inline(always)]
    fn arrange(_: &mut [f32]) {}

    #[inline(always)]
    fn lay(self, lines: &[[f32; MOST]; 4], to: &mut [f32]) {
        for (line, to) in lines.iter().zip(to.chunks_exact_mut(Self::WIDTH)) {
            to.iter_mut().zip(line).for_each(|(to, x)| *to = f32::of(*x));
        }
    }

    #[inline(always)]
    fn transpose(self, lines: &[[f32; MOST]; 4], count: usize, to: &mut [f32], stride: usize) {
        for column in 0..count {
            let to = to[column * stride..][..4].iter_mut();
            to.zip(lines).for_each(|(to, line)| *to = f32::of(line[column]));
        }
    }

    #[inline(always)]
    unsafe fn add(self, a: Terms<f32>, b: *const f32, columns: usize, c: *mut f32, sum: Sum) {
        let begins = sum.begins;
        if sum.plain {
            self.0.vectorize(Tiles::<true> { a, b, columns, c, begins });
        } else {
            self.0.vectorize(Tiles::<false> { a, b, columns, c, begins });
        }
    }
}

/// The loops over tiles, compiled once for all kernels. Only [`Compute::add`] makes one, of what its caller promises.
struct Tiles<'a, const PLAIN: bool> {
    a: Terms<'a, f32>,
    b: *const f32,
    columns: usize,
    c: *mut f32,
    begins: bool,
}

impl<const PLAIN: bool> WithSimd for Tiles<'_, PLAIN> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, columns, c, begins } = self;
        let width = 2 * S::F32_LANES;
        let panels = columns.div_ceil(width);
        let stride = panels * width;
        for panel in 0..panels {
            let vectors = (columns - panel * width).min(width).div_ceil(S::F32_LANES);
            for (row, count) in split_by(a.starts.len(), most::<S>() * 2 / vectors) {
                // SAFETY: the panel and the rows are among those that the caller of `add` promises.
                unsafe {
                    let b = b.add(panel * a.groups.len() * GROUP * width);
                    let c = c.add(row * stride + panel * width);
                    with_tile!(count, vectors, (M, V) => {
                        tile::<S, M, V, PLAIN>(simd, (a.rows::<M>(row), a.groups), b, (c, stride, begins));
                    });
                }
            }
        }
    }
}

/// Adds the products of `M` rows and the first `V` vectors of a panel to the sums, or begins them.
///
/// # Safety
/// The groups of each row and a panel must be readable, and the sums writable for `M` rows of `V` vectors, `stride` apart.
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const V: usize, const PLAIN: bool>(
    simd: S,
    (rows, groups): ([*const f32; M], &[usize]),
    b: *const f32,
    (c, stride, begins): (*mut f32, usize, bool),
) {
    let multiply_add =
        |a, b, c| if PLAIN { simd.mul_add_e_f32s(a, b, c) } else { multiply_add_and_flush(simd, a, b, c) };
    let add = |a, b| if PLAIN { simd.add_f32s(a, b) } else { flush(simd, simd.add_f32s(a, b)) };
    let zero = simd.splat_f32s(0.0);
    let mut line = b.cast::<[S::f32s; 2]>();
    for (block, groups) in groups.chunks(BLOCK / GROUP).enumerate() {
        let mut even = [[zero; V]; M];
        let mut odd = even;
        for k in groups.iter().flat_map(|group| [*group, group + 2]) {
            // SAFETY: the caller's promise; a group has four terms.
            unsafe {
                for (sums, k) in [(&mut even, k), (&mut odd, k + 1)] {
                    let b = line.cast::<[S::f32s; V]>().read_unaligned();
                    line = line.add(1);
                    for (row, sums) in rows.iter().zip(sums) {
                        let a = simd.splat_f32s(*row.add(k));
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum = multiply_add(a, b, *sum);
                        }
                    }
                }
            }
        }
        let is_filled_up = groups.len() * GROUP < BLOCK;
        for i in 0..M {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * stride).cast::<[S::f32s; V]>();
                let mut sums = if begins && block == 0 { [zero; V] } else { to.read_unaligned() };
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
