//! YAML as DVC reads it: version 1.2, with the lines and columns of what it holds, anchors followed and `<<` merged.
//!
//! `017` is 17 here, `1e-3` a number and `yes` a text, as in the reader of DVC.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    /// The line on which it ends.
    pub(super) last: usize,
    pub(super) content: Content,
    /// How a text is written.
    pub(super) style: Style,
    /// Whether readers of YAML 1.1 and others take it for something else: `017`, `1_000`.
    pub(super) odd: bool,
}

/// How a scalar is written, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping, with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

/// Why a text is not taken.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) what: String,
}

impl Node {
    pub(super) fn new(content: Content) -> Self {
        Self { at: At::default(), last: 0, content, style: Style::Plain, odd: false }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self.content, Content::Bool(true))
    }

    /// Equal as Python takes it: `1`, `1.0` and `true` are, and the order of keys does not count.
    pub(super) fn same(&self, other: &Node) -> bool {
        match (&self.content, &other.content) {
            (Content::Null, Content::Null) => true,
            (Content::Text(a), Content::Text(b)) => a == b,
            (Content::List(a), Content::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Content::Map(a), Content::Map(b)) => {
                a.len() == b.len() && a.iter().all(|e| other.get(&e.key).is_some_and(|node| e.node.same(node)))
            }
            _ => self.number().zip(other.number()).is_some_and(|(a, b)| a == b),
        }
    }

    fn number(&self) -> Option<f64> {
        match self.content {
            Content::Bool(value) => Some(f64::from(u8::from(value))),
            Content::Int(value) => Some(value as f64),
            Content::Float(value) => Some(value),
            _ => None,
        }
    }

    /// A scalar as DVC writes it into a text: numbers as Python does, truth values in small letters.
    pub(super) fn shown(&self) -> Option<String> {
        match &self.content {
            Content::Null => Some("None".into()),
            Content::Bool(value) => Some(value.to_string()),
            Content::Int(value) => Some(value.to_string()),
            Content::Float(value) => Some(python_float(*value)),
            Content::Text(text) => Some(text.clone()),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// As JSON; numbers that JSON does not have become texts.
    #[cfg(test)]
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => (*value).into(),
            Content::Int(value) => i64::try_from(*value).map_or_else(|_| value.to_string().into(), Value::from),
            Content::Float(value) => {
                serde_json::Number::from_f64(*value).map_or_else(|| python_float(*value).into(), Value::Number)
            }
            Content::Text(text) => text.clone().into(),
            Content::List(items) => Value::Array(items.iter().map(Node::json).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect())
            }
        }
    }

    /// From JSON or TOML, by way of JSON.
    pub(super) fn of_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        Self::new(match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Content::Int(value.into()),
                (None, Some(value)) => Content::Int(value.into()),
                _ => Content::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Self::of_json).collect()),
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(key, value)| Entry { key: key.clone(), at: At::default(), node: Self::of_json(value) })
                    .collect(),
            ),
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A float as Python's `repr` has it.
pub(super) fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let size = value.abs();
    if value == 0.0 || (1e-4..1e16).contains(&size) {
        let text = value.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
    format!("{digits}e{sign}{number:0>2}")
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

/// What a scalar without quotes is.
fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Content::Float(f64::NAN),
        _ => {}
    }
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Content::Float(f64::INFINITY * f64::from(sign));
    }
    if let Some(int) = int(unsigned) {
        return Content::Int(int * i128::from(sign));
    }
    match float(unsigned) {
        Some(float) => Content::Float(float * f64::from(sign)),
        None => Content::Text(text.to_owned()),
    }
}

/// Whether a number is written in a way that other readers take for a text, or for another number.
fn is_odd(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.contains('_') || leading_zero
}

fn int(text: &str) -> Option<i128> {
    let (radix, digits) = match text.get(..2) {
        Some("0x") => (16, &text[2..]),
        Some("0o") => (8, &text[2..]),
        Some("0b") => (2, &text[2..]),
        _ => (10, text),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) || !digits.chars().all(|c| c.is_digit(radix) || c == '_') {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn float(text: &str) -> Option<f64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let begins = whole.starts_with(|c: char| c.is_ascii_digit()) || (whole.is_empty() && !fraction.is_empty());
    if !begins || !digits(whole) || !digits(fraction) || (exponent.is_none() && !number.contains('.')) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    text.replace('_', "").parse().ok()
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
    }
}
