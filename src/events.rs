//! What happens in a run, as it is told while it goes on: to whoever watches it, and to the file that it leaves in the store
//! until its record is written.
//!
//! In the file an event is a line of JSON, `{"at":12.5,"event":"progress",...}`, where `at` is in seconds since the run began. Who
//! reads it passes over lines that it does not understand, such as the last one of a run that was killed while it wrote.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Traffic;
use crate::record::{Host, RunId, RunOrigin, StageRecord};

/// The version of the format that this Kiln writes.
pub const VERSION: u32 = 1;

/// An event of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// The run begins. The first line of a file.
    Run(Box<RunStarted>),
    /// So many more stages are up to date.
    UpToDate {
        /// How many.
        count: usize,
    },
    /// A stage begins to execute: its record as far as it is known, with the reasons.
    Started(Box<StageRecord>),
    /// A stage finished a unit.
    Progress {
        /// Its name.
        stage: String,
        /// How far it is.
        #[serde(flatten)]
        progress: Progress,
    },
    /// A stage said something.
    Message {
        /// Its name.
        stage: String,
        /// What it said.
        text: String,
    },
    /// Something the user should know that belongs to no stage.
    Note {
        /// What.
        text: String,
    },
    /// What went to and from the remote cache so far.
    Remote(Box<Traffic>),
    /// A stage is settled. Those that are up to date are only counted.
    Finished(Box<StageRecord>),
}

/// What is known of a run when it begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunStarted {
    /// The version of the format of events.
    pub version: u32,
    /// The run's name.
    pub id: RunId,
    /// When it began.
    pub started: Timestamp,
    /// What it is a run of.
    #[serde(flatten)]
    pub origin: RunOrigin,
    /// `--set` arguments, as given.
    pub set: Vec<String>,
    /// The machine.
    pub host: Host,
    /// The process on that machine.
    pub process: u32,
    /// How many stages it is to bring up to date.
    pub stages: usize,
}

/// How far a stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units that are done.
    pub done: u64,
    /// Units that are to be done.
    pub total: u64,
    /// What a unit is: `epoch`.
    pub unit: String,
    /// The last numbers: `loss 0.1234 accuracy 0.9612`.
    pub detail: String,
}

/// A line of a run's file: an event, and when it happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since the run began.
    pub at: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent,
}
