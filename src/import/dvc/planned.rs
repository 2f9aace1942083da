//! A stage as it is to be written.

use super::command::Run;
use super::file::{File, Stage};

/// A stage to be written.
pub(super) struct Planned<'f> {
    /// Its name in Kiln.
    pub(super) name: String,
    pub(super) file: &'f File,
    pub(super) stage: &'f Stage,
    pub(super) run: Run,
    pub(super) env: Vec<(String, String)>,
    pub(super) pass: Vec<String>,
    pub(super) inputs: Vec<(String, Vec<Taken>)>,
    pub(super) outputs: Vec<Given>,
}

/// What an input takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) path: String,
    /// These keys of the file alone.
    pub(super) keys: Vec<String>,
    pub(super) line: usize,
}

/// An output.
pub(super) struct Given {
    pub(super) port: String,
    pub(super) path: String,
    pub(super) role: Option<&'static str>,
    pub(super) line: usize,
}

/// Where a stage without outputs leaves its mark.
pub(super) const MARKS: &str = "out/done";

/// The mark of a stage without outputs.
pub(super) fn mark(name: &str, labels: impl Iterator<Item = String>) -> String {
    let labels: String = labels.map(|label| format!("-{label}")).collect();
    format!("{MARKS}/{name}{labels}")
}
