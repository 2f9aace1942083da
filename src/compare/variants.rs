//! The variants of one run side by side: a row a combination of matrix values, a column a number.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::columns::finite;
use super::{CompareError, RunSummary, VERSION, columns};
use crate::json_number;
use crate::record::{Outcome, RunRecord, StageRecord};

/// The variants of one run side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantTable {
    /// The version of this format: 1.
    pub version: u32,
    /// The run.
    pub run: RunSummary,
    /// The matrix axes that tell the rows apart; empty for a stage without a matrix.
    pub axes: Vec<String>,
    /// The stages that the rows join, in topological order.
    pub stages: Vec<String>,
    /// Stages with a matrix that these rows leave out because they vary over other axes.
    pub others: Vec<String>,
    /// The columns: metrics of the last stage first, then of those before it; seconds at the end.
    pub columns: Vec<Column>,
    /// One row a combination of matrix values, in the order of the run.
    pub rows: Vec<VariantRow>,
}

/// One number that every row may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in [`VariantRow::values`]: the metric, with its stage in front where two stages have such a metric, or
    /// `train seconds`.
    pub label: String,
    /// The stage it comes from.
    pub stage: String,
    /// The metric; `None` for the seconds that went into the stage's outputs, whether in one execution or in several.
    pub metric: Option<String>,
    /// Whether a table leaves it out unless it is asked for.
    pub detail: bool,
}

/// One combination of matrix values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantRow {
    /// Axis -> value.
    pub variant: BTreeMap<String, String>,
    /// Stage -> what became of it.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Column label -> number; a missing number has no entry.
    #[serde(with = "json_number::map")]
    pub values: BTreeMap<String, f64>,
}

/// Sets the variants of `run` side by side.
///
/// Stages that vary over the same axes share rows: `train[model=5]` and `evaluate[model=5]` make the row `model=5`.
/// Without `stage`, the axes that most stages with metrics vary over are taken; with it, that stage alone.
///
/// # Errors
/// If the run has no such stage. A run without variants gives a table without rows.
pub fn within(run: &RunRecord, stage: Option<&str>) -> Result<VariantTable, CompareError> {
    let groups = groups(run);
    let axes = match stage {
        None => busiest(&groups, None),
        Some(name) => Some(axes_of(run, name)?),
    };
    Ok(table(run, &groups, axes, stage))
}

/// As [`within`], of the stages that vary over `axis`: [`VariantTable::by`] puts its rows together.
///
/// # Errors
/// If no stage of the run varies over the axis.
pub fn within_by(run: &RunRecord, axis: &str) -> Result<VariantTable, CompareError> {
    let groups = groups(run);
    match busiest(&groups, Some(axis)) {
        Some(axes) => Ok(table(run, &groups, Some(axes), None)),
        None => {
            let known: BTreeSet<&String> = groups.keys().flatten().collect();
            let (run, axis) = (run.id.clone(), axis.to_owned());
            Err(CompareError::UnknownAxis { run, axis, known: known.into_iter().cloned().collect() })
        }
    }
}

fn table(run: &RunRecord, groups: &Groups<'_>, axes: Option<Vec<String>>, stage: Option<&str>) -> VariantTable {
    let mut members: Vec<(&str, Vec<&StageRecord>)> =
        axes.as_ref().and_then(|axes| groups.get(axes)).cloned().unwrap_or_default();
    members.retain(|(name, _)| stage.is_none_or(|wanted| wanted == *name));
    let joined: Vec<String> = members.iter().map(|(name, _)| (*name).to_owned()).collect();
    let others =
        order(run).into_iter().filter(|(name, record)| !record.variant.is_empty() && !joined.iter().any(|j| j == name));
    let others = others.map(|(name, _)| name.to_owned()).collect();
    let columns = columns_of(&members, stage.is_some());
    let rows = rows_of(run, &members, &columns);
    let axes = axes.unwrap_or_default();
    VariantTable { version: VERSION, run: RunSummary::from(run), axes, stages: joined, others, columns, rows }
}

impl VariantTable {
    /// Keeps the columns that match one of `globs`, in the order of the globs, details included, and sorts the rows.
    ///
    /// A glob is held against the label (`train seconds`), the metric (`loss`) and both joined (`evaluate.loss`,
    /// `train.seconds`). No globs keep all. `sort` is a label or an axis; a `-` in front puts the highest first. Rows
    /// without the number come last; numbers sort as numbers.
    ///
    /// # Errors
    /// If a glob or `sort` names nothing.
    pub fn select(mut self, globs: &[String], sort: Option<&str>) -> Result<Self, CompareError> {
        // Sorting goes first: the column to sort by need not be kept.
        if let Some(sort) = sort {
            self.sort(sort)?;
        }
        if globs.is_empty() {
            return Ok(self);
        }
        let mut kept: Vec<Column> = Vec::new();
        for glob in globs {
            let hits: Vec<&Column> = self.columns.iter().filter(|column| column.answers(glob)).collect();
            if hits.is_empty() {
                return Err(self.unknown(glob));
            }
            for column in hits {
                if !kept.iter().any(|k| k.label == column.label) {
                    kept.push(Column { detail: false, ..column.clone() });
                }
            }
        }
        let labels: BTreeSet<&String> = kept.iter().map(|column| &column.label).collect();
        for row in &mut self.rows {
            row.values.retain(|label, _| labels.contains(label));
        }
        self.columns = kept;
        Ok(self)
    }

    fn sort(&mut self, by: &str) -> Result<(), CompareError> {
        let value = |row: &VariantRow, label: &str| row.values.get(label).copied();
        sort_rows(&mut self.rows, by, &self.axes, &self.columns, |row| &row.variant, value)
    }

    fn unknown(&self, pattern: &str) -> CompareError {
        unknown(pattern, &self.axes, &self.columns)
    }
}

/// Sorts rows by an axis or a column; a `-` in front puts the highest first. Rows without the number come last.
pub(super) fn sort_rows<R>(
    rows: &mut [R],
    by: &str,
    axes: &[String],
    columns: &[Column],
    variant: impl Fn(&R) -> &BTreeMap<String, String>,
    value: impl Fn(&R, &str) -> Option<f64>,
) -> Result<(), CompareError> {
    let (name, descending) = by.strip_prefix('-').map_or((by, false), |name| (name, true));
    let turned = |order: Ordering| if descending { order.reverse() } else { order };
    if axes.iter().any(|axis| axis == name) {
        rows.sort_by(|a, b| turned(natural(&variant(a)[name], &variant(b)[name])));
        return Ok(());
    }
    let column = columns.iter().find(|c| c.label == name).or_else(|| columns.iter().find(|c| c.answers(name)));
    let label = &column.ok_or_else(|| unknown(name, axes, columns))?.label;
    rows.sort_by(|a, b| by_value(value(a, label), value(b, label), descending));
    Ok(())
}

/// Numbers by their size, the highest first if `descending`; behind them what is not a number, and last what is missing.
pub(super) fn by_value(a: Option<f64>, b: Option<f64>, descending: bool) -> Ordering {
    let rank = |value: Option<f64>| value.map_or(2, |value| u8::from(value.is_nan()));
    let by_size = match (a, b) {
        (Some(a), Some(b)) if descending => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => Ordering::Equal,
    };
    rank(a).cmp(&rank(b)).then(by_size)
}

fn unknown(pattern: &str, axes: &[String], columns: &[Column]) -> CompareError {
    let known = axes.iter().cloned().chain(columns.iter().map(|column| column.label.clone())).collect();
    CompareError::UnknownColumn { pattern: pattern.to_owned(), known }
}

impl Column {
    fn answers(&self, glob: &str) -> bool {
        let measure = self.metric.as_deref().unwrap_or("seconds");
        columns::matches(glob, &self.label)
            || (self.metric.is_some() && columns::matches(glob, measure))
            || columns::matches(glob, &format!("{}.{measure}", self.stage))
    }
}

/// Stages (and their records) by the axes they vary over; in topological order within a group.
type Groups<'a> = BTreeMap<Vec<String>, Vec<(&'a str, Vec<&'a StageRecord>)>>;

fn groups(run: &RunRecord) -> Groups<'_> {
    let mut groups = Groups::new();
    let mut places: HashMap<&str, (Vec<String>, usize)> = HashMap::new();
    for record in &run.stages {
        let (axes, place) = places.entry(&record.stage).or_insert_with(|| {
            let axes: Vec<String> = record.variant.keys().cloned().collect();
            let members = groups.entry(axes.clone()).or_default();
            members.push((&record.stage, Vec::new()));
            (axes, members.len() - 1)
        });
        if let Some(members) = groups.get_mut(axes) {
            members[*place].1.push(record);
        }
    }
    groups
}

/// The first record of every stage, in topological order.
fn order(run: &RunRecord) -> Vec<(&str, &StageRecord)> {
    let mut seen = BTreeSet::new();
    run.stages.iter().filter(|r| seen.insert(&r.stage)).map(|record| (record.stage.as_str(), record)).collect()
}

/// The axes, `having` among them, that most stages with metrics vary over; among equals those with most rows.
fn busiest(groups: &Groups<'_>, having: Option<&str>) -> Option<Vec<String>> {
    let weight = |members: &[(&str, Vec<&StageRecord>)]| {
        let measured = members.iter().filter(|(_, records)| measured(records)).count();
        (measured, members.iter().map(|(_, records)| records.len()).max())
    };
    let with_axes =
        groups.iter().filter(|(axes, _)| !axes.is_empty() && having.is_none_or(|axis| axes.iter().any(|a| a == axis)));
    with_axes.max_by_key(|(_, members)| weight(members)).map(|(axes, _)| axes.clone())
}

fn axes_of(run: &RunRecord, stage: &str) -> Result<Vec<String>, CompareError> {
    let stages = order(run);
    let record = stages.iter().find(|(name, _)| *name == stage).map(|(_, record)| record);
    record.map(|record| record.variant.keys().cloned().collect()).ok_or_else(|| CompareError::UnknownStage {
        run: run.id.clone(),
        stage: stage.to_owned(),
        known: stages.into_iter().map(|(name, _)| name.to_owned()).collect(),
    })
}

fn measured(records: &[&StageRecord]) -> bool {
    records.iter().any(|record| !record.metrics.is_empty())
}

fn columns_of(members: &[(&str, Vec<&StageRecord>)], named: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    for (stage, records) in members.iter().rev() {
        let metrics: BTreeSet<&String> = records.iter().flat_map(|record| record.metrics.keys()).collect();
        let (details, plain): (Vec<&String>, Vec<&String>) =
            metrics.into_iter().partition(|metric| columns::nested(metric));
        columns.extend(plain.into_iter().chain(details).map(|metric| Column {
            label: metric.clone(),
            stage: (*stage).to_owned(),
            metric: Some(metric.clone()),
            detail: columns::nested(metric),
        }));
    }
    // Seconds of stages that measure nothing (figures and the like) would only widen the table.
    let any = members.iter().any(|(_, records)| measured(records));
    for (stage, _) in members.iter().filter(|(_, records)| named || !any || measured(records)) {
        let label = format!("{stage} seconds");
        columns.push(Column { label, stage: (*stage).to_owned(), metric: None, detail: false });
    }
    qualify(&mut columns);
    columns
}

/// Puts the stage in front of labels that two columns share.
fn qualify(columns: &mut [Column]) {
    let mut uses: HashMap<String, usize> = HashMap::new();
    for column in columns.iter() {
        *uses.entry(column.label.clone()).or_default() += 1;
    }
    for column in columns.iter_mut().filter(|column| uses[&column.label] > 1) {
        if let Some(metric) = &column.metric {
            column.label = format!("{} {metric}", column.stage);
        }
    }
}

fn rows_of(run: &RunRecord, members: &[(&str, Vec<&StageRecord>)], columns: &[Column]) -> Vec<VariantRow> {
    let mut rows: Vec<VariantRow> = Vec::new();
    let mut places: HashMap<&BTreeMap<String, String>, usize> = HashMap::new();
    let mut of_stage: HashMap<&str, Vec<&Column>> = HashMap::new();
    for column in columns {
        of_stage.entry(&column.stage).or_default().push(column);
    }
    for record in run.stages.iter().filter(|record| members.iter().any(|(name, _)| *name == record.stage)) {
        let place = *places.entry(&record.variant).or_insert_with(|| {
            rows.push(VariantRow {
                variant: record.variant.clone(),
                outcomes: BTreeMap::new(),
                values: BTreeMap::new(),
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.outcomes.insert(record.stage.clone(), record.outcome);
        for column in of_stage.get(record.stage.as_str()).into_iter().flatten() {
            let value = match &column.metric {
                Some(metric) => record.metrics.get(metric).copied(),
                None => record.total_seconds().and_then(finite),
            };
            if let Some(value) = value {
                row.values.insert(column.label.clone(), value);
            }
        }
    }
    rows
}

/// Numbers by value and before texts, texts by their characters.
fn natural(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (x, y) => y.is_ok().cmp(&x.is_ok()).then_with(|| a.cmp(b)),
    }
}
