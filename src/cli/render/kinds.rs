//! The built-in kinds as text.

use kiln::kind::{Arity, Kind, Role};

/// A line a kind.
pub(crate) fn kinds<'a>(kinds: impl Iterator<Item = (&'a str, &'a str)>) {
    let kinds: Vec<_> = kinds.collect();
    let width = kinds.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, summary) in kinds {
        println!("{name:width$}  {summary}");
    }
}

/// A kind with its ports and the parameters it has by default.
pub(crate) fn kind(kind: &dyn Kind) {
    println!("{}: {}", kind.name(), kind.summary());
    println!("\ninputs");
    for port in kind.inputs() {
        let arity = match port.arity {
            Arity::One => "",
            Arity::Optional => " (optional)",
            Arity::Many => " (one or more)",
        };
        println!("  {}{arity}: {}", port.name, port.doc);
    }
    println!("\noutputs");
    for output in kind.outputs() {
        let role = match output.role {
            Role::Data => "",
            Role::Metrics => " (metrics)",
            Role::Figure => " (figure)",
        };
        println!("  {} -> {}{role}: {}", output.name, output.file, output.doc);
    }
    // Kinds with required parameters have no defaults to show.
    if let Ok(serde_json::Value::Object(defaults)) = kind.check(&serde_json::Value::Null) {
        println!("\nwith (defaults)");
        for (name, value) in defaults {
            println!("  {name}: {value}");
        }
    }
}
