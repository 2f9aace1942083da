//! `kiln run --discover`: finds the inputs of a stage, prints them, and writes them into the pipeline file.

use std::collections::BTreeSet;
use std::path::Path;

use kiln::catalog::catalog;
use kiln::engine::{self, Discovered, FoundInput};
use kiln::pipeline::{self, StageId};
use kiln::show::names::first_of;
use kiln::show::number;

use super::select::ProjectArgs;
use super::trials::{Trials, outcome};
use super::{EXIT_FAILED, Stop, paste, project, render};

/// So many paths are named of each sort of remark.
const NAMED: usize = 8;

/// Executes a stage and says what it has to declare.
pub(crate) fn find(place: &ProjectArgs, trials: &Trials<'_>, stage: &str, writes: bool) -> Result<u8, Stop> {
    let Trials { pipeline, store, means, .. } = trials;
    let stages = project::named(pipeline, &[stage.to_owned()])?;
    let id = one(&stages, stage)?;
    trials.bring(id)?;
    let name = &pipeline.stages[id.0].name;
    let variant = if stages.len() > 1 { format!(", the first of {} variants", stages.len()) } else { String::new() };
    trials.say(&format!("{name}: executing it with all of the project open{variant}"));
    let mut note = |text: &str| render::talk(&format!("kiln: {text}\n"));
    let found = outcome(engine::discover(pipeline, store, id, means, &mut note))?;
    trials.end()?;
    remark(&found);
    if found.inputs.is_empty() {
        render::talk(&format!("{name}: it reads nothing of the project that it does not declare\n"));
    } else {
        write(place, trials, writes, id, &found)?;
    }
    Ok(if found.failure.is_some() { EXIT_FAILED } else { 0 })
}

/// The stage whose inputs are looked for: of several variants the first.
fn one(stages: &BTreeSet<StageId>, name: &str) -> Result<StageId, Stop> {
    stages.first().copied().ok_or_else(|| Stop::Usage(format!("there is no stage `{name}`")))
}

/// What there is to say beside the inputs.
fn remark(found: &Discovered) {
    let list = |paths: &[std::path::PathBuf]| first_of(paths.iter().map(|path| path.display().to_string()), NAMED);
    if let Some(failure) = &found.failure {
        render::talk(&format!("it failed, so there may be more to find: {failure}\n"));
    }
    if !found.asked.is_empty() {
        render::talk(&format!(
            "it asked whether these are there, and did not read them: {}\n\
             hint: where it does something else without one, that is an input as well\n",
            list(&found.asked)
        ));
    }
    if !found.outside.is_empty() {
        render::talk(&format!(
            "it read these outside of the project, and they are in no key: {}\n\
             hint: the path of an input may begin with `..`, or be a link in the project that leads there\n",
            list(&found.outside)
        ));
    }
    if !found.missing.is_empty() {
        render::talk(&format!("it wanted these, and they are not there: {}\n", list(&found.missing)));
    }
}

/// Prints the inputs, or puts them into the pipeline file.
fn write(place: &ProjectArgs, trials: &Trials<'_>, writes: bool, id: StageId, found: &Discovered) -> Result<(), Stop> {
    let Trials { pipeline, select, .. } = trials;
    let stage = &pipeline.stages[id.0];
    let entries: Vec<(String, String)> =
        found.inputs.iter().map(|(name, input)| (name.clone(), value(input))).collect();
    let print = || {
        let lines: String = entries.iter().map(|(name, value)| format!("      {name}: {value}\n")).collect();
        render::data(&format!("    inputs:\n{lines}"))
    };
    if !writes {
        print()?;
        render::talk("`--write` puts that into the pipeline file\n");
        return Ok(());
    }
    let file = pipeline.root.join(&pipeline.file);
    let text = std::fs::read_to_string(&file)?;
    let Some(new) = paste::inputs(&text, stage.span.start, &entries) else {
        print()?;
        let name = &stage.name.stage;
        return Err(Stop::Error(anyhow::anyhow!(
            "stage `{name}` is written in a way that nothing is put into; paste that yourself"
        )));
    };
    put(&file, &new)?;
    if let Err(mistakes) = pipeline::load(&file, &catalog(), &project::overrides(place, select)) {
        put(&file, &text)?;
        render::mistakes(&mistakes);
        print()?;
        return Err(Stop::Error(anyhow::anyhow!("with these inputs the pipeline is wrong; the file is as it was")));
    }
    let (inputs, files) = (number::count(entries.len(), "input"), number::count(found.files, "file"));
    render::talk(&format!("{}: {inputs} for {files} written to {}\n", stage.name, pipeline.file.display()));
    Ok(())
}

/// Replaces a file in one step.
fn put(file: &Path, text: &str) -> std::io::Result<()> {
    // Through a link to the file itself.
    let file = file.canonicalize()?;
    let beside = file.with_extension("yaml.kiln-new");
    std::fs::write(&beside, text)?;
    std::fs::set_permissions(&beside, std::fs::metadata(&file)?.permissions())?;
    std::fs::rename(beside, file)
}

/// What is written behind the name of an input.
fn value(input: &FoundInput) -> String {
    match input {
        FoundInput::Path(path) => scalar(&path.to_string_lossy()),
        FoundInput::Suffix(path, suffix) => {
            format!("{{path: {}, only: [\"**/*.{suffix}\"]}}", scalar(&path.to_string_lossy()))
        }
        FoundInput::Keys(path, keys) => {
            let keys: Vec<String> = keys.iter().map(|key| scalar(key)).collect();
            format!("{{path: {}, keys: [{}]}}", scalar(&path.to_string_lossy()), keys.join(", "))
        }
        FoundInput::From(output) => format!("{{from: {}}}", scalar(output)),
    }
}

/// A text as YAML: plain where that is certain to be the same.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if text.chars().all(plain) && !number && !word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
