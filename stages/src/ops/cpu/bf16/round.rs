//! Rounding to bfloat16, and the two forms in which rounded operands are kept.

use std::cell::RefCell;
use std::thread::LocalKey;

use super::dense::Factors;
use super::pack::{Buffers, Pair};

/// The bits of the nearest bfloat16, of two equally near ones the even. A NaN stays one.
#[inline(always)]
pub fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // A NaN whose upper bits are all 0 would become infinite.
    let nan = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { nearest }) as u16
}

/// The same, with 0 for what is below the least normal number, as the processors' products take it.
#[inline(always)]
pub(super) fn operand(x: f32) -> u16 {
    let bits = round(x);
    if bits & 0x7f80 == 0 { bits & 0x8000 } else { bits }
}

/// A rounded operand.
pub(super) trait Element: Copy + Default + 'static {
    /// Buffers that a thread keeps. They are taken out and put back: code in a closure of the standard library is not compiled for the
    /// processor's vectors, and was 20 times as slow.
    const BUFFERS: &'static LocalKey<RefCell<Buffers<Self>>>;

    /// Rounds.
    fn of(x: f32) -> Self;

    /// The factors that are kept in this form.
    fn factors(kept: &Factors) -> &Pair<Self>;

    /// The same, to be filled.
    fn factors_mut(kept: &mut Factors) -> &mut Pair<Self>;

    /// The sizes that occur.
    fn range(values: &[Self]) -> Range;
}

thread_local! {
    static WORDS: RefCell<Buffers<u16>> = RefCell::default();
    static FLOATS: RefCell<Buffers<f32>> = RefCell::default();
}

/// The form that processors take which multiply bfloat16: its bits.
impl Element for u16 {
    const BUFFERS: &'static LocalKey<RefCell<Buffers<Self>>> = &WORDS;

    #[inline(always)]
    fn of(x: f32) -> Self {
        operand(x)
    }

    fn factors(kept: &Factors) -> &Pair<Self> {
        &kept.words
    }

    fn factors_mut(kept: &mut Factors) -> &mut Pair<Self> {
        &mut kept.words
    }

    #[inline(always)]
    fn range(values: &[Self]) -> Range {
        values.iter().fold(Range::default(), |range, x| range.with(x & 0x7fff))
    }
}

/// The form that all others take: the same number as a float32.
impl Element for f32 {
    const BUFFERS: &'static LocalKey<RefCell<Buffers<Self>>> = &FLOATS;

    #[inline(always)]
    fn of(x: f32) -> Self {
        f32::from_bits(u32::from(operand(x)) << 16)
    }

    fn factors(kept: &Factors) -> &Pair<Self> {
        &kept.floats
    }

    fn factors_mut(kept: &mut Factors) -> &mut Pair<Self> {
        &mut kept.floats
    }

    #[inline(always)]
    fn range(values: &[Self]) -> Range {
        values.iter().fold(Range::default(), |range, x| range.with((x.to_bits() >> 16) as u16 & 0x7fff))
    }
}

/// The least size other than 0, less 1 in its last place, and the greatest: bfloat16 without signs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    least: u16,
    most: u16,
}

impl Default for Range {
    fn default() -> Self {
        Self { least: u16::MAX, most: 0 }
    }
}

impl Range {
    #[inline(always)]
    fn with(self, size: u16) -> Self {
        Self { least: self.least.min(size.wrapping_sub(1)), most: self.most.max(size) }
    }

    /// Whether no sum of products of such operands has a size that float32 cannot tell from its neighbours, or that overflows.
    ///
    /// A bfloat16 has 8 significant bits. So with exponents of at least e and f all products are multiples of 2^(e + f - 14), and so are all
    /// sums, rounded or not. If that is no less than the least normal number, nothing can be below it but 0. And where no product overflows, it is
    /// exact, and to round it before it is added changes nothing.
    pub(super) fn is_plain(self, other: Self) -> bool {
        if self.most == 0 || other.most == 0 {
            return true;
        }
        let exponent = |size: u16| i32::from(size >> 7) - 127;
        let least = exponent(self.least + 1) + exponent(other.least + 1) - 14;
        let most = exponent(self.most) + exponent(other.most) + 2;
        least >= -126 && most <= 127
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_what_is_not_zero() {
        let range = <f32 as Element>::range(&[0.0, -0.0, -3.0, 0.25].map(f32::of));
        assert_eq!((range.least + 1, range.most), (round(0.25), round(3.0)));
        let words = <u16 as Element>::range(&[0.0, -0.0, -3.0, 0.25].map(u16::of));
        assert_eq!((words.least, words.most), (range.least, range.most));
        assert!(range.is_plain(Range::default()));
        let of = |least: f32, most: f32| <u16 as Element>::range(&[least, most].map(u16::of));
        let power = |n: i32| 2f32.powi(n);
        assert!(of(power(-56), 1.0).is_plain(of(power(-56), 1.0)));
        assert!(!of(power(-56), 1.0).is_plain(of(power(-57), 1.0)));
        assert!(of(1.0, power(62)).is_plain(of(1.0, power(63))));
        assert!(!of(1.0, power(63)).is_plain(of(1.0, power(63))));
        assert!(!of(1.0, f32::NAN).is_plain(of(1.0, 1.0)));
    }
}
