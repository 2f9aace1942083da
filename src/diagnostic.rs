//! A mistake to show: message, labelled places, notes and a hint. Data only; `cli/render` draws it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// So many mistakes are told of in one file. Nobody reads more.
pub const MOST: usize = 1000;

/// A byte range of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A place that a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file, relative to the project; or `--set ARGUMENT`, which is none.
    pub file: PathBuf,
    /// The bytes to underline.
    pub span: Span,
    /// What to say beside them; may be empty.
    pub text: String,
}

/// How the name of a label begins that lies in an argument of the command line.
const ARGUMENT: &str = "--set ";

impl Label {
    /// The name under which an argument `--set TEXT` stands for a file.
    pub fn argument(text: &str) -> PathBuf {
        PathBuf::from(format!("{ARGUMENT}{text}"))
    }

    /// The text of the argument `--set` that this lies in, if it lies in no file.
    pub fn in_argument(&self) -> Option<&str> {
        self.file.to_str()?.strip_prefix(ARGUMENT)
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// Where; the first is the primary place. Empty where there is no place.
    pub labels: Vec<Label>,
    /// Why, one line each.
    pub notes: Vec<String>,
    /// What to do about it, or the nearest name.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self { message: message.into(), labels: vec![], notes: vec![], hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error with what caused it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
