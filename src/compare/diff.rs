//! Two or more runs side by side.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::finite;
use super::variants::by_value;
use super::{Change, CompareError, RunSummary, VERSION, changes, columns};
use crate::action::Difference;
use crate::hash::{ActionKey, Digest};
use crate::json_number;
use crate::json_text::JsonText;
use crate::record::{Outcome, RunId, RunRecord, StageRecord};
use crate::show::names::base;
use crate::show::number::is_same;
use crate::stage_name::{StageName, is_named};

/// Two or more runs side by side. Every list of values has one entry a run, in the order of [`runs`](Self::runs).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this format: 1.
    pub version: u32,
    /// The runs in the order given; the last is the one that is looked at.
    pub runs: Vec<RunSummary>,
    /// Pipeline parameters that are not the same in every run.
    pub params: Vec<Change>,
    /// Every stage of any run: those of the last run in its order, then those that only earlier runs have.
    pub stages: Vec<StageDiff>,
    /// Every metric of every stage, changed or not.
    pub metrics: Vec<MetricRow>,
}

/// One stage in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageDiff {
    /// `train[model=5]`.
    pub name: String,
    /// The key under `stages:`: `train`.
    pub stage: String,
    /// Matrix coordinates.
    pub variant: BTreeMap<String, String>,
    /// What became of it in each run; `None` where a run has no such stage.
    pub outcomes: Vec<Option<Outcome>>,
    /// Why, in the last run.
    pub reasons: Vec<String>,
    /// The run that `changes` are counted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<RunId>,
    /// What of it is not as it was in that run; `None` if it is the same in all, or if that cannot be told any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Difference>>,
    /// Why it failed in the last run.
    pub error: Option<String>,
    /// Its key in each run.
    pub keys: Vec<Option<ActionKey>>,
    /// Whether its keys differ; `None` where fewer than two runs have one.
    pub key_changed: Option<bool>,
    /// Its own parameters (or its command and environment) that are not the same in every run that has it.
    pub params: Vec<Change>,
    /// The inputs whose contents differ.
    pub inputs: Vec<InputChange>,
    /// The outputs whose contents differ.
    pub outputs: Vec<OutputChange>,
    /// Seconds that went into its outputs, whether in one execution or in several, in each run.
    pub executed_seconds: Vec<Option<f64>>,
}

impl StageDiff {
    /// What became of it in the last run; `None` if that run has no such stage.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcomes.last().copied().flatten()
    }

    /// Whether there is nothing to tell: every run has it, the last found it up to date, and nothing of it differs.
    pub fn unchanged(&self) -> bool {
        self.outcome() == Some(Outcome::UpToDate)
            && self.outcomes.iter().all(Option::is_some)
            && self.key_changed == Some(false)
            && self.outputs.is_empty()
    }
}

/// An input whose contents are not the same in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputChange {
    /// The input.
    pub name: String,
    /// Its digests in each run; `None` where they are not known.
    pub digests: Vec<Option<Vec<Digest>>>,
    /// The fields that are not the same in every run, where it is a document and its contents are at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Change>,
    /// Whether it is a file or folder that someone wrote, and no output of a stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source: bool,
    /// Whether it is a document of which only digests are known: the contents are no longer in the cache.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// An output whose contents are not the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChange {
    /// The output.
    pub name: String,
    /// Where it lies, as the last run that has it says.
    pub path: PathBuf,
    /// Its digest in each run; `None` where the run has none.
    pub digests: Vec<Option<Digest>>,
}

/// A metric in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// The stage: `evaluate[model=5]`.
    pub stage: String,
    /// The metric; nested keys are joined by dots.
    pub metric: String,
    /// Its value in each run; `None` where a run has none.
    #[serde(with = "json_number::options")]
    pub values: Vec<Option<f64>>,
    /// Last minus first; `None` where either has none, or one that is not finite. Whether more is better is not known.
    pub delta: Option<f64>,
}

impl MetricRow {
    /// Whether the runs do not all have the same.
    pub fn differs(&self) -> bool {
        let same = |pair: &[Option<f64>]| match pair {
            [Some(a), Some(b)] => is_same(*a, *b),
            [a, b] => a.is_none() && b.is_none(),
            _ => true,
        };
        !self.values.windows(2).all(same)
    }

    /// The first value and the last, where there are two runs or more and both have one.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match self.values[..] {
            [Some(first), .., Some(last)] => Some((first, last)),
            _ => None,
        }
    }

    /// Whether it is one of many alike (`classes.Bag.recall`): left out unless asked for.
    pub fn detail(&self) -> bool {
        columns::one_of_many(&self.metric)
    }

    /// Whether a glob names it: by its name, or with its stage in front, with or without coordinates
    /// (`evaluate[*].loss`, `evaluate.loss`).
    pub(super) fn answers(&self, glob: &str) -> bool {
        let with = |stage: &str| columns::matches(glob, &format!("{stage}.{}", self.metric));
        columns::matches(glob, &self.metric) || with(&self.stage) || with(base(&self.stage)) || self.is_of(glob)
    }

    /// Whether a glob names the stage by some of its coordinates, as targets do: `evaluate[model=5].accuracy`.
    fn is_of(&self, glob: &str) -> bool {
        let Some((target, metric)) = glob.find("].").map(|at| (&glob[..=at], &glob[at + 2..])) else { return false };
        let inner = self.stage.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
        let pairs = inner.split(',').filter_map(|pair| pair.split_once('='));
        let variant = pairs.map(|(axis, label)| (axis.to_owned(), label.to_owned())).collect();
        let name = StageName { stage: base(&self.stage).to_owned(), variant };
        columns::matches(metric, &self.metric) && is_named(target, &name)
    }
}

/// Sets `runs` side by side, oldest first. Fewer than two give an empty difference.
pub fn diff(runs: &[RunRecord]) -> Comparison {
    let by_name: Vec<HashMap<&str, &StageRecord>> =
        runs.iter().map(|run| run.stages.iter().map(|stage| (stage.name.as_str(), stage)).collect()).collect();
    let params: Vec<Option<&Value>> = runs.iter().map(|run| Some(&run.params)).collect();
    let mut stages = Vec::new();
    let mut metrics = Vec::new();
    for name in names(runs.iter()) {
        let records: Vec<Option<&StageRecord>> = by_name.iter().map(|run| run.get(name).copied()).collect();
        stages.extend(stage_diff(&records));
        metrics.extend(metric_rows(name, &records));
    }
    let runs = runs.iter().map(RunSummary::from).collect();
    Comparison { version: VERSION, runs, params: changes(&params), stages, metrics }
}

impl Comparison {
    /// Keeps the metrics that match one of `globs`: by name (`accuracy`, `macro.*`) or with the stage in front
    /// (`evaluate[*].loss`, `evaluate.loss`). No globs keep all.
    ///
    /// # Errors
    /// If a glob matches nothing.
    pub fn select(mut self, globs: &[String]) -> Result<Self, CompareError> {
        if globs.is_empty() {
            return Ok(self);
        }
        if let Some(glob) = globs.iter().find(|glob| !self.metrics.iter().any(|row| row.answers(glob))) {
            let known: BTreeSet<String> = self.metrics.iter().map(|row| row.metric.clone()).collect();
            return Err(CompareError::UnknownColumn { pattern: glob.clone(), known: known.into_iter().collect() });
        }
        self.metrics.retain(|row| globs.iter().any(|glob| row.answers(glob)));
        Ok(self)
    }

    /// Sorts the metrics by `stage`, `metric`, `delta` or the name of a run (its values); a `-` in front puts the highest
    /// first. Rows without the number come last.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn sort(mut self, by: &str) -> Result<Self, CompareError> {
        let (name, descending) = by.strip_prefix('-').map_or((by, false), |name| (name, true));
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        let run = self.runs.iter().position(|run| run.id == name);
        let value = |row: &MetricRow| match run {
            Some(run) => row.values[run],
            None => row.delta,
        };
        match name {
            "stage" => self.metrics.sort_by(|a, b| turned(a.stage.cmp(&b.stage))),
            "metric" => self.metrics.sort_by(|a, b| turned(a.metric.cmp(&b.metric))),
            _ if run.is_some() || name == "delta" => {
                self.metrics.sort_by(|a, b| by_value(value(a), value(b), descending));
            }
            _ => {
                let columns = ["stage", "metric", "delta"].map(str::to_owned).into_iter();
                let known = columns.chain(self.runs.iter().map(|run| run.id.clone())).collect();
                return Err(CompareError::UnknownColumn { pattern: name.to_owned(), known });
            }
        }
        Ok(self)
    }
}

/// Every stage name once: the last run's in its order, then what only earlier runs have, newest first.
pub(super) fn names<'r>(runs: impl DoubleEndedIterator<Item = &'r RunRecord>) -> Vec<&'r str> {
    let mut seen = HashSet::new();
    let all = runs.rev().flat_map(|run| &run.stages).map(|stage| stage.name.as_str());
    all.filter(|name| seen.insert(*name)).collect()
}

/// The parameters that are not the same in all runs that have the stage.
fn changed_params(records: &[Option<&StageRecord>]) -> Vec<Change> {
    let texts: Vec<&JsonText> = records.iter().flatten().map(|record| &record.params).collect();
    // Those of most stages are, and there may be very many.
    if texts.len() > 1 && texts.windows(2).all(|pair| pair[0] == pair[1]) {
        return vec![];
    }
    let values: Vec<Value> = texts.into_iter().map(JsonText::value).collect();
    changes(&values.iter().map(Some).collect::<Vec<_>>())
}

fn stage_diff(records: &[Option<&StageRecord>]) -> Option<StageDiff> {
    let newest = records.iter().rev().copied().flatten().next()?;
    let last = records.last().copied().flatten();
    let mut params = changed_params(records);
    // Each change has a value a run that has the stage: put the gaps of the others back.
    for change in &mut params {
        let mut values = std::mem::take(&mut change.values).into_iter();
        change.values = records.iter().map(|record| record.and_then(|_| values.next().flatten())).collect();
    }
    let keys: Vec<Option<ActionKey>> = records.iter().map(|record| record.and_then(|r| r.key)).collect();
    let known: Vec<ActionKey> = keys.iter().copied().flatten().collect();
    Some(StageDiff {
        name: newest.name.clone(),
        stage: newest.stage.clone(),
        variant: newest.variant.clone(),
        outcomes: records.iter().map(|record| record.map(|r| r.outcome)).collect(),
        reasons: last.map(|record| record.reasons.clone()).unwrap_or_default(),
        against: None,
        changes: None,
        error: last.and_then(|record| record.error.clone()),
        key_changed: (known.len() > 1).then(|| known.windows(2).any(|pair| pair[0] != pair[1])),
        keys,
        params,
        inputs: input_changes(records),
        outputs: output_changes(records),
        executed_seconds: records.iter().map(|record| record.and_then(|r| finite(r.total_seconds()?))).collect(),
    })
}

fn input_changes(records: &[Option<&StageRecord>]) -> Vec<InputChange> {
    // Without a key the inputs were not all known.
    let known = keep(records, |record| record.key.is_some());
    let names: BTreeSet<&String> = known.iter().flatten().flat_map(|record| record.inputs.keys()).collect();
    let change = |name: &String| {
        let digests: Vec<_> = known.iter().map(|record| record.and_then(|r| r.inputs.get(name).cloned())).collect();
        differs(&known, &digests).then(|| InputChange {
            name: name.clone(),
            digests,
            fields: vec![],
            source: false,
            gone: false,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn output_changes(records: &[Option<&StageRecord>]) -> Vec<OutputChange> {
    // A stage that failed or was skipped has no outputs to compare.
    let made = keep(records, |r| matches!(r.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored));
    let names: BTreeSet<&String> = made.iter().flatten().flat_map(|record| record.outputs.keys()).collect();
    let change = |name: &String| {
        let outputs: Vec<_> = made.iter().map(|record| record.and_then(|r| r.outputs.get(name))).collect();
        let digests: Vec<_> = outputs.iter().map(|output| output.map(|o| o.digest)).collect();
        let path = outputs.iter().rev().copied().flatten().next()?.path.clone();
        differs(&made, &digests).then(|| OutputChange { name: name.clone(), path, digests })
    };
    names.into_iter().filter_map(change).collect()
}

fn keep<'a>(
    records: &[Option<&'a StageRecord>],
    wanted: impl Fn(&StageRecord) -> bool,
) -> Vec<Option<&'a StageRecord>> {
    records.iter().map(|record| record.filter(|r| wanted(r))).collect()
}

/// Whether the runs that have the stage (those in `records`) do not all have the same value.
fn differs<T: PartialEq>(records: &[Option<&StageRecord>], values: &[Option<T>]) -> bool {
    let mut of_present = records.iter().zip(values).filter(|(record, _)| record.is_some()).map(|(_, value)| value);
    let first = of_present.next();
    of_present.any(|value| Some(value) != first)
}

pub(super) fn metric_rows(name: &str, records: &[Option<&StageRecord>]) -> Vec<MetricRow> {
    let metrics: BTreeSet<&String> = records.iter().flatten().flat_map(|record| record.metrics.keys()).collect();
    let row = |metric: &String| {
        let values = records.iter().map(|record| record.and_then(|r| r.metrics.get(metric).copied())).collect();
        let row = MetricRow { stage: name.to_owned(), metric: metric.clone(), values, delta: None };
        MetricRow { delta: row.ends().and_then(|(first, last)| finite(last - first)), ..row }
    };
    metrics.into_iter().map(row).collect()
}
