//! Variants that differ in one matrix axis only, such as a seed, as mean and standard deviation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::variants::{Column, VariantRow, VariantTable, sort_rows};
use super::{CompareError, RunSummary};
use crate::json_number;

/// The variants of one run, those that differ in one axis only put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpreadTable {
    /// The version of this format: 1.
    pub version: u32,
    /// The run.
    pub run: RunSummary,
    /// The axis that the rows put together.
    pub by: String,
    /// The axes that tell the rows apart; none if `by` is the only one.
    pub axes: Vec<String>,
    /// The stages that the rows join, in topological order.
    pub stages: Vec<String>,
    /// Stages with a matrix that these rows leave out because they vary over other axes.
    pub others: Vec<String>,
    /// The columns, as in [`VariantTable`].
    pub columns: Vec<Column>,
    /// One row a combination of the remaining axes.
    pub rows: Vec<SpreadRow>,
}

/// Variants that differ in one axis only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpreadRow {
    /// The remaining axes: axis -> value.
    pub variant: BTreeMap<String, String>,
    /// How many variants there are, with numbers or without.
    pub n: usize,
    /// Column label -> what its numbers are; a column without any number has no entry.
    pub values: BTreeMap<String, Spread>,
}

/// Mean and standard deviation of some numbers. Those that are not finite, as of a training that diverged, are counted and do not enter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean; NaN if no number is finite.
    #[serde(with = "json_number::one")]
    pub mean: f64,
    /// The standard deviation of a sample (divided by n - 1); `None` of a single number.
    #[serde(with = "json_number::option")]
    pub sd: Option<f64>,
    /// How many finite numbers there are.
    pub n: usize,
    /// How many numbers are not finite.
    #[serde(default)]
    pub not_finite: usize,
}

impl Spread {
    /// Of `numbers`; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        if numbers.is_empty() {
            return None;
        }
        let finite: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        let (n, not_finite) = (finite.len(), numbers.len() - finite.len());
        if n == 0 {
            return Some(Self { mean: f64::NAN, sd: None, n, not_finite });
        }
        // Neither sum nor squares leave the range of numbers that are divided by the largest first.
        let largest = finite.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        let scale = if largest > 1e100 { largest } else { 1.0 };
        let mean = finite.iter().map(|number| number / scale).sum::<f64>() / n as f64;
        // Two passes: the difference of large squares would lose the small spread of a metric.
        let squares: f64 = finite.iter().map(|number| (number / scale - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt() * scale);
        Some(Self { mean: mean * scale, sd, n, not_finite })
    }
}

impl VariantTable {
    /// Puts the rows together that differ in `axis` only, in the order of the first of each.
    ///
    /// # Errors
    /// If the rows do not vary over `axis`.
    pub fn by(self, axis: &str) -> Result<SpreadTable, CompareError> {
        if !self.axes.iter().any(|a| a == axis) {
            let (run, axis) = (self.run.id, axis.to_owned());
            return Err(CompareError::UnknownAxis { run, axis, known: self.axes });
        }
        let mut groups: Vec<(BTreeMap<String, String>, Vec<VariantRow>)> = Vec::new();
        let mut places: BTreeMap<BTreeMap<String, String>, usize> = BTreeMap::new();
        for row in self.rows {
            let mut variant = row.variant.clone();
            variant.remove(axis);
            let place = *places.entry(variant.clone()).or_insert_with(|| {
                groups.push((variant, vec![]));
                groups.len() - 1
            });
            groups[place].1.push(row);
        }
        let rows = groups.into_iter().map(|(variant, rows)| {
            let of = |column: &Column| {
                let numbers: Vec<f64> = rows.iter().filter_map(|row| row.values.get(&column.label).copied()).collect();
                Some((column.label.clone(), Spread::of(&numbers)?))
            };
            SpreadRow { variant, n: rows.len(), values: self.columns.iter().filter_map(of).collect() }
        });
        Ok(SpreadTable {
            version: self.version,
            by: axis.to_owned(),
            axes: self.axes.into_iter().filter(|a| a != axis).collect(),
            rows: rows.collect(),
            run: self.run,
            stages: self.stages,
            others: self.others,
            columns: self.columns,
        })
    }
}

impl SpreadTable {
    /// Sorts the rows by an axis or by the mean of a column; a `-` in front puts the highest first.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn sort(mut self, by: &str) -> Result<Self, CompareError> {
        sort_rows(
            &mut self.rows,
            by,
            &self.axes,
            &self.columns,
            |row| &row.variant,
            |row, label| row.values.get(label).map(|spread| spread.mean),
        )?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_deviation_of_a_sample() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[0.5]), Some(Spread { mean: 0.5, sd: None, n: 1, not_finite: 0 }));
        // Squares of the deviations from 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.mean, spread.n), (5.0, 8));
        assert!((spread.sd.unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        // A small spread far from zero.
        let spread = Spread::of(&[1e6 - 1e-3, 1e6, 1e6 + 1e-3]).unwrap();
        assert!((spread.sd.unwrap() - 1e-3).abs() < 1e-9);
        assert_eq!(Spread::of(&[f64::MAX; 3]), Some(Spread { mean: f64::MAX, sd: Some(0.0), n: 3, not_finite: 0 }));
    }

    #[test]
    fn what_is_not_finite_is_counted_and_does_not_enter() {
        let spread = Spread::of(&[1.0, f64::NAN, 3.0, f64::INFINITY]).unwrap();
        assert_eq!((spread.mean, spread.n, spread.not_finite), (2.0, 2, 2));
        assert!((spread.sd.unwrap() - 2.0_f64.sqrt()).abs() < 1e-15);
        let spread = Spread::of(&[f64::NAN]).unwrap();
        assert!(spread.mean.is_nan());
        assert_eq!((spread.sd, spread.n, spread.not_finite), (None, 0, 1));
    }
}
