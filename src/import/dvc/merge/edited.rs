//! Which stages of a file do something else than those that an import writes: of these DVC's results are none.

use std::collections::BTreeMap;

use super::level::pairs;
use super::part::{Part, Text};
use crate::import::dvc::scalar::flow;
use crate::import::dvc::yaml::{Fault, Node};

/// Keys of a stage that do not decide what comes out.
const ASIDE: &[&str] = &[
    "timeout",
    "retries",
    "guard",
    "resources",
    "executor",
    "environment",
    "device",
    "threads",
    "desc",
    "description",
];

/// By the names that an import gives to stages: the keys in which the file says otherwise. A stage that the file does not have is not named.
pub(in crate::import::dvc) fn edited(ours: &str, new: &str) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let (ours, new) = (Text::of(ours)?, Text::of(new)?);
    let params = |text: &Text<'_>| text.root.get("params").map(flow).unwrap_or_default();
    let other_params = params(&ours) != params(&new);
    let (ours, new) = (ours.parts(), new.parts());
    let stages = |parts: &'_ [Part<'_>]| parts.iter().position(|part| part.key == "stages");
    let (Some(o), Some(n)) = (stages(&ours), stages(&new)) else { return Ok(BTreeMap::new()) };
    let (ours, new) = (&ours[o].parts, &new[n].parts);
    let mut found = BTreeMap::new();
    for (stage, own) in new.iter().zip(pairs(new, ours, true)) {
        let Some(own) = own.map(|own| ours[own].node) else { continue };
        let mut keys: Vec<String> = Vec::new();
        for entry in stage.node.entries().iter().chain(own.entries()) {
            let key = entry.key.as_str();
            let differs = !ASIDE.contains(&key) && decides(stage.node, key) != decides(own, key);
            if differs && !keys.contains(&entry.key) {
                keys.push(entry.key.clone());
            }
        }
        if other_params && flow(stage.node).contains("${params.") {
            keys.push("params".into());
        }
        if !keys.is_empty() {
            found.insert(stage.key.to_owned(), keys);
        }
    }
    Ok(found)
}

/// What of a key decides what comes out: of inputs and outputs the names and roles do not.
fn decides(stage: &Node, key: &str) -> String {
    let Some(node) = stage.get(key) else { return String::new() };
    if !matches!(key, "inputs" | "outputs") {
        return flow(node);
    }
    let mut all: Vec<String> = Vec::new();
    for entry in node.entries() {
        let single = std::slice::from_ref(&entry.node);
        let items = if entry.node.items().is_empty() { single } else { entry.node.items() };
        all.extend(items.iter().map(|item| {
            let path = item.get("path").map_or_else(|| flow(item), flow);
            let keys = item.get("keys").map(flow).unwrap_or_default();
            if key == "inputs" { format!("{path} {keys}") } else { path }
        }));
    }
    all.sort();
    all.join("\n")
}
