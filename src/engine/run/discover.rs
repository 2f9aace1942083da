//! Finding the inputs of a stage: it is executed once with all of the project open to it, and what it reads is told. Nothing is published.

use std::path::PathBuf;
use std::sync::PoisonError;

use super::fold;
use super::found_input::FoundInput;
use super::trial::{Means, Trial};
use crate::engine::execute::rehearsal::Keeping;
use crate::pipeline::{Body, Pipeline, StageId};
use crate::store::Store;

/// What was found of a stage.
#[derive(Debug)]
pub struct Discovered {
    /// The inputs to declare beside those that are, by name.
    pub inputs: Vec<(String, FoundInput)>,
    /// Files that it asked for whether they are there, and did not read.
    pub asked: Vec<PathBuf>,
    /// Files of the project that it wanted and that are not there.
    pub missing: Vec<PathBuf>,
    /// Files that it read elsewhere on this machine, absolute: neither of the project nor software.
    pub outside: Vec<PathBuf>,
    /// How many files of the project it read that are not declared.
    pub files: usize,
    /// Why it failed, if it did: there may be more to find.
    pub failure: Option<String>,
}

/// Executes a stage, once what it declares to need is up to date, and finds what it reads of the project. `note` is told what the user should know
/// beside.
///
/// # Errors
/// Why it cannot be executed so. `None` if the user asked to stop.
pub fn discover(
    pipeline: &Pipeline,
    store: &Store,
    id: StageId,
    means: &Means<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Discovered, Option<String>> {
    let stage = &pipeline.stages[id.0];
    if let Body::Uses { kind, .. } = &stage.body {
        let kind = kind.name();
        return Err(Some(format!(
            "`{}` uses the kind `{kind}`, whose inputs are known: `kiln kinds {kind}`",
            stage.name
        )));
    }
    let mut trial = Trial::prepare(pipeline, store, id, means, true, note)?;
    if !trial.is_guarded() {
        let why = "without the guard a command could write to the project; so its inputs are not looked for";
        return Err(Some(why.into()));
    }
    trial.discovers = true;
    let failure = match trial.execute("discover", trial.stage, Keeping::Nothing) {
        Ok(_) => None,
        Err(None) => return Err(None),
        Err(failure) => failure,
    };
    let found = std::mem::take(&mut *trial.found.lock().unwrap_or_else(PoisonError::into_inner));
    let of_nobody =
        |path: &PathBuf| fold::producer(path, pipeline, id).is_none() && fold::is_of_project(path, &pipeline.root);
    Ok(Discovered {
        inputs: fold::inputs(&found, pipeline, id),
        files: found.read.len(),
        outside: found.outside.into_iter().collect(),
        asked: found.asked.into_iter().filter(of_nobody).filter(|path| !fold::is_mark(path)).collect(),
        missing: found.missing.into_iter().filter(of_nobody).collect(),
        failure,
    })
}
