//! DVC's `${...}` in a text, carried over to Kiln's.

use std::path::Path;

use super::context::Context;
use super::note::{Notes, Refused};
use super::yaml::{At, Content, Node};

/// A text with what stands for its `${...}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried(pub(super) Vec<Piece>);

/// A piece of such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Itself.
    Text(String),
    /// A name of Kiln's, and what it stands for now.
    Use { name: String, value: String },
}

impl Carried {
    pub(super) fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// As DVC resolves it now.
    pub(super) fn resolved(&self) -> String {
        let texts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Use { value, .. } => value,
        });
        texts.collect()
    }

    /// As Kiln writes it.
    pub(super) fn kiln(&self) -> String {
        let texts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.replace("${", "$${"),
            Piece::Use { name, .. } => format!("${{{name}}}"),
        });
        texts.collect()
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => self.0.push(piece),
        }
    }

    /// Cut at line breaks of the text itself, as Python's `splitlines` does.
    pub(super) fn lines(&self) -> Vec<Self> {
        let mut lines = vec![Self::default()];
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => {
                    for (i, part) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
                        if i > 0 {
                            lines.push(Self::default());
                        }
                        if let Some(line) = lines.last_mut() {
                            line.push(Piece::Text(part.to_owned()));
                        }
                    }
                }
                piece => {
                    if let Some(line) = lines.last_mut() {
                        line.push(piece.clone());
                    }
                }
            }
        }
        if lines.len() > 1 && lines.last().is_some_and(|line| line.0.is_empty()) {
            lines.pop();
        }
        lines
    }
}

/// Where a text stands, and what is to be said of it.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Path,
    pub(super) context: &'a Context,
    pub(super) notes: &'a mut Notes,
}

impl Reading<'_> {
    /// Carries a text over. In a command a mapping becomes options, as DVC has it.
    pub(super) fn text(&mut self, node: &Node, text: &str, in_command: bool) -> Result<Carried, Refused> {
        let mut out = Carried::default();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('\\') {
                out.push(Piece::Text(format!("{}${{", &rest[..start - 1])));
                rest = &rest[start + 2..];
                continue;
            }
            out.push(Piece::Text(rest[..start].to_owned()));
            let inner = &rest[start + 2..];
            let Some(end) = inner.find('}') else {
                out.push(Piece::Text(rest[start..].to_owned()));
                return Ok(out);
            };
            let name = inner[..end].trim();
            let context = self.context;
            let found = context.find(name).map_err(|what| Refused::new(self.file, node.at, what))?;
            match &found.node.content {
                Content::Map(_) if in_command => self.options(node.at, found.node, found.kiln.as_deref(), &mut out)?,
                Content::Map(_) | Content::List(_) => {
                    let what = format!("`{name}` is a list or a mapping, which cannot stand within a text");
                    return Err(Refused::new(self.file, node.at, what));
                }
                _ => out.push(self.value(node.at, name, found.node, found.kiln)),
            }
            rest = &inner[end + 1..];
        }
        out.push(Piece::Text(rest.to_owned()));
        Ok(out)
    }

    /// A scalar: by Kiln's name where that stands for the same text.
    fn value(&mut self, at: At, name: &str, node: &Node, kiln: Option<String>) -> Piece {
        let value = node.shown().unwrap_or_default();
        let written = match kiln {
            None => Err(""),
            Some(_) if node.is_null() => Err("it is null, which DVC writes as `None`"),
            Some(_) if node.odd => Err("other readers of YAML take this number for a text"),
            Some(_) if value.contains('\n') => Err("it has several lines"),
            Some(kiln) => Ok(kiln),
        };
        match written {
            Ok(name) => {
                let own = own_text(node);
                if own != value {
                    self.notes.differs(
                        self.file,
                        at,
                        format!(
                            "`${{{name}}}` is written `{own}` by Kiln and `{value}` by DVC, in commands and in paths"
                        ),
                        "programs read both as the same number; write it without an exponent to have it the same",
                    );
                }
                Piece::Use { name, value }
            }
            Err(why) => {
                if !why.is_empty() {
                    self.notes.differs(
                        self.file,
                        at,
                        format!("`${{{name}}}` is written out as `{value}`: {why}"),
                        "a change of this parameter has to be made in pipeline.yaml, too",
                    );
                }
                Piece::Text(value)
            }
        }
    }

    /// `${train}` in a command, where `train` is a mapping: `--lr 0.1 --layers 1 2 --verbose`.
    fn options(&mut self, at: At, map: &Node, kiln: Option<&str>, out: &mut Carried) -> Result<(), Refused> {
        let mut flat = Vec::new();
        flatten(map, "", &mut flat);
        let mut written_out = false;
        let mut first = true;
        for (name, node) in flat {
            let mut words: Vec<Piece> = Vec::new();
            match &node.content {
                Content::Bool(true) => written_out = true,
                Content::Bool(false) => {
                    written_out = true;
                    continue;
                }
                Content::List(items) if items.is_empty() => continue,
                Content::List(items) => {
                    written_out = true;
                    for item in items {
                        let Some(text) = python_text(item) else {
                            let what = format!("`{name}` holds lists or mappings, which cannot be options");
                            return Err(Refused::new(self.file, at, what));
                        };
                        words.push(Piece::Text(quoted(&text)));
                    }
                }
                Content::Text(text) => {
                    let own = kiln.filter(|_| is_word(text)).map(|root| format!("{root}.{name}"));
                    written_out |= own.is_none();
                    let text = if text.is_empty() { "''".to_owned() } else { quoted(text) };
                    words.push(own.map_or(Piece::Text(text), |name| self.value(at, &name.clone(), node, Some(name))));
                }
                _ => {
                    let own = kiln.map(|root| format!("{root}.{name}"));
                    words.push(self.value(at, &name, node, own));
                }
            }
            out.push(Piece::Text(format!("{}--{name}", if first { "" } else { " " })));
            first = false;
            for word in words {
                out.push(Piece::Text(" ".into()));
                out.push(word);
            }
        }
        if written_out {
            self.notes.differs(
                self.file,
                at,
                "options that come from a mapping are written out: which there are, and truth values, lists and texts",
                "a new key of that mapping, and a change of these, has to be made in pipeline.yaml, too",
            );
        }
        Ok(())
    }
}

fn flatten<'n>(map: &'n Node, prefix: &str, out: &mut Vec<(String, &'n Node)>) {
    for entry in map.entries() {
        let name = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        match &entry.node.content {
            Content::Map(_) => flatten(&entry.node, &name, out),
            _ => out.push((name, &entry.node)),
        }
    }
}

/// What Kiln writes for a scalar.
fn own_text(node: &Node) -> String {
    match &node.content {
        Content::Float(value) => serde_json::Number::from_f64(*value).map_or_else(String::new, |n| n.to_string()),
        _ => node.shown().unwrap_or_default(),
    }
}

/// A scalar as Python's `str` has it.
fn python_text(node: &Node) -> Option<String> {
    match &node.content {
        Content::Bool(value) => Some(if *value { "True" } else { "False" }.into()),
        _ => node.shown(),
    }
}

/// Whether a shell takes a text for one word, and nothing in it for anything else.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | '=' | ','))
}

/// A word for a shell.
pub(super) fn quoted(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\"'\"'")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::dvc::yaml;

    fn carry(text: &str) -> (String, String) {
        let globals =
            yaml::read("lr: 0.1\ns: a b\nn: null\nd: {x: 1, y: true, z: [1, true], e: '', f: false, 'g h': 2}\n")
                .unwrap();
        let context = Context { globals, carried: true, locals: vec![] };
        let mut notes = Notes::default();
        let mut reading = Reading { file: Path::new("dvc.yaml"), context: &context, notes: &mut notes };
        let carried = reading.text(&Node::new(Content::Null), text, true).unwrap();
        (carried.kiln(), carried.resolved())
    }

    #[test]
    fn names_are_carried_over() {
        assert_eq!(carry("--lr ${ lr } $x"), ("--lr ${params.lr} $x".into(), "--lr 0.1 $x".into()));
        assert_eq!(carry(r"\${x} $${lr}"), ("$${x} $${params.lr}".into(), "${x} $0.1".into()));
        assert_eq!(carry("${n}"), ("None".into(), "None".into()));
        assert_eq!(carry("p ${d}").1, "p --x 1 --y --z 1 True --e '' --g h 2");
    }
}
