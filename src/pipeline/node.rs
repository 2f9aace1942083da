//! The YAML tree as the loader sees it: mappings in the order they are written, and the place of every key and value.

use serde_json::{Map, Number, Value};

/// Bytes of one of the texts that make up a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// 0 is the pipeline file, n the n-th `--set` argument; the larger ones are other files (`mistake.rs`).
    pub(super) origin: u16,
    /// First byte.
    pub(super) start: u32,
    /// One past the last byte.
    pub(super) end: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) place: Place,
    /// What it holds.
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key as it is written; a number stays the text it was.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    /// Its value.
    pub(super) node: Node,
}

impl Node {
    /// A node without a place yet.
    pub(super) fn new(content: Content) -> Self {
        Self { place: Place::default(), content }
    }

    /// The value under a key of a mapping, or at an index of a list.
    pub(super) fn step(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            Content::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// As [`Node::step`], to change it.
    pub(super) fn step_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.content {
            Content::Map(entries) => entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node),
            Content::List(items) => items.get_mut(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text, number or truth value as text; `None` for null, lists and mappings.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Number(number) => Some(number.to_string()),
            Content::Bool(value) => Some(value.to_string()),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// What it is, for messages: `a list`.
    pub(super) fn what(&self) -> &'static str {
        match self.content {
            Content::Null => "empty",
            Content::Bool(_) => "a truth value",
            Content::Number(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// How many values it holds, long texts counted by length: what a copy of it costs.
    pub(super) fn weight(&self) -> usize {
        match &self.content {
            Content::Null | Content::Bool(_) | Content::Number(_) => 1,
            Content::Text(text) => 1 + text.len() / 32,
            Content::List(items) => 1 + items.iter().map(Node::weight).sum::<usize>(),
            Content::Map(entries) => 1 + entries.iter().map(|e| 1 + e.node.weight()).sum::<usize>(),
        }
    }

    /// How deep lists and mappings nest in it.
    pub(super) fn depth(&self) -> usize {
        match &self.content {
            Content::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Content::Map(entries) => 1 + entries.iter().map(|e| e.node.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Node::json).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.json())).collect::<Map<_, _>>())
            }
        }
    }
}
