//! What a command is handed beside its files: the values of its `with`, and the paths of its inputs and outputs by name. All of it is in
//! its key. docs/commands.md says how a command finds it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::engine::decide::decision::input_path;
use crate::pipeline::environment::{HANDED, PARAM};
use crate::pipeline::{Pipeline, Stage};

/// The files in a scratch directory that hold the values, and paths that are too many for a variable.
const FILES: [&str; 3] = ["params.json", "inputs.json", "outputs.json"];

/// A variable holds no more bytes than this: the system takes 128 KiB.
const MOST: usize = 100_000;

/// The variables by which the command of a stage finds what it is handed. Files that they name are written to a folder.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn variables(pipeline: &Pipeline, stage: &Stage, folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    let file = |which: usize, value: &Value| {
        let path = folder.join(FILES[which]);
        fs::write(&path, value.to_string())?;
        io::Result::Ok(path.to_string_lossy().into_owned())
    };
    if let Some(with) = &stage.with {
        all.push((HANDED[0].to_owned(), file(0, with)?));
        all.extend(with.as_object().into_iter().flatten().filter_map(|(name, value)| one(name, value)));
    }
    for (which, value) in [(1, inputs(pipeline, stage)), (2, outputs(stage))] {
        let text = value.to_string();
        let text = if text.len() > MOST { format!("@{}", file(which, &value)?) } else { text };
        all.push((HANDED[which].to_owned(), text));
    }
    Ok(all)
}

/// The variable of one value: text as it is, all else as JSON. `None` where no variable can have the name or the value.
fn one(name: &str, value: &Value) -> Option<(String, String)> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let good =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.contains('\0') && text.len() <= MOST;
    good.then(|| (format!("{PARAM}{name}"), text))
}

fn inputs(pipeline: &Pipeline, stage: &Stage) -> Value {
    let paths = stage.inputs.iter().map(|(name, items)| {
        let paths = items.iter().map(|item| input_path(pipeline, item).to_string_lossy());
        (name, paths.collect::<Vec<_>>())
    });
    json!(paths.collect::<BTreeMap<_, _>>())
}

fn outputs(stage: &Stage) -> Value {
    let paths = stage.outputs.iter().map(|(name, output)| (name, output.path.to_string_lossy()));
    json!(paths.collect::<BTreeMap<_, _>>())
}
