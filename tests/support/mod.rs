//! What tests of the loader share: a small project on disk, and a catalog of kinds that do nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kiln::hash::Digest;
use kiln::kind::{
    Arity, Catalog, Document, DocumentError, Event, Job, Kind, OutputPort, ParamError, Port, Reads, Role,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Copies a folder's contents.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// `learn` (data, model: a document; optional extra), `score` (model, data) and `plot` (scores: many).
pub(crate) fn catalog() -> Catalog {
    let one = |name| port(name, Arity::One);
    let kinds = [
        Fake {
            name: "learn",
            inputs: vec![one("data"), one("model"), port("extra", Arity::Optional)],
            outputs: vec![
                output("weights", "weights.bin", Role::Data),
                output("metrics", "metrics.json", Role::Metrics),
            ],
            check: |with| checked::<Learn>(with),
        },
        Fake {
            name: "score",
            inputs: vec![one("weights"), one("data")],
            outputs: vec![output("metrics", "metrics.json", Role::Metrics)],
            check: |with| checked::<Nothing>(with),
        },
        Fake {
            name: "plot",
            inputs: vec![port("scores", Arity::Many)],
            outputs: vec![output("svg", "figure.svg", Role::Figure)],
            check: |with| checked::<Nothing>(with),
        },
    ];
    kinds.into_iter().map(|k| (k.name.to_owned(), Arc::new(k) as Arc<dyn Kind>)).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Learn {
    epochs: u32,
    seed: u64,
    optimiser: Optimiser,
}

impl Default for Learn {
    fn default() -> Self {
        Self { epochs: 10, seed: 0, optimiser: Optimiser { rate: 0.001 } }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Optimiser {
    rate: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn checked<P: for<'de> Deserialize<'de> + Serialize>(with: &Value) -> Result<Value, ParamError> {
    let read: P = common::params::read(with)?;
    Ok(serde_json::to_value(read).unwrap())
}

fn port(name: &'static str, arity: Arity) -> Port {
    Port { name, doc: format!("The {name} to use.").leak(), arity, reads: Reads::Artifact }
}

fn output(name: &'static str, file: &'static str, role: Role) -> OutputPort {
    OutputPort { name, file, role, doc: "" }
}

struct Fake {
    name: &'static str,
    inputs: Vec<Port>,
    outputs: Vec<OutputPort>,
    check: fn(&Value) -> Result<Value, ParamError>,
}

impl Kind for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn summary(&self) -> &str {
        "Does nothing."
    }

    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[OutputPort] {
        &self.outputs
    }

    fn check(&self, with: &Value) -> Result<Value, ParamError> {
        (self.check)(with)
    }

    fn params(&self) -> Value {
        if self.name != "learn" {
            return json!({ "type": "object", "additionalProperties": false });
        }
        let optimiser =
            json!({ "type": "object", "properties": { "rate": { "type": "number" } }, "additionalProperties": false });
        let properties =
            json!({ "epochs": { "type": "integer" }, "seed": { "type": "integer" }, "optimiser": optimiser });
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }

    fn fingerprint(&self) -> &str {
        ""
    }

    fn document(&self, input: &str, path: &Path) -> Option<Result<Document, DocumentError>> {
        if input != "model" {
            return None;
        }
        let text = fs::read_to_string(path).unwrap();
        let bad = text.lines().position(|line| line.contains("banana"));
        Some(match bad {
            None => Ok(Document { bytes: text.into_bytes(), sources: vec![path.to_owned()] }),
            Some(line) => Err(DocumentError {
                file: path.to_owned(),
                at: Some((line + 1, text.lines().nth(line).unwrap().find("banana").unwrap() + 1)),
                message: "unknown layer `banana`".into(),
                hint: Some("did you mean `dense`?".into()),
            }),
        })
    }

    fn fixed(&self, _: &Value) -> Option<BTreeMap<String, Digest>> {
        None
    }

    fn run(&self, _: &Job, _: &(dyn Fn(Event) + Sync)) -> anyhow::Result<()> {
        Ok(())
    }
}
