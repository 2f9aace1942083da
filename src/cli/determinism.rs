//! `kiln run --check-determinism`.

use std::collections::BTreeSet;

use kiln::engine::{self, Interrupt, Means, Options, Step};
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
    let means = Means { jobs, worker: &worker, interrupt };
    let needs = Needs { set: &args.select.set, quiet: args.quiet, overwrite: args.force_overwrite };
    let mut checked = Vec::new();
    let mut told = BTreeSet::new();
    for &id in stages {
        let name = pipeline.stages[id.0].name.to_string();
        if let Some(code) = needs.bring(pipeline, store, id, &means)? {
            return Ok(code);
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
        match engine::check_determinism(pipeline, store, id, &means, &mut note) {
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

/// How what a stage needs is brought up to date before it is tried.
pub(super) struct Needs<'a> {
    /// `--set` arguments, for the record.
    pub(super) set: &'a [String],
    /// Whether nothing is said of it but mistakes.
    pub(super) quiet: bool,
    /// Whether outputs replace what Kiln did not make.
    pub(super) overwrite: bool,
}

impl Needs<'_> {
    /// Brings what a stage needs up to date; returns the code to end with if that did not go well.
    pub(super) fn bring(
        &self,
        pipeline: &Pipeline,
        store: &Store,
        id: StageId,
        means: &Means<'_>,
    ) -> Result<Option<u8>, Stop> {
        let name = pipeline.stages[id.0].name.to_string();
        let mut needed = pipeline::select(pipeline, std::slice::from_ref(&name)).map_err(Stop::Mistakes)?;
        needed.remove(&id);
        let ownership = Ownership::new(store, &pipeline.root, self.overwrite);
        let plan = engine::plan(pipeline, store, &needed, &BTreeSet::new(), &ownership, None);
        // What can be restored need not be in place.
        if plan.iter().any(|planned| !matches!(planned.step, Step::UpToDate | Step::Restore)) {
            let (worker, set) = (means.worker.to_owned(), self.set.to_vec());
            let before = Options {
                stages: needed,
                force: BTreeSet::new(),
                keep: BTreeSet::new(),
                jobs: means.jobs,
                keep_going: false,
                executor: None,
                leave_jobs: false,
                verbose: false,
                overwrite: self.overwrite,
                worker,
                set,
                git: None,
                identity: None,
                remote: None,
            };
            let mut reporter = render::reporter(self.quiet);
            match engine::run(pipeline, store, &before, means.interrupt, reporter.as_mut())?.status {
                RunStatus::Ok => {}
                RunStatus::Failed => return Ok(Some(EXIT_FAILED)),
                RunStatus::Interrupted | RunStatus::Running | RunStatus::Killed => return Ok(Some(EXIT_INTERRUPTED)),
            }
        }
        Ok(None)
    }
}
