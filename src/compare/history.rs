//! Metrics over many runs.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::diff::{metric_rows, names};
use super::{CompareError, Counts, MetricRow, RunSummary, VERSION};
use crate::record::{RunRecord, StageRecord};

/// Metrics over many runs. Every list of values has one entry a run, in the order of [`runs`](Self::runs).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The version of this format: 1.
    pub version: u32,
    /// The runs, oldest first.
    pub runs: Vec<RunSummary>,
    /// The metrics, by stage.
    pub metrics: Vec<MetricRow>,
}

/// Follows the metrics that match a glob (`accuracy`, `evaluate[*].loss`) over `runs`, oldest first. Of their stages there need only be those that
/// have metrics; how many there were of each outcome is said beside.
///
/// # Errors
/// If no run has such a metric.
pub fn history(runs: &[(RunRecord, Counts)], glob: &str) -> Result<History, CompareError> {
    let records = || runs.iter().map(|(run, _)| run);
    let by_name: Vec<HashMap<&str, &StageRecord>> =
        records().map(|run| run.stages.iter().map(|stage| (stage.name.as_str(), stage)).collect()).collect();
    let mut metrics = Vec::new();
    let mut known = BTreeSet::new();
    for name in names(records()) {
        let records: Vec<Option<&StageRecord>> = by_name.iter().map(|run| run.get(name).copied()).collect();
        for row in metric_rows(name, &records) {
            if row.answers(glob) {
                metrics.push(row);
            } else {
                known.insert(row.metric);
            }
        }
    }
    if metrics.is_empty() {
        return Err(CompareError::UnknownMetric { pattern: glob.to_owned(), known: known.into_iter().collect() });
    }
    Ok(History {
        version: VERSION,
        runs: runs.iter().map(|(run, counts)| RunSummary { counts: *counts, ..RunSummary::from(run) }).collect(),
        metrics,
    })
}
