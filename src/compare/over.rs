//! Runs side by side, variants that differ in one axis only, such as a seed, put together in each.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::show::number::is_same;

use super::{CompareError, Comparison, Gate, GateMetric, GateResult, Interval, MetricRow, Spread};

/// Metrics of runs over an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Over {
    /// The axis.
    pub axis: String,
    /// The metrics, by stage.
    pub rows: Vec<OverRow>,
}

/// A metric in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverRow {
    /// The stage without the axis, and the means.
    #[serde(flatten)]
    pub means: MetricRow,
    /// What the numbers of each run are; `None` where it has none.
    pub spreads: Vec<Option<Spread>>,
    /// Where the difference of the means lies, last minus first; `None` if either run has fewer than two numbers.
    pub interval: Option<Interval>,
    /// Whether the last run has a variant without this number, of which an earlier run has it: it failed, or gave `null`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// Whether numbers of the first or the last run are not finite, and the two runs have not the same numbers.
    #[serde(skip)]
    pub(super) differs_beyond_finite: bool,
}

/// The numbers of a metric in every run, and whether the last one lost some.
struct Group<'c> {
    stage: String,
    metric: &'c str,
    numbers: Vec<Vec<f64>>,
    lost: bool,
}

impl Comparison {
    /// Whether a stage varies over an axis.
    pub fn has_axis(&self, axis: &str) -> bool {
        self.stages.iter().any(|stage| stage.variant.contains_key(axis))
    }

    /// Puts together what differs in `axis` only.
    ///
    /// # Errors
    /// If no stage varies over it.
    pub fn over(&self, axis: &str) -> Result<Over, CompareError> {
        if !self.has_axis(axis) {
            let mut known: Vec<String> = self.stages.iter().flat_map(|stage| stage.variant.keys().cloned()).collect();
            known.sort();
            known.dedup();
            let run = self.runs.last().map(|run| run.id.clone()).unwrap_or_default();
            return Err(CompareError::UnknownAxis { run, axis: axis.to_owned(), known });
        }
        let names: HashMap<&str, String> = self
            .stages
            .iter()
            .map(|stage| (stage.name.as_str(), without(&stage.stage, &stage.name, &stage.variant, axis)))
            .collect();
        let here: HashSet<&str> =
            self.stages.iter().filter(|stage| stage.outcome().is_some()).map(|stage| stage.name.as_str()).collect();
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<(String, &str), usize> = HashMap::new();
        for row in &self.metrics {
            let name = names.get(row.stage.as_str()).cloned().unwrap_or_else(|| row.stage.clone());
            let place = *places.entry((name.clone(), row.metric.as_str())).or_insert_with(|| {
                groups.push(Group {
                    stage: name,
                    metric: &row.metric,
                    numbers: vec![vec![]; row.values.len()],
                    lost: false,
                });
                groups.len() - 1
            });
            let group = &mut groups[place];
            for (numbers, value) in group.numbers.iter_mut().zip(&row.values) {
                numbers.extend(value);
            }
            group.lost |= row.values.last() == Some(&None) && here.contains(row.stage.as_str());
        }
        let rows = groups.into_iter().map(OverRow::of);
        Ok(Over { axis: axis.to_owned(), rows: rows.collect() })
    }
}

impl OverRow {
    fn of(Group { stage, metric, numbers, lost }: Group) -> Self {
        let sorted = |numbers: Option<&Vec<f64>>| {
            let mut numbers = numbers.cloned().unwrap_or_default();
            numbers.sort_by(f64::total_cmp);
            numbers
        };
        let ends = [sorted(numbers.first()), sorted(numbers.last())];
        let is_same = ends[0].len() == ends[1].len() && ends[0].iter().zip(&ends[1]).all(|(a, b)| is_same(*a, *b));
        let differs_beyond_finite = !is_same
            && ends.iter().all(|numbers| !numbers.is_empty())
            && ends.iter().flatten().any(|number| !number.is_finite());
        let spreads: Vec<Option<Spread>> = numbers.iter().map(|numbers| Spread::of(numbers)).collect();
        // A number that is not finite is not lost in a mean of the others.
        let mean = |spread: &Spread| if spread.not_finite > 0 { f64::NAN } else { spread.mean };
        let values: Vec<Option<f64>> = spreads.iter().map(|spread| spread.as_ref().map(mean)).collect();
        let (first, last) = (spreads.first().and_then(Option::as_ref), spreads.last().and_then(Option::as_ref));
        let ends = first.zip(last).filter(|(a, b)| spreads.len() > 1 && a.not_finite + b.not_finite == 0);
        let delta = ends.map(|(first, last)| last.mean - first.mean).filter(|delta| delta.is_finite());
        let interval = ends.and_then(|(first, last)| Interval::of_difference(first, last));
        Self {
            means: MetricRow { stage, metric: metric.to_owned(), values, delta },
            spreads,
            interval,
            lost,
            differs_beyond_finite,
        }
    }

    /// Whether the runs differ by more than chance: where there is an interval, zero is not in it.
    pub fn stands_out(&self) -> bool {
        match self.interval {
            Some(Interval { low, high }) => low > 0.0 || high < 0.0,
            None => self.means.differs() || self.differs_beyond_finite,
        }
    }
}

impl Over {
    /// Holds a gate against the means of all metrics that it names. Where both runs have several numbers it fails only if all that the
    /// difference may be, by its interval, meets the condition.
    ///
    /// # Errors
    /// As [`Gate::check`].
    pub fn check(&self, gate: &Gate, comparison: &Comparison) -> Result<GateResult, CompareError> {
        // The same mistakes in the same words.
        gate.check(comparison)?;
        let named = self.rows.iter().filter(|row| gate.names(&row.means));
        let metrics: Vec<GateMetric> = named.map(|row| gate.judge_over(row)).collect();
        // A gate on a single variant is on that.
        if metrics.is_empty() { gate.check(comparison) } else { Ok(gate.result(metrics)) }
    }
}

/// The name of a stage without a coordinate.
fn without(stage: &str, name: &str, variant: &BTreeMap<String, String>, axis: &str) -> String {
    if !variant.contains_key(axis) {
        return name.to_owned();
    }
    let rest: Vec<String> =
        variant.iter().filter(|(own, _)| *own != axis).map(|(axis, label)| format!("{axis}={label}")).collect();
    if rest.is_empty() { stage.to_owned() } else { format!("{stage}[{}]", rest.join(",")) }
}
