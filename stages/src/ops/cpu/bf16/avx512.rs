//! Products by AVX512-BF16: the instruction VDPBF16PS adds two products of bfloat16 to a float32.
//!
//! It takes the operands as pairs of words. It adds the product of the upper words first and then that of the lower words, each by a fused
//! multiply-add that flushes. A block's even and odd k are summed apart, so a pair holds two even or two odd k, the earlier in the upper word.

use std::arch::x86_64::*;
use std::mem::transmute;
use std::sync::OnceLock;

use pulp::x86::V4;

use super::super::tile::{ROWS, split_by, with_one_of, with_rows};
use super::BLOCK;
use super::pack::MOST;
use super::round::round;
use super::unit::{Compute, GROUP, Sum, Terms};
use super::words::{self, Order, SMALL};

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

/// Of each pair the earlier term is in the upper word.
const ORDER: Order = [2, 0, 3, 1];

impl Compute for Avx512Bf16 {
    type Element = u16;

    const WIDTH: usize = words::WIDTH;
    const DEPTH: usize = GROUP;

    #[inline(always)]
    fn round(self, from: &[f32], to: &mut [u16]) {
        // SAFETY: the processor has the instructions.
        unsafe { words::round_run(from, to) }
    }

    #[inline(always)]
    fn arrange(terms: &mut [u16]) {
        words::arrange(ORDER, terms);
    }

    #[inline(always)]
    fn lay(self, lines: &[[f32; MOST]; 4], to: &mut [u16]) {
        // SAFETY: the processor has the instructions.
        unsafe { words::lay(ORDER, lines, to) }
    }

    #[inline(always)]
    fn transpose(self, lines: &[[f32; MOST]; 4], count: usize, to: &mut [u16], stride: usize) {
        // SAFETY: the processor has the instructions.
        unsafe { words::transpose(ORDER, lines, count, to, stride) }
    }

    #[inline(always)]
    unsafe fn add(self, a: Terms<u16>, b: *const u16, columns: usize, c: *mut f32, sum: Sum) {
        let begins = sum.begins;
        // SAFETY: the caller's promise, and the processor has the instructions.
        unsafe {
            if sum.plain { tiles::<true>(a, b, columns, c, begins) } else { tiles::<false>(a, b, columns, c, begins) }
        }
    }
}

/// # Safety
/// As [`Compute::add`].
#[target_feature(enable = "avx512f,avx512dq,avx512bf16")]
unsafe fn tiles<const PLAIN: bool>(a: Terms<u16>, b: *const u16, columns: usize, c: *mut f32, begins: bool) {
    let width = Avx512Bf16::WIDTH;
    let panels = columns.div_ceil(width);
    let stride = panels * width;
    for panel in 0..panels {
        let is_narrow = columns - panel * width <= 16;
        // Where a row starts needs a register, too, so a narrow tile has 8 rows and not 12.
        for (row, count) in split_by(a.starts.len(), if is_narrow { 8 } else { ROWS }) {
            // SAFETY: the panel and the rows are among those that the caller promises.
            unsafe {
                let b = b.add(panel * a.groups.len() * GROUP * width);
                let c = (c.add(row * stride + panel * width), stride, begins);
                if is_narrow {
                    with_one_of!(1 2 3 4 5 6 7 8, count, M => tile::<M, 1, PLAIN>((a.rows::<M>(row), a.groups), b, c));
                } else {
                    with_rows!(count, M => tile::<M, 2, PLAIN>((a.rows::<M>(row), a.groups), b, c));
                }
            }
        }
    }
}

/// Adds the products of `M` rows and the first `V` vectors of a panel to the sums, or begins them. Six rows of two vectors have 24 sums in
/// registers, of 32.
///
/// # Safety
/// The groups of each row and a panel must be readable, and the sums writable for `M` rows of `V` vectors, `stride` apart.
#[target_feature(enable = "avx512f,avx512dq,avx512bf16")]
unsafe fn tile<const M: usize, const V: usize, const PLAIN: bool>(
    (rows, groups): ([*const u16; M], &[usize]),
    b: *const u16,
    (c, stride, begins): (*mut f32, usize, bool),
) {
    let zero = _mm512_setzero_ps();
    let mut line = b.cast::<[__m512bh; 2]>();
    for (block, groups) in groups.chunks(BLOCK / GROUP).enumerate() {
        let mut even = [[zero; V]; M];
        let mut odd = even;
        for group in groups {
            // SAFETY: the caller's promise; a group is two pairs.
            unsafe {
                for (sums, k) in [(&mut even, *group), (&mut odd, group + 2)] {
                    let b = line.cast::<[__m512bh; V]>().read_unaligned();
                    line = line.add(1);
                    for (row, sums) in rows.iter().zip(sums) {
                        let pair = row.add(k).cast::<i32>().read_unaligned();
                        let pairs = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(pair));
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum = _mm512_dpbf16_ps(*sum, pairs, b);
                        }
                    }
                }
            }
        }
        let is_filled_up = groups.len() * GROUP < BLOCK;
        for i in 0..M {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * stride).cast::<[__m512; V]>();
                let mut sums = if begins && block == 0 { [zero; V] } else { to.read_unaligned() };
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
#[target_feature(enable = "avx512f,avx512dq")]
fn add<const PLAIN: bool>(a: __m512, b: __m512) -> __m512 {
    let sum = _mm512_add_ps(a, b);
    if PLAIN {
        return sum;
    }
    let small = _mm512_fpclass_ps_mask::<SMALL>(sum);
    _mm512_mask_and_ps(sum, small, sum, _mm512_set1_ps(-0.0))
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
