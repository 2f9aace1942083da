//! What samples tell of a mean, and of the difference of two: 95% intervals.
//!
//! Of a difference it is Welch's interval, for samples whose spreads may differ (B. L. Welch, Biometrika 34, 1947, 28-35), with the degrees
//! of freedom of F. E. Satterthwaite (Biometrics Bulletin 2, 1946, 110-114).

use serde::{Deserialize, Serialize};

use super::Spread;

/// How sure an interval is.
const LEVEL: f64 = 0.95;

/// Beyond so many degrees of freedom Student's distribution is as good as the normal one.
const MANY: f64 = 10_000.0;

/// Where a mean, or a difference of means, lies with a probability of 95%.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    fn around(middle: f64, error: f64, freedom: f64) -> Self {
        // Without any spread there is no doubt, whatever the number of samples.
        let reach = if error > 0.0 { error * student(freedom) } else { 0.0 };
        Self { low: middle - reach, high: middle + reach }
    }

    /// Of a mean; `None` of fewer than two numbers.
    pub fn of_mean(spread: &Spread) -> Option<Self> {
        let n = spread.n as f64;
        Some(Self::around(spread.mean, spread.sd? / n.sqrt(), n - 1.0))
    }

    /// Of the difference of two means, the second minus the first; `None` if either is of fewer than two numbers.
    pub fn of_difference(first: &Spread, last: &Spread) -> Option<Self> {
        let part = |spread: &Spread| Some((spread.sd?.powi(2) / spread.n as f64, spread.n as f64 - 1.0));
        let ((a, free_a), (b, free_b)) = (part(first)?, part(last)?);
        let freedom = (a + b).powi(2) / (a.powi(2) / free_a + b.powi(2) / free_b);
        Some(Self::around(last.mean - first.mean, (a + b).sqrt(), freedom))
    }
}

/// The number that Student's t stays below in size with the probability [`LEVEL`].
fn student(freedom: f64) -> f64 {
    // With t = sqrt(freedom) tan(angle), the density of the angle is the cosine to the power of freedom - 1.
    let freedom = freedom.clamp(1.0, MANY);
    let density = |angle: f64| angle.cos().max(0.0).powf(freedom - 1.0);
    let up_to = |angle: f64| {
        const STEPS: usize = 2000;
        let step = angle / STEPS as f64;
        let inner: f64 = (1..STEPS).map(|i| density(i as f64 * step) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (density(0.0) + inner + density(angle)) * step / 3.0
    };
    let wanted = LEVEL * up_to(std::f64::consts::FRAC_PI_2);
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if up_to(middle) < wanted { low = middle } else { high = middle }
    }
    freedom.sqrt() * low.tan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_numbers_are_those_of_the_tables() {
        for (freedom, expected) in
            [(1.0, 12.7062), (2.0, 4.3027), (4.0, 2.7764), (10.0, 2.2281), (30.0, 2.0423), (1e6, 1.9602)]
        {
            assert!((student(freedom) - expected).abs() < 2e-4, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_difference_is_welchs() {
        // The example of Wikipedia's page on Welch's test is not used here: these are two samples worked by hand.
        let (first, last) = (Spread::of(&[1.0, 2.0, 3.0]).unwrap(), Spread::of(&[4.0, 6.0, 8.0, 10.0]).unwrap());
        let found = Interval::of_difference(&first, &last).unwrap();
        // Variances 1 and 20/3; errors 1/3 and 5/3; freedom 4 / (1/18 + 25/27) = 4.0755; t = 2.7564.
        let reach = 2.0_f64.sqrt() * 2.7564;
        assert!((found.low - (5.0 - reach)).abs() < 2e-3 && (found.high - (5.0 + reach)).abs() < 2e-3, "{found:?}");
        let same = Spread::of(&[2.0, 2.0]).unwrap();
        assert_eq!(Interval::of_difference(&same, &same), Some(Interval { low: 0.0, high: 0.0 }));
        assert_eq!(Interval::of_difference(&first, &Spread::of(&[1.0]).unwrap()), None);
    }
}
