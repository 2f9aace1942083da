//! Variants that differ in one matrix axis only, such as a seed, as mean and standard deviation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::variants::{Column, VariantRow, VariantTable, sort_rows};
use super::{CompareError, RunSummary};

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

/// Mean and standard deviation of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample (divided by n - 1); `None` of a single number.
    pub sd: Option<f64>,
    /// How many numbers there are.
    pub n: usize,
}

impl Spread {
    /// Of `numbers`; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len();
        if n == 0 {
            return None;
        }
        let mean = numbers.iter().sum::<f64>() / n as f64;
        // Two passes: the difference of large squares would lose the small spread of a metric.
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        // Numbers so large that their sum is none are not spoken of: JSON has no infinity.
        (mean.is_finite() && sd.is_none_or(f64::is_finite)).then_some(Self { mean, sd, n })
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
        assert_eq!(Spread::of(&[0.5]), Some(Spread { mean: 0.5, sd: None, n: 1 }));
        // Squares of the deviations from 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.mean, spread.n), (5.0, 8));
        assert!((spread.sd.unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        // A small spread far from zero.
        let spread = Spread::of(&[1e6 - 1e-3, 1e6, 1e6 + 1e-3]).unwrap();
        assert!((spread.sd.unwrap() - 1e-3).abs() < 1e-9);
        assert_eq!(Spread::of(&[f64::MAX, f64::MAX]), None);
    }
}
