//! `kiln kinds`: the built-in stage kinds, their ports and parameters.

use clap::Args;
use kiln::catalog::catalog;
use kiln::kind::{Arity, Kind};
use serde_json::{Value, json};

use super::{Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Kinds {
    /// The kind to describe.
    pub(crate) kind: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn kinds(args: &Kinds) -> Result<u8, Stop> {
    let catalog = catalog();
    match &args.kind {
        None if args.json => {
            let kinds: Vec<Value> = catalog.values().map(|kind| described(kind.as_ref())).collect();
            render::json(&json!({ "version": 1, "kinds": kinds }))?;
        }
        None => render::data(&render::kinds::list(catalog.values().map(AsRef::as_ref)))?,
        Some(name) => match catalog.get(name) {
            Some(kind) if args.json => render::json(&described(kind.as_ref()))?,
            Some(kind) => render::data(&render::kinds::one(kind.as_ref()))?,
            None => {
                let names = catalog.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(Stop::Usage(format!("there is no stage kind `{name}`; there are {names}")));
            }
        },
    }
    Ok(0)
}

/// `with` holds the defaults, or is `null` where a parameter has none. `params` is the JSON Schema of all parameters.
fn described(kind: &dyn Kind) -> Value {
    let arity = |arity| match arity {
        Arity::One => "one",
        Arity::Optional => "optional",
        Arity::Many => "many",
    };
    let inputs = kind.inputs().iter();
    let inputs = inputs.map(|port| json!({ "name": port.name, "arity": arity(port.arity), "doc": port.doc }));
    let outputs = kind.outputs().iter();
    let outputs = outputs.map(|o| json!({ "name": o.name, "file": o.file, "role": o.role, "doc": o.doc }));
    json!({
        "version": 1,
        "name": kind.name(),
        "summary": kind.summary(),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "with": kind.check(&Value::Null).ok(),
        "params": kind.params(),
    })
}
