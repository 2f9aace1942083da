//! The eight-number summary of a series, as `pandas.Series.describe` defines it.

use serde::Serialize;

/// Count, mean, spread and quantiles of a series.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// How many values.
    count: usize,
    /// Their mean.
    mean: f64,
    /// Their standard deviation with n-1 in the denominator; null for a single value.
    std: Option<f64>,
    /// The smallest.
    min: f64,
    /// The first quartile.
    #[serde(rename = "25%")]
    first_quartile: f64,
    /// The median.
    #[serde(rename = "50%")]
    median: f64,
    /// The third quartile.
    #[serde(rename = "75%")]
    third_quartile: f64,
    /// The largest.
    max: f64,
}

impl Summary {
    /// Summarises a series.
    ///
    /// # Panics
    /// If it is empty.
    pub(super) fn of(series: &[f32]) -> Self {
        let mut sorted: Vec<f64> = series.iter().map(|&v| v.into()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            count,
            mean,
            std: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
            min: sorted[0],
            first_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            third_quartile: quantile(&sorted, 0.75),
            max: sorted[count - 1],
        }
    }
}

/// Interpolates linearly between the two nearest ranks (type 7 of Hyndman and Fan, 1996).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let below = rank.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (rank - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_pandas() {
        // pandas.Series([3, 1, 4, 1, 5, 9, 2, 6]).describe()
        let summary = Summary::of(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        assert!((summary.mean - 3.875).abs() < 1e-12);
        assert!((summary.std.unwrap() - 2.748_376_143_938_713).abs() < 1e-12);
        assert_eq!((summary.first_quartile, summary.median, summary.third_quartile), (1.75, 3.5, 5.25));
        assert_eq!((summary.count, summary.min, summary.max), (8, 1.0, 9.0));
    }

    #[test]
    fn a_single_value_has_no_deviation() {
        let summary = Summary::of(&[7.0]);
        assert_eq!((summary.std, summary.median, summary.third_quartile), (None, 7.0, 7.0));
    }
}
