//! Shares of counts, and how far they can be trusted.

/// A part of a whole; 0 where there is no whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The 95% interval of a share seen in `n` samples (Wilson, 1927).
pub(super) fn wilson(share: f64, n: u64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, z2) = (n as f64, Z * Z);
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (middle - half, middle + half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_wilson() {
        // scipy.stats.binomtest(90, 100).proportion_ci(method="wilson")
        let (low, high) = wilson(0.9, 100);
        assert!((low - 0.825_634_338_5).abs() < 1e-9 && (high - 0.944_770_862_9).abs() < 1e-9, "{low} {high}");
    }
}
