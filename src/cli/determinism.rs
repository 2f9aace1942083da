//! `kiln run --check-determinism`.

use std::collections::BTreeSet;

use kiln::engine::{self, Interrupt, Options, Step};
use kiln::pipeline::{self, Pipeline, StageId};
use kiln::record::RunStatus;
use kiln::store::{Ownership, Store};

use super::args::Run;
use super::render::look::Look;
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, render};

/// Executes each of the stages twice, once all that it needs is up to date.
pub(crate) fn check(
    pipeline: &Pipeline,
    store: &Store,
    args: &Run,
    stages: &BTreeSet<StageId>,
    jobs: usize,
    interrupt: &Interrupt,
) -> Result<u8, Stop> {
    let worker = std::env::current_exe()?;
    let mut checked = Vec::new();
    let mut told = BTreeSet::new();
    for &id in stages {
        let name = pipeline.stages[id.0].name.to_string();
        let mut needed = pipeline::select(pipeline, std::slice::from_ref(&name)).map_err(Stop::Mistakes)?;
        needed.remove(&id);
        let ownership = Ownership::new(store, &pipeline.root, args.force_overwrite);
        let plan = engine::plan(pipeline, store, &needed, &BTreeSet::new(), &ownership, None);
        // What can be restored need not be in place.
        if plan.iter().any(|planned| !matches!(planned.step, Step::UpToDate | Step::Restore)) {
            let (worker, set) = (worker.clone(), args.select.set.clone());
            let before = Options {
                stages: needed,
                force: BTreeSet::new(),
                jobs,
                keep_going: false,
                overwrite: args.force_overwrite,
                worker,
                set,
                git: None,
                identity: None,
                remote: None,
            };
            let mut reporter = render::reporter(args.quiet);
            match engine::run(pipeline, store, &before, interrupt, reporter.as_mut())?.status {
                RunStatus::Ok => {}
                RunStatus::Failed => return Ok(EXIT_FAILED),
                RunStatus::Interrupted | RunStatus::Running | RunStatus::Killed => return Ok(EXIT_INTERRUPTED),
            }
        }
        if !args.quiet {
            render::talk(&format!("{name}: executing it twice\n"));
        }
        let mut note = |text: &str| {
            // Once, for however many stages.
            if told.insert(text.to_owned()) {
                render::talk(&format!("kiln: {text}\n"));
            }
        };
        match engine::check_determinism(pipeline, store, id, jobs, &worker, interrupt, &mut note) {
            Ok(twice) => checked.push(twice),
            Err(Some(why)) => return Err(Stop::Error(anyhow::anyhow!(why))),
            Err(None) => return Ok(EXIT_INTERRUPTED),
        }
    }
    store.memo().save()?;
    if args.json {
        render::json(&serde_json::json!({ "version": 1, "stages": checked }))?;
    } else {
        render::data(&render::determinism::text(&checked, &Look::stdout()))?;
    }
    Ok(if checked.iter().all(|twice| twice.differences.is_empty()) { 0 } else { EXIT_FAILED })
}
