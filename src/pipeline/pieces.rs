//! A large pipeline text read in pieces, side by side, for its memory and its time: what the YAML parser holds of a text is some twenty
//! times as long as that.
//!
//! The pieces are groups of stages: lines from one that is indented as the first stage is to another. In a text that is YAML, such a line can
//! only be a stage's first, or lie within quotes or brackets; then the piece before it is no YAML. Whatever is not plain is left to
//! be read as a whole, which also tells what is wrong.

use std::ops::Range;

use rayon::prelude::*;

use super::node::{Content, Entry, Node};
use super::{parse, positions};

/// Shorter texts are read as a whole.
const LARGE: usize = 256 * 1024;

/// About so many bytes make a piece.
const PIECE: usize = 128 * 1024;

/// Reads a text, which begins its file. `None` if it is not large, or has anything that takes another look.
pub(super) fn tree(text: &str) -> Option<Node> {
    if text.len() < LARGE || parse::may_split_otherwise(text) {
        return None;
    }
    in_pieces(text, PIECE)
}

fn in_pieces(text: &str, size: usize) -> Option<Node> {
    let pieces = split(text, size)?;
    let block = pieces.first()?.start..pieces.last()?.end;
    let budget = parse::ALIASED / pieces.len();
    let read = |text: &str, base: usize| {
        let marks = positions::scan(text, base as u32).ok()?;
        Some((marks, parse::tree(text, budget).ok()?))
    };
    let place = |marks: &positions::Marks, node: &mut Node| {
        let mut plain = true;
        marks.place(node, 0, &mut |_, _| plain = false);
        plain
    };
    let groups: Option<Vec<(Vec<Entry>, u32, u32)>> = pieces
        .into_par_iter()
        .map(|piece| {
            let (marks, mut node) = read(&text[piece.clone()], piece.start)?;
            if !place(&marks, &mut node) {
                return None;
            }
            match node.content {
                Content::Map(entries) => Some((entries, node.place.start, node.place.end)),
                _ => None,
            }
        })
        .collect();
    let groups = groups?;
    // The rest, with nothing in the place of the stages.
    let rest = [&text[..block.start], &text[block.end..]].concat();
    let (mut marks, mut root) = read(&rest, 0)?;
    marks.shift(block.start as u32, block.len() as u32);
    if !place(&marks, &mut root) {
        return None;
    }
    let Content::Map(entries) = &mut root.content else { return None };
    let stages = entries.iter_mut().find(|entry| entry.key == "stages")?;
    if !matches!(stages.node.content, Content::Null) {
        return None;
    }
    (stages.node.place.start, stages.node.place.end) = (groups.first()?.1, groups.last()?.2);
    let all: Vec<Entry> = groups.into_iter().flat_map(|(entries, _, _)| entries).collect();
    if positions::repeat(&all) {
        return None;
    }
    stages.node.content = Content::Map(all);
    Some(root)
}

/// The lines of the stages, in pieces.
fn split(text: &str, size: usize) -> Option<Vec<Range<usize>>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let (mut at, mut depth, mut begun) = (0, None, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let said = line.trim_start_matches(' ');
        let nothing = said.trim_end().is_empty() || said.starts_with('#');
        let indent = line.len() - said.len();
        if !begun {
            let rest = line.strip_prefix("stages:").map(str::trim);
            begun = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
            continue;
        }
        if nothing {
            continue;
        }
        let depth = *depth.get_or_insert(indent);
        if depth == 0 || (indent == depth && said.starts_with(['-', '\t'])) {
            return None;
        }
        if indent < depth {
            let last = pieces.last_mut()?;
            last.end = start;
            return Some(pieces);
        }
        if indent == depth && pieces.last().is_none_or(|piece| start - piece.start >= size) {
            if let Some(last) = pieces.last_mut() {
                last.end = start;
            }
            pieces.push(start..text.len());
        }
    }
    (!pieces.is_empty()).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Node {
        let mut node = parse::tree(text, parse::ALIASED).unwrap();
        positions::scan(text, 0).unwrap().place(&mut node, 0, &mut |_, _| {});
        node
    }

    /// A tree with the start of every place; where a mapping ends is a matter of taste.
    fn shown(node: &Node, out: &mut String) {
        use std::fmt::Write as _;
        let _ = write!(out, "@{} ", node.place.start);
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| shown(item, out)),
            Content::Map(entries) => {
                for entry in entries {
                    let _ = write!(out, "{} @{}-{}: ", entry.key, entry.place.start, entry.place.end);
                    shown(&entry.node, out);
                }
            }
            other => {
                let _ = write!(out, "{other:?} ");
            }
        }
    }

    const TEXT: &str = "\
# é
version: 1
stages: # these
  a:
    run: |
      echo '  b:'

      # no comment
      echo é
    outputs: {o: out/a}

  # of b
  b: {run: \"x
    y\", outputs: {o: out/b}}
  c:
    run: >-
      folded
      text
    inputs: {a: {from: a.o}}
    outputs:
      - x

params:
  p: é
# end
";

    #[test]
    fn in_pieces_it_is_the_same() {
        for size in [1, 60, 100_000] {
            for text in [TEXT, TEXT.split("params").next().unwrap(), &TEXT.replace('\n', "\r\n")] {
                let (mut one, mut other) = (String::new(), String::new());
                shown(&in_pieces(text, size).expect("plain"), &mut one);
                shown(&whole(text), &mut other);
                assert_eq!(one, other);
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_alone() {
        let changed = [
            ("  b: {run: \"x\n    y\"", "  b: {run: \"x\n  y\""),
            ("  b: {run: \"x\n    y\"", "  b: {run: \"x\ny\""),
            ("outputs: {o: out/a}", "outputs: &o {o: out/a}\n    more: 1\n  z: *o"),
            ("  c:", "  a:"),
            ("params:", "stages:"),
            ("stages: # these", "stages: {}"),
            ("version: 1", "version: 1\nversion: 2"),
            ("  c:\n", "  c: }\n"),
            ("    run: >-", "    <<: {}\n    run: >-"),
        ];
        for (from, to) in changed {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            assert!(in_pieces(&text, 1).is_none(), "{text}");
        }
    }
}
