//! `kiln run --discover`: finds the inputs of a stage, prints them, and writes them into the pipeline file.

use std::collections::BTreeSet;
use std::path::Path;

use kiln::catalog::catalog;
use kiln::engine::{self, Discovered, FoundInput, Interrupt, Means};
use kiln::pipeline::{self, Pipeline, StageId};
use kiln::store::Store;

use super::args::Run;
use super::determinism::Needs;
use super::select::ProjectArgs;
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, paste, project, render};

/// So many paths are named of each sort of remark.
const NAMED: usize = 8;

/// Executes a stage and says what it has to declare.
pub(crate) fn find(
    place: &ProjectArgs,
    pipeline: &Pipeline,
    store: &Store,
    args: &Run,
    stage: &str,
    jobs: usize,
    interrupt: &Interrupt,
) -> Result<u8, Stop> {
    let stages = project::named(pipeline, &[stage.to_owned()])?;
    let id = one(&stages, stage)?;
    let worker = std::env::current_exe()?;
    let means = Means { jobs, worker: &worker, interrupt };
    let needs = Needs { set: &args.select.set, quiet: args.quiet, overwrite: args.force_overwrite };
    if let Some(code) = needs.bring(pipeline, store, id, &means)? {
        return Ok(code);
    }
    let name = &pipeline.stages[id.0].name;
    if !args.quiet {
        let variant =
            if stages.len() > 1 { format!(", the first of {} variants", stages.len()) } else { String::new() };
        render::talk(&format!("{name}: executing it with all of the project open{variant}\n"));
    }
    let mut note = |text: &str| render::talk(&format!("kiln: {text}\n"));
    let found = match engine::discover(pipeline, store, id, &means, &mut note) {
        Ok(found) => found,
        Err(Some(why)) => return Err(Stop::Error(anyhow::anyhow!(why))),
        Err(None) => return Ok(EXIT_INTERRUPTED),
    };
    store.memo().save()?;
    remark(&found);
    if found.inputs.is_empty() {
        render::talk(&format!("{name}: it reads nothing of the project that it does not declare\n"));
    } else {
        write(place, pipeline, args, id, &found)?;
    }
    Ok(if found.failure.is_some() { EXIT_FAILED } else { 0 })
}

/// The stage whose inputs are looked for: of several variants the first.
fn one(stages: &BTreeSet<StageId>, name: &str) -> Result<StageId, Stop> {
    stages.first().copied().ok_or_else(|| Stop::Usage(format!("there is no stage `{name}`")))
}

/// What there is to say beside the inputs.
fn remark(found: &Discovered) {
    let list = |paths: &[std::path::PathBuf]| {
        let shown: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
        let more = paths.len().saturating_sub(NAMED);
        if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
    };
    if let Some(failure) = &found.failure {
        render::talk(&format!("it failed, so there may be more to find: {failure}\n"));
    }
    if !found.asked.is_empty() {
        render::talk(&format!("it asked whether these are there, and did not read them: {}\n", list(&found.asked)));
    }
    if !found.missing.is_empty() {
        render::talk(&format!("it wanted these, and they are not there: {}\n", list(&found.missing)));
    }
}

/// Prints the inputs, or puts them into the pipeline file.
fn write(place: &ProjectArgs, pipeline: &Pipeline, args: &Run, id: StageId, found: &Discovered) -> Result<(), Stop> {
    let stage = &pipeline.stages[id.0];
    let entries: Vec<(String, String)> =
        found.inputs.iter().map(|(name, input)| (name.clone(), value(input))).collect();
    let print = || {
        let lines: String = entries.iter().map(|(name, value)| format!("      {name}: {value}\n")).collect();
        render::data(&format!("    inputs:\n{lines}"))
    };
    if !args.write {
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
    if let Err(mistakes) = pipeline::load(&file, &catalog(), &project::overrides(place, &args.select)) {
        put(&file, &text)?;
        render::mistakes(&mistakes);
        print()?;
        return Err(Stop::Error(anyhow::anyhow!("with these inputs the pipeline is wrong; the file is as it was")));
    }
    let count = entries.len();
    let inputs = if count == 1 { "input".to_owned() } else { format!("{count} inputs") };
    render::talk(&format!(
        "{}: {inputs} for {} files written to {}\n",
        stage.name,
        found.files,
        pipeline.file.display()
    ));
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
