//! What a list of runs shows of each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{Git, Lineage, Outcome, RunId, RunRecord, RunStatus};

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
    /// The project's root.
    pub project: PathBuf,
    /// The pipeline file, relative to the project.
    pub pipeline: PathBuf,
    /// Where in the project the cache lay, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// What the project is known by if its cache lay elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// The profile, if any.
    pub profile: Option<String>,
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
            project: record.project.clone(),
            pipeline: record.pipeline.clone(),
            cache: record.cache.clone(),
            lineage: record.lineage.clone(),
            profile: record.profile.clone(),
            git: record.git.clone(),
            outcomes,
        }
    }
}
