//! What a pipeline file says, typed but not yet expanded: scalars may still hold `${...}`.

use std::sync::Arc;

use crate::kind::Role;

use super::cache::PutAs;
use super::executor::ExecutorSpec;
use super::node::{Entry, Node, Place};
use super::remote::RemoteSpec;
use super::stage::Environment;

/// A pipeline file.
pub(super) struct Spec<'n> {
    /// `params:`, in the order in which they are laid over each other.
    pub(super) params: Vec<ParamsSpec<'n>>,
    /// `profiles:`.
    pub(super) profiles: Vec<Profile<'n>>,
    /// `report:`.
    pub(super) report: Option<&'n Node>,
    /// `remote:`.
    pub(super) remote: Option<RemoteSpec>,
    /// `cache:`.
    pub(super) put_as: PutAs,
    /// `executor:`.
    pub(super) executor: Option<ExecutorSpec>,
    /// `stages:`, as declared.
    pub(super) stages: Vec<StageSpec<'n>>,
}

/// A profile.
pub(super) struct Profile<'n> {
    /// Its name.
    pub(super) name: &'n str,
    /// What it lays over `params:`.
    pub(super) params: Vec<ParamsSpec<'n>>,
    /// `executor:`.
    pub(super) executor: Option<ExecutorSpec>,
}

/// Some parameters.
#[derive(Clone, Copy)]
pub(super) enum ParamsSpec<'n> {
    /// A mapping of the pipeline file.
    Inline(&'n Node),
    /// The path of a file of parameters.
    File(&'n Node),
}

/// A stage as declared.
pub(super) struct StageSpec<'n> {
    /// Its name.
    pub(super) name: &'n str,
    /// Where the name stands.
    pub(super) place: Place,
    /// What it runs; `None` if that was a mistake.
    pub(super) body: Option<BodySpec<'n>>,
    /// `inputs:`.
    pub(super) inputs: Vec<InputSpec<'n>>,
    /// `outputs:`.
    pub(super) outputs: Vec<OutputSpec<'n>>,
    /// `with:`.
    pub(super) with: Option<&'n Entry>,
    /// `steps:`.
    pub(super) steps: Option<Box<StepsSpec<'n>>>,
    /// The names of its outputs, where something refers to them.
    pub(super) output_names: Vec<&'n str>,
    /// `matrix:`.
    pub(super) matrix: Option<MatrixSpec<'n>>,
    /// `env:`, but for `pass`.
    pub(super) env: Vec<&'n Entry>,
    /// `env: {pass: [...]}`: the names of variables that come from outside.
    pub(super) pass: Vec<&'n str>,
    /// `env: {count: [...]}`: those of them whose values count.
    pub(super) counted: Vec<&'n str>,
    /// `env: {cache: [...]}`: those that name a lasting folder of a tool.
    pub(super) cached: Vec<&'n str>,
    /// `guard: warn`.
    pub(super) warns: bool,
    /// `shell:`, its own or the file's. Only of a script.
    pub(super) shell: Option<&'n str>,
    /// `environment:`, its own or the file's. Only of a command.
    pub(super) environment: Option<Around>,
    /// `resources:`.
    pub(super) resources: Vec<&'n Entry>,
    /// `executor:`.
    pub(super) executor: Option<&'n Node>,
    /// `timeout:`.
    pub(super) timeout: TimeoutSpec<'n>,
    /// `retries:`.
    pub(super) retries: Option<&'n Node>,
}

/// `environment:`, and where its lock files are named.
#[derive(Clone)]
pub(super) struct Around {
    /// What counts.
    pub(super) environment: Arc<Environment>,
    /// A place for each lock file.
    pub(super) places: Vec<Place>,
}

/// `timeout:`, a duration or `{after: ..., grace: ...}`.
#[derive(Clone, Copy, Default)]
pub(super) struct TimeoutSpec<'n> {
    /// When the stage is asked to leave.
    pub(super) after: Option<&'n Node>,
    /// How long it may take to.
    pub(super) grace: Option<&'n Node>,
}

/// `steps:`.
pub(super) struct StepsSpec<'n> {
    /// Where it stands.
    pub(super) place: Place,
    /// `parameter:`.
    pub(super) parameter: Option<&'n Node>,
    /// `unit:`.
    pub(super) unit: Option<&'n Node>,
    /// `horizon:`.
    pub(super) horizon: Option<&'n Node>,
    /// `metrics:`.
    pub(super) metrics: Option<&'n Node>,
    /// `keep:`.
    pub(super) keep: Vec<&'n Entry>,
}

/// What a stage runs.
#[derive(Clone, Copy)]
pub(super) enum BodySpec<'n> {
    /// A built-in kind.
    Uses { kind: &'n str, place: Place },
    /// A script for the shell.
    Shell { script: &'n str, place: Place },
    /// A program and its arguments.
    Argv(&'n [Node]),
}

/// An input as declared.
pub(super) struct InputSpec<'n> {
    /// Its name.
    pub(super) name: &'n str,
    /// Where the name stands.
    pub(super) place: Place,
    /// What it takes, in order.
    pub(super) items: Vec<ItemSpec<'n>>,
}

/// One thing an input takes.
#[derive(Clone, Copy)]
pub(super) enum ItemSpec<'n> {
    /// A file or folder.
    Path(&'n Node),
    /// A part of one.
    View(ViewSpec<'n>),
    /// `{from: ...}`.
    From(&'n Node),
}

/// `{path: ..., only: [...]}`.
#[derive(Clone, Copy)]
pub(super) struct ViewSpec<'n> {
    /// The file or folder.
    pub(super) path: &'n Node,
    /// Patterns of files.
    pub(super) only: &'n [Node],
    /// Patterns of files that do not count.
    pub(super) ignore: &'n [Node],
    /// Keys of a file of parameters.
    pub(super) keys: &'n [Node],
}

/// An output as declared.
pub(super) struct OutputSpec<'n> {
    /// Its name.
    pub(super) name: &'n str,
    /// Where the name stands.
    pub(super) place: Place,
    /// Its path, if the pipeline says one.
    pub(super) path: Option<&'n Node>,
    /// Its role, if the pipeline says one.
    pub(super) role: Option<Role>,
}

/// `matrix:`.
#[derive(Default)]
pub(super) struct MatrixSpec<'n> {
    /// The stage whose axes are followed, and where it is named.
    pub(super) from: Option<(&'n str, Place)>,
    /// Its own axes.
    pub(super) axes: Vec<&'n Entry>,
    /// Combinations to leave out.
    pub(super) exclude: Vec<&'n Node>,
    /// Combinations to add.
    pub(super) include: Vec<&'n Node>,
}
