//! All that decides a stage and what it gave, one line each.

use serde::Serialize;
use serde_json::{Value, json};

use crate::action::{Body, Manifest};
use crate::pipeline::{Command, Stage};
use crate::store::ActionResult;

/// One thing that decides a stage, or one that it gave.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// `code`, `parameter`, `command`, `shell`, `environment`, `input` or `output`.
    pub what: &'static str,
    /// Its name: a kind, a parameter, a variable, an input (`metrics[model=5]`) or an output.
    pub name: String,
    /// Its value; of an input or output the digest.
    pub value: Value,
    /// Where an input comes from, and where an output lies.
    pub place: Option<String>,
    /// The size of an output in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The parts of a stage. `source` names where the n-th artifact of an input comes from.
pub(super) fn of(
    stage: &Stage,
    manifest: &Manifest,
    result: Option<&ActionResult>,
    source: &dyn Fn(&str, usize) -> Option<String>,
) -> Vec<Part> {
    let part = |what, name: &str, value| Part { what, name: name.to_owned(), value, place: None, bytes: None };
    let mut parts = Vec::new();
    match &manifest.body {
        Body::Uses { uses, fingerprint, params } => {
            parts.push(part("code", uses, json!(fingerprint)));
            parts.extend(parameters(params).map(|(name, value)| part("parameter", name, value.clone())));
        }
        Body::Run { run, env, params, shell } => {
            parts.push(part(
                "command",
                "",
                match run {
                    Command::Argv(argv) => json!(argv),
                    Command::Shell(script) => json!(script),
                },
            ));
            let params = params.iter().flat_map(parameters);
            parts.extend(params.map(|(name, value)| part("parameter", name, value.clone())));
            parts.extend(shell.iter().map(|shell| part("shell", "", json!(shell))));
            parts.extend(env.iter().map(|(name, value)| part("environment", name, json!(value))));
        }
    }
    for (name, items) in &manifest.inputs {
        for (position, item) in items.iter().enumerate() {
            let shown = match (&manifest.body, item.label.as_str()) {
                (Body::Run { .. }, _) | (_, "") => name.clone(),
                (_, label) => format!("{name}[{label}]"),
            };
            parts.push(Part { place: source(name, position), ..part("input", &shown, json!(item.digest)) });
        }
    }
    for (name, output) in &stage.outputs {
        let artifact = result.and_then(|result| result.outputs.get(name));
        let place = Some(output.path.display().to_string());
        let bytes = artifact.map(|artifact| artifact.bytes);
        parts.push(Part { place, bytes, ..part("output", name, json!(artifact.map(|a| a.digest))) });
    }
    parts
}

/// Parameters by name; what is no mapping has none.
fn parameters(params: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let (named, other) = match params {
        Value::Object(named) => (Some(named.iter().map(|(name, value)| (name.as_str(), value))), None),
        other => (None, Some(("", other))),
    };
    named.into_iter().flatten().chain(other)
}
