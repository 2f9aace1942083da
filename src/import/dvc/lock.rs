//! `dvc.lock`: what DVC noted of each stage that it ran.

use std::path::{Path, PathBuf};

use super::context::join;
use super::digest::Hash;
use super::note::Refused;
use super::text::text;
use super::yaml::{self, At, Content, Node};

/// What a lock is called.
pub(super) const NAME: &str = "dvc.lock";

/// The lock beside a `dvc.yaml`.
pub(super) fn beside(file: &Path) -> PathBuf {
    file.with_file_name(NAME)
}

/// What a lock says of a stage.
pub(super) struct Entry {
    pub(super) name: String,
    /// The command: each line or item.
    pub(super) commands: Vec<String>,
    /// Whether it is a list.
    pub(super) listed: bool,
    pub(super) deps: Vec<Locked>,
    pub(super) outs: Vec<Locked>,
    /// File as listed -> its parameters; a mapping of keys with dots.
    pub(super) params: Vec<(String, Node)>,
}

/// A path with its content.
pub(super) struct Locked {
    /// As it is written there.
    pub(super) path: String,
    pub(super) hash: Option<Hash>,
    pub(super) executable: bool,
    pub(super) at: At,
}

impl Entry {
    /// A dependency or an output by its path in the project.
    pub(super) fn find<'e>(list: &'e [Locked], wdir: &str, path: &str) -> Option<&'e Locked> {
        list.iter().find(|item| join(wdir, &item.path) == path)
    }
}

/// Reads a lock; empty if there is none.
pub(super) fn read(root: &Path, path: &Path) -> Result<Vec<Entry>, Refused> {
    if !root.join(path).is_file() {
        return Ok(vec![]);
    }
    let tree = yaml::read(&text(root, path)?).map_err(|fault| Refused::of(path, fault))?;
    if tree.is_null() {
        return Ok(vec![]);
    }
    match tree.get("schema").and_then(Node::shown).as_deref() {
        Some("2.0") => {}
        // DVC 1 had the stages at the top.
        None if tree.entries().iter().all(|entry| entry.node.get("cmd").is_some()) => {
            return Ok(tree.entries().iter().map(|entry| of(&entry.key, &entry.node)).collect());
        }
        None => {
            let what = "this is no lock of DVC's: it has neither a `schema` nor stages with a `cmd`; without the file all stages are new";
            return Err(Refused::new(path, At { line: 1, column: 1 }, what));
        }
        Some(other) => {
            let at = tree.get("schema").map_or_else(At::default, |node| node.at);
            return Err(Refused::new(path, at, format!("this lock has the schema {other}, and 2.0 is known")));
        }
    }
    let stages = tree.get("stages").map(Node::entries).unwrap_or_default();
    Ok(stages.iter().map(|entry| of(&entry.key, &entry.node)).collect())
}

/// An entry, by its name.
pub(super) fn of(name: &str, node: &Node) -> Entry {
    let commands = match node.get("cmd").map(|cmd| &cmd.content) {
        Some(Content::List(items)) => items.iter().filter_map(Node::shown).collect(),
        Some(Content::Text(text)) => lines(text),
        _ => vec![],
    };
    let params = node.get("params").map(Node::entries).unwrap_or_default();
    Entry {
        name: name.to_owned(),
        commands,
        listed: matches!(node.get("cmd").map(|cmd| &cmd.content), Some(Content::List(_))),
        deps: paths(node.get("deps")),
        outs: paths(node.get("outs")),
        params: params.iter().map(|entry| (entry.key.clone(), entry.node.clone())).collect(),
    }
}

/// The lines of a command, as a command of `dvc.yaml` is cut.
fn lines(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

pub(super) fn paths(list: Option<&Node>) -> Vec<Locked> {
    let items = list.map(Node::items).unwrap_or_default();
    let paths = items.iter().filter_map(|item| {
        let path = item.get("path")?.shown()?;
        let folded = item.get("hash").and_then(Node::text) != Some("md5");
        let hash = item.get("md5").and_then(Node::shown).map(|md5| Hash { md5, folded });
        Some(Locked { path, hash, executable: item.get("isexec").is_some_and(Node::is_true), at: item.at })
    });
    paths.collect()
}
