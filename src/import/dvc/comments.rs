//! The comments of a YAML text, by the lines that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::{Content, Node, Style};

/// The comments of a text. What was taken is not given again.
pub(super) struct Comments {
    /// The line that they stand above -> the comments, each with its `#`.
    above: BTreeMap<usize, Vec<String>>,
    /// The line that they stand at the end of.
    beside: BTreeMap<usize, String>,
}

impl Comments {
    pub(super) fn of(text: &str, root: &Node) -> Self {
        let mut blocks = BTreeSet::new();
        block_lines(root, &mut blocks);
        let mut comments = Self { above: BTreeMap::new(), beside: BTreeMap::new() };
        let mut waiting: Vec<String> = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let number = i + 1;
            let trimmed = line.trim();
            if blocks.contains(&number) {
                continue;
            }
            if trimmed.starts_with('#') {
                waiting.push(trimmed.to_owned());
            } else if !trimmed.is_empty() && trimmed != "---" {
                if !waiting.is_empty() {
                    comments.above.insert(number, std::mem::take(&mut waiting));
                }
                if let Some(at) = begins(line) {
                    comments.beside.insert(number, line[at..].trim_end().to_owned());
                }
            }
        }
        if !waiting.is_empty() {
            comments.above.insert(usize::MAX, waiting);
        }
        comments
    }

    pub(super) fn above(&mut self, line: usize) -> Vec<String> {
        self.above.remove(&line).unwrap_or_default()
    }

    pub(super) fn beside(&mut self, line: usize) -> Option<String> {
        self.beside.remove(&line)
    }

    /// The comments of some lines, but for those above the first.
    pub(super) fn among(&self, first: usize, last: usize) -> Vec<String> {
        let above = self
            .above
            .range(first + 1..=last.max(first + 1))
            .flat_map(|(line, comments)| comments.iter().map(move |comment| (*line, comment)));
        let beside = self.beside.range(first..=last).map(|(line, comment)| (*line, comment));
        let mut all: Vec<(usize, &String)> = above.filter(|(line, _)| *line <= last).chain(beside).collect();
        all.sort_by_key(|(line, _)| *line);
        all.into_iter().map(|(_, comment)| comment.clone()).collect()
    }

    /// The comment at the end of a line.
    pub(super) fn at_end(&self, line: usize) -> Option<&str> {
        self.beside.get(&line).map(String::as_str)
    }

    /// What is left of the lines up to one.
    pub(super) fn rest(&mut self, last: usize) -> Vec<String> {
        let mut out = Vec::new();
        while let Some((&line, _)) = self.above.iter().next().filter(|(line, _)| **line <= last) {
            out.extend(self.above(line));
        }
        while let Some((&line, _)) = self.beside.iter().next().filter(|(line, _)| **line <= last) {
            out.extend(self.beside(line));
        }
        out
    }
}

fn block_lines(node: &Node, out: &mut BTreeSet<usize>) {
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| block_lines(item, out)),
        Content::Map(entries) => entries.iter().for_each(|entry| block_lines(&entry.node, out)),
        _ if matches!(node.style, Style::Literal | Style::Folded) => out.extend(node.at.line + 1..=node.last),
        _ => {}
    }
}

/// Where a comment begins at the end of a line.
fn begins(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return Some(at),
            // Quotes within a word are letters.
            (None, '\'' | '"') if before.is_whitespace() || matches!(before, '[' | '{' | ',') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
        before = c;
    }
    None
}
