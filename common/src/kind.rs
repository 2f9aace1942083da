//! What passes between the engine and a stage kind: ports, jobs, events, documents, mistakes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A named input.
#[derive(Clone, Copy)]
pub struct Port {
    /// The name under `inputs:`.
    pub name: &'static str,
    /// What it holds, with shapes and units.
    pub doc: &'static str,
    /// How many artifacts it takes.
    pub arity: Arity,
    /// How the file is read.
    pub reads: Reads,
}

/// How many artifacts an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// One or more, gathered from a matrix or listed.
    Many,
}

/// How an input file is read.
#[derive(Clone, Copy)]
pub enum Reads {
    /// As the bytes it holds.
    Artifact,
    /// As a document that has a meaning apart from its spelling. The function resolves it (`extends`, defaults) to
    /// canonical bytes; those are what is keyed and what the stage is handed, so that a comment retrains nothing.
    Document(fn(&Path) -> Result<Document, DocumentError>),
}

/// A named output.
#[derive(Clone, Copy, Debug)]
pub struct OutputPort {
    /// The name that references use.
    pub name: &'static str,
    /// The file name it has unless the pipeline says otherwise.
    pub file: &'static str,
    /// What Kiln may do with it.
    pub role: Role,
    /// What it holds: format, columns, shapes, units.
    pub doc: &'static str,
}

/// What Kiln may do with an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keep it.
    #[default]
    Data,
    /// Read the numbers of a JSON file into the run record.
    Metrics,
    /// Show it as a figure.
    Figure,
    /// Draw it as curves: a CSV file whose first column is the abscissa and whose other columns are numbers.
    Series,
}

impl Role {
    /// The role that `role as u8` stands for in what is kept.
    pub fn of_byte(byte: u8) -> Option<Self> {
        [Self::Data, Self::Metrics, Self::Figure, Self::Series].into_iter().find(|role| *role as u8 == byte)
    }
}

/// A resolved document: canonical bytes, and the files that were read.
#[derive(Debug)]
pub struct Document {
    /// What is keyed and handed to the stage.
    pub bytes: Vec<u8>,
    /// Every file that was read, the named one first.
    pub sources: Vec<PathBuf>,
}

/// A mistake in a document; lines and columns count from 1, columns in characters.
#[derive(Debug)]
pub struct DocumentError {
    /// The file with the mistake (not always the one asked for: `extends`).
    pub file: PathBuf,
    /// Line and column, where they are known.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A mistake in `with:`.
#[derive(Debug)]
pub struct ParamError {
    /// The path to the offending value: `["optimizer", "momentum"]`; empty for the whole.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// An execution as a chain of steps, each of which follows from the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The parameters that decide a step: all but the one that says how many are wanted.
    pub params: Value,
    /// How many steps are wanted. The stage may end sooner.
    pub goal: u64,
    /// What a step is: `epoch`.
    pub unit: String,
    /// Why every step depends on how many are wanted, where it does. Steps are then of no use to another goal.
    pub whole: Option<String>,
}

/// Where the states of steps are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Checkpoints {
    /// The step to go on from: its number, from 1, and the folder that was written after it. To be read only.
    pub resume: Option<(u64, PathBuf)>,
    /// An existing folder for new ones; `None` where nobody keeps them.
    pub folder: Option<PathBuf>,
}

/// An input as a stage sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The matrix coordinates of the variant it comes from (`model=5`); empty where there are none.
    pub label: String,
    /// Where to read it.
    pub path: PathBuf,
}

/// What a worker is asked to do: the first line on its standard input, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The kind.
    pub uses: String,
    /// Canonical parameters.
    pub params: Value,
    /// Input name -> its artifacts.
    pub inputs: BTreeMap<String, Vec<Input>>,
    /// Output name -> path.
    pub outputs: BTreeMap<String, PathBuf>,
    /// Threads it may use.
    pub threads: usize,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// The project's root, for the local sources of fixed-output stages.
    pub project: PathBuf,
    /// The step to go on from, and where to leave others.
    pub checkpoints: Checkpoints,
}

/// What a worker tells its parent while it runs: lines on its standard output, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// `done` of `total` units are finished.
    Progress {
        /// Finished units.
        done: u64,
        /// All units.
        total: u64,
        /// What a unit is: `epoch`, `byte`, `image`.
        unit: String,
        /// What else a person would like to see: `loss 0.1234 accuracy 0.9612`.
        detail: String,
    },
    /// A line for the log.
    Message {
        /// The line.
        text: String,
    },
    /// The state after a step is complete in a folder, which is given up.
    Checkpoint {
        /// The step, from 1.
        step: u64,
        /// The folder.
        folder: PathBuf,
    },
}
