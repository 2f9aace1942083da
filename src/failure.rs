//! Why a stage failed: as data. `show::failure` puts it into words.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;

/// A failure. In JSON `kind` says which, and the fields lie beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Failure {
    /// It ended with a code that is not 0.
    Exited {
        /// The code.
        code: i32,
    },
    /// A signal ended it.
    Killed {
        /// Its number.
        signal: i32,
        /// Whether its memory was written to a file.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        core_dumped: bool,
    },
    /// It failed while memory ran out.
    OutOfMemory {
        /// How it ended.
        failure: Box<Failure>,
    },
    /// It failed on a full disk.
    DiskFull {
        /// A folder on the disk.
        folder: PathBuf,
        /// How it ended.
        failure: Box<Failure>,
    },
    /// It was stopped because its time was up.
    TimedOut {
        /// How long it had, in seconds.
        limit: Option<f64>,
    },
    /// It was stopped because there was no use in going on.
    Stopped,
    /// It could not be started.
    NotStarted {
        /// The program.
        program: String,
        /// Why not.
        why: String,
        /// Whether there is no such program.
        missing: bool,
    },
    /// It could not be kept from what it does not declare.
    NotGuarded {
        /// Why not.
        why: String,
    },
    /// An input was changed by somebody else.
    InputChanged {
        /// The input, relative to the project.
        path: PathBuf,
        /// What could not be done because of that, if so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It changed an input of its own.
    InputWritten {
        /// The input, relative to the project.
        path: PathBuf,
    },
    /// An input is not there.
    InputMissing {
        /// Its name.
        input: String,
    },
    /// An input cannot be read.
    Unreadable {
        /// Why not.
        why: String,
    },
    /// An input leads into a store: the project has to be changed.
    LeadsIntoStore {
        /// Where.
        why: String,
    },
    /// Something lies where an output goes, and is not Kiln's to replace.
    InTheWay {
        /// Where, relative to the project.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// It ended well and did not write outputs.
    OutputMissing {
        /// The outputs, and where they were to be.
        outputs: Vec<MissingOutput>,
    },
    /// It ended well, and an output is nothing that can be kept.
    OutputNotKept {
        /// The output.
        output: String,
        /// Why not.
        why: String,
    },
    /// An output is not what it is to be.
    WrongContents {
        /// The output.
        output: String,
        /// What it is to be.
        expected: Digest,
        /// What it is.
        found: Option<Digest>,
    },
    /// An output could not be put where it belongs.
    NotPutInPlace {
        /// The output.
        output: String,
        /// Where it belongs, relative to the project.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The cache refused.
    Cache {
        /// What.
        why: String,
    },
    /// The operating system refused.
    System {
        /// What.
        why: String,
    },
    /// Anything else.
    Other {
        /// What.
        why: String,
    },
}

/// An output that was not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingOutput {
    /// Its name.
    pub output: String,
    /// Where it was to be, relative to the project.
    pub path: PathBuf,
}

impl Failure {
    /// Whether the project is wrong, as a pipeline with a mistake is: no run of it can do better.
    pub fn is_mistake(&self) -> bool {
        matches!(self, Self::LeadsIntoStore { .. })
    }

    /// The same with other words for what lies in a folder of Kiln's.
    #[must_use]
    pub fn renamed(mut self, rename: &dyn Fn(String) -> String) -> Self {
        let text = |text: &mut String| *text = rename(std::mem::take(text));
        match &mut self {
            Self::OutOfMemory { failure } | Self::DiskFull { failure, .. } => {
                let inner = std::mem::replace(failure.as_mut(), Self::Stopped);
                **failure = inner.renamed(rename);
            }
            Self::NotStarted { program, why, .. } => {
                text(program);
                text(why);
            }
            Self::InputChanged { why: Some(why), .. }
            | Self::NotGuarded { why }
            | Self::Unreadable { why }
            | Self::LeadsIntoStore { why }
            | Self::OutputNotKept { why, .. }
            | Self::NotPutInPlace { why, .. }
            | Self::Cache { why }
            | Self::System { why }
            | Self::Other { why } => text(why),
            Self::Exited { .. }
            | Self::Killed { .. }
            | Self::TimedOut { .. }
            | Self::Stopped
            | Self::InputChanged { why: None, .. }
            | Self::InputWritten { .. }
            | Self::InputMissing { .. }
            | Self::InTheWay { .. }
            | Self::OutputMissing { .. }
            | Self::WrongContents { .. } => {}
        }
        self
    }
}
