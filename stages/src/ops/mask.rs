//! The dropout mask: which element is kept is a function of a key and the element's number, so it is the same whatever
//! the batching, the number of threads and the device.

/// A dropout mask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    key: u64,
    threshold: u32,
    scale: f32,
}

impl Mask {
    /// Drops with probability `rate` (in steps of 2^-32), scales what is kept by `1 / (1 - rate)`.
    pub(super) fn new(rate: f32, key: u64) -> Self {
        let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
        Self { key: mix(key), threshold, scale: 1.0 / (1.0 - rate) }
    }

    /// What element `index` is multiplied by: 0 if dropped.
    #[inline(always)]
    pub(super) fn factor(&self, index: u64) -> f32 {
        self.block(index >> 32).factor(index as u32)
    }

    /// The mask of the 2^32 elements whose number has these upper bits.
    #[inline(always)]
    pub(super) fn block(&self, upper: u64) -> Block {
        let key = mix(self.key ^ upper);
        Block { low: key as u32, high: (key >> 32) as u32, threshold: self.threshold, scale: self.scale }
    }
}

/// A run of 2^32 elements of a [`Mask`]; 32-bit arithmetic only, so that loops over it vectorise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    low: u32,
    high: u32,
    threshold: u32,
    scale: f32,
}

impl Block {
    /// What the element with these lower bits is multiplied by.
    #[inline(always)]
    pub(super) fn factor(&self, lower: u32) -> f32 {
        // Two keyed rounds of a 32-bit mixer with low bias (Wellons' "lowbias32"), so that neither half of the key
        // merely shifts the sequence of another.
        let mut bits = lower ^ self.low;
        bits ^= bits >> 16;
        bits = bits.wrapping_mul(0x7feb_352d);
        bits ^= bits >> 15;
        bits = bits.wrapping_mul(0x846c_a68b);
        bits ^= bits >> 16;
        bits ^= self.high;
        bits = bits.wrapping_mul(0x7feb_352d);
        bits ^= bits >> 15;
        bits = bits.wrapping_mul(0x846c_a68b);
        bits ^= bits >> 16;
        if bits >= self.threshold { self.scale } else { 0.0 }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_asked_share_independently_for_neighbours_and_keys() {
        let n = 400_000u64;
        let (a, b) = (Mask::new(0.25, 1), Mask::new(0.25, 2));
        let dropped = |mask: Mask, i: u64| mask.factor(i) == 0.0;
        let share = |f: &dyn Fn(u64) -> bool| (0..n).filter(|i| f(*i)).count() as f64 / n as f64;
        // Three standard deviations are 0.002 and 0.0012.
        assert!((share(&|i| dropped(a, i)) - 0.25).abs() < 0.003);
        assert!((share(&|i| dropped(a, i) && dropped(a, i + 1)) - 0.0625).abs() < 0.002);
        assert!((share(&|i| dropped(a, i) && dropped(b, i)) - 0.0625).abs() < 0.002);
        assert!((share(&|i| dropped(a, i) && dropped(a, i + (1 << 32))) - 0.0625).abs() < 0.002);
        assert_eq!(a.factor(0).max(a.factor(1)).max(a.factor(2)).max(a.factor(3)), 1.0 / 0.75);
    }

    #[test]
    fn rate_zero_keeps_everything() {
        assert!((0..1000).all(|i| Mask::new(0.0, 7).factor(i) == 1.0));
    }
}
