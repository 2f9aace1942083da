//! The built-in kinds as text.

use std::fmt::Write as _;

use kiln::kind::{Arity, Kind, Role};

/// A line a kind.
pub(crate) fn list<'a>(kinds: impl Iterator<Item = &'a dyn Kind>) -> String {
    let kinds: Vec<_> = kinds.map(|kind| (kind.name(), kind.summary())).collect();
    let width = kinds.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    kinds.iter().map(|(name, summary)| format!("{name:width$}  {summary}\n")).collect()
}

/// A kind with its ports, and its parameters where all of them have defaults.
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
    if let Ok(serde_json::Value::Object(defaults)) = kind.check(&serde_json::Value::Null) {
        text.push_str("\nwith (defaults)\n");
        for (name, value) in defaults {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    text
}
