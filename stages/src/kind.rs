//! What a stage kind is: its ports, its typed parameters, and the function that runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A built-in stage kind, as `uses:` names it.
pub struct Kind {
    /// The name in `uses:`.
    pub name: &'static str,
    /// One sentence for `kiln kinds` and the schema.
    pub summary: &'static str,
    /// The declared inputs.
    pub inputs: &'static [Port],
    /// The declared outputs; all of them are written by every execution.
    pub outputs: &'static [Output],
    /// Checks the value of `with:` against the kind's typed parameters and returns the canonical value: defaults
    /// filled in, so that spelling a default out changes no key.
    pub check: fn(&Value) -> Result<Value, ParamError>,
    /// The JSON Schema of `with:`: [`schema`] of the typed parameters.
    pub params: fn() -> Value,
    /// Runs the stage. `params` is a value that `check` returned.
    pub run: fn(params: &Value, context: &Context) -> anyhow::Result<()>,
    /// The digests of the outputs where the parameters pin them (a fixed-output stage): output name -> BLAKE3 in hex.
    pub fixed: Option<PinnedOutputs>,
    /// How the work falls into steps whose state is kept, where it does: an execution that was killed, or of which more
    /// is wanted, goes on from the last of them.
    pub chain: Option<ChainOf>,
    /// The source file of the kind's `run`, relative to `stages/src`: the root of its code fingerprint.
    pub module: &'static str,
}

/// Reads the digests that parameters pin: output name -> BLAKE3 in hex.
pub type PinnedOutputs = fn(&Value) -> BTreeMap<String, String>;

/// Describes an execution as a chain, from its parameters and the canonical bytes of its document inputs, by input name.
/// `None` where it is none after all.
pub type ChainOf = fn(params: &Value, documents: &BTreeMap<&str, &[u8]>) -> Option<Chain>;

/// An execution as a chain of steps, each of which follows from the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The parameters that decide a step: all but the one that says how many are wanted.
    pub params: Value,
    /// How many steps are wanted. The stage may end sooner.
    pub goal: u64,
    /// What a step is: `epoch`.
    pub unit: &'static str,
    /// Why every step depends on how many are wanted, where it does. Steps are then of no use to another goal.
    pub whole: Option<&'static str>,
}

/// Where the states of steps are.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    /// The step to go on from: its number, from 1, and the folder that was written after it. To be read only.
    pub resume: Option<(u64, PathBuf)>,
    /// An existing folder for new ones; `None` where nobody keeps them.
    pub folder: Option<PathBuf>,
}

/// A named input of a kind.
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

/// A resolved document.
#[derive(Debug)]
pub struct Document {
    /// The canonical bytes.
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

/// A named output of a kind.
pub struct Output {
    /// The name that references use.
    pub name: &'static str,
    /// The file name it is materialised under.
    pub file: &'static str,
    /// What Kiln may do with it.
    pub role: Role,
    /// What it holds: format, columns, shapes, units.
    pub doc: &'static str,
}

/// What Kiln may do with an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing but keep it.
    Data,
    /// A JSON object whose numbers enter the run record and `compare`.
    Metrics,
    /// A figure.
    Figure,
    /// A CSV file to draw as curves: the first column is the abscissa, the others are numbers.
    Series,
}

/// An input as a stage sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The matrix coordinates of the variant it comes from (`model=5`); empty where there are none.
    pub label: String,
    /// Where to read it.
    pub path: PathBuf,
}

/// What a worker tells its parent while it runs.
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

/// Everything a stage is given.
pub struct Context<'a> {
    /// Input name -> its artifacts.
    pub inputs: BTreeMap<String, Vec<Input>>,
    /// Output name -> where to write it.
    pub outputs: BTreeMap<String, PathBuf>,
    /// How many threads may be used. Never decides a bit of an output.
    pub threads: usize,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// The project's root: what the local sources of a fixed-output stage are relative to. Nothing else may use it.
    pub project: PathBuf,
    /// The step to go on from, and where to write others.
    pub checkpoints: Checkpoints,
    /// Where events go.
    pub events: &'a (dyn Fn(Event) + Sync),
}

impl Context<'_> {
    /// The path of an input that takes one artifact.
    ///
    /// # Errors
    /// If it was not given.
    pub fn input(&self, name: &str) -> anyhow::Result<&Path> {
        self.optional(name).ok_or_else(|| anyhow::anyhow!("input `{name}` was not given"))
    }

    /// The path of an input that may be missing.
    pub fn optional(&self, name: &str) -> Option<&Path> {
        self.all(name).first().map(|i| i.path.as_path())
    }

    /// Every artifact of an input, in the order of the pipeline file.
    pub fn all(&self, name: &str) -> &[Input] {
        self.inputs.get(name).map_or(&[], Vec::as_slice)
    }

    /// Where to write an output.
    ///
    /// # Errors
    /// If the kind does not declare it.
    pub fn output(&self, name: &str) -> anyhow::Result<&Path> {
        self.outputs.get(name).map(PathBuf::as_path).ok_or_else(|| anyhow::anyhow!("output `{name}` is not declared"))
    }

    /// Reports progress.
    pub fn progress(&self, done: u64, total: u64, unit: &str, detail: impl Into<String>) {
        (self.events)(Event::Progress { done, total, unit: unit.into(), detail: detail.into() });
    }

    /// Writes a line to the log.
    pub fn message(&self, text: impl Into<String>) {
        (self.events)(Event::Message { text: text.into() });
    }

    /// Gives the state after a step away to be kept: `write` fills an empty folder. A state that cannot be written is no
    /// reason to fail, since the work can go on without: there is a message.
    pub fn checkpoint(&self, step: u64, write: impl FnOnce(&Path) -> anyhow::Result<()>) {
        let Some(parent) = &self.checkpoints.folder else { return };
        let folder = parent.join(step.to_string());
        match std::fs::create_dir(&folder).map_err(anyhow::Error::from).and_then(|()| write(&folder)) {
            Ok(()) => (self.events)(Event::Checkpoint { step, folder }),
            Err(error) => {
                // What is left of it takes room that may be short.
                let _ = std::fs::remove_dir_all(&folder);
                self.message(format!("the state after step {step} is not kept: {error:#}"));
            }
        }
    }
}

/// The `check` of a kind whose parameters are `P`: unknown keys and wrong types are errors that name the place
/// (`P` should `deny_unknown_fields`), and the canonical value has every default spelt out.
///
/// # Errors
/// If the value is not a `P`.
pub fn check<P: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, ParamError> {
    let params: P = parse(value)?;
    Ok(serde_json::to_value(params).expect("parameters are plain data"))
}

/// The JSON Schema (draft 2020-12) of parameters `P`: names, types, values, defaults, and as descriptions the documentation
/// of their fields.
pub fn schema<P: schemars::JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<P>().to_value()
}

/// Reads typed parameters. An absent `with:` (null) reads as an empty mapping.
///
/// # Errors
/// If the value is not a `P`.
pub fn parse<P: DeserializeOwned>(value: &Value) -> Result<P, ParamError> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e
            .path()
            .iter()
            .filter_map(|s| match s {
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                _ => None,
            })
            .collect();
        ParamError { path, message: e.inner().to_string(), hint: None }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// The sets of parameters that a kind's schema describes: one, or one for each of its methods.
    fn sets(kind: &Kind) -> Vec<Value> {
        let schema = (kind.params)();
        schema.get("oneOf").map_or_else(|| vec![schema.clone()], |sets| sets.as_array().expect("a list").clone())
    }

    /// A value for a parameter that has to be given.
    fn given(name: &str, schema: &Value) -> Value {
        match name {
            "digest" => json!("0".repeat(64)),
            "sources" => json!(["file"]),
            "layer" => json!("dense"),
            _ => schema.get("const").unwrap_or_else(|| panic!("what to give for `{name}`?")).clone(),
        }
    }

    #[test]
    fn what_the_schema_says_of_parameters_is_what_the_parser_takes() {
        for kind in crate::kinds() {
            for set in sets(kind) {
                let empty = serde_json::Map::new();
                let known = set.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                let needed: BTreeSet<&str> = set
                    .get("required")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let with: serde_json::Map<String, Value> =
                    needed.iter().map(|&name| (name.to_owned(), given(name, &known[name]))).collect();
                let what = format!("{} with {with:?}", kind.name);
                let checked = (kind.check)(&Value::Object(with.clone())).unwrap_or_else(|e| panic!("{what}: {e:?}"));
                let taken: BTreeSet<&String> = checked.as_object().expect("a mapping").keys().collect();
                assert_eq!(known.keys().collect::<BTreeSet<_>>(), taken, "{what}");
                for (name, of) in known {
                    let doc = of.get("description").and_then(Value::as_str).unwrap_or_default();
                    assert!(!doc.is_empty() || of.get("const").is_some(), "{what}: `{name}` says not what it is");
                    assert!(!doc.contains("[`"), "{what}: `{name}` refers to code: {doc}");
                    match needed.contains(name.as_str()) {
                        true => {
                            let mut less = with.clone();
                            less.remove(name);
                            assert!((kind.check)(&Value::Object(less)).is_err(), "{what}: `{name}` is not needed");
                        }
                        false => {
                            assert_eq!(of.get("default").unwrap_or(&Value::Null), &checked[name], "{what}: {name}")
                        }
                    }
                }
                let mut more = with;
                more.insert("no_such_parameter".into(), json!(1));
                assert!((kind.check)(&Value::Object(more)).is_err(), "{what} takes anything");
                assert_eq!(set.get("additionalProperties"), Some(&Value::Bool(false)), "{what}");
            }
        }
    }
}
