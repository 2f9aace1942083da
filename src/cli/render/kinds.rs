//! The built-in kinds as text.

use std::fmt::Write as _;

use kiln::kind::{Arity, Kind, Role};
use serde_json::Value;

/// A line a kind.
pub(crate) fn list<'a>(kinds: impl Iterator<Item = &'a dyn Kind>) -> String {
    let kinds: Vec<_> = kinds.map(|kind| (kind.name(), kind.summary())).collect();
    let width = kinds.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    kinds.iter().map(|(name, summary)| format!("{name:width$}  {summary}\n")).collect()
}

/// A kind with its ports and parameters.
pub(crate) fn one(kind: &dyn Kind) -> String {
    let mut text = format!("{}: {}\n\ninputs\n", kind.name(), kind.summary());
    for port in kind.inputs() {
        let arity = match port.arity {
            Arity::One => "",
            Arity::Optional => " (optional)",
            Arity::Many => " (one or more)",
        };
        let _ = writeln!(text, "  {}{arity}: {}", port.name, port.doc);
    }
    text.push_str("\noutputs\n");
    for output in kind.outputs() {
        let role = match output.role {
            Role::Data => "",
            Role::Metrics => " (metrics)",
            Role::Figure => " (figure)",
            Role::Series => " (series)",
        };
        let _ = writeln!(text, "  {} -> {}{role}: {}", output.name, output.file, output.doc);
    }
    let schema = kind.params();
    match alternatives(&schema) {
        Some(alternatives) => alternatives.iter().for_each(|one| parameters(&mut text, one)),
        None => parameters(&mut text, &schema),
    }
    text
}

/// The schemas of which a value fits one.
fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()
}

/// The parameters that a schema of `with` describes: what each takes, its default, and what it is for.
fn parameters(text: &mut String, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|p| !p.is_empty()) else {
        return;
    };
    // A parameter with one possible value says which of several sets this is.
    let fixed: Vec<String> =
        properties.iter().filter_map(|(name, of)| Some(format!("{name}: {}", plain(of.get("const")?)))).collect();
    match fixed.is_empty() {
        true => text.push_str("\nwith\n"),
        false => text.push_str(&format!("\nwith {}\n", fixed.join(", "))),
    }
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
    for (name, of) in properties.iter().filter(|(_, of)| of.get("const").is_none()) {
        let default = match of.get("default") {
            Some(Value::String(default)) if default.is_empty() => String::new(),
            Some(Value::Null) | None if !required(name) => String::new(),
            Some(default) => format!(" (default: {})", plain(default)),
            None => " (required)".to_owned(),
        };
        let doc = of.get("description").and_then(Value::as_str).unwrap_or_default();
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "  {name}: {}{default}. {doc}", takes(of));
    }
}

/// What a schema takes, in words.
fn takes(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return plain(value);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().filter(|value| !value.is_null()).map(plain).collect::<Vec<_>>().join(" or ");
    }
    if let Some(alternatives) = alternatives(schema) {
        let nothing = |one: &&Value| one["type"] != "null";
        return alternatives.iter().filter(nothing).map(takes).collect::<Vec<_>>().join(" or ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("integer") => match schema["minimum"].as_u64() {
            Some(least) if least > 0 => format!("a whole number from {least}"),
            _ => "a whole number".to_owned(),
        },
        Some("number") => "a number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("string") => "a text".to_owned(),
        Some("array") => format!("a list of: {}", takes(&schema["items"])),
        Some("object") => match schema.get("properties").and_then(Value::as_object) {
            Some(fields) => {
                let field = |(name, of): (&String, &Value)| format!("{name}: {}", takes(of));
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            None => format!("a mapping of names to: {}", takes(&schema["additionalProperties"])),
        },
        _ => "a value".to_owned(),
    }
}

/// A value as it is written in a pipeline.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
