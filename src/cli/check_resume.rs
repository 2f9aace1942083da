//! `kiln run --check-resume`.

use std::collections::BTreeSet;

use kiln::engine::{self, Interrupt, Means};
use kiln::pipeline::{Pipeline, StageId};
use kiln::store::Store;

use super::args::Run;
use super::determinism::Needs;
use super::render::look::Look;
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, render};

/// Executes each of the stages in a single go and in two halves, once all that it needs is up to date.
pub(crate) fn check(
    pipeline: &Pipeline,
    store: &Store,
    args: &Run,
    stages: &BTreeSet<StageId>,
    jobs: usize,
    interrupt: &Interrupt,
) -> Result<u8, Stop> {
    let worker = std::env::current_exe()?;
    let means = Means { jobs, worker: &worker, interrupt };
    let needs = Needs { set: &args.select.set, quiet: args.quiet, overwrite: args.force_overwrite };
    let mut checked = Vec::new();
    for &id in stages {
        if let Some(code) = needs.bring(pipeline, store, id, &means)? {
            return Ok(code);
        }
        let mut note = |text: &str| {
            if !args.quiet {
                render::talk(&format!("{text}\n"));
            }
        };
        match engine::check_resume(pipeline, store, id, &means, &mut note) {
            Ok(check) => checked.push(check),
            Err(Some(why)) => return Err(Stop::Error(anyhow::anyhow!(why))),
            Err(None) => return Ok(EXIT_INTERRUPTED),
        }
    }
    store.memo().save()?;
    if args.json {
        render::json(&serde_json::json!({ "version": 1, "stages": checked }))?;
    } else {
        render::data(&render::check_resume::text(&checked, &Look::stdout()))?;
    }
    Ok(if checked.iter().all(engine::ResumeCheck::is_same) { 0 } else { EXIT_FAILED })
}
