//! Files of parameters of which stages take single keys. In Kiln all such files are one mapping, so no two of them may have a key in common.

use std::collections::BTreeMap;
use std::path::Path;

use super::context::Source;
use super::file::File;
use super::params;
use super::yaml::{Content, Node};

/// What is known of the files of parameters.
pub(super) struct Keyed {
    files: BTreeMap<String, Node>,
    refused: BTreeMap<String, String>,
    /// Those that templates do not take.
    pub(super) more: Vec<String>,
}

impl Keyed {
    pub(super) fn of(root: &Path, files: &[File]) -> Self {
        let mut keyed = Self { files: BTreeMap::new(), refused: BTreeMap::new(), more: vec![] };
        // Top-level key -> the file that has it.
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        let mut whole: Vec<&str> = Vec::new();
        for source in files.first().map(|file| file.sources.as_slice()).unwrap_or_default() {
            match source {
                Source::File { path, keys } => {
                    if keys.is_empty() {
                        whole.push(path);
                    }
                    let node = params::file(root, path).unwrap_or_else(|_| Node::new(Content::Null));
                    owners.extend(node.entries().iter().map(|entry| (entry.key.clone(), path.clone())));
                }
                Source::Inline(node) => {
                    owners.extend(node.entries().iter().map(|entry| (entry.key.clone(), String::from("vars"))));
                }
            }
        }
        let stages = files.iter().flat_map(|file| &file.stages).filter(|stage| !stage.frozen);
        for params in stages.flat_map(|stage| &stage.variants).flat_map(|variant| &variant.params) {
            if params.keys.is_empty() || keyed.files.contains_key(&params.path) {
                continue;
            }
            let Ok(node) = params::file(root, &params.path) else { continue };
            let ending = Path::new(&params.path).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !matches!(ending, "yaml" | "yml" | "json") {
                keyed.refused.insert(params.path.clone(), "keys can be taken of YAML and JSON".into());
            } else if !whole.contains(&params.path.as_str()) {
                let taken = node.entries().iter().find_map(|entry| {
                    let owner = owners.get(&entry.key).filter(|owner| **owner != params.path)?;
                    Some(format!("`{}` is a parameter of `{owner}`, too", entry.key))
                });
                match taken {
                    Some(why) => drop(keyed.refused.insert(params.path.clone(), why)),
                    None => {
                        owners.extend(node.entries().iter().map(|entry| (entry.key.clone(), params.path.clone())));
                        keyed.more.push(params.path.clone());
                    }
                }
            }
            keyed.files.insert(params.path.clone(), node);
        }
        keyed
    }

    /// Why no keys can be taken of a file.
    pub(super) fn refused(&self, path: &str) -> Option<&str> {
        self.refused.get(path).map(String::as_str)
    }

    /// Whether a command finds a mapping in another order than that of the file: in alphabetical order.
    pub(super) fn is_reordered(&self, path: &str, key: &str) -> bool {
        self.files.get(path).and_then(|file| params::value(file, key)).is_some_and(|node| !is_in_order(node))
    }

    /// The key as Kiln takes it: of a list, all of it, and of a pattern the key that it means.
    pub(super) fn key(&self, path: &str, key: &str) -> String {
        let Some(mut node) = self.files.get(path) else { return key.to_owned() };
        let meant = params::value(node, key).and_then(|_| params::meant(node, key));
        let key = meant.as_deref().unwrap_or(key);
        let mut taken: Vec<&str> = Vec::new();
        for step in key.split('.') {
            if matches!(node.content, Content::List(_)) {
                break;
            }
            taken.push(step);
            match node.get(step) {
                Some(inner) => node = inner,
                None => return key.to_owned(),
            }
        }
        taken.join(".")
    }
}

fn is_in_order(node: &Node) -> bool {
    match &node.content {
        Content::Map(entries) => {
            entries.is_sorted_by(|a, b| a.key <= b.key) && entries.iter().all(|entry| is_in_order(&entry.node))
        }
        Content::List(items) => items.iter().all(is_in_order),
        _ => true,
    }
}
