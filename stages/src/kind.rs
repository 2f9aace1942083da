//! What a stage kind is: its ports, its typed parameters, and the function that runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use common::kind::{
    Arity, Chain, Checkpoints, Document, DocumentError, Event, Input, Job, OutputPort as Output, ParamError, Port,
    Reads, Role,
};

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

impl<'a> Context<'a> {
    /// What a job gives.
    pub fn of(job: &Job, events: &'a (dyn Fn(Event) + Sync)) -> Self {
        let Job { inputs, outputs, threads, device, project, checkpoints, .. } = job.clone();
        Self { inputs, outputs, threads, device, project, checkpoints, events }
    }
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
    common::params::read(if value.is_null() { &empty } else { value })
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
                // A parameter that came later is left out of keys where it is as before.
                let (told, later): (Vec<_>, Vec<_>) = known.iter().partition(|(name, _)| taken.contains(name));
                assert_eq!(told.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), taken, "{what}");
                for (name, of) in later {
                    let mut same = with.clone();
                    same.insert(name.clone(), of["default"].clone());
                    let same = (kind.check)(&Value::Object(same)).unwrap_or_else(|e| panic!("{what}: {name}: {e:?}"));
                    assert_eq!(same, checked, "{what}: {name}");
                    assert!(of.get("description").is_some(), "{what}: `{name}` says not what it is");
                }
                for (name, of) in told {
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
