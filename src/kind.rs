//! What the engine knows of a built-in stage kind: the port between the engine and the catalog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::Digest;

/// A built-in stage kind. The engine knows no kind by name; `catalog.rs` supplies them.
pub trait Kind: Send + Sync {
    /// The name in `uses:`.
    fn name(&self) -> &str;
    /// One sentence on what it does.
    fn summary(&self) -> &str;
    /// The declared inputs.
    fn inputs(&self) -> Vec<Port>;
    /// The declared outputs.
    fn outputs(&self) -> Vec<OutputPort>;
    /// Checks `with:` and returns it with every default filled in.
    ///
    /// # Errors
    /// The first mistake, with the path to it.
    fn check(&self, with: &Value) -> Result<Value, ParamError>;
    /// The JSON Schema of `with:`, each parameter with what it takes, its default and a description.
    fn params(&self) -> Value {
        Value::Bool(true)
    }
    /// A text that changes when the code that decides the outputs changes.
    fn fingerprint(&self) -> &str;
    /// Resolves a document input to its canonical bytes; `None` where the input is read as plain bytes.
    fn document(&self, input: &str, path: &Path) -> Option<Result<Document, DocumentError>>;
    /// Holds parameters against what is known, before anything runs, of the stage that makes one of its inputs.
    ///
    /// # Errors
    /// The first mistake, with the path to it.
    fn fits(&self, _params: &Value, _maker: &Maker<'_>) -> Result<(), ParamError> {
        Ok(())
    }
    /// Output digests pinned by the parameters; `None` if the kind is not a fixed-output one.
    fn fixed(&self, params: &Value) -> Option<BTreeMap<String, Digest>>;
    /// The files beside its inputs that an execution may look for, absolute or relative to the project. They decide no output.
    fn beside(&self, _params: &Value) -> Vec<PathBuf> {
        vec![]
    }
    /// Describes an execution as a chain of steps, from its parameters and the canonical bytes of its document inputs, by
    /// input name; `None` if it is none.
    fn chain(&self, _params: &Value, _documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
        None
    }
    /// The numbers of a step, as the folder with its state has them.
    fn step_metrics(&self, _state: &Path) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }
    /// Runs the stage in this process; only a worker calls it.
    ///
    /// # Errors
    /// If the stage fails.
    fn run(&self, job: &Job, events: &(dyn Fn(Event) + Sync)) -> anyhow::Result<()>;
}

/// An execution as a chain of steps, each of which follows from the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The parameters that decide a step: all but the one that says how many are wanted.
    pub params: Value,
    /// How many steps are wanted.
    pub goal: u64,
    /// What a step is: `epoch`.
    pub unit: String,
    /// Why every step depends on how many are wanted, where it does.
    pub whole: Option<String>,
}

/// Where a worker finds and leaves the states of steps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Checkpoints {
    /// The step to go on from: its number, from 1, and the folder with its state.
    pub resume: Option<(u64, PathBuf)>,
    /// An existing folder for new ones; `None` where nobody keeps them.
    pub folder: Option<PathBuf>,
}

/// The kinds that `uses:` may name.
pub type Catalog = BTreeMap<String, Arc<dyn Kind>>;

/// A named input.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub doc: String,
    /// How many artifacts it takes.
    pub arity: Arity,
}

/// How many artifacts an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// One or more.
    Many,
}

/// A named output.
#[derive(Clone, Debug)]
pub struct OutputPort {
    /// Its name.
    pub name: String,
    /// The file name it has unless the pipeline says otherwise.
    pub file: String,
    /// What Kiln may do with it.
    pub role: Role,
    /// What it holds.
    pub doc: String,
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
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::Data, Self::Metrics, Self::Figure, Self::Series].into_iter().find(|role| *role as u8 == byte)
    }
}

/// A resolved document: canonical bytes, and the files that were read.
#[derive(Debug)]
pub struct Document {
    /// What is keyed and handed to the stage.
    pub bytes: Vec<u8>,
    /// Every file that was read.
    pub sources: Vec<PathBuf>,
}

/// A stage that makes an input of another.
pub struct Maker<'a> {
    /// The input that it makes.
    pub input: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Which of its outputs that is.
    pub output: &'a str,
    /// The canonical bytes of a document that it is handed, by input name.
    pub document: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}

/// A mistake in a document.
#[derive(Debug)]
pub struct DocumentError {
    /// The file.
    pub file: PathBuf,
    /// Line and column from 1.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A mistake in `with:`.
#[derive(Debug)]
pub struct ParamError {
    /// The path to the offending value.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// What a worker is asked to do: the first line on its standard input, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The kind.
    pub uses: String,
    /// Canonical parameters.
    pub params: Value,
    /// Input name -> (matrix coordinates, path).
    pub inputs: BTreeMap<String, Vec<(String, PathBuf)>>,
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

/// What a worker tells while it runs: lines on its standard output, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// `done` of `total` units are finished.
    Progress {
        /// Finished units.
        done: u64,
        /// All units.
        total: u64,
        /// What a unit is.
        unit: String,
        /// What else to show.
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
