//! What an import has to say: what does not carry over, where it stands, and what to do about it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::yaml::{At, Fault};

/// Something that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Whether there is something to do, or only to know.
    pub weight: Weight,
    /// The file, relative to the project, or absolute if it lies outside.
    pub file: PathBuf,
    /// Line, from 1; 0 if it is about the file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Something of DVC's has no counterpart: it is not in the pipeline.
    Lost,
    /// It is there, and means something a little different.
    Differs,
    /// It means the same, written in another way.
    Told,
}

/// The notes of an import.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, weight: Weight, file: &Path, at: At, what: impl Into<String>, hint: &str) {
        let note = Note {
            weight,
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            what: what.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        };
        // Variants of a stage say the same.
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub(super) fn lost(&mut self, file: &Path, at: At, what: impl Into<String>, hint: &str) {
        self.add(Weight::Lost, file, at, what, hint);
    }

    pub(super) fn differs(&mut self, file: &Path, at: At, what: impl Into<String>, hint: &str) {
        self.add(Weight::Differs, file, at, what, hint);
    }

    pub(super) fn told(&mut self, file: &Path, at: At, what: impl Into<String>, hint: &str) {
        self.add(Weight::Told, file, at, what, hint);
    }

    /// Takes in others that are not there yet.
    pub(super) fn take(&mut self, others: Self) {
        for note in others.0 {
            if !self.0.contains(&note) {
                self.0.push(note);
            }
        }
    }

    /// Tells what holds for many places of a file, at the first of them.
    pub(super) fn told_once(&mut self, file: &Path, at: At, what: &str) {
        if !self.0.iter().any(|note| note.what == what && note.file == file) {
            self.told(file, at, what, "");
        }
    }
}

/// Why a project cannot be imported at all.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{at}: {what}")]
pub struct Refused {
    /// The file, relative to the project, or absolute if it lies outside.
    pub file: String,
    /// Where.
    pub at: At,
    /// Why.
    pub what: String,
}

impl Refused {
    pub(super) fn new(file: &Path, at: At, what: impl Into<String>) -> Self {
        Self { file: file.display().to_string(), at, what: what.into() }
    }

    pub(super) fn of(file: &Path, fault: Fault) -> Self {
        Self::new(file, fault.at, fault.what)
    }
}
