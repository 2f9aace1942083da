//! `kiln run`.

use std::collections::BTreeSet;

use kiln::catalog::catalog;
use kiln::engine::{self, Interrupt, Options, Reporter, Silent, Step};
use kiln::record::RunStatus;

use super::args::{Place, Run};
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, project, render, report};

pub(crate) fn run(place: &Place, args: &Run) -> Result<u8, Stop> {
    if args.watch {
        return super::watch::watch(place, args);
    }
    once(place, args, &Interrupt::listen()?, true)
}

/// One run. `force` says whether `--force` counts.
pub(crate) fn once(place: &Place, args: &Run, interrupt: &Interrupt, force: bool) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let (identity, cache) = project::identity(place, &file, &args.select)?;
    let mut reporter: Box<dyn Reporter> = if args.quiet { Box::new(Silent) } else { render::reporter() };
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let options = Options {
        stages: BTreeSet::new(),
        force: BTreeSet::new(),
        jobs,
        keep_going: args.keep_going,
        worker: std::env::current_exe()?,
        set: args.select.set.clone(),
        identity: Some(identity.clone()),
    };
    let whole = targets.is_empty() && args.force.is_empty() && args.check_determinism.is_empty();
    if whole
        && !args.dry_run
        && !args.json
        && cache.is_dir()
        && let Some(record) = engine::rerun(&identity, &cache, &catalog(), &options, interrupt, reporter.as_mut())?
    {
        let code = code(record.status);
        std::mem::forget(record);
        return Ok(code);
    }
    let (pipeline, store) = project::open(&identity, &cache, &args.select)?;
    let stages = project::selected(&pipeline, &targets)?;
    let force = if args.force.is_empty() || !force { BTreeSet::new() } else { project::named(&pipeline, &args.force)? };
    if args.dry_run {
        let plan = engine::plan(&pipeline, &store, &stages, &force);
        store.memo().save()?;
        render::data(&render::list::plan(&plan))?;
        let code = if plan.iter().any(|p| p.step == Step::Fail) { EXIT_FAILED } else { 0 };
        std::mem::forget((pipeline, plan));
        return Ok(code);
    }
    if !args.check_determinism.is_empty() {
        let stages = project::named(&pipeline, &args.check_determinism)?;
        return super::determinism::check(&pipeline, &store, args, &stages, jobs, interrupt);
    }
    let options = Options { stages: stages.union(&force).copied().collect(), force, ..options };
    let record = engine::run(&pipeline, &store, &options, interrupt, reporter.as_mut())?;
    drop(reporter);
    report::after_run(&pipeline, store, &record, args.quiet)?;
    if args.json {
        render::json(&record)?;
    }
    let code = code(record.status);
    // The process is about to end: taking a large pipeline apart would only take time.
    std::mem::forget((pipeline, record));
    Ok(code)
}

fn code(status: RunStatus) -> u8 {
    match status {
        RunStatus::Ok => 0,
        RunStatus::Failed => EXIT_FAILED,
        RunStatus::Interrupted => EXIT_INTERRUPTED,
    }
}
