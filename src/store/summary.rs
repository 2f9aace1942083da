//! What a list of runs shows of each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{Git, Outcome, RunId, RunOrigin, RunRecord, RunStatus};

/// What a list of runs shows of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its name.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in seconds of wall time.
    pub seconds: f64,
    /// What it is a run of.
    #[serde(flatten)]
    pub origin: RunOrigin,
    /// The commit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// Outcome (`executed`, ...) -> how many stages had it.
    pub outcomes: BTreeMap<String, usize>,
}

impl RunSummary {
    /// How many stages it had.
    pub(super) fn stages(&self) -> usize {
        self.outcomes.values().sum()
    }

    pub(super) fn of(record: &RunRecord) -> Self {
        let mut outcomes = BTreeMap::new();
        for stage in &record.stages {
            *outcomes.entry(stage.outcome.to_string()).or_insert(0) += 1;
        }
        if record.untouched > 0 {
            *outcomes.entry(Outcome::UpToDate.to_string()).or_insert(0) += record.untouched;
        }
        Self {
            id: record.id.clone(),
            status: record.status,
            started: record.started,
            seconds: record.seconds,
            origin: record.origin.clone(),
            git: record.git.clone(),
            outcomes,
        }
    }
}
