//! What differs between two executions, in words.

use serde_json::Value;

use super::script::{as_written, written};
use crate::action::{Change, Difference, ENVIRONMENT, Field, Files, Names};
use crate::hash::{Digest, NumberForm, canonical_json, json_by};

/// One line.
pub fn words(difference: &Difference) -> String {
    match difference {
        Difference::Version(change) => format!("encoding version{}", arrow(change)),
        Difference::Kind(change) => format!("kind{}", arrow(change)),
        Difference::Code { uses } => format!("code of `{uses}` changed"),
        Difference::Command { line, change } => {
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            let change = change.map(|text| quoted(&as_written(text)));
            match (&change.old, &change.new) {
                // An input gathers more, or a value that comes before is new: what was written is the same.
                (Some(old), Some(new)) if old == new => format!("command{line}: other values in {new}"),
                _ => format!("command{line}{}", arrow(&change)),
            }
        }
        Difference::Parameter { path, change } if path.is_empty() => {
            format!("parameters{}", arrow(&values(change)))
        }
        Difference::Parameter { path, change } => format!("parameter {path}{}", arrow(&values(change))),
        Difference::Shell(change) => {
            let named = |shell: &Option<String>| Some(shell.clone().unwrap_or_else(|| "sh".into()));
            format!("shell{}", arrow(&Change { old: named(&change.old), new: named(&change.new) }))
        }
        Difference::Env { name, change } => {
            let change = arrow(&change.map(|value| quoted(value)));
            written(name)
                .map_or_else(|| format!("environment variable {name}{change}"), |name| format!("{name}{change}"))
        }
        Difference::Input { name, fields, .. } if name == ENVIRONMENT && !fields.is_empty() => {
            let told: Vec<String> = fields.iter().take(NAMED).map(package).collect();
            let more = match fields.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("environment: {}{more}", told.join(", "))
        }
        Difference::Input { fields, files, .. } => match (&fields[..], files) {
            ([], None) => input(difference),
            ([], Some(files)) => format!("{}: {}", subject(difference), self::files(files)),
            ([first, more @ ..], _) => {
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                format!("{}: {}{more}", subject(difference), field(first))
            }
        },
        Difference::Order { name } => format!("input {name}: same artifacts in another order"),
        Difference::Executable { change, .. } => {
            let change = change.map(|x| if *x { "executable" } else { "not executable" });
            format!("{}{}", subject(difference), arrow(&change))
        }
        Difference::Output { name, change } => format!("output {name}{}", arrow(change)),
    }
}

/// An input that changed, by its digests.
pub fn input(difference: &Difference) -> String {
    let Difference::Input { change, gone, .. } = difference else { return words(difference) };
    let gone = if *gone { " (only the digests are known: the contents are no longer in the cache)" } else { "" };
    format!("{}{}{gone}", subject(difference), arrow(&change.map(Digest::short)))
}

/// A field of a document: `layers.dropout5.rate: 0.25 => 0.4`.
pub fn field(field: &Field) -> String {
    format!("{}{}", field.path, arrow(&field.change.map(canonical_json)))
}

/// The versions of a package, without the digests of its files that stand behind each.
pub fn version(said: &str) -> String {
    let mut parts = said.split(" (");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once(')').map_or("", |(_, after)| after))
}

/// A package that is not what it was: `torch 2.9.1 => 2.10.0`.
pub fn package(field: &Field) -> String {
    let said = |value: &Option<Value>| value.as_ref().map(|value| value.as_str().unwrap_or_default().to_owned());
    let name = &field.path;
    match (said(&field.change.old), said(&field.change.new)) {
        (Some(old), Some(new)) if version(&old) != version(&new) => {
            format!("{name} {} => {}", version(&old), version(&new))
        }
        (Some(old), Some(new)) => format!("{name} {old} => {new}"),
        (None, Some(new)) => format!("{name} {} added", version(&new)),
        (Some(old), None) => format!("{name} {} removed", version(&old)),
        (None, None) => name.clone(),
    }
}

/// `1 changed: nut/0007.png`.
pub fn files(files: &Files) -> String {
    let told = [("changed", &files.changed), ("added", &files.added), ("removed", &files.removed)];
    let told = told.into_iter().filter(|(_, names)| names.count > 0);
    let all: Vec<String> = told.map(|(what, names)| format!("{} {what}: {}", names.count, listed(names))).collect();
    if all.is_empty() { "other permissions or links".to_owned() } else { all.join("; ") }
}

/// So many files are named in a line.
const NAMED: usize = 3;

fn listed(names: &Names) -> String {
    let more = if names.count > NAMED { ", ..." } else { "" };
    format!("{}{more}", names.first.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
}

/// ` added: new`, ` removed: old` or `: old => new`, to be put behind a name.
pub fn arrow<T: std::fmt::Display>(change: &Change<T>) -> String {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!(": {old} => {new}"),
        (None, Some(new)) => format!(" added: {new}"),
        (Some(old), None) => format!(" removed: {old}"),
        (None, None) => String::new(),
    }
}

/// What changed: `input metrics[model=1]`.
fn subject(difference: &Difference) -> String {
    match difference {
        Difference::Input { name, label, .. } | Difference::Executable { name, label, .. } if !label.is_empty() => {
            format!("input {name}[{label}]")
        }
        Difference::Input { name, .. } if name == ENVIRONMENT => "environment".to_owned(),
        Difference::Input { name, .. } | Difference::Executable { name, .. } => format!("input {name}"),
        other => words(other),
    }
}

/// What values are; with the types of numbers where nothing else tells them apart: `5.0 => 5`.
fn values(change: &Change<Value>) -> Change<String> {
    let said = change.map(canonical_json);
    if said.old == said.new { change.map(|value| json_by(value, NumberForm::ByType)) } else { said }
}

/// A text on one line, in quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
