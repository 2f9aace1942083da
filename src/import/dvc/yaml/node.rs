//! What a text holds: values with their places, and what Python makes of them.

use std::fmt;

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
pub(in crate::import::dvc) struct Node {
    pub(in crate::import::dvc) at: At,
    /// The line on which it ends.
    pub(in crate::import::dvc) last: usize,
    pub(in crate::import::dvc) content: Content,
    /// How a text is written.
    pub(in crate::import::dvc) style: Style,
    /// Whether readers of YAML 1.1 and others take it for something else: `017`, `1_000`.
    pub(in crate::import::dvc) odd: bool,
}

/// How a scalar is written, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import::dvc) enum Style {
    Plain,
    Quoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(in crate::import::dvc) enum Content {
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
pub(in crate::import::dvc) struct Entry {
    pub(in crate::import::dvc) key: String,
    pub(in crate::import::dvc) at: At,
    pub(in crate::import::dvc) node: Node,
}

impl Node {
    pub(in crate::import::dvc) fn new(content: Content) -> Self {
        Self { at: At::default(), last: 0, content, style: Style::Plain, odd: false }
    }

    pub(in crate::import::dvc) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries of a mapping; none of anything else.
    pub(in crate::import::dvc) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(in crate::import::dvc) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub(in crate::import::dvc) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::import::dvc) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    pub(in crate::import::dvc) fn is_true(&self) -> bool {
        matches!(self.content, Content::Bool(true))
    }

    /// Equal as Python takes it: `1`, `1.0` and `true` are, and the order of keys does not count.
    pub(in crate::import::dvc) fn same(&self, other: &Node) -> bool {
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

    /// Whether values that are the same are of the same types as well, so that a program is told the same.
    pub(in crate::import::dvc) fn is_alike(&self, other: &Node) -> bool {
        match (&self.content, &other.content) {
            (Content::List(a), Content::List(b)) => a.iter().zip(b).all(|(a, b)| a.is_alike(b)),
            (Content::Map(a), Content::Map(_)) => {
                a.iter().all(|e| other.get(&e.key).is_some_and(|node| e.node.is_alike(node)))
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
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
    pub(in crate::import::dvc) fn shown(&self) -> Option<String> {
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
    pub(in crate::import::dvc) fn json(&self) -> serde_json::Value {
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
    pub(in crate::import::dvc) fn of_json(value: &serde_json::Value) -> Self {
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
fn python_float(value: f64) -> String {
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
