//! `kiln run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kiln::engine::{self, Interrupt, Options, Reporter, Silent, Step};
use kiln::pipeline::{self, Pipeline, StageId};
use kiln::record::RunStatus;

use super::args::{Place, Run};
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, project, render};

pub(crate) fn run(place: &Place, args: &Run) -> Result<u8, Stop> {
    let (file, targets) = pipeline_and_targets(&place.file, &args.targets);
    let pipeline = project::load(&file, &args.select)?;
    let stages = selected(&pipeline, &targets)?;
    let force = if args.force.is_empty() { BTreeSet::new() } else { named(&pipeline, &args.force)? };
    let store = project::store(place, &pipeline.root)?;
    if args.dry_run {
        let plan = engine::plan(&pipeline, &store, &stages, &force);
        store.memo().save()?;
        render::data(&render::list::plan(&plan))?;
        return Ok(if plan.iter().any(|p| p.step == Step::Fail) { EXIT_FAILED } else { 0 });
    }
    let options = Options {
        stages: stages.union(&force).copied().collect(),
        force,
        jobs: args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
        keep_going: args.keep_going,
        worker: std::env::current_exe()?,
        set: args.select.set.clone(),
    };
    let interrupt = Interrupt::listen()?;
    let mut reporter: Box<dyn Reporter> = if args.quiet { Box::new(Silent) } else { render::reporter() };
    let record = engine::run(&pipeline, &store, &options, &interrupt, reporter.as_mut())?;
    drop(reporter);
    if args.json {
        render::json(&record)?;
    }
    Ok(match record.status {
        RunStatus::Ok => 0,
        RunStatus::Failed => EXIT_FAILED,
        RunStatus::Interrupted => EXIT_INTERRUPTED,
    })
}

/// `kiln run pipeline.yaml train`: a first argument that looks like a YAML file is the pipeline file.
fn pipeline_and_targets(file: &Path, targets: &[String]) -> (PathBuf, Vec<String>) {
    match targets.split_first() {
        Some((first, rest)) if first.ends_with(".yaml") || first.ends_with(".yml") => (first.into(), rest.to_vec()),
        _ => (file.to_owned(), targets.to_vec()),
    }
}

/// The stages asked for, with everything they need; all of them if none is named.
fn selected(pipeline: &Pipeline, targets: &[String]) -> Result<BTreeSet<StageId>, Stop> {
    if targets.is_empty() {
        return Ok((0..pipeline.stages.len()).map(StageId).collect());
    }
    pipeline::select(pipeline, targets).map_err(Stop::Mistakes)
}

/// The stages named, without what they need.
fn named(pipeline: &Pipeline, names: &[String]) -> Result<BTreeSet<StageId>, Stop> {
    pipeline::matching(pipeline, names).map_err(Stop::Mistakes)
}
