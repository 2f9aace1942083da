//! YAML as a tree whose every value knows its file, line and column, so that a mistake found late can be shown early.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::scalar::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

use crate::kind::DocumentError;

/// The most values one file may hold, aliases expanded: a model has hundreds, an alias bomb has millions.
const MAX_VALUES: usize = 20_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 48;
/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Where a value stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
}

impl Place {
    /// A mistake at this place.
    pub fn error(&self, message: impl Into<String>) -> DocumentError {
        DocumentError {
            file: self.file.to_path_buf(),
            at: Some((self.line, self.column)),
            message: message.into(),
            hint: None,
        }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub data: Data,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Data {
    /// Null, a boolean, a number or a text.
    Scalar(Value),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// Reads a YAML file of one document.
    ///
    /// # Errors
    /// If it cannot be read, is not YAML, has a key twice, or is beyond the bounds on size and depth.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let broken = |e: std::io::Error| DocumentError {
            file: path.to_owned(),
            at: None,
            message: format!("cannot read the file: {e}"),
            hint: None,
        };
        if std::fs::metadata(path).map_err(broken)?.len() > MAX_BYTES {
            return Err(DocumentError {
                file: path.to_owned(),
                at: None,
                message: format!("the file is larger than {MAX_BYTES} bytes"),
                hint: None,
            });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(broken)?, path)
    }

    /// Reads the text of a YAML file of one document.
    ///
    /// # Errors
    /// As [`Node::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, DocumentError> {
        // YAML 1.2, section 5.2: a file may begin with a byte order mark. Editors write one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = Arc::new(path.to_owned());
        let mut reader = Reader { parser: Parser::new_from_str(text), file, anchors: HashMap::new(), values: 0 };
        let (event, span) = loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, span) => return Err(reader.place(span).error("the file is empty")),
                found => break found,
            }
        };
        let node = reader.node(event, span, 0)?;
        loop {
            match reader.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(node),
                (_, span) => return Err(reader.place(span).error("the file holds a second document")),
            }
        }
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The value under a key of a mapping, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.data {
            Data::Mapping(entries) => entries.iter_mut().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Takes a value out of a mapping.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        match &mut self.data {
            Data::Mapping(entries) => {
                let at = entries.iter().position(|(k, _)| k.text == key)?;
                Some(entries.remove(at).1)
            }
            _ => None,
        }
    }

    /// Replaces or appends a value of a mapping.
    pub fn set(&mut self, key: Key, value: Node) {
        if let Data::Mapping(entries) = &mut self.data {
            match entries.iter_mut().find(|(k, _)| k.text == key.text) {
                Some(entry) => *entry = (key, value),
                None => entries.push((key, value)),
            }
        }
    }

    /// The text of a scalar text.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping.
    ///
    /// # Errors
    /// If it is not one; `what` names it in the message.
    pub fn mapping(&self, what: &str) -> Result<&[(Key, Node)], DocumentError> {
        match &self.data {
            Data::Mapping(entries) => Ok(entries),
            _ => Err(self.place.error(format!("{what} must be a mapping"))),
        }
    }

    /// The items of a sequence.
    ///
    /// # Errors
    /// If it is not one; `what` names it in the message.
    pub fn sequence(&self, what: &str) -> Result<&[Node], DocumentError> {
        match &self.data {
            Data::Sequence(items) => Ok(items),
            _ => Err(self.place.error(format!("{what} must be a list"))),
        }
    }

    /// As plain data, without places.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::Sequence(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Data::Mapping(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), v.to_value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of the value (or, at the last step, of the key) that a path leads to; as far as it can be followed.
    pub fn locate(&self, path: &[String]) -> &Place {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            let last = depth + 1 == path.len();
            node = match &node.data {
                Data::Mapping(entries) => match entries.iter().find(|(k, _)| k.text == *step) {
                    Some((key, value)) if last && matches!(value.data, Data::Mapping(_)) => return &key.place,
                    Some((_, value)) => value,
                    None => return &node.place,
                },
                Data::Sequence(items) => match step.parse().ok().and_then(|i: usize| items.get(i)) {
                    Some(item) => item,
                    None => return &node.place,
                },
                Data::Scalar(_) => return &node.place,
            };
        }
        &node.place
    }

    fn count(&self) -> usize {
        1 + match &self.data {
            Data::Scalar(_) => 0,
            Data::Sequence(items) => items.iter().map(Node::count).sum(),
            Data::Mapping(entries) => entries.iter().map(|(_, v)| v.count()).sum(),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: Arc<PathBuf>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn place(&self, span: Span) -> Place {
        Place { file: self.file.clone(), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), DocumentError> {
        match self.parser.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(e)) => {
                let place = Place { file: self.file.clone(), line: e.marker().line(), column: e.marker().col() + 1 };
                Err(place.error(format!("not valid YAML: {}", e.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn count(&mut self, place: &Place, values: usize) -> Result<(), DocumentError> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(place.error(format!("the file holds more than {MAX_VALUES} values, aliases expanded")));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, DocumentError> {
        let place = self.place(span);
        if depth > MAX_DEPTH {
            return Err(place.error(format!("values are nested more than {MAX_DEPTH} deep")));
        }
        self.count(&place, 1)?;
        let (data, anchor) = match event {
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let node = node.ok_or_else(|| place.error("the alias stands inside the value it names"))?;
                self.count(&place, node.count())?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return Err(place.error("tags (`!`) mean nothing here"));
                }
                let plain = style == ScalarStyle::Plain;
                (Data::Scalar(if plain { scalar(&text, &place)? } else { Value::String(text.into_owned()) }), anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (Data::Sequence(items), anchor),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, _) => {
                let mut entries: Vec<(Key, Node)> = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break (Data::Mapping(entries), anchor),
                        (Event::Scalar(text, ..), span) => Key { text: text.into_owned(), place: self.place(span) },
                        (_, span) => return Err(self.place(span).error("a key must be plain text")),
                    };
                    if let Some((first, _)) = entries.iter().find(|(k, _)| k.text == key.text) {
                        let line = first.place.line;
                        return Err(key.place.error(format!("`{}` is given twice (first on line {line})", key.text)));
                    }
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push((key, value));
                }
            }
            _ => return Err(place.error("not valid YAML here")),
        };
        let node = Node { place, data };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

/// A plain scalar, as everywhere in Kiln.
fn scalar(text: &str, place: &Place) -> Result<Value, DocumentError> {
    Ok(match Scalar::of(text) {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Unsigned(value) => Value::Number(value.into()),
        Scalar::Signed(value) => Value::Number(value.into()),
        Scalar::Float(value) => {
            let number = Number::from_f64(value);
            Value::Number(number.ok_or_else(|| place.error(format!("`{text}` is not a finite number")))?)
        }
        Scalar::TooLarge => return Err(place.error(format!("the number {text} does not fit in 64 bits"))),
        Scalar::Text => Value::String(text.to_owned()),
    })
}
