//! YAML as DVC reads it: version 1.2, with the lines and columns of what it holds, anchors followed and `<<` merged.
//!
//! `017` is 17 here, `1e-3` a number and `yes` a text, as in the reader of DVC.

mod node;
mod plain;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

pub(super) use node::{At, Content, Entry, Node, Style};
use plain::{is_odd, plain};

/// Why a text is not taken.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) what: String,
}

/// So deep may lists and mappings nest, and so many values may aliases repeat.
const DEPTH: usize = 100;
const ALIASED: usize = 100_000;

/// Reads the one document of a text; an empty text is null.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { open: vec![], anchors: HashMap::new(), done: None, left: ALIASED };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Fault {
            at: At { line: error.marker().line(), column: error.marker().col() + 1 },
            what: format!("this is not YAML: {}", error.info()),
        })?;
        reader.take(event, span)?;
    }
    Ok(reader.done.unwrap_or_else(|| Node::new(Content::Null)))
}

struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, At)>,
}

struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    done: Option<Node>,
    left: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let at = At { line: span.start.line(), column: span.start.col() + 1 };
        let last = span.end.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    _ => Style::Quoted,
                };
                let odd = style == Style::Plain && is_odd(&text);
                let content = match style {
                    Style::Plain if tag.is_none() => plain(&text),
                    _ => Content::Text(text.into_owned()),
                };
                let odd = odd && !matches!(content, Content::Text(_));
                // The end of a block is where the next thing begins.
                let last = if matches!(style, Style::Literal | Style::Folded) { last.saturating_sub(1) } else { last };
                self.value(Node { at, last, content, style, odd }, anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault { at, what: "this alias has no anchor".into() });
                };
                let size = weight(&node);
                self.left = self.left.checked_sub(size).ok_or(Fault { at, what: "aliases repeat too much".into() })?;
                self.value(node, 0)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.open.len() >= DEPTH {
                    return Err(Fault { at, what: "lists and mappings nest too deeply".into() });
                }
                let content = match event {
                    Event::SequenceStart(..) => Content::List(vec![]),
                    _ => Content::Map(vec![]),
                };
                let node = Node { at, last, content, style: Style::Plain, odd: false };
                self.open.push(Open { node, anchor, key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.open.pop() else { return Ok(()) };
                open.node.last = last;
                if let Content::Map(entries) = &mut open.node.content {
                    merge(entries);
                }
                self.value(open.node, open.anchor)
            }
            Event::DocumentStart(_) if self.done.is_some() => {
                Err(Fault { at, what: "the file holds more than one YAML document".into() })
            }
            _ => Ok(()),
        }
    }

    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.done = Some(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::List(items) => items.push(node),
            Content::Map(entries) => match open.key.take() {
                None => {
                    let Some(key) = node.shown() else {
                        return Err(Fault { at: node.at, what: "a key has to be a text".into() });
                    };
                    if key != "<<" && entries.iter().any(|entry| entry.key == key) {
                        return Err(Fault { at: node.at, what: format!("`{key}` stands here twice") });
                    }
                    open.key = Some((key, node.at));
                }
                Some((key, at)) => entries.push(Entry { key, at, node }),
            },
            _ => {}
        }
        Ok(())
    }
}

fn weight(node: &Node) -> usize {
    match &node.content {
        Content::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Content::Map(entries) => 1 + entries.iter().map(|entry| weight(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

/// Puts what stands under `<<` into its mapping, where that does not say otherwise.
fn merge(entries: &mut Vec<Entry>) {
    while let Some(position) = entries.iter().position(|entry| entry.key == "<<") {
        let merged = entries.remove(position);
        let sources = match merged.node.content {
            Content::List(items) => items,
            _ => vec![merged.node],
        };
        for entry in sources.into_iter().flat_map(|source| match source.content {
            Content::Map(entries) => entries,
            _ => vec![],
        }) {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        read(text).unwrap().shown().unwrap()
    }

    #[test]
    fn scalars_are_what_dvc_takes_them_for() {
        for (text, is) in [
            ("017", "17"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("1e-3", "0.001"),
            ("0.00001", "1e-05"),
            ("1.0", "1.0"),
            ("100000000000000000.0", "1e+17"),
            ("yes", "yes"),
            ("on", "on"),
            ("1:30", "1:30"),
            ("-0.0", "-0.0"),
            ("true", "true"),
            ("null", "None"),
            ("'12'", "12"),
            ("1e", "1e"),
            ("_1", "_1"),
        ] {
            assert_eq!(shown(text), is, "{text}");
        }
        assert!(matches!(read("'12'").unwrap().content, Content::Text(_)));
    }

    #[test]
    fn aliases_are_followed_and_merged() {
        let node = read("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\nc: *x\n").unwrap();
        assert_eq!(node.get("b").unwrap().json(), serde_json::json!({"k": 1, "l": 3}));
        assert_eq!(node.get("c").unwrap().get("k").unwrap().shown().as_deref(), Some("1"));
        assert!(read("a: 1\na: 2\n").is_err());
    }

    #[test]
    fn equality_is_pythons() {
        let same = |a: &str, b: &str| read(a).unwrap().same(&read(b).unwrap());
        assert!(same("1", "1.0") && same("1", "true") && same("{a: 1, b: 2}", "{b: 2, a: 1}"));
        assert!(!same("1", "'1'") && !same("[1]", "[1, 2]") && !same(".nan", ".nan"));
        let alike = |a: &str, b: &str| read(a).unwrap().is_alike(&read(b).unwrap());
        assert!(alike("1", "1") && alike("{a: [1, x]}", "{a: [1, x]}"));
        assert!(!alike("1", "1.0") && !alike("1", "true") && !alike("{a: [1]}", "{a: [1.0]}"));
    }
}
