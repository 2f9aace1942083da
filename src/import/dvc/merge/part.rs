//! The lines of a YAML text that belong to each key of its mappings.

use std::ops::Range;

use super::super::comments::Comments;
use super::super::note::Refused;
use super::super::scalar::flow;
use super::super::yaml::{self, Node};

/// A text, its lines and what they mean.
pub(super) struct Text<'t> {
    pub(super) lines: Vec<&'t str>,
    pub(super) root: Node,
    comments: Comments,
}

/// A key of a mapping. Lines count from 0.
pub(super) struct Part<'n> {
    pub(super) key: &'n str,
    pub(super) node: &'n Node,
    /// The column of the key, from 1.
    pub(super) column: usize,
    /// Comments and empty lines above it.
    pub(super) lead: Range<usize>,
    /// The lines of the key and its value.
    pub(super) body: Range<usize>,
    /// The keys of its value, if that is a mapping with a line for each key.
    pub(super) parts: Vec<Part<'n>>,
}

impl<'t> Text<'t> {
    pub(super) fn of(text: &'t str) -> Result<Self, yaml::Fault> {
        let root = yaml::read(text)?;
        let comments = Comments::of(text, &root);
        Ok(Self { lines: text.lines().collect(), root, comments })
    }

    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        self.within(&self.root, 0..self.lines.len())
    }

    fn within<'n>(&self, node: &'n Node, range: Range<usize>) -> Vec<Part<'n>> {
        let entries = node.entries();
        let Some(column) = entries.first().map(|entry| entry.at.column) else { return vec![] };
        let mut starts = Vec::new();
        let mut least = range.start;
        for entry in entries {
            let line = entry.at.line.wrapping_sub(1);
            // A key elsewhere came by an alias; one with something before it stands in braces or in a list.
            let begins = |line: &str| line.len() - line.trim_start_matches(' ').len() + 1 == column;
            if line < least || line >= range.end || entry.at.column != column || !begins(self.lines[line]) {
                return vec![];
            }
            starts.push(line);
            least = line + 1;
        }
        let mut parts: Vec<Part<'n>> = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let start = starts[i];
            let mut end = starts.get(i + 1).copied().unwrap_or(range.end);
            while end > start + 1 && is_above(self.lines[end - 1], column) {
                end -= 1;
            }
            let lead = parts.last().map_or(range.start, |before| before.body.end)..start;
            let inner = self.within(&entry.node, start + 1..end);
            parts.push(Part { key: &entry.key, node: &entry.node, column, lead, body: start..end, parts: inner });
        }
        parts
    }

    /// The comments above a part.
    pub(super) fn above(&self, part: &Part<'_>) -> Vec<&'t str> {
        self.lines[part.lead.clone()].iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect()
    }

    /// The comments among the lines of a part.
    pub(super) fn among(&self, part: &Part<'_>) -> Vec<String> {
        self.comments.among(part.body.start + 1, part.body.end)
    }

    /// The comment at the end of its first line.
    pub(super) fn beside(&self, part: &Part<'_>) -> Option<&str> {
        self.comments.at_end(part.body.start + 1)
    }

    /// The lines of a part, as if it stood at the margin.
    pub(super) fn shown(&self, part: &Part<'_>) -> String {
        let lines = self.lines[part.body.clone()].iter().map(|line| indented(line, part.column, 1));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Part<'_> {
    /// Whether two parts hold the same, whatever they are called and wherever their comments are.
    pub(super) fn holds(&self, other: &Part<'_>) -> bool {
        same(self.node, other.node)
    }

    /// The paths that a stage writes.
    pub(super) fn outputs(&self) -> Vec<String> {
        let Some(outputs) = self.node.get("outputs") else { return vec![] };
        let path = |node: &Node| node.get("path").unwrap_or(node).shown();
        let mut paths: Vec<String> = outputs.entries().iter().filter_map(|entry| path(&entry.node)).collect();
        paths.sort();
        paths
    }
}

/// Whether two values are written alike.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    flow(a) == flow(b)
}

/// Whether a line belongs to the key below it.
fn is_above(line: &str, column: usize) -> bool {
    let text = line.trim_start();
    text.is_empty() || (text.starts_with('#') && line.len() - text.len() < column)
}

/// A line moved from one column to another.
pub(super) fn indented(line: &str, from: usize, to: usize) -> String {
    let text = line.trim_start_matches(' ');
    if text.is_empty() {
        return String::new();
    }
    let indent = line.len() - text.len();
    " ".repeat((indent + to).saturating_sub(from)) + text
}

/// Where a text is no YAML.
pub(super) fn refused(name: &str, above: usize, fault: yaml::Fault) -> Refused {
    let mut at = fault.at;
    at.line += above;
    Refused { file: name.to_owned(), at, what: fault.what }
}
