//! The part of an input that a command sees: of a folder by patterns, of a file of parameters by keys. `.kilnignore`, too.

use std::path::Path;

use super::mistake::{Mistake, Mistakes, is_other_file};
use super::node::{Content, Node, Place};
use crate::hash::picks::{Picks, check_pattern};

/// The part of a source that a command sees, and that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Of a folder, the files that patterns name.
    Picked(Box<Picks>),
    /// Of a file of parameters, a text with some of its values.
    Written(String),
}

/// The file of patterns that no input folder of the project takes.
pub(crate) const IGNORE: &str = ".kilnignore";

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

/// Writes a value as JSON, sorted by key, which YAML takes too. In YAML a plain scalar stays as it was written: what one reader takes for
/// a truth value or a number is text to another.
pub(super) fn write(out: &mut String, node: &Node, yaml: bool, mistakes: &Mistakes<'_>) {
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
                // A value that is not written has the place of its key.
                let is_written = entry.node.place != entry.place || !matches!(entry.node.content, Content::Null);
                write(out, &entry.node, yaml && is_written, mistakes);
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
                Content::Number(_) if yaml => with_a_point(node.json().to_string()),
                _ => node.json().to_string(),
            }));
        }
    }
}

/// A text as JSON has it. What YAML takes for the end of a line, or does not take at all, is escaped.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::String(text.to_owned()).to_string();
    let escaped = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if !json.contains(escaped) {
        return json;
    }
    json.chars().map(|c| if escaped(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// A number with an exponent as YAML 1.1 wants it: with a point before it and a sign in it. It takes others for text.
fn with_a_point(number: String) -> String {
    let Some((digits, exponent)) = number.split_once('e') else { return number };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

/// A plain scalar of YAML as it is written, without its anchor.
fn plain(mistakes: &Mistakes<'_>, place: Place) -> Option<String> {
    let raw = mistakes.source(place).filter(|_| is_other_file(place.origin))?;
    let raw = match raw.strip_prefix('&') {
        Some(anchored) => anchored.split_once(' ')?.1.trim_start(),
        None => raw,
    };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-' | '/');
    let simple = raw.chars().all(word)
        && raw.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
    (simple && !raw.starts_with("---") && raw != "-" || is_time(raw)).then(|| raw.to_owned())
}

/// Whether a plain scalar is a time, or a number of base 60, to YAML 1.1: digits with colons between them.
fn is_time(raw: &str) -> bool {
    let may = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | '_' | '+' | '-' | ' ' | 'T' | 't' | 'Z');
    raw.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'))
        && raw.contains(':')
        && !raw.contains(": ")
        && !raw.ends_with(':')
        && raw.chars().all(may)
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
        let ends = [rest.find([',', '}', ']']), rest.find(": ")];
        ends.into_iter().flatten().min().unwrap_or(rest.len())
    };
    let (raw, after) = rest.split_at_checked(end).filter(|(raw, _)| !raw.is_empty())?;
    if !raw.starts_with('"') && raw.contains([' ', ':']) && !is_time(raw) {
        return None;
    }
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
        let times = "{at: 12:30:45, day: 2026-12-01 10:00:00, all: [1:30]}";
        let expected = json!({"at": "12:30:45", "day": "2026-12-01 10:00:00", "all": ["1:30"]});
        assert_eq!(read_written(times), Some(expected));
        for broken in ["", "{", "{a}", "[1 2]", "{a: 1} x", "\"x"] {
            assert_eq!(read_written(broken), None, "{broken}");
        }
    }
}
