//! Inputs of which a command sees a part: a folder by patterns, a file of parameters by keys. `.kilnignore`, too.

use std::path::Path;
use std::sync::Arc;

use super::expand::World;
use super::interpolate::Scope;
use super::mistake::{Mistake, Mistakes, is_other_file};
use super::node::{Content, Node, Place};
use super::spec::{BodySpec, ViewSpec};
use crate::hash::picks::{Picks, Texts, check_pattern};

/// The part of a source that a command sees, and that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Of a folder, the files that patterns name.
    Picked(Box<Picks>),
    /// Of a file of parameters, a text with some of its values.
    Written(String),
}

/// The file of patterns that no input folder of the project takes.
pub(super) const IGNORE: &str = ".kilnignore";

/// The patterns of the project, from the lines of [`IGNORE`].
pub(super) fn project(root: &Path, mistakes: &mut Mistakes<'_>) -> Vec<String> {
    let Some(text) = ignored(root) else { return vec![] };
    let mut patterns = Vec::new();
    let mut origin = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let pattern = line.trim_end_matches(['\n', '\r']);
        match check_pattern(pattern) {
            Ok(()) if pattern.trim().is_empty() || pattern.starts_with('#') => {}
            Ok(()) => patterns.push(pattern.to_owned()),
            Err(why) => {
                origin = origin.or_else(|| mistakes.enter(IGNORE.into(), text.clone()));
                let end = start + pattern.len() as u32;
                let mistake = Mistake::new(format!("`{pattern}` is no pattern: {why}"));
                mistakes.add(match origin {
                    Some(origin) => mistake.at(Place { origin, start, end }, ""),
                    None => mistake,
                });
            }
        }
        start += line.len() as u32;
    }
    patterns
}

/// The text of [`IGNORE`]; of what is no text, what can be read of it.
pub(super) fn ignored(root: &Path) -> Option<String> {
    let bytes = std::fs::read(root.join(IGNORE)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The view that an input asks for of a source at a normalised path. `None` if that is a mistake.
pub(super) fn of(
    world: &World<'_>,
    body: Option<BodySpec<'_>>,
    path: &str,
    spec: Option<&ViewSpec<'_>>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Option<Arc<View>>> {
    let own = spec.filter(|spec| !(spec.only.is_empty() && spec.ignore.is_empty() && spec.keys.is_empty()));
    if matches!(body, Some(BodySpec::Uses { .. })) {
        // It reads a source where it lies, and sees all of it.
        let Some(spec) = own else { return Some(None) };
        let mistake = Mistake::new("a built-in kind takes its inputs whole").at(spec.path.place, "");
        mistakes.add(scope.blame(mistake.hint("`only`, `ignore` and `keys` are for inputs of commands")));
        return None;
    }
    if let Some(spec) = own.filter(|spec| !spec.keys.is_empty()) {
        return Some(Some(Arc::new(View::Written(written(world, path, spec, scope, mistakes)?))));
    }
    let project = if path.starts_with("../") { vec![] } else { world.ignored.clone() };
    if own.is_none() && project.is_empty() {
        return Some(None);
    }
    let mut list = |nodes: &[Node]| {
        let texts: Vec<_> = nodes.iter().map(|node| pattern(node, scope, mistakes)).collect();
        texts.into_iter().collect::<Option<Vec<String>>>()
    };
    let (only, ignore) = match own {
        Some(spec) => (list(spec.only), list(spec.ignore)),
        None => (Some(vec![]), Some(vec![])),
    };
    let texts = Texts { only: only?, ignore: ignore?, project, folder: path.to_owned() };
    // Each was tried.
    Some(Picks::new(texts).ok().map(|picks| Arc::new(View::Picked(Box::new(picks)))))
}

fn pattern(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let text = scope.text(node, "a pattern", mistakes)?;
    let fault = if text.trim().is_empty() { Err("it is empty".into()) } else { check_pattern(&text) };
    if let Err(why) = fault {
        let mistake = Mistake::new(format!("`{text}` is no pattern: {why}")).at(node.place, "");
        mistakes.add(scope.blame(mistake.hint("patterns are those of `.gitignore`: `*.py`, `raw/`, `**/tests/**`")));
        return None;
    }
    Some(text.into_owned())
}

/// A file of parameters with the values of some keys, as they are in force.
fn written(
    world: &World<'_>,
    path: &str,
    spec: &ViewSpec<'_>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<String> {
    if !world.params.files.iter().any(|(file, _)| file == Path::new(path)) {
        let mistake = Mistake::new(format!("`{path}` is none of the files under `params`")).at(spec.path.place, "");
        mistakes.add(scope.blame(mistake.hint(format!(
            "`keys` takes single values of such a file; write `params: {path}` at the top of the pipeline, or take the file whole"
        ))));
        return None;
    }
    if Path::new(path).extension().is_some_and(|ending| ending == "toml") {
        let mistake = Mistake::new("`keys` writes YAML and JSON").at(spec.path.place, "this is TOML");
        mistakes.add(scope.blame(mistake.hint("take the file whole, or hand the command its values in `with`")));
        return None;
    }
    let mut tree = Node::new(Content::Map(vec![]));
    let mut whole = true;
    for key in spec.keys {
        let name = scope.text(key, "a key", mistakes)?;
        let mut node = &world.params.tree;
        let mut way = Vec::new();
        for segment in name.split('.') {
            let Some(next) = node.step(segment).filter(|_| !matches!(node.content, Content::List(_))) else {
                if !world.params.is_known_in_part() {
                    let hint = super::interpolate::known(node, segment, mistakes);
                    let mistake = Mistake::new(format!("`{path}` has no `{name}`"))
                        .at(key.place, format!("there is no `{segment}`"));
                    mistakes.add(scope.blame(mistake.hint(hint)));
                }
                whole = false;
                break;
            };
            let place = match &node.content {
                Content::Map(entries) => entries.iter().find(|entry| entry.key == segment).map(|entry| entry.place),
                _ => None,
            };
            way.push((segment, place.unwrap_or_default()));
            node = next;
        }
        if whole {
            insert(&mut tree, &way, node);
        }
    }
    if !whole {
        return None;
    }
    let json = path.ends_with(".json");
    let mut out = String::new();
    write(&mut out, &tree, !json, mistakes);
    out.push('\n');
    Some(out)
}

/// Puts a value at a place in a mapping, in the order in which keys are asked for.
fn insert(tree: &mut Node, way: &[(&str, Place)], value: &Node) {
    let ([(first, place), rest @ ..], Content::Map(entries)) = (way, &mut tree.content) else { return };
    let at = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
        let node = Node::new(Content::Map(vec![]));
        entries.push(super::node::Entry { key: (*first).to_owned(), place: *place, node });
        entries.len() - 1
    });
    if rest.is_empty() {
        entries[at].node = value.clone();
    } else {
        insert(&mut entries[at].node, rest, value);
    }
}

/// Writes a value as JSON, sorted by key, which YAML takes too. In YAML a plain scalar stays as it was written: what one reader takes for
/// a truth value or a number is text to another.
fn write(out: &mut String, node: &Node, yaml: bool, mistakes: &Mistakes<'_>) {
    match &node.content {
        Content::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for (i, entry) in entries.into_iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                let key = if yaml { plain(mistakes, entry.place) } else { None };
                out.push_str(&key.unwrap_or_else(|| quoted(&entry.key)));
                out.push_str(": ");
                write(out, &entry.node, yaml, mistakes);
            }
            out.push('}');
        }
        Content::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write(out, item, yaml, mistakes);
            }
            out.push(']');
        }
        content => {
            let raw = if yaml { plain(mistakes, node.place) } else { None };
            out.push_str(&raw.unwrap_or_else(|| match content {
                Content::Text(text) => quoted(text),
                _ => node.json().to_string(),
            }));
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A plain scalar of YAML as it is written.
fn plain(mistakes: &Mistakes<'_>, place: Place) -> Option<String> {
    let raw = mistakes.source(place).filter(|_| is_other_file(place.origin))?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-' | '/');
    let simple = raw.chars().all(word)
        && raw.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
    (simple && !raw.starts_with("---") && raw != "-").then(|| raw.to_owned())
}

/// What [`write`] wrote, where a scalar that stands there plain is the text that it was written with, unless JSON has just that.
pub fn read_written(text: &str) -> Option<serde_json::Value> {
    let mut rest = text.trim_end();
    let value = read_value(&mut rest, 0)?;
    rest.is_empty().then_some(value)
}

/// So deep may values nest.
const DEEPEST: usize = 100;

fn read_value(rest: &mut &str, depth: usize) -> Option<serde_json::Value> {
    use serde_json::Value;
    let closed = |rest: &mut &str, end: char| rest.strip_prefix(end).map(|after| *rest = after).is_some();
    let more = |rest: &mut &str| rest.strip_prefix(", ").map(|after| *rest = after).is_some();
    if depth > DEEPEST {
        return None;
    }
    if let Some(after) = rest.strip_prefix('{') {
        *rest = after;
        let mut map = serde_json::Map::new();
        while !closed(rest, '}') {
            if !map.is_empty() && !more(rest) {
                return None;
            }
            let key = match read_value(rest, depth + 1)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            *rest = rest.strip_prefix(": ")?;
            map.insert(key, read_value(rest, depth + 1)?);
        }
        return Some(Value::Object(map));
    }
    if let Some(after) = rest.strip_prefix('[') {
        *rest = after;
        let mut items = Vec::new();
        while !closed(rest, ']') {
            if !items.is_empty() && !more(rest) {
                return None;
            }
            items.push(read_value(rest, depth + 1)?);
        }
        return Some(Value::Array(items));
    }
    let end = if let Some(quoted) = rest.strip_prefix('"') {
        let mut escaped = false;
        let within = quoted.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        within + 2
    } else {
        rest.find([',', ':', '}', ']', ' ']).unwrap_or(rest.len())
    };
    let (raw, after) = rest.split_at_checked(end).filter(|(raw, _)| !raw.is_empty())?;
    *rest = after;
    let plain = || Value::String(raw.to_owned());
    Some(
        serde_json::from_str::<Value>(raw)
            .ok()
            .filter(|value| raw.starts_with('"') || serde_json::to_string(value).is_ok_and(|text| text == raw))
            .unwrap_or_else(plain),
    )
}

#[cfg(test)]
mod tests {
    use super::read_written;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read() {
        let text = "{lr: 1e-3, \"a b\": [1, yes, 0.60, \"x: {\\\"}\"], empty: {}, n: {m: null, l: []}}\n";
        let expected =
            json!({"lr": "1e-3", "a b": [1, "yes", "0.60", "x: {\"}"], "empty": {}, "n": {"m": null, "l": []}});
        assert_eq!(read_written(text), Some(expected));
        for broken in ["", "{", "{a}", "[1 2]", "{a: 1} x", "\"x"] {
            assert_eq!(read_written(broken), None, "{broken}");
        }
    }
}
