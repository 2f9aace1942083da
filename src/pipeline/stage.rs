//! A pipeline ready to run: stages expanded to variants, every reference resolved, every parameter checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::action::Command;
use crate::diagnostic::Span;
use crate::hash::Digest;
use crate::kind::{Chain, Kind, Role};
pub use crate::stage_name::{StageName, coordinates};

use super::cache::PutAs;
use super::executor::{Elsewhere, ExecutorSpec};
use super::steps::{Keep, Steps};
use super::view::View;

use super::remote::RemoteSpec;
use super::resolved::Documents;

/// A stage's index in [`Pipeline::stages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub usize);

/// A pipeline ready to run.
pub struct Pipeline {
    /// The project: the folder of the pipeline file. Absolute. Every other path here is relative to it.
    pub root: PathBuf,
    /// The pipeline file, relative to the root.
    pub file: PathBuf,
    /// The profile, if one was asked for.
    pub profile: Option<String>,
    /// The parameters in force: `params`, then the profile's, then `--set`.
    pub params: Value,
    /// The files that parameters come from, relative to the root, with the digests of their bytes.
    pub param_files: Vec<(PathBuf, Digest)>,
    /// The report, if the pipeline names one.
    pub report: Option<Report>,
    /// The remote cache, if the pipeline names one.
    pub remote: Option<RemoteSpec>,
    /// How outputs are put in place.
    pub put_as: PutAs,
    /// Who runs its stages, if it says so.
    pub executor: Option<ExecutorSpec>,
    /// What its documents come to.
    pub documents: Documents,
    /// Every variant, in topological order; declaration order among equals.
    pub stages: Vec<Stage>,
    /// Node weights are the stages; an edge goes from producer to consumer.
    pub graph: DiGraph<StageId, ()>,
}

/// A report whose references are known to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The Markdown file, relative to the root.
    pub file: PathBuf,
    /// What it holds.
    pub text: String,
    /// The page that it is rendered to, relative to the root.
    pub page: PathBuf,
}

/// What a stage has by the names of its inputs or outputs, in their order. Most have one or two, and there may be a hundred thousand
/// stages: a node of a `BTreeMap` has room for eleven.
pub type Ports<T> = LiteMap<String, T>;

/// One node of the DAG.
#[derive(Clone)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// What it runs.
    pub body: Body,
    /// Environment variables, which count for its key.
    pub env: BTreeMap<String, String>,
    /// The names of variables that reach its command from outside. They do not count for its key unless they are `counted`.
    pub pass: Vec<String>,
    /// Those of them whose values count for its key all the same, by their digests.
    pub counted: Vec<String>,
    /// The names of variables that name a lasting folder of a tool, which its command may read and write and which does not count.
    pub cached: Vec<String>,
    /// Whether its command may read what is not declared, which is told: `guard: warn`.
    pub warns: bool,
    /// The shell that its script asks for.
    pub shell: Option<String>,
    /// What of its environment is in its key, if anything is.
    pub environment: Option<Arc<Environment>>,
    /// The values that its command is handed; `None` without any, and for a kind.
    pub with: Option<Value>,
    /// The steps of its command, if it says that it is made of some.
    pub steps: Option<Box<Steps>>,
    /// Which of its steps' states are kept, if it says so.
    pub keep: Option<Box<Keep>>,
    /// Its inputs by name.
    pub inputs: Ports<Vec<Input>>,
    /// Its outputs by name.
    pub outputs: Ports<Output>,
    /// What it may use.
    pub resources: Resources,
    /// What it says of where it runs.
    pub elsewhere: Option<Box<Elsewhere>>,
    /// When to give up.
    pub timeout: Option<Duration>,
    /// How long it may take to leave once it was asked to.
    pub grace: Duration,
    /// How often to try again after a failure.
    pub retries: u32,
    /// Where its name stands in the pipeline file.
    pub span: Span,
}

impl Stage {
    /// Its execution as a chain of steps, with the canonical bytes of its document inputs by input name; `None` if it is none.
    pub fn chain(&self, documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
        match &self.body {
            Body::Uses { params, .. } => self.chain_with(params, documents),
            Body::Run(_) => self.chain_with(self.with.as_ref()?, documents),
        }
    }

    /// The same with other parameters.
    pub fn chain_with(&self, params: &Value, documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
        match &self.body {
            Body::Uses { kind, .. } => kind.chain(params, documents),
            Body::Run(_) => self.steps.as_ref()?.chain(params),
        }
    }

    /// The same stage for another number of steps; `None` if no value of it says how many are wanted, or if it is not made of steps.
    pub(crate) fn with_goal(&self, goal: u64, documents: &BTreeMap<&str, &[u8]>) -> Option<Self> {
        let chain = self.chain(documents)?;
        let mut stage = self.clone();
        match (&mut stage.body, &self.steps) {
            (Body::Run(_), Some(steps)) => *steps.goal_in(stage.with.as_mut()?)? = goal.into(),
            (Body::Uses { params, .. }, _) => {
                // The engine knows no parameter of a kind by name: it is the one of which nothing else of the chain depends.
                let values = params.as_object()?.iter();
                let names: Vec<String> = values
                    .filter(|(_, value)| value.as_u64() == Some(chain.goal))
                    .map(|(name, _)| name.clone())
                    .collect();
                let of = |name: &String| {
                    let mut params = params.clone();
                    params[name] = goal.into();
                    let fewer = self.chain_with(&params, documents)?;
                    (fewer.goal == goal && fewer.params == chain.params).then_some(params)
                };
                *params = names.iter().find_map(of)?;
            }
            (Body::Run(_), None) => return None,
        }
        Some(stage)
    }

    /// The shell whose language its script asks for; `None` for that of `sh`, which every script is written in unless it says otherwise.
    /// Part of its key.
    pub fn language(&self) -> Option<&str> {
        self.shell.as_deref().filter(|shell| *shell != "sh")
    }
}

/// What a stage runs.
#[derive(Clone)]
pub enum Body {
    /// A built-in kind with checked, canonical parameters.
    Uses {
        /// The kind.
        kind: Arc<dyn Kind>,
        /// Its parameters, defaults filled in.
        params: Value,
    },
    /// A user's command.
    Run(Command),
}

/// One artifact of an input.
#[derive(Clone, Debug)]
pub struct Input {
    /// Matrix coordinates of the variant it comes from (`model=5`); empty where there are none. Part of the key where
    /// the input takes many.
    pub label: String,
    /// Where it comes from.
    pub from: From,
    /// Where it is named in the pipeline file.
    pub span: Span,
    /// Of a source, the part that a command sees, if it does not see all of it.
    pub view: Option<Arc<View>>,
}

/// What of the environment of a command is in its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment {
    /// Whether anything is: the pipeline may say that nothing is to be.
    pub counts: bool,
    /// The lock files that say what it is; without any it is looked at as it is.
    pub from: Vec<PathBuf>,
    /// The packages that count; all of them, if none is named.
    pub only: Vec<String>,
}

/// A source, or the part of it that a command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source<'i> {
    /// Relative to the project.
    pub path: &'i Path,
    /// The part that counts, if not all of it does.
    pub view: Option<&'i Arc<View>>,
}

impl Input {
    /// The source that it is, if it is one.
    pub fn source(&self) -> Option<Source<'_>> {
        match &self.from {
            From::Source(path) => Some(Source { path, view: self.view.as_ref() }),
            From::Output { .. } => None,
        }
    }
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A raw file or folder of the project, relative to its root.
    Source(PathBuf),
    /// An output of another stage.
    Output {
        /// The producer.
        stage: StageId,
        /// The name of the output.
        output: String,
    },
}

/// A declared output.
#[derive(Clone, Debug)]
pub struct Output {
    /// Where it is materialised, relative to the root.
    pub path: PathBuf,
    /// What Kiln may do with it.
    pub role: Role,
}

/// What a stage may use; never part of its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// CPUs it occupies and threads it may start.
    pub cpus: usize,
    /// GPUs it occupies.
    pub gpu: usize,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1, gpu: 0, device: "auto".into() }
    }
}
