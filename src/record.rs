//! The run record: what one invocation did, stage by stage. Append-only, and an interface: `run --json` prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Traffic;
use crate::failure::Failure;
use crate::hash::{ActionKey, Digest};
use crate::json_number;
use crate::json_text::JsonText;
use crate::kind::Role;
use crate::name_map::NameMap;
use crate::reason::Reason;
use crate::show;

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
    /// What it is a run of.
    #[serde(flatten)]
    pub origin: RunOrigin,
    /// `--set` arguments, as given.
    pub set: Vec<String>,
    /// The parameters in force.
    pub params: Value,
    /// The machine.
    pub host: Host,
    /// The commit; `None` if the project is in no repository, and in records of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// What went to and from the remote cache, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Traffic>,
    /// Every stage of the run, in topological order.
    pub stages: Vec<StageRecord>,
    /// How many more there were, which were up to date and which nobody looked at. Only of a run that has just ended: in a record that
    /// is read all are in `stages`.
    #[serde(skip)]
    pub untouched: usize,
}

/// What a run is a run of. Its fields stand among those of what has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOrigin {
    /// The project's root on the machine that ran it.
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
}

/// The random name of a project, and since when its folder has it: a copy has it since later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lineage {
    /// The name.
    pub project: String,
    /// When the file with the name was made.
    pub since: Timestamp,
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

/// What Git says of the project of a run. It decides no key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Git {
    /// The commit that is checked out; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The hash of the commit's files, which other commits may have as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// The branch; `None` if the head is detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit; `None` if that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The digest of the difference, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Digest>,
    /// The pipeline file's path in the repository; `None` without a working tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
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
    /// It goes on. No record says so: it is made when the run ends.
    Running,
    /// Its process was killed, or lost its machine, before it could write a record.
    Killed,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Running => "running",
            Self::Killed => "killed",
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
    /// The stages whose outputs it takes, by name, in topological order.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was executed (or restored, or skipped): one line each, most telling first.
    pub reasons: Vec<String>,
    /// The same as data; records of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Reason>,
    /// Its key; `None` where it could not be computed because something upstream failed.
    pub key: Option<ActionKey>,
    /// Its parameters after defaults (a kind), or the command and environment.
    pub params: JsonText,
    /// Input name -> digests.
    pub inputs: NameMap<Vec<Digest>>,
    /// Output name -> what was produced.
    pub outputs: NameMap<OutputRecord>,
    /// Numbers of the outputs with role `metrics`, nested keys joined by dots.
    #[serde(with = "json_number::map")]
    pub metrics: BTreeMap<String, f64>,
    /// Why numbers of its outputs could not be read.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When its inputs were final, in seconds since the run began; `None` if they never were.
    #[serde(default)]
    pub ready: Option<f64>,
    /// When it was begun, in seconds since the run began: later than `ready` if it waited for a processor.
    #[serde(default)]
    pub start: Option<f64>,
    /// Wall seconds it took in this run.
    pub seconds: f64,
    /// Of these, the seconds in which its jobs waited in a queue; `None` if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<f64>,
    /// Wall seconds of the execution that made the outputs, be it in this run or an earlier one.
    pub executed_seconds: Option<f64>,
    /// What that execution went on from; `None` if it began at the beginning.
    #[serde(default)]
    pub resumed: Option<Resumed>,
    /// Who made the outputs, if they were put in place and not made in this run; records of before do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Box<MadeBy>>,
    /// The log of its execution in this run, relative to the project or absolute; `None` if it said nothing.
    pub log: Option<PathBuf>,
    /// Why it failed.
    pub error: Option<String>,
    /// The same as data; records of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
}

impl StageRecord {
    /// Adds reasons, and the words for them.
    pub fn because(&mut self, causes: impl IntoIterator<Item = Reason>) {
        let causes = causes.into_iter();
        // There may be a hundred thousand records, and most have one.
        let count = causes.size_hint().0;
        self.reasons.reserve_exact(count);
        self.causes.reserve_exact(count);
        for cause in causes {
            self.reasons.push(show::reason::words(&cause));
            self.causes.push(cause);
        }
    }

    /// Why it was executed, restored or skipped. Of a record that has only sentences, these.
    pub fn why(&self) -> Vec<Reason> {
        if self.causes.is_empty() {
            return self.reasons.iter().map(|text| Reason::Told { text: text.clone() }).collect();
        }
        self.causes.clone()
    }

    /// Wall seconds that went into the outputs: of the execution that made them, and of the steps of earlier executions
    /// that it went on from.
    pub fn total_seconds(&self) -> Option<f64> {
        self.executed_seconds.map(|seconds| seconds + self.resumed.as_ref().map_or(0.0, |r| r.seconds))
    }
}

/// Who made the outputs of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// The machine.
    pub host: String,
    /// Kiln's version there.
    pub kiln: String,
    /// Its processor family: `x86-64-v3`.
    pub processor: String,
    /// The commit of the project that was checked out there, if it is in a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The step of earlier executions that an execution went on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// The last step that was there already, from 1.
    pub step: u64,
    /// What a step is: `epoch`.
    pub unit: String,
    /// Wall seconds that those executions took up to it.
    pub seconds: f64,
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
