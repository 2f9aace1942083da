//! How two executions differ, field by field, as data. `show::difference` puts it into words.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::differ;
use crate::hash::{Digest, NumberForm};

/// What something was and what it is; `None` where it did not or does not exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Change<T> {
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub old: Option<T>,
    /// Now.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub new: Option<T>,
}

/// What is there, be it `null`; what is not there is not written.
fn there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A field of a document that is not what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `layers.dropout1.rate`, `size.0`; empty for the whole.
    pub path: String,
    /// Its value.
    #[serde(flatten)]
    pub change: Change<Value>,
}

/// The files of a folder that are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Files {
    /// Those with other contents, or other permissions.
    pub changed: Names,
    /// Those that were not there.
    pub added: Names,
    /// Those that are no longer there.
    pub removed: Names,
}

/// Some files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Names {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Vec<String>,
}

impl Names {
    /// So many are named.
    const NAMED: usize = 10;

    /// One more.
    pub fn push(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(name());
        }
    }
}

/// One difference of two manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Difference {
    /// Kiln's own encoding of manifests.
    Version(Change<u32>),
    /// Another kind, or a kind where there was a command (`command`), or the reverse.
    Kind(Change<String>),
    /// The code of a built-in kind.
    Code {
        /// The kind.
        uses: String,
    },
    /// A command, or the first line that differs of a script.
    Command {
        /// The line, from 1, where both are scripts.
        line: Option<usize>,
        /// The text before and now.
        change: Change<String>,
    },
    /// A parameter.
    Parameter {
        /// `optimiser.learning_rate`, `layers.2.units`; empty for the whole.
        path: String,
        /// Its value.
        change: Change<Value>,
    },
    /// The shell that a script asks for.
    Shell(Change<String>),
    /// An environment variable, or a value that a script is handed in one.
    Env {
        /// Its name.
        name: String,
        /// Its value.
        change: Change<String>,
    },
    /// The content of an input.
    Input {
        /// The input.
        name: String,
        /// Which of its artifacts; empty where it takes one.
        label: String,
        /// The digest.
        change: Change<Digest>,
        /// What of it changed, where it is a document and both versions are at hand.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Field>,
        /// Which files changed, where it is a folder and both listings are at hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<Files>,
        /// Whether it is a document of which a version is no longer at hand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
    },
    /// The artifacts of an input come in another order.
    Order {
        /// The input.
        name: String,
    },
    /// Whether an input may be executed.
    Executable {
        /// The input.
        name: String,
        /// Which of its artifacts.
        label: String,
        /// The bit.
        change: Change<bool>,
    },
    /// The declaration of an output.
    Output {
        /// The output.
        name: String,
        /// Path and role.
        change: Change<String>,
    },
}

/// What digests stand for, as far as that is at hand.
pub trait Contents {
    /// The document, or another small JSON file.
    fn document(&self, digest: &Digest) -> Option<Value>;
    /// How two folders differ.
    fn files(&self, old: &Digest, new: &Digest) -> Option<Files>;
    /// Whether an input of the stage is a document that someone wrote.
    fn is_document(&self, input: &str) -> bool;
}

impl<T> Change<T> {
    /// The same change, shown otherwise.
    pub fn map<U>(&self, show: impl Fn(&T) -> U) -> Change<U> {
        Change { old: self.old.as_ref().map(&show), new: self.new.as_ref().map(&show) }
    }
}

impl Difference {
    /// Looks into an input that changed.
    #[must_use]
    pub fn look_into(mut self, contents: &dyn Contents) -> Self {
        if let Self::Input { name, change: Change { old: Some(old), new: Some(new) }, fields, files, gone, .. } =
            &mut self
        {
            match contents.document(old).and_then(|old| Some((old, contents.document(new)?))) {
                Some((old, new)) => *fields = Field::between(&old, &new),
                _ if contents.is_document(name) => *gone = true,
                _ => *files = contents.files(old, new),
            }
        }
        self
    }
}

impl Field {
    /// Every field that differs.
    pub fn between(old: &Value, new: &Value) -> Vec<Self> {
        pairs(old, new, NumberForm::ByValue).map(|(path, change)| Self { path, change }).collect()
    }
}

/// The paths at which two values differ, with what stands there.
pub(super) fn pairs(
    old: &Value,
    new: &Value,
    numbers: NumberForm,
) -> impl Iterator<Item = (String, Change<Value>)> + use<> {
    differ::changes_by(&[Some(old), Some(new)], numbers).into_iter().map(|differ::Change { path, values }| {
        let mut values = values.into_iter();
        (path, Change { old: values.next().flatten(), new: values.next().flatten() })
    })
}
