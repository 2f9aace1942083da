//! What identifies a run, and how its stages fared, in a few numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{Git, Outcome, RunId, RunRecord, RunStatus, StageRecord};

/// A run, in a few words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's name.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// Its wall time in seconds.
    pub seconds: f64,
    /// The profile, if any.
    pub profile: Option<String>,
    /// `--set` arguments, as given.
    pub set: Vec<String>,
    /// The commit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// How its stages fared.
    pub counts: Counts,
}

impl From<&RunRecord> for RunSummary {
    fn from(run: &RunRecord) -> Self {
        Self {
            id: run.id.clone(),
            status: run.status,
            started: run.started,
            seconds: run.seconds,
            profile: run.origin.profile.clone(),
            set: run.set.clone(),
            git: run.git.clone(),
            counts: Counts::of_run(run),
        }
    }
}

/// How many stages had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Stages that ran.
    pub executed: usize,
    /// Stages whose outputs were right where they are.
    pub up_to_date: usize,
    /// Stages whose outputs came from the store.
    pub restored: usize,
    /// Stages that were not tried.
    pub skipped: usize,
    /// Stages that failed.
    pub failed: usize,
}

impl Counts {
    /// Counts the outcomes of `stages`.
    pub fn of(stages: &[StageRecord]) -> Self {
        let mut counts = Self::default();
        for stage in stages {
            counts.add(stage.outcome);
        }
        counts
    }

    /// Counts the outcomes of all stages of a run.
    pub fn of_run(run: &RunRecord) -> Self {
        let mut counts = Self::of(&run.stages);
        counts.up_to_date += run.untouched;
        counts
    }

    /// The same from their names, as a list of runs has them.
    pub fn of_outcomes(outcomes: &BTreeMap<String, usize>) -> Self {
        let count = |outcome: Outcome| outcomes.get(&outcome.to_string()).copied().unwrap_or(0);
        Self {
            executed: count(Outcome::Executed),
            up_to_date: count(Outcome::UpToDate),
            restored: count(Outcome::Restored),
            skipped: count(Outcome::Skipped),
            failed: count(Outcome::Failed),
        }
    }

    /// Counts one more stage.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Executed => self.executed += 1,
            Outcome::UpToDate => self.up_to_date += 1,
            Outcome::Restored => self.restored += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed => self.failed += 1,
        }
    }

    /// All stages counted.
    pub fn total(&self) -> usize {
        self.executed + self.up_to_date + self.restored + self.skipped + self.failed
    }
}
