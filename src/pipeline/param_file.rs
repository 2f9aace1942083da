//! Parameters that lie in files of their own: YAML, JSON or TOML, read to the same placed tree as the pipeline file.
//!
//! Such a file belongs to other programs, too. So what they read in it is taken as it is: `${...}` in its texts means nothing here,
//! and YAML's merge key `<<` merges.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeSeed as _;
use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Mistakes, Texts};
use super::node::{Content, Entry, Node, Place};
use super::spec::ParamsSpec;
use super::{parse, paths, positions, source, suggest};
use crate::hash::Digest;
use crate::text;

/// The largest file of parameters that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The endings of files of parameters.
const ENDINGS: &[&str] = &["yaml", "yml", "json", "toml"];

/// A file of parameters that was read, relative to the project, and the digest of its bytes.
pub(super) type Read = (PathBuf, Digest);

/// The parameters of each part of `params:` in order, and the files that were read for them. What could not be read is a mistake.
pub(super) fn trees(
    parts: &[ParamsSpec<'_>],
    root: &Path,
    read: &mut Vec<Read>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<Node> {
    let mut trees = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            ParamsSpec::Inline(node) => trees.push((*node).clone()),
            ParamsSpec::File(node) => trees.extend(file(node, root, read, mistakes)),
        }
    }
    trees
}

/// The bytes of a file of parameters, if it is a file of a size that is read.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    if metadata.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    fs::read(path).map_err(|e| e.to_string())
}

/// The tree of the file that a node names.
fn file(node: &Node, root: &Path, read: &mut Vec<Read>, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let written = node.text().unwrap_or_default();
    if written.contains("${") {
        let mistake = Mistake::new("the name of a file of parameters cannot be computed").at(node.place, "");
        mistakes.add(mistake.hint("name the file itself; a profile may name another one"));
        return None;
    }
    let path = match paths::source(written) {
        Ok(path) => path,
        Err(fault) => {
            let mistake = Mistake::new(format!("`{written}`: {}", fault.message)).at(node.place, "");
            mistakes.add(mistake.maybe_hint(fault.hint.map(str::to_owned)));
            return None;
        }
    };
    let ending = Path::new(&path).extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !ENDINGS.contains(&ending) {
        let mistake = Mistake::new(format!("`{path}` is no file of parameters")).at(node.place, "");
        let known = suggest::list_all(ENDINGS);
        mistakes.add(mistake.hint(format!("its name says what is in it; it ends with one of {known}")));
        return None;
    }
    let found = bytes(&root.join(&path)).and_then(|bytes| match text::of(&bytes) {
        Ok(text) => Ok((Digest(blake3::hash(&bytes).into()), text.to_owned())),
        Err(error) => Err(error.to_string()),
    });
    let (digest, text) = match found {
        Ok(found) => found,
        Err(why) => {
            mistakes.add(Mistake::new(format!("cannot read the parameters in `{path}`: {why}")).at(node.place, ""));
            return None;
        }
    };
    read.push((PathBuf::from(&path), digest));
    let Some(origin) = mistakes.enter(PathBuf::from(&path), text.clone()) else {
        mistakes.add(Mistake::new("too many files of parameters").at(node.place, ""));
        return None;
    };
    let tree = tree(ending, &text, origin, mistakes)?;
    match tree.content {
        Content::Map(_) => Some(tree),
        _ => {
            let mistake = Mistake::new(format!("`{path}` has to hold a mapping: parameters by name"));
            mistakes.add(mistake.at(tree.place, format!("this is {}", tree.what())));
            None
        }
    }
}

/// What a text says whose form is known by the ending of its file.
fn tree(ending: &str, text: &str, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    match ending {
        "json" => json(text, origin, mistakes),
        "toml" => toml(text, origin, mistakes),
        _ if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) => {
            Some(Node::new(Content::Map(vec![])))
        }
        _ => source::foreign(text, origin, mistakes).map(|mut tree| {
            merge_keys(&mut tree, mistakes);
            tree
        }),
    }
}

/// The values in a file of parameters by themselves, without what lies over them. `None` if it cannot be read.
pub fn file_values(root: &Path, file: &Path) -> Option<Value> {
    let bytes = bytes(&root.join(file)).ok()?;
    let text = text::of(&bytes).ok()?.to_owned();
    let mut mistakes = Mistakes::new(Texts { file, text: &text, set: &[], files: vec![] });
    let origin = mistakes.enter(file.to_owned(), text.clone())?;
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    tree(ending, &text, origin, &mut mistakes).filter(|_| mistakes.is_empty()).map(|tree| tree.json())
}

fn json(text: &str, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = parse::seeded(text.len(), |seed| seed.deserialize(&mut reader)).and_then(|node| {
        reader.end()?;
        Ok(node)
    });
    let mut node = match read {
        Ok(node) => node,
        Err(error) => {
            let at = source::offset(text, error.line(), error.column().max(1)) as u32;
            let place = Place { origin, start: at, end: (at + 1).min(text.len() as u32) };
            let said = error.to_string();
            let (message, hint) = parse::own_words(&said);
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            let mistake = match hint {
                Some(_) => Mistake::new(message),
                None => Mistake::new(format!("this is not JSON: {message}")),
            };
            mistakes.add(mistake.at(place, "").maybe_hint(hint.filter(|hint| !hint.is_empty())));
            return None;
        }
    };
    // JSON is YAML but for some escapes. Where those stand, places are lost and nothing else is.
    let marks = positions::scan(text, 0);
    let top = Place { origin, start: 0, end: 0 };
    match marks {
        Ok(marks) => {
            marks.place(&mut node, origin, &mut |first, entry| {
                if entry.key != "<<" {
                    mistakes.add(source::twice(first, entry));
                }
            });
            hold_integers(&mut node, text, mistakes);
        }
        Err(_) => whole(&mut node, top),
    }
    Some(node)
}

/// Integers that the reader of JSON took for floats: those of more than 64 bits are mistakes, and `-0` is 0.
fn hold_integers(node: &mut Node, text: &str, mistakes: &mut Mistakes<'_>) {
    let place = node.place;
    match &mut node.content {
        Content::Number(number) if number.is_f64() => {
            let written = text.get(place.start as usize..place.end as usize).unwrap_or_default();
            if written.is_empty() || written.contains(['.', 'e', 'E']) {
                return;
            }
            if written == "-0" {
                *number = Number::from(0);
            } else {
                let mistake = Mistake::new(format!("the number {written} does not fit in 64 bits"));
                mistakes.add(mistake.at(place, "").maybe_hint(Some("quote it if it is text".to_owned())));
            }
        }
        Content::List(items) => items.iter_mut().for_each(|item| hold_integers(item, text, mistakes)),
        Content::Map(entries) => entries.iter_mut().for_each(|entry| hold_integers(&mut entry.node, text, mistakes)),
        _ => {}
    }
}

/// Gives every value the same place.
fn whole(node: &mut Node, place: Place) {
    node.place = place;
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| whole(item, place)),
        Content::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.place = place;
            whole(&mut entry.node, place);
        }),
        _ => {}
    }
}

fn toml(text: &str, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    match DeTable::parse(text) {
        Ok(table) => {
            let place = span(&table, origin);
            Some(Node { place, content: entries(table.get_ref(), origin, mistakes)? })
        }
        Err(error) => {
            let mistake = Mistake::new(format!("this is not TOML: {}", error.message().replace('\n', ", ")));
            let range = error.span().unwrap_or_default();
            let place = Place { origin, start: range.start as u32, end: range.end.max(range.start + 1) as u32 };
            mistakes.add(mistake.at(place, ""));
            None
        }
    }
}

fn span<T>(value: &Spanned<T>, origin: u16) -> Place {
    Place { origin, start: value.span().start as u32, end: value.span().end as u32 }
}

/// The entries of a table, in the order in which they are written.
fn entries(table: &DeTable<'_>, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Content> {
    let mut written: Vec<_> = table.iter().collect();
    written.sort_by_key(|(key, _)| key.span().start);
    let entries = written.into_iter().map(|(key, value)| {
        let node = toml_value(value, origin, mistakes)?;
        Some(Entry { key: key.get_ref().to_string(), place: span(key, origin), node })
    });
    let entries: Vec<_> = entries.collect();
    Some(Content::Map(entries.into_iter().collect::<Option<_>>()?))
}

fn toml_value(value: &Spanned<DeValue<'_>>, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let place = span(value, origin);
    let mut refuse = |message: String| {
        mistakes.add(Mistake::new(message).at(place, "").hint("quote it if it is text"));
        None
    };
    let content = match value.get_ref() {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Boolean(value) => Content::Bool(*value),
        DeValue::Datetime(time) => Content::Text(time.to_string()),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            let number = i64::from_str_radix(digits, radix).map(Number::from);
            match number.or_else(|_| u64::from_str_radix(digits, radix).map(Number::from)) {
                Ok(number) => Content::Number(number),
                Err(_) => return refuse(format!("the number {integer} does not fit in 64 bits")),
            }
        }
        DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Content::Number(number),
            None => return refuse(format!("`{float}` is not a finite number, and parameters are no others")),
        },
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| toml_value(item, origin, mistakes)).collect();
            Content::List(items.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(table) => entries(table, origin, mistakes)?,
    };
    Some(Node { place, content })
}

/// Lays what stands under `<<`, a mapping or a list of them, under the other keys of its mapping, as YAML 1.1 does. The value of an
/// alias that was anchored further up holds its own merge already.
fn merge_keys(node: &mut Node, mistakes: &mut Mistakes<'_>) {
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| merge_keys(item, mistakes)),
        Content::Map(entries) => {
            entries.iter_mut().for_each(|entry| merge_keys(&mut entry.node, mistakes));
            let Some(at) = entries.iter().position(|entry| entry.key == "<<") else { return };
            let merged = entries.remove(at);
            if let Some(again) = entries.iter().find(|entry| entry.key == "<<") {
                let mistake =
                    Mistake::new("`<<` stands twice in one mapping").hint("write one list: `<<: [*first, *second]`");
                mistakes.add(mistake.at(again.place, ""));
            }
            let layers = match merged.node.content {
                Content::List(items) => items,
                content => vec![Node { place: merged.node.place, content }],
            };
            for layer in layers {
                let Content::Map(new) = layer.content else {
                    let mistake = Mistake::new("`<<` merges mappings only");
                    mistakes.add(mistake.at(merged.place, format!("this is {}", layer.what())));
                    continue;
                };
                for entry in new {
                    if !entries.iter().any(|known| known.key == entry.key) {
                        entries.push(entry);
                    }
                }
            }
        }
        _ => {}
    }
}
