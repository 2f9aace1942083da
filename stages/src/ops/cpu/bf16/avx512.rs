//! Products by AVX512-BF16: the instruction VDPBF16PS adds two products of bfloat16 to a float32.
//!
//! It takes the operands as pairs of words. It adds the product of the upper words first and then that of the lower words, each by a fused
//! multiply-add that flushes. A block's even and odd k are summed apart, so a pair holds two even or two odd k, the earlier in the upper word.

use std::arch::x86_64::*;
use std::mem::transmute;
use std::sync::OnceLock;

use pulp::x86::V4;

use super::super::tile::{split, with_rows};
use super::BLOCK;
use super::pack::MOST;
use super::round::{Element, round};
use super::unit::{Compute, Sizes};

/// The product on pairs of words. Who has one may use the instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512Bf16(());

impl Avx512Bf16 {
    /// The unit, if the processor has the instruction and it adds as the product is defined.
    pub(super) fn new() -> Option<Self> {
        static HAS: OnceLock<bool> = OnceLock::new();
        let has = || {
            let all = V4::try_new().is_some() && is_x86_feature_detected!("avx512bf16");
            // SAFETY: the processor has both.
            all && unsafe { adds_as_defined() }
        };
        HAS.get_or_init(has).then_some(Self(()))
    }
}

impl Compute for Avx512Bf16 {
    type Element = u16;

    const WIDTH: usize = 32;
    const ROWS: usize = 1;
    const DEPTH: usize = 4;

    #[inline(always)]
    fn arrange(rows: &mut [u16]) {
        for four in rows.as_chunks_mut().0 {
            let [k0, k1, k2, k3] = *four;
            *four = [k2, k0, k3, k1];
        }
    }

    #[inline(always)]
    fn lay(lines: &[[f32; MOST]; 4], to: &mut [u16]) {
        let (even, odd) = to.split_at_mut(2 * Self::WIDTH);
        for (k, to) in [even, odd].into_iter().enumerate() {
            let columns = lines[k].iter().zip(&lines[k + 2]);
            for (pair, (first, second)) in to.as_chunks_mut().0.iter_mut().zip(columns) {
                *pair = [u16::of(*second), u16::of(*first)];
            }
        }
    }

    #[inline(always)]
    unsafe fn add(self, a: *const u16, b: *const u16, c: *mut f32, sizes: Sizes, plain: bool) {
        // SAFETY: the caller's promise, and the processor has the instruction.
        unsafe { if plain { tiles::<true>(a, b, c, sizes) } else { tiles::<false>(a, b, c, sizes) } }
    }
}

/// # Safety
/// As [`Compute::add`].
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tiles<const PLAIN: bool>(a: *const u16, b: *const u16, c: *mut f32, sizes: Sizes) {
    let Sizes { rows, depth, panels } = sizes;
    let (width, stride) = (Avx512Bf16::WIDTH, panels * Avx512Bf16::WIDTH);
    for panel in 0..panels {
        for (row, count) in split(rows) {
            // SAFETY: the panel and the rows are among those that the caller promises.
            unsafe {
                let at = (a.add(row * depth), b.add(panel * depth * width), c.add(row * stride + panel * width));
                with_rows!(count, M => tile::<M, PLAIN>(at, depth, stride));
            }
        }
    }
}

/// Adds the products of `M` rows and one panel. Six rows have 24 sums in registers, of 32.
///
/// # Safety
/// The first must be readable for `M` rows of `depth`, the second for a panel, and the third for `M` rows of a panel's width, `stride` apart.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile<const M: usize, const PLAIN: bool>(
    (a, b, c): (*const u16, *const u16, *mut f32),
    depth: usize,
    stride: usize,
) {
    let zero = _mm512_setzero_ps();
    let mut line = b.cast::<[__m512bh; 2]>();
    for block in (0..depth).step_by(BLOCK) {
        let mut even = [[zero; 2]; M];
        let mut odd = even;
        for k in (block..(block + BLOCK).min(depth)).step_by(4) {
            // SAFETY: k to k + 3 are below the depth, which is a multiple of 4.
            unsafe {
                for (sums, k) in [(&mut even, k), (&mut odd, k + 2)] {
                    let [b0, b1] = line.read_unaligned();
                    line = line.add(1);
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let pair = a.add(i * depth + k).cast::<i32>().read_unaligned();
                        let pairs = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(pair));
                        *sums = [_mm512_dpbf16_ps(sums[0], pairs, b0), _mm512_dpbf16_ps(sums[1], pairs, b1)];
                    }
                }
            }
        }
        let is_filled_up = block + BLOCK > depth;
        for i in 0..M {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * stride).cast::<[__m512; 2]>();
                let mut sums = to.read_unaligned();
                for (j, sum) in sums.iter_mut().enumerate() {
                    if !PLAIN && is_filled_up {
                        odd[i][j] = _mm512_add_ps(odd[i][j], zero);
                    }
                    *sum = add::<PLAIN>(*sum, add::<PLAIN>(even[i][j], odd[i][j]));
                }
                to.write_unaligned(sums);
            }
        }
    }
}

/// A sum; 0 of its sign where it is below the least normal number, unless it is plain.
#[inline]
#[target_feature(enable = "avx512f")]
fn add<const PLAIN: bool>(a: __m512, b: __m512) -> __m512 {
    let sum = _mm512_add_ps(a, b);
    if PLAIN {
        return sum;
    }
    let small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(sum), _mm512_set1_ps(f32::MIN_POSITIVE));
    _mm512_mask_mul_ps(sum, small, sum, _mm512_setzero_ps())
}

/// Whether the instruction gives the results of the definition where another could be meant: their order, what is rounded, what becomes 0.
#[target_feature(enable = "avx512f,avx512bf16")]
fn adds_as_defined() -> bool {
    let power = |n: i32| 2f64.powi(n) as f32;
    let least = f32::MIN_POSITIVE;
    // A sum, the factors of the upper and of the lower words, and the result.
    let cases = [
        // The upper product is added first, and the result is rounded before the lower one is added.
        (-power(30), [power(15), power(15)], [1.0, 1.0], 1.0),
        (power(24), [1.0, 1.0], [1.0, 1.0], power(24)),
        // A product is not rounded.
        (-power(127), [power(64), power(64)], [0.0, 0.0], power(127)),
        // What is rounded to 24 bits is below the least normal number, or is not.
        (least, [-power(-75), power(-75)], [0.0, 0.0], 0.0),
        (least, [-power(-76), power(-75)], [0.0, 0.0], least),
        (least, [-power(-75), power(-76) * 1.0078125], [0.0, 0.0], 0.0),
        // A zero keeps its sign.
        (least, [-power(-63), power(-63) * 1.5], [0.0, -0.0], -0.0),
        (least, [-power(-63), power(-63) * 1.5], [0.0, 0.0], 0.0),
    ];
    let pair = |upper: f32, lower: f32| {
        let pairs = _mm512_set1_epi32((u32::from(round(upper)) << 16 | u32::from(round(lower))) as i32);
        // SAFETY: both are 512 bits.
        unsafe { transmute::<__m512i, __m512bh>(pairs) }
    };
    cases.into_iter().all(|(sum, upper, lower, result)| {
        let found = _mm512_dpbf16_ps(_mm512_set1_ps(sum), pair(upper[0], lower[0]), pair(upper[1], lower[1]));
        _mm512_cvtss_f32(found).to_bits() == f32::to_bits(result)
    })
}
