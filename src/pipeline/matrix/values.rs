//! The values of an axis, each with its label.

use crate::pipeline::axis::Axis;
use crate::pipeline::interpolate::{Found, Scope};
use crate::pipeline::mistake::{Mistake, Mistakes};
use crate::pipeline::name;
use crate::pipeline::node::{Content, Entry, Node};
use crate::pipeline::template;

/// Reads an axis: a list of scalars, a mapping of labels to values, or `${...}` for either.
pub(super) fn read(entry: &Entry, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Axis> {
    let resolved;
    let mut node = &entry.node;
    if let Some(name) = node.text().and_then(template::whole)
        && let Found::Value(value) = scope.look_up(name, node.place, mistakes)?
    {
        resolved = Node { place: node.place, content: value.content.clone() };
        node = &resolved;
    }
    let mut points = Vec::new();
    let mut whole = true;
    match &node.content {
        Content::List(items) => {
            for item in items {
                match scalar(item, &entry.key, scope, mistakes) {
                    Some((label, node)) => points.push((label, node, item.place)),
                    None => whole = false,
                }
            }
        }
        Content::Map(entries) => {
            for e in entries {
                match resolve(&e.node, scope, mistakes) {
                    Some(node) => points.push((e.key.clone(), node, e.place)),
                    None => whole = false,
                }
            }
        }
        _ => {
            let text = format!("axis `{}` has to be a list of values, or a mapping of labels to values", entry.key);
            mistakes.add(Mistake::new(text).at(entry.node.place, format!("this is {}", node.what())));
            return None;
        }
    }
    if points.is_empty() && whole {
        mistakes.add(Mistake::new(format!("axis `{}` has no values", entry.key)).at(entry.place, ""));
        return None;
    }
    let mut axis = Axis::new(entry.key.clone());
    for (label, node, place) in points {
        if let Some(fault) = name::label_fault(&label) {
            let text = format!("`{label}` cannot be the label of a matrix value");
            let hint = format!("give the value a label of its own: `{}: {{LABEL: value}}`", entry.key);
            mistakes.add(Mistake::new(text).at(place, fault).hint(hint));
            whole = false;
        } else if axis.push(label.clone(), node).is_none() {
            let text = format!("axis `{}` has the value `{label}` twice", entry.key);
            mistakes.add(Mistake::new(text).at(place, ""));
            whole = false;
        }
    }
    whole.then_some(axis)
}

/// An item of a list: its label and value.
pub(super) fn scalar(
    item: &Node,
    axis: &str,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<(String, Node)> {
    let node = resolve(item, scope, mistakes)?;
    match node.scalar() {
        Some(label) => Some((label, node)),
        None => {
            let text = format!("a value of axis `{axis}` is {}, and has no label", node.what());
            let hint = format!("give it one: `{axis}: {{LABEL: value}}`");
            mistakes.add(Mistake::new(text).at(item.place, "").hint(hint));
            None
        }
    }
}

/// A value with every `${params...}` replaced.
fn resolve(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let content = match &node.content {
        Content::Text(text) if text.contains("${") => {
            if let Some(name) = template::whole(text)
                && let Some(Found::Value(value)) = scope.look_up(name, node.place, mistakes)
            {
                return Some(value.clone());
            }
            Content::Text(scope.fill(text, node.place, mistakes)?)
        }
        Content::List(items) => {
            let items: Vec<_> = items.iter().map(|n| resolve(n, scope, mistakes)).collect();
            Content::List(items.into_iter().collect::<Option<_>>()?)
        }
        Content::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|e| Some(Entry { key: e.key.clone(), place: e.place, node: resolve(&e.node, scope, mistakes)? }))
                .collect();
            Content::Map(entries.into_iter().collect::<Option<_>>()?)
        }
        other => other.clone(),
    };
    Some(Node { place: node.place, content })
}
