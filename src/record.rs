//! The run record: what one invocation did, stage by stage. Append-only, and an interface: `run --json` prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::{ActionKey, Digest};
use crate::kind::Role;

/// The name of a run: eight letters, random; a person types a prefix of it.
pub type RunId = String;

/// One invocation of `kiln run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this format: 1.
    pub version: u32,
    /// The run's name.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in seconds of wall time.
    pub seconds: f64,
    /// The project's root on the machine that ran it.
    pub project: PathBuf,
    /// The pipeline file, relative to the project.
    pub pipeline: PathBuf,
    /// The profile, if any.
    pub profile: Option<String>,
    /// `--set` arguments, as given.
    pub set: Vec<String>,
    /// The parameters in force.
    pub params: Value,
    /// The machine.
    pub host: Host,
    /// Every stage of the run, in topological order.
    pub stages: Vec<StageRecord>,
}

/// The machine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its processors, as the operating system counts them.
    pub cpus: usize,
    /// Kiln's own version.
    pub kiln: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Every stage is as it should be.
    Ok,
    /// A stage failed.
    Failed,
    /// Stopped by a signal.
    Interrupted,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran.
    Executed,
    /// Its outputs were right where they are.
    UpToDate,
    /// Its outputs were put in place from the store.
    Restored,
    /// Not tried: something it needs failed, or the run was stopped.
    Skipped,
    /// It ran and failed.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Executed => "executed",
            Self::UpToDate => "up-to-date",
            Self::Restored => "restored",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        })
    }
}

/// One stage of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRecord {
    /// `train[model=5]`.
    pub name: String,
    /// The key under `stages:`: `train`.
    pub stage: String,
    /// Matrix coordinates: axis -> value.
    pub variant: BTreeMap<String, String>,
    /// The kind, or `None` for a command.
    pub uses: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was executed (or restored, or skipped): one line each, most telling first.
    pub reasons: Vec<String>,
    /// Its key; `None` where it could not be computed because something upstream failed.
    pub key: Option<ActionKey>,
    /// Its parameters after defaults (a kind), or the command and environment.
    pub params: Value,
    /// Input name -> digests.
    pub inputs: BTreeMap<String, Vec<Digest>>,
    /// Output name -> what was produced.
    pub outputs: BTreeMap<String, OutputRecord>,
    /// Numbers of the outputs with role `metrics`, nested keys joined by dots.
    pub metrics: BTreeMap<String, f64>,
    /// Wall seconds it took in this run.
    pub seconds: f64,
    /// Wall seconds of the execution that made the outputs, be it in this run or an earlier one.
    pub executed_seconds: Option<f64>,
    /// The log of its execution in this run, relative to the project or absolute.
    pub log: Option<PathBuf>,
    /// Why it failed.
    pub error: Option<String>,
}

/// An output as a run left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Where it was materialised, relative to the project.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes (a tree: of all files in it).
    pub bytes: u64,
    /// What Kiln may do with it.
    pub role: Role,
}
