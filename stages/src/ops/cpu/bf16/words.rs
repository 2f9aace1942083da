//! Words, which are the bits of a bfloat16, and pairs of them: what both units share that multiply words.
//!
//! A group of four terms makes two pairs. [`Order`] tells of which terms.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::pack::MOST;
use super::round::Element;

/// Columns of a panel.
pub(super) const WIDTH: usize = 32;

/// The terms of a group in the order in which their words lie: the lower and the upper word of the first pair, and of the second.
pub(super) type Order = [usize; 4];

/// The class of numbers below the least normal one, but for 0.
pub(super) const SMALL: i32 = 1 << 5;

/// Brings whole groups into an order.
#[inline(always)]
pub(super) fn arrange(order: Order, terms: &mut [u16]) {
    for four in terms.as_chunks_mut().0 {
        let old: [u16; 4] = *four;
        *four = order.map(|k| old[k]);
    }
}

/// Rounds four lines of a panel, and writes them as lines of pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(super) fn lay(order: Order, lines: &[[f32; MOST]; 4], to: &mut [u16]) {
    assert_eq!(to.len(), 4 * WIDTH, "room for four lines");
    let to = to.as_mut_ptr().cast::<[__m512i; 2]>();
    let [first, second] = pairs(order, lines);
    // SAFETY: there is room for four vectors of words.
    unsafe {
        to.write_unaligned(first);
        to.add(1).write_unaligned(second);
    }
}

/// Rounds the first `count` columns of four lines, and writes each as a group; they are `stride` apart.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(super) fn transpose(order: Order, lines: &[[f32; MOST]; 4], count: usize, to: &mut [u16], stride: usize) {
    // SAFETY: vectors of pairs of words are as long as arrays of them.
    let [first, second] = unsafe { transmute::<[[__m512i; 2]; 2], [[[u16; 2]; WIDTH]; 2]>(pairs(order, lines)) };
    for (column, (first, second)) in first.into_iter().zip(second).enumerate().take(count) {
        let to = &mut to[column * stride..][..4];
        to[..2].copy_from_slice(&first);
        to[2..].copy_from_slice(&second);
    }
}

/// The words of the first 32 columns of four lines, as two lines of pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
fn pairs(order: Order, lines: &[[f32; MOST]; 4]) -> [[__m512i; 2]; 2] {
    // Words 32 to 63 are the second operand's.
    const BY_TURNS: [[u16; 32]; 2] = {
        let mut places = [[0; 32]; 2];
        let mut i = 0;
        while i < 32 {
            (places[i / 16][i % 16 * 2], places[i / 16][i % 16 * 2 + 1]) = (i as u16, 32 + i as u16);
            i += 1;
        }
        places
    };
    // SAFETY: a line has two vectors and more; arrays of 32 words are vectors.
    unsafe {
        let line = |k: usize| lines[k].as_ptr().cast::<[__m512; 2]>().read_unaligned();
        let [left, right] = transmute::<[[u16; 32]; 2], [__m512i; 2]>(BY_TURNS);
        let [a, b, c, d] = order.map(|k| words(line(k)));
        [
            [_mm512_permutex2var_epi16(a, left, b), _mm512_permutex2var_epi16(a, right, b)],
            [_mm512_permutex2var_epi16(c, left, d), _mm512_permutex2var_epi16(c, right, d)],
        ]
    }
}

/// Rounds a run of numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(super) fn round_run(from: &[f32], to: &mut [u16]) {
    assert_eq!(from.len(), to.len(), "room for as many words");
    let whole = from.len() / 32 * 32;
    for i in (0..whole).step_by(32) {
        // SAFETY: 32 numbers from i on are there, and room for their words.
        unsafe {
            let from = from.as_ptr().add(i).cast::<[__m512; 2]>().read_unaligned();
            to.as_mut_ptr().add(i).cast::<__m512i>().write_unaligned(words(from));
        }
    }
    to[whole..].iter_mut().zip(&from[whole..]).for_each(|(to, x)| *to = u16::of(*x));
}

/// Rounds as [`Element::of`] does.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
fn words([lower, upper]: [__m512; 2]) -> __m512i {
    // SAFETY: both are 512 bits.
    let words = unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(upper, lower)) };
    // The instruction takes such numbers as 0 of their sign. The greatest of them are nearest to the least normal one.
    let small = [_mm512_fpclass_ps_mask::<SMALL>(lower), _mm512_fpclass_ps_mask::<SMALL>(upper)];
    if small == [0, 0] { words } else { with_small(words, [lower, upper]) }
}

/// The words with those of the numbers that are rounded up to the least normal one.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw")]
fn with_small(words: __m512i, numbers: [__m512; 2]) -> __m512i {
    // SAFETY: all are as long as what they are made from.
    unsafe {
        let numbers = transmute::<[__m512; 2], [f32; 32]>(numbers);
        let mut words = transmute::<__m512i, [u16; 32]>(words);
        for (word, x) in words.iter_mut().zip(numbers) {
            if x.is_subnormal() {
                *word = u16::of(x);
            }
        }
        transmute::<[u16; 32], __m512i>(words)
    }
}
