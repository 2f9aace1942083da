//! Gates: conditions on metrics that no run should meet, such as `accuracy < -0.002`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CompareError, Comparison, Interval, MetricRow, OverRow};
use crate::json_number;
use crate::show::number::is_same;

/// A condition that a metric should not meet: `[STAGE.]METRIC OP NUMBER`.
///
/// It is held against the difference, last minus first; with `%` behind the number against the difference as a share of
/// the first. `value([STAGE.]METRIC) OP NUMBER` is held against the last value itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    text: String,
    /// A glob for the metric, with or without a stage in front.
    pattern: String,
    of: Of,
    op: Op,
    number: f64,
}

/// What is held against the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Difference,
    Share,
    Value,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Unequal,
}

/// Longer ones first: `<=` begins like `<`.
const OPS: [(&str, Op); 5] =
    [("<=", Op::LessOrEqual), (">=", Op::GreaterOrEqual), ("!=", Op::Unequal), ("<", Op::Less), (">", Op::Greater)];

/// What became of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate, as given.
    pub gate: String,
    /// Whether it failed: a metric met it, the last run lost a metric, or nothing could be checked.
    pub failed: bool,
    /// Every metric it names.
    pub metrics: Vec<GateMetric>,
}

/// A metric that a gate names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateMetric {
    /// The stage: `evaluate[model=5]`.
    pub stage: String,
    /// The metric.
    pub metric: String,
    /// Its value in the first run; `None` where it has none, and in a gate on one run.
    #[serde(with = "json_number::option")]
    pub first: Option<f64>,
    /// Its value in the last run.
    #[serde(with = "json_number::option")]
    pub last: Option<f64>,
    /// Last minus first; `None` where either has none, or one that is not finite.
    pub delta: Option<f64>,
    /// What the gate makes of it.
    pub verdict: Verdict,
    /// Where what is held against the number lies with a probability of 95%, where several numbers tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// How many numbers first and last are the means of, if they are means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<[usize; 2]>,
}

/// What a gate makes of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does not meet the condition.
    Passed,
    /// It meets the condition.
    Failed,
    /// Its mean meets the condition, and may do so by chance: not all of the interval meets it. It passed.
    Noise,
    /// It is not finite, so that no condition can be held against it: it failed as well. Where first and last are the same there is no
    /// difference, whatever they are.
    NotFinite,
    /// The last run has no such number, where an earlier one has: it failed as well.
    Gone,
    /// The first run has no such number, so there is no difference: not checked.
    New,
}

impl FromStr for Gate {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let bad = |why: &str| CompareError::BadGate { gate: text.to_owned(), why: why.to_owned() };
        let places = text.match_indices(['<', '>', '!']).map(|(place, _)| place);
        // The operator is the last one: a matrix value in front of it may hold anything.
        let found = places.rev().find_map(|place| {
            let of = |(sign, op): &(&str, Op)| text[place..].starts_with(sign).then_some((place, sign.len(), *op));
            OPS.iter().find_map(of)
        });
        let (place, length, op) = found.ok_or_else(|| bad("it has no `<`, `<=`, `>`, `>=` or `!=`"))?;
        let (name, number) = (text[..place].trim(), text[place + length..].trim());
        let (number, share) = match number.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (number, false),
        };
        let number: f64 = number.parse().map_err(|_| bad(&format!("`{number}` is not a number")))?;
        if !number.is_finite() {
            return Err(bad("its number has to be finite"));
        }
        let value = name.strip_prefix("value").and_then(|rest| rest.trim_start().strip_prefix('('));
        let (pattern, of) = match value {
            Some(_) if share => return Err(bad("a share is of a difference, and `value(...)` is none")),
            Some(rest) => (rest.strip_suffix(')').ok_or_else(|| bad("`value(` is not closed"))?.trim(), Of::Value),
            None => (name, if share { Of::Share } else { Of::Difference }),
        };
        if pattern.is_empty() {
            return Err(bad("it names no metric"));
        }
        Ok(Self { text: text.trim().to_owned(), pattern: pattern.to_owned(), of, op, number })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Gate {
    /// Holds the gate against all metrics that it names.
    ///
    /// # Errors
    /// If it names none, or asks for differences where there is one run only.
    pub fn check(&self, comparison: &Comparison) -> Result<GateResult, CompareError> {
        if comparison.runs.len() < 2 && self.of != Of::Value {
            return Err(CompareError::OneRun { gate: self.text.clone(), pattern: self.pattern.clone() });
        }
        let metrics: Vec<GateMetric> =
            comparison.metrics.iter().filter(|row| row.answers(&self.pattern)).map(|row| self.judge(row)).collect();
        if metrics.is_empty() {
            let known: BTreeSet<String> = comparison.metrics.iter().map(|row| row.metric.clone()).collect();
            return Err(CompareError::UnknownMetric {
                pattern: self.pattern.clone(),
                known: known.into_iter().collect(),
            });
        }
        Ok(self.result(metrics))
    }

    /// Whether it names a metric.
    pub(super) fn names(&self, row: &MetricRow) -> bool {
        row.answers(&self.pattern)
    }

    /// What became of it, given what it makes of every metric that it names.
    pub(super) fn result(&self, metrics: Vec<GateMetric>) -> GateResult {
        let some = |verdict: Verdict| metrics.iter().any(|metric| metric.verdict == verdict);
        let failed = [Verdict::Failed, Verdict::NotFinite, Verdict::Gone].into_iter().any(some);
        let failed = failed || ![Verdict::Passed, Verdict::Noise].into_iter().any(some);
        GateResult { gate: self.text.clone(), failed, metrics }
    }

    /// Judges the means of several numbers. What the means meet fails only if the whole interval meets it.
    pub(super) fn judge_over(&self, row: &OverRow) -> GateMetric {
        let mut judged = self.judge(&row.means);
        if self.of != Of::Value && row.differs_beyond_finite {
            judged.verdict = Verdict::NotFinite;
        }
        if row.lost {
            judged.verdict = Verdict::Gone;
        }
        let ends = [row.spreads.first(), row.spreads.last()];
        let [first, last] = ends.map(|spread| spread.and_then(Option::as_ref));
        let interval = match self.of {
            Of::Value => last.filter(|last| last.not_finite == 0).and_then(Interval::of_mean),
            Of::Difference | Of::Share => row.interval,
        };
        judged.n = Some([first, last].map(|spread| spread.map_or(0, |spread| spread.n)));
        judged.interval = interval;
        if let (Verdict::Failed, Some(Interval { low, high })) = (judged.verdict, interval) {
            let scale = [judged.first, judged.last].into_iter().flatten().fold(0.0_f64, |scale, v| scale.max(v.abs()));
            let bound = match (self.of, judged.first) {
                (Of::Share, Some(first)) => self.number / 100.0 * first.abs(),
                _ => self.number,
            };
            let within = self.op == Op::Unequal && low <= bound && bound <= high;
            let all = [low, high].into_iter().all(|end| self.verdict(end, bound, scale) == Verdict::Failed);
            if within || !all {
                judged.verdict = Verdict::Noise;
            }
        }
        judged
    }

    fn judge(&self, row: &MetricRow) -> GateMetric {
        let last = row.values.last().copied().flatten();
        let first = if row.values.len() > 1 { row.values.first().copied().flatten() } else { None };
        let verdict = match (first, last) {
            (_, None) => Verdict::Gone,
            (_, Some(last)) if self.of == Of::Value && !last.is_finite() => Verdict::NotFinite,
            (_, Some(last)) if self.of == Of::Value => self.verdict(last, self.number, last),
            (None, Some(last)) if !last.is_finite() => Verdict::NotFinite,
            (None, Some(_)) => Verdict::New,
            (Some(first), Some(last)) if !(first.is_finite() && last.is_finite()) => match is_same(first, last) {
                true => self.verdict(0.0, self.number, 0.0),
                false => Verdict::NotFinite,
            },
            (Some(first), Some(last)) => {
                let bound = if self.of == Of::Share { self.number / 100.0 * first.abs() } else { self.number };
                self.verdict(last - first, bound, first.abs().max(last.abs()))
            }
        };
        let (stage, metric) = (row.stage.clone(), row.metric.clone());
        GateMetric { stage, metric, first, last, delta: row.delta, verdict, interval: None, n: None }
    }

    /// `scale` is the size of the numbers that were subtracted. 0.97 - 0.972 is a little less than -0.002 in binary:
    /// what lies within such rounding counts as equal.
    fn verdict(&self, found: f64, bound: f64, scale: f64) -> Verdict {
        let slack = 8.0 * f64::EPSILON * scale.max(bound.abs());
        let order = if (found - bound).abs() <= slack { Ordering::Equal } else { found.total_cmp(&bound) };
        let met = match self.op {
            Op::Less => order.is_lt(),
            Op::LessOrEqual => order.is_le(),
            Op::Greater => order.is_gt(),
            Op::GreaterOrEqual => order.is_ge(),
            Op::Unequal => order.is_ne(),
        };
        if met { Verdict::Failed } else { Verdict::Passed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(gate: &str, values: &[Option<f64>]) -> Verdict {
        let row = MetricRow {
            stage: "evaluate[model=5]".into(),
            metric: "accuracy".into(),
            values: values.to_vec(),
            delta: None,
        };
        let gate: Gate = gate.parse().unwrap();
        assert!(row.answers(&gate.pattern), "{gate}");
        gate.judge(&row).verdict
    }

    #[test]
    fn differences_shares_and_values() {
        use Verdict::{Failed, Gone, New, NotFinite, Passed};
        const NAN: f64 = f64::NAN;
        const INFINITY: f64 = f64::INFINITY;
        let cases = [
            ("accuracy < -0.002", 0.97, 0.96, Failed),
            ("accuracy<-0.002", 0.97, 0.969, Passed),
            // Equal but for rounding in binary.
            ("accuracy < -0.002", 0.972, 0.97, Passed),
            ("accuracy <= -0.002", 0.972, 0.97, Failed),
            ("evaluate.accuracy > 5%", 0.5, 0.52, Passed),
            ("evaluate[model=5].accuracy > 3 %", 0.5, 0.52, Failed),
            ("acc* < -10%", -0.5, -0.6, Failed),
            ("accuracy > 5%", 0.0, 1e-9, Failed),
            ("accuracy != 0", 0.1 + 0.2, 0.3, Passed),
            ("accuracy != 0", 0.3, 0.31, Failed),
            ("value(accuracy) < 0.9", 0.1, 0.9, Passed),
            ("value( evaluate[*].accuracy ) >= 9e-1", 0.1, 0.9, Failed),
            ("accuracy < -0.002", 0.97, NAN, NotFinite),
            ("accuracy > 0", 0.97, NAN, NotFinite),
            ("accuracy < -0.002", NAN, 0.97, NotFinite),
            ("accuracy > 5%", 0.97, INFINITY, NotFinite),
            ("accuracy < -0.002", INFINITY, f64::NEG_INFINITY, NotFinite),
            ("accuracy < -0.002", NAN, NAN, Passed),
            ("accuracy != 0", INFINITY, INFINITY, Passed),
            ("accuracy <= 0%", NAN, NAN, Failed),
            ("value(accuracy) < 0.9", NAN, NAN, NotFinite),
            ("value(accuracy) < 0.9", 0.1, INFINITY, NotFinite),
            ("accuracy > 0", -f64::MAX, f64::MAX, Failed),
        ];
        for (gate, first, last, expected) in cases {
            assert_eq!(verdict(gate, &[Some(first), Some(last)]), expected, "{gate}: {first} => {last}");
        }
        assert_eq!(verdict("accuracy < 0", &[None, Some(0.5)]), New);
        assert_eq!(verdict("accuracy < 0", &[None, Some(NAN)]), NotFinite);
        assert_eq!(verdict("value(accuracy) < 0", &[None, Some(0.5)]), Passed);
        assert_eq!(verdict("accuracy < 0", &[Some(0.5), None]), Gone);
    }

    #[test]
    fn what_is_no_gate_is_told() {
        for bad in ["", "accuracy", "accuracy < ", "< 3", "accuracy < x", "a < inf", "value(a < 3", "value(a) < 3%"] {
            assert!(matches!(bad.parse::<Gate>(), Err(CompareError::BadGate { .. })), "{bad}");
        }
    }
}
