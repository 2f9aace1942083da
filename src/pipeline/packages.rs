//! `environment:`: which programs and packages of a command are in its key.

use std::path::PathBuf;
use std::sync::Arc;

use super::form::{fields, get, wrong};
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node, Place};
use super::paths;
use super::spec::{Around, BodySpec};
use super::stage::Environment;

/// The keys of its long form.
pub(super) const KEYS: &[&str] = &["from", "only"];

/// What is in use, as it is found.
pub(super) const AUTO: &str = "auto";

/// Nothing.
pub(super) const NONE: &str = "none";

const WANTED: &str = "`auto`, `none`, a lock file such as `uv.lock`, or `{from: auto, only: [torch]}`";

/// Reads `environment:`.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes<'_>) -> Option<Around> {
    let mut counts = true;
    let (from, only) = match &node.content {
        Content::Text(text) if text == NONE => {
            counts = false;
            (vec![], vec![])
        }
        Content::Map(_) => {
            let entries = fields(node, "`environment`", KEYS, mistakes);
            let from = get(entries, "from").map_or(Some(vec![]), |entry| files(&entry.node, mistakes));
            let only = get(entries, "only").map_or(Some(vec![]), |entry| names(&entry.node, mistakes));
            (from?, only?)
        }
        _ => (files(node, mistakes)?, vec![]),
    };
    let (from, places) = from.into_iter().unzip();
    Some(Around { environment: Arc::new(Environment { counts, from, only }), places })
}

/// The same of a stage, which has to run a command.
pub(super) fn of_stage(
    entry: &Entry,
    stage: &str,
    body: Option<BodySpec<'_>>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Around> {
    if let Some(BodySpec::Uses { .. }) = body {
        let mistake = Mistake::new(format!("stage `{stage}` uses a built-in kind, and has an `environment`"));
        mistakes.add(mistake.at(entry.place, "").hint("a kind is part of Kiln; remove it"));
        return None;
    }
    read(&entry.node, mistakes)
}

/// `auto`, a file, or a list of files.
fn files(node: &Node, mistakes: &mut Mistakes<'_>) -> Option<Vec<(PathBuf, Place)>> {
    let items = match &node.content {
        Content::Text(text) if text == AUTO => return Some(vec![]),
        Content::Text(_) => std::slice::from_ref(node),
        Content::List(items) if !items.is_empty() => items.as_slice(),
        _ => return wrong(node, "`environment`", WANTED, mistakes),
    };
    let mut files = Vec::new();
    for item in items {
        let Some(text) = item.text() else { return wrong(item, "a lock file", "a path", mistakes) };
        match paths::source(text) {
            Ok(path) => files.push((path.into(), item.place)),
            Err(fault) => {
                let mistake = Mistake::new(format!("`{text}` cannot be a lock file")).at(item.place, fault.message);
                mistakes.add(mistake.maybe_hint(fault.hint.map(str::to_owned)));
                return None;
            }
        }
    }
    Some(files)
}

/// Names of packages.
fn names(node: &Node, mistakes: &mut Mistakes<'_>) -> Option<Vec<String>> {
    let Content::List(items) = &node.content else {
        return wrong(node, "`only`", "a list of packages", mistakes);
    };
    let name = |item: &Node, mistakes: &mut Mistakes<'_>| match item.text() {
        Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
        _ => wrong(item, "an item of `only`", "the name of a package", mistakes),
    };
    let names: Vec<_> = items.iter().map(|item| name(item, mistakes)).collect();
    names.into_iter().collect()
}
