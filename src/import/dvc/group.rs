//! `foreach` and `matrix`: the names that DVC gives to what they make, and the axes that Kiln has for them.

use std::path::Path;

use super::context::{Context, Local};
use super::note::{Notes, Refused};
use super::template::{Reading, is_word};
use super::yaml::{At, Content, Entry, Node};

/// An axis of Kiln's matrix.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) values: Values,
}

/// The values of an axis, as they are written.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// `${params.models}`
    Name(String),
    /// `[a, b]`
    List(Vec<Node>),
    /// `{label: value}`
    Labelled(Vec<(String, Node)>),
}

/// One of what a group stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    /// What DVC writes behind the `@`.
    pub(super) key: String,
    /// Axis and label in Kiln.
    pub(super) labels: Vec<(String, String)>,
    /// `item` and `key`.
    pub(super) locals: Vec<Local>,
}

/// A value of an axis: what DVC calls it, what Kiln calls it, what it is, and how it is written in the matrix.
struct Value {
    dvc: String,
    label: String,
    node: Node,
    written: Node,
}

/// `foreach`: one axis `item`.
pub(super) fn foreach(
    file: &Path,
    context: &Context,
    node: &Node,
    notes: &mut Notes,
) -> Result<(Axis, Vec<Point>), Refused> {
    let Data { node: data, name, by_reference } = data(file, context, node, notes)?;
    let (values, mapped) = match &data.content {
        Content::Map(entries) => {
            let values = entries.iter().map(|entry| value(&entry.key, &entry.node, name.as_deref(), &entry.key));
            (values.collect::<Vec<_>>(), true)
        }
        Content::List(items) => {
            // One list or mapping among them, and DVC goes by position.
            let positions = items.iter().any(|item| item.shown().is_none());
            let values = items.iter().enumerate().map(|(i, item)| {
                let dvc = if positions { i.to_string() } else { name_in_dvc(item, by_reference).unwrap_or_default() };
                value(&dvc, item, name.as_deref(), &i.to_string())
            });
            (last_of_each(values.collect()), false)
        }
        _ => return Err(Refused::new(file, node.at, "`foreach` goes over a list or a mapping")),
    };
    let axis = axis(file, node.at, "item", &values, name, mapped, notes);
    let points = values.into_iter().map(|value| {
        let item = Local { name: "item".into(), node: value.node, kiln: Some("matrix.item".into()), fields: false };
        let mut locals = vec![item];
        if mapped {
            let node = Node::new(Content::Text(value.dvc.clone()));
            let kiln = (value.dvc == value.label).then(|| "label.item".to_owned());
            locals.push(Local { name: "key".into(), node, kiln, fields: false });
        }
        Point { key: value.dvc, labels: vec![("item".into(), value.label)], locals }
    });
    Ok((axis, points.collect()))
}

/// `matrix`: its axes by their names.
pub(super) fn matrix(
    file: &Path,
    context: &Context,
    node: &Node,
    notes: &mut Notes,
) -> Result<(Vec<Axis>, Vec<Point>), Refused> {
    let (mut axes, mut columns) = (Vec::new(), Vec::new());
    for entry in node.entries() {
        let Data { node: data, name, by_reference } = data(file, context, &entry.node, notes)?;
        let (items, name): (Vec<Node>, _) = match data.content {
            Content::List(items) => (items, name),
            Content::Map(entries) => {
                notes.differs(
                    file,
                    entry.at,
                    format!("the axis `{}` goes over the keys of a mapping, which are written out", entry.key),
                    "a new key of that mapping has to be made in pipeline.yaml, too",
                );
                (entries.into_iter().map(|e| Node::new(Content::Text(e.key))).collect(), None)
            }
            _ => return Err(Refused::new(file, entry.at, format!("the axis `{}` is no list", entry.key))),
        };
        let values = items.iter().enumerate().map(|(i, item)| {
            let dvc = name_in_dvc(item, by_reference).unwrap_or_else(|| format!("{}{i}", entry.key));
            value(&dvc, item, name.as_deref(), &i.to_string())
        });
        let values = last_of_each(values.collect());
        axes.push(axis(file, entry.at, &entry.key, &values, name, false, notes));
        columns.push((entry.key.clone(), values));
    }
    let mut points: Vec<Point> = vec![Point::default()];
    let mut items: Vec<Vec<Entry>> = vec![vec![]];
    for (axis, values) in &columns {
        let (mut next, mut next_items) = (Vec::new(), Vec::new());
        for (point, fields) in points.iter().zip(&items) {
            for value in values {
                let mut point = point.clone();
                point.key =
                    if point.key.is_empty() { value.dvc.clone() } else { format!("{}-{}", point.key, value.dvc) };
                point.labels.push((axis.clone(), value.label.clone()));
                let mut fields = fields.clone();
                fields.push(Entry { key: axis.clone(), at: At::default(), node: value.node.clone() });
                next.push(point);
                next_items.push(fields);
            }
        }
        (points, items) = (next, next_items);
    }
    if columns.is_empty() {
        points.clear();
    }
    let key: Vec<String> = columns.iter().map(|(axis, _)| format!("${{label.{axis}}}")).collect();
    let mut seen: Vec<String> = Vec::new();
    for point in &points {
        if seen.contains(&point.key) {
            notes.differs(
                file,
                node.at,
                format!("two combinations are called `{}`, and DVC knows only the last of them", point.key),
                "Kiln has both; if they write the same paths it says so",
            );
        }
        seen.push(point.key.clone());
    }
    for (point, fields) in points.iter_mut().zip(items) {
        let node = Node::new(Content::Map(fields));
        point.locals.push(Local { name: "item".into(), node, kiln: Some("matrix".into()), fields: true });
        let same = point.labels.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join("-") == point.key;
        // One axis can be named; of several the key is a text with several names, which a local has no room for.
        let kiln = (same && key.len() == 1).then(|| key[0].trim_start_matches("${").trim_end_matches('}').to_owned());
        let node = Node::new(Content::Text(point.key.clone()));
        point.locals.push(Local { name: "key".into(), node, kiln, fields: false });
    }
    Ok((axes, points))
}

/// What a group goes over.
struct Data {
    node: Node,
    /// The name of it, if that is a parameter.
    name: Option<String>,
    /// Whether it is written as `${name}`.
    by_reference: bool,
}

/// What DVC calls a member of a group. A truth value of a list that is written as `${name}` is called as in Python, `True` (DVC 3.67).
fn name_in_dvc(item: &Node, by_reference: bool) -> Option<String> {
    match item.content {
        Content::Bool(value) if by_reference => Some(if value { "True" } else { "False" }.into()),
        _ => item.shown(),
    }
}

fn data(file: &Path, context: &Context, node: &Node, notes: &mut Notes) -> Result<Data, Refused> {
    if let Some(text) = node.text()
        && let Some(name) = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
    {
        let found = context.find(name).map_err(|what| Refused::new(file, node.at, what))?;
        return Ok(Data { node: found.node.clone(), name: found.kiln, by_reference: true });
    }
    Ok(Data { node: filled(file, context, node, notes)?, name: None, by_reference: false })
}

/// A value with the templates in it filled in.
fn filled(file: &Path, context: &Context, node: &Node, notes: &mut Notes) -> Result<Node, Refused> {
    let content = match &node.content {
        Content::Text(text) if text.contains("${") => {
            if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
                && let Ok(found) = context.find(name)
            {
                return Ok(found.node.clone());
            }
            Content::Text(Reading { file, context, notes }.text(node, text, false)?.resolved())
        }
        Content::List(items) => {
            Content::List(items.iter().map(|item| filled(file, context, item, notes)).collect::<Result<_, _>>()?)
        }
        Content::Map(entries) => {
            let entries = entries.iter().map(|entry| {
                Ok(Entry { key: entry.key.clone(), at: entry.at, node: filled(file, context, &entry.node, notes)? })
            });
            Content::Map(entries.collect::<Result<_, Refused>>()?)
        }
        other => other.clone(),
    };
    Ok(Node { content, ..node.clone() })
}

fn value(dvc: &str, node: &Node, name: Option<&str>, step: &str) -> Value {
    // Taken from a parameter, it stays one.
    let written = match name {
        Some(name) if is_word(step) && !step.contains(['.', '/', ':', ',', '@', '%', '+', '=']) => {
            Node::new(Content::Text(format!("${{{name}.{step}}}")))
        }
        _ => node.clone(),
    };
    Value { dvc: dvc.to_owned(), label: label(dvc), node: node.clone(), written }
}

/// The label that Kiln can have for a value.
fn label(text: &str) -> String {
    let good = |c: char| !c.is_control() && !matches!(c, ',' | '=' | '[' | ']' | '*' | '?');
    let text: String = text.trim().chars().map(|c| if good(c) { c } else { '_' }).take(100).collect();
    if text.is_empty() { "_".into() } else { text }
}

/// Of values of one name DVC knows the last, in the place of the first.
fn last_of_each(values: Vec<Value>) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for value in values {
        match out.iter_mut().find(|known| known.dvc == value.dvc) {
            Some(known) => *known = value,
            None => out.push(value),
        }
    }
    out
}

fn axis(
    file: &Path,
    at: At,
    name: &str,
    values: &[Value],
    parameter: Option<String>,
    mapped: bool,
    notes: &mut Notes,
) -> Axis {
    let plain = |value: &Value| value.label == value.dvc && !value.node.odd && own_label(&value.node) == value.dvc;
    let values = match parameter {
        Some(parameter) if mapped && values.iter().all(|value| value.label == value.dvc) => Values::Name(parameter),
        Some(parameter) if !mapped && values.iter().all(plain) => Values::Name(parameter),
        parameter => {
            if parameter.is_some() {
                notes.differs(
                    file,
                    at,
                    format!("the values of `{name}` are listed by their labels"),
                    "a new one in the file of parameters needs a line in pipeline.yaml, too",
                );
            }
            if !mapped && parameter.is_none() && values.iter().all(plain) {
                Values::List(values.iter().map(|value| value.node.clone()).collect())
            } else {
                Values::Labelled(values.iter().map(|v| (v.label.clone(), v.written.clone())).collect())
            }
        }
    };
    Axis { name: name.to_owned(), values }
}

/// The label that Kiln gives a value of a list by itself.
fn own_label(node: &Node) -> String {
    match &node.content {
        Content::Float(value) => serde_json::Number::from_f64(*value).map_or_else(String::new, |n| n.to_string()),
        Content::Null => String::new(),
        _ => node.shown().unwrap_or_default(),
    }
}
