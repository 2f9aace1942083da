//! `steps:`: a command whose work is a chain of steps, each of which follows from the one before; and which of their states are kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::Chain;

/// The steps of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// The parameter of `with` that says how many are wanted: a path, its parts joined by dots.
    pub parameter: String,
    /// How many are wanted.
    pub goal: u64,
    /// What a step is: `epoch`.
    pub unit: String,
    /// What makes every step depend on how many are wanted, where something does.
    pub horizon: Option<String>,
    /// The output that the command's metrics are written to, if it is one.
    pub metrics: Option<String>,
}

/// Which states of a stage's steps are kept, beside the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keep {
    /// So many of the last ones.
    pub last: u64,
    /// Every so many-th.
    pub every: Option<u64>,
    /// The ones that are best by a metric.
    pub best: Vec<Best>,
    /// Others are kept as long as all states take no more bytes than this.
    pub size: u64,
}

/// The best state by a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Best {
    /// The metric.
    pub metric: String,
    /// Whether more is better.
    pub most: bool,
}

/// What is kept where a stage says nothing of it.
pub(super) const SIZE: u64 = 1_000_000_000;

impl Default for Keep {
    fn default() -> Self {
        Self { last: 1, every: None, best: vec![], size: SIZE }
    }
}

impl Steps {
    /// The chain of a command that is handed these values; `None` if they do not say how many steps are wanted.
    pub fn chain(&self, with: &Value) -> Option<Chain> {
        let mut params = with.clone();
        let goal = take(&mut params, &self.parameter)?.as_u64()?;
        let whole = self.horizon.as_ref().map(|horizon| format!("{horizon} depends on `{}`", self.parameter));
        Some(Chain { params, goal, unit: self.unit.clone(), whole })
    }

    /// The value that says how many steps are wanted, among those that the command is handed.
    pub(super) fn goal_in<'w>(&self, with: &'w mut Value) -> Option<&'w mut Value> {
        self.parameter.split('.').try_fold(with, |value, part| value.get_mut(part))
    }
}

/// Takes the value at a path out of nested mappings.
fn take(params: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => params.as_object_mut()?.remove(path),
        Some((first, rest)) => take(params.get_mut(first)?, rest),
    }
}
