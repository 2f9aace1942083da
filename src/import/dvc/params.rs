//! Files of parameters: YAML, JSON, TOML, and Python's assignments of literals.

use std::path::Path;

use super::note::Refused;
use super::text::text;
use super::yaml::{self, At, Content, Entry, Node};
use crate::stage_name::matches;

/// What a file of parameters holds.
pub(super) fn file(root: &Path, path: &str) -> Result<Node, Refused> {
    let name = Path::new(path);
    let text = text(root, name)?;
    match name.extension().and_then(|ending| ending.to_str()) {
        Some("json") => {
            let value = serde_json::from_str(&text).map_err(|error| {
                let at = At { line: error.line(), column: error.column().max(1) };
                Refused::new(name, at, format!("this is not JSON: {error}"))
            })?;
            Ok(Node::of_json(&value))
        }
        Some("toml") => {
            let value: serde_json::Value = toml::from_str(&text)
                .map_err(|error| Refused::new(name, At { line: 1, column: 1 }, format!("this is not TOML: {error}")))?;
            Ok(Node::of_json(&value))
        }
        Some("py") => Ok(super::python::read(&text)),
        _ => yaml::read(&text).map_err(|fault| Refused::of(name, fault)),
    }
}

/// The value of a parameter: DVC takes `a.b.0` apart at its dots, and where a step is a pattern such as `a*` the one key that it means.
pub(super) fn value<'n>(file: &'n Node, key: &str) -> Option<&'n Node> {
    exactly(file, key).or_else(|| exactly(file, &meant(file, key)?))
}

/// The key that a pattern means, if it means one.
pub(super) fn meant(file: &Node, key: &str) -> Option<String> {
    if !key.contains(['*', '?']) || key.contains("**") {
        return None;
    }
    let mut found = vec![(String::new(), file)];
    for step in key.split('.') {
        let next = found.iter().flat_map(|(path, node)| {
            let fits = |entry: &&Entry| matches(step, &entry.key);
            node.entries().iter().filter(fits).map(move |entry| (format!("{path}.{}", entry.key), &entry.node))
        });
        found = next.collect();
    }
    match found.as_slice() {
        [(path, _)] => Some(path[1..].to_owned()),
        _ => None,
    }
}

fn exactly<'n>(file: &'n Node, key: &str) -> Option<&'n Node> {
    let mut node = file;
    for step in key.split('.') {
        node = match &node.content {
            Content::Map(_) => node.get(step)?,
            Content::List(items) => items.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(node)
}
