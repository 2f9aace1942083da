//! `kiln show FILE`: which run made what lies at a path, known by its content.

use std::path::Path;

use kiln::hash::Digest;
use kiln::record::{Outcome, RunRecord, StageRecord};
use serde_json::json;

use super::past::Past;
use super::render::look::Look;
use super::{Stop, render};

/// An output with the content of a file.
pub(crate) struct Made<'a> {
    /// The run.
    pub(crate) run: &'a RunRecord,
    /// The stage in it.
    pub(crate) stage: &'a StageRecord,
    /// The output.
    pub(crate) output: &'a str,
}

/// Where the content of a file comes from.
pub(crate) struct Origin<'a> {
    /// The file, as it was named.
    pub(crate) file: &'a Path,
    pub(crate) digest: Digest,
    /// The run that executed the stage, or the oldest that is known to have had it.
    pub(crate) made: Made<'a>,
    /// Every run that has it, newest first.
    pub(crate) runs: &'a [RunRecord],
}

pub(crate) fn show(past: &Past, file: &Path, all: bool, as_json: bool) -> Result<u8, Stop> {
    let unreadable = |error: &dyn std::fmt::Display| Stop::Usage(format!("cannot read {}: {error}", file.display()));
    let place = file.canonicalize().map_err(|error| unreadable(&error))?;
    let memo = past.store.memo();
    // A folder may hold links that another tool put there.
    let artifact = memo.artifact(&place).or_else(|error| memo.source(&place).map_err(|_| error));
    let artifact = artifact.map_err(|error| unreadable(&error))?;
    let Some(digest) = artifact.map(|artifact| artifact.digest) else {
        return Err(unreadable(&"it is gone"));
    };
    let ids = past.store.runs_with(&digest)?;
    // A record that was damaged meanwhile tells nothing; another may.
    let runs: Vec<RunRecord> = ids.iter().filter_map(|id| past.store.find_run(id, Some(&past.project)).ok()).collect();
    let made: Vec<Made<'_>> = runs.iter().flat_map(|run| of(run, &digest)).collect();
    let executed = made.iter().rev().find(|made| made.stage.outcome == Outcome::Executed);
    let Some(made) = executed.or(made.last()) else {
        return Err(Stop::Usage(format!(
            "no run in this cache made `{}` (digest {digest})\nhint: it may have been changed since, or its record dropped; `--cache` names another cache",
            file.display()
        )));
    };
    let made = Made { run: made.run, stage: made.stage, output: made.output };
    let origin = Origin { file, digest, made, runs: &runs };
    if as_json {
        let Made { run, stage, output } = &origin.made;
        render::json(&json!({
            "version": 1,
            "file": file,
            "digest": digest,
            "run": run.id,
            "started": run.started,
            "project": run.origin.project,
            "pipeline": run.origin.pipeline,
            "git": run.git,
            "output": output,
            "stage": stage,
            "runs": runs.iter().map(|run| &run.id).collect::<Vec<_>>(),
        }))?;
    } else {
        render::data(&render::show::origin(&origin, all, &Look::stdout()))?;
    }
    Ok(0)
}

/// The outputs of a run with a content.
fn of<'a>(run: &'a RunRecord, digest: &Digest) -> Vec<Made<'a>> {
    let outputs = run.stages.iter().flat_map(|stage| stage.outputs.iter().map(move |output| (stage, output)));
    let same = outputs.filter(|(_, (_, output))| output.digest == *digest);
    same.map(|(stage, (output, _))| Made { run, stage, output }).collect()
}
