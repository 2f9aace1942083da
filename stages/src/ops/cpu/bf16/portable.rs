//! Products by float32's fused multiply-adds: what every processor can do.

use pulp::Simd;

use super::BLOCK;
use super::pack::MOST;
use super::round::Element;
use super::unit::{Compute, Sizes};

/// The product on vectors of float32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable<S>(pub(super) S);

/// Rows of a tile: with two vectors of columns and two sums each, twelve sums in registers.
const TILE: usize = 3;

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
        // SAFETY: the caller's promise.
        unsafe {
            if plain { tiles::<S, true>(self.0, a, b, c, sizes) } else { tiles::<S, false>(self.0, a, b, c, sizes) }
        }
    }
}

/// # Safety
/// As [`Compute::add`].
#[inline(always)]
unsafe fn tiles<S: Simd, const PLAIN: bool>(simd: S, a: *const f32, b: *const f32, c: *mut f32, sizes: Sizes) {
    let Sizes { rows, depth, panels } = sizes;
    let (width, stride) = (2 * S::F32_LANES, panels * 2 * S::F32_LANES);
    for panel in 0..panels {
        let mut row = 0;
        while row < rows {
            // SAFETY: the panel and the rows are among those that the caller promises.
            unsafe {
                let at = (a.add(row * depth), b.add(panel * depth * width), c.add(row * stride + panel * width));
                if row + TILE <= rows {
                    tile::<S, TILE, PLAIN>(simd, at, depth, stride);
                    row += TILE;
                } else {
                    tile::<S, 1, PLAIN>(simd, at, depth, stride);
                    row += 1;
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
    let multiply_add = |a, b, c| {
        if PLAIN { simd.mul_add_e_f32s(a, b, c) } else { flush(simd, simd.mul_add_f32s(a, b, c)) }
    };
    let add = |a, b| if PLAIN { simd.add_f32s(a, b) } else { flush(simd, simd.add_f32s(a, b)) };
    let mut line = b.cast::<[S::f32s; 2]>();
    for block in (0..depth).step_by(BLOCK) {
        let mut even = [[simd.splat_f32s(0.0); 2]; M];
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
        for i in 0..M {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * stride).cast::<[S::f32s; 2]>();
                let [old0, old1] = to.read_unaligned();
                let sums = [add(even[i][0], odd[i][0]), add(even[i][1], odd[i][1])];
                to.write_unaligned([add(old0, sums[0]), add(old1, sums[1])]);
            }
        }
    }
}

/// 0, with the sign of `x`, where `x` is below the least normal number.
#[inline(always)]
fn flush<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let zero = simd.mul_f32s(x, simd.splat_f32s(0.0));
    simd.select_f32s(simd.less_than_f32s(simd.abs_f32s(x), simd.splat_f32s(f32::MIN_POSITIVE)), zero, x)
}
