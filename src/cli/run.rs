//! `kiln run`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kiln::catalog::catalog;
use kiln::engine::{self, Interrupt, Means, Options, Planned, RecordedKeys, Step};
use kiln::events::RunEvent;
use kiln::pipeline::{self, ExecutorSpec, From, Input, Pipeline, StageId};
use kiln::reason::Reason;
use kiln::record::{Outcome, RunRecord, RunStatus, StageRecord};
use kiln::store::{Access, Ownership, Project, Store};
use serde_json::Value;

use super::page::Target;
use super::select::{Far, ProjectArgs, Select};
use super::trials::Trials;
use super::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, Stop, claim, named, project, remote, render, report};

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The pipeline file, if the first ends in .yaml or .yml; then the stages wanted, with everything they need:
    /// `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "PIPELINE|STAGE")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Execute this stage (`train`, `train[model=5]`, `eval*`) whatever the cache has, if it is one of those that are run; what
    /// it needs is brought up to date as always. May be repeated.
    #[arg(long, value_name = "STAGE")]
    pub(crate) force: Vec<String>,
    /// Put outputs in place even where something lies that Kiln did not make, or that was changed since.
    #[arg(long)]
    pub(crate) force_overwrite: bool,
    /// Execute this stage twice and compare the outputs; publish nothing. May be repeated.
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["force", "dry_run", "keep_going"])]
    pub(crate) check_determinism: Vec<String>,
    /// Take sources that are not here to be what they were in the run of the commit that is checked out, which this cache has or the remote one;
    /// without such a run, in the last run here. What depends on them comes from the caches, if it is as it was.
    #[arg(long, conflicts_with_all = ["watch", "detach", "discover", "check_determinism", "check_resume"])]
    pub(crate) allow_missing: bool,
    #[command(flatten)]
    pub(crate) far: Far,
    /// Leave outputs in the remote cache that nothing which is executed needs [default: `lazy` of the pipeline file].
    #[arg(long)]
    pub(crate) lazy: bool,
    /// Execute this stage, which is made of steps, in a single go and then in two halves; say which state and which output differ first, down to
    /// the tensor; publish nothing. May be repeated.
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["force", "dry_run", "keep_going", "check_determinism"])]
    pub(crate) check_resume: Vec<String>,
    /// If this stage fails or is stopped, keep the folder that it ran in for a week, and say where. May be repeated.
    #[arg(long, value_name = "STAGE", conflicts_with = "dry_run")]
    pub(crate) keep: Vec<String>,
    /// Execute this stage once with all of the project open to it, and say which inputs it has to declare; publish nothing.
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["force", "dry_run", "keep_going", "check_determinism", "watch", "json"])]
    pub(crate) discover: Option<String>,
    /// With `--discover`, write them into the pipeline file.
    #[arg(long, requires = "discover")]
    pub(crate) write: bool,
    /// How many processors to keep busy [default: all].
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Who runs the stages: `local`, `slurm`, `slurm:partition=NAME,time=2h,memory=8GB` [default: what the profile or the file says].
    #[arg(long, value_name = "NAME[:OPTIONS]", value_parser = executor)]
    pub(crate) executor: Option<ExecutorSpec>,
    /// When the run is stopped, leave jobs on a cluster running; the next run takes their results.
    #[arg(long)]
    pub(crate) leave_jobs: bool,
    /// Go on in a process of its own that needs no terminal, and return at once; `status` says how far it is.
    #[arg(long, conflicts_with_all = ["watch", "dry_run", "check_determinism", "json"])]
    pub(crate) detach: bool,
    /// After a failure, go on with what does not depend on it.
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Say what would be done, and do nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Run again whenever a source, a model file or the pipeline file changes, until Ctrl-C; `--force` and
    /// `--force-overwrite` count for the first run only.
    #[arg(short, long, conflicts_with_all = ["check_determinism", "check_resume", "dry_run"])]
    pub(crate) watch: bool,
    /// End with the run record as JSON on standard output; with `--watch`, one a run; with `--dry-run`, what `status --json` says.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say how things are done, such as whether a large input is copied.
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing but mistakes.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Reads `--executor`.
fn executor(text: &str) -> Result<ExecutorSpec, String> {
    ExecutorSpec::parse(text)
}

pub(crate) fn run(place: &ProjectArgs, args: &Run) -> Result<u8, Stop> {
    once(place, args, &Interrupt::default(), true)
}

/// One run. `force` says whether `--force` and `--force-overwrite` count.
pub(crate) fn once(place: &ProjectArgs, args: &Run, interrupt: &Interrupt, force: bool) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let (identity, cache) = project::identity(place, &file, &args.select)?;
    let mut reporter = render::reporter(args.quiet);
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let options = Options {
        stages: BTreeSet::new(),
        force: BTreeSet::new(),
        keep: BTreeSet::new(),
        jobs,
        keep_going: args.keep_going,
        executor: args.executor.clone(),
        leave_jobs: args.leave_jobs,
        verbose: args.verbose,
        overwrite: args.force_overwrite && force,
        worker: std::env::current_exe()?,
        set: args.select.set.clone(),
        git: None,
        absent: RecordedKeys::new(),
        identity: Some(identity.clone()).filter(|_| !args.allow_missing),
        remote: None,
    };
    let whole = !args.allow_missing
        && targets.is_empty()
        && args.force.is_empty()
        && args.check_determinism.is_empty()
        && args.check_resume.is_empty()
        && args.keep.is_empty()
        && args.discover.is_none();
    // Where a remote cache was named here, the pipeline file does not say all.
    if whole
        && args.far.remote.is_none()
        && !args.dry_run
        && !args.json
        && cache.is_dir()
        && let Some((record, report)) =
            engine::rerun(&identity, &cache, &catalog(), &options, interrupt, reporter.as_mut())?
    {
        drop(reporter);
        if let Some(report) = report {
            if !args.watch {
                interrupt.release();
            }
            let project = Project::at(&identity.root, &identity.file);
            report::after_run(&report, project, Store::look(&cache)?, &record, args.quiet, options.overwrite)?;
        }
        let code = code(&record);
        std::mem::forget(record);
        return Ok(code);
    }
    let access = if args.dry_run { Access::Look } else { Access::Write };
    let (pipeline, store, absent) = if args.allow_missing {
        project::open_without_sources(place, &file, &args.select, access)?
    } else {
        let (pipeline, store) = project::open(place, &identity, &cache, &args.select, access)?;
        (pipeline, store, vec![])
    };
    let absent = named::keys_without(&absent, place, &args.far)?;
    for (checked, option) in [(&args.check_determinism, "--check-determinism"), (&args.check_resume, "--check-resume")]
    {
        if !checked.is_empty() {
            alone(&targets, option)?;
        }
    }
    let stages = project::selected(&pipeline, &targets)?;
    let force = if force { forced(&pipeline, &args.force, &stages)? } else { BTreeSet::new() };
    if args.dry_run {
        let ownership = Ownership::new(&store, &pipeline.root, args.force_overwrite);
        let remote = remote::open(&pipeline, &store, &args.far, args.lazy)?;
        let plan = engine::plan(
            &pipeline,
            &store,
            &stages,
            &force,
            &ownership,
            remote.as_ref().map(|remote| (remote, true)),
            &absent,
        );
        render::remote::news(remote.as_ref());
        if args.json {
            render::json(&super::status::report(&pipeline, &plan, &[]))?;
        } else {
            render::data(&render::list::plan(&plan))?;
        }
        let code = planned_code(&plan);
        let quiet = plan.iter().all(|p| matches!(p.step, Step::UpToDate | Step::Restore));
        if let Some(report) = pipeline.report.as_ref().filter(|_| !quiet && plan.len() == pipeline.stages.len()) {
            let project = Project::at(&pipeline.root, &pipeline.file);
            let page = report::place_of(&report.page, &pipeline.root, &project);
            let target = Target::within(&pipeline.root, &page, &store, args.force_overwrite);
            target.check().unwrap_or_else(|error| render::report::none(&error, "there will be no report of the run"));
        }
        std::mem::forget((pipeline, plan));
        return Ok(code);
    }
    let Some(_claim) = claim::wait(&store, &pipeline.root, Some(interrupt), &mut |text: &str| {
        reporter.tell(&RunEvent::Note { text: text.to_owned() });
    })?
    else {
        return Ok(EXIT_INTERRUPTED);
    };
    let remote = remote::open(&pipeline, &store, &args.far, args.lazy)?.map(Arc::new);
    let trials = Trials {
        pipeline: &pipeline,
        store: &store,
        means: Means { jobs, worker: &options.worker, interrupt, remote: remote.as_ref() },
        select: &args.select,
        quiet: args.quiet,
        overwrite: args.force_overwrite,
    };
    if !args.check_determinism.is_empty() {
        let stages = project::named(&pipeline, &args.check_determinism)?;
        return super::determinism::check(&trials, &stages, args.json);
    }
    if let Some(stage) = &args.discover {
        return super::inputs::find(place, &trials, stage, args.write);
    }
    if !args.check_resume.is_empty() {
        let stages = project::named(&pipeline, &args.check_resume)?;
        return super::check_resume::check(&trials, &stages, args.json);
    }
    as_it_is(&pipeline, &stages, &args.select);
    let keep = project::named(&pipeline, &args.keep)?;
    let options = Options { stages, force, keep, remote, absent, ..options };
    let record = engine::run(&pipeline, &store, &options, interrupt, reporter.as_mut())?;
    drop(reporter);
    if let Some(remote) = options.remote.as_deref() {
        named::after_run(remote, &pipeline, &record);
    }
    if !args.watch {
        // A page can be rendered at any time.
        interrupt.release();
    }
    // A run of a few stages would leave a page with most of it missing.
    if let Some(report) = pipeline.report.as_ref().filter(|_| record.stages.len() == pipeline.stages.len()) {
        let project = Project::at(&pipeline.root, &pipeline.file);
        report::after_run(report, project, store, &record, args.quiet, options.overwrite)?;
    }
    if args.json {
        render::json(&record)?;
    }
    let code = code(&record);
    // The process is about to end: taking a large pipeline apart would only take time.
    std::mem::forget((pipeline, record));
    Ok(code)
}

/// Says which stages take a file of parameters as it is, where `--set` or the profile lays other values over it: they do not get these.
fn as_it_is(pipeline: &Pipeline, stages: &BTreeSet<StageId>, select: &Select) {
    if select.set.is_empty() && select.profile.is_none() {
        return;
    }
    for (file, _) in &pipeline.param_files {
        let whole = |input: &Input| matches!(&input.from, From::Source(path) if path == file) && input.view.is_none();
        let takes =
            stages.iter().map(|id| &pipeline.stages[id.0]).filter(|stage| stage.inputs.values().flatten().any(whole));
        let names: BTreeSet<&str> = takes.map(|stage| stage.name.stage.as_str()).collect();
        let over = if names.is_empty() { vec![] } else { laid_over(pipeline, file) };
        if !over.is_empty() {
            let (file, keys) = (file.display(), over.join(", "));
            let more = names.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names: Vec<&str> = names.into_iter().take(NAMED).collect();
            render::talk(&format!(
                "warning: {}{more}: the input {file} is the file as it is, and other values are in force: {keys}\n\
                 hint: the input `{{path: {file}, keys: [{keys}]}}` has the values that are in force\n",
                names.join(", ")
            ));
        }
    }
}

/// So many stages are named.
const NAMED: usize = 4;

/// The names in a file of parameters that have other values in force.
fn laid_over(pipeline: &Pipeline, file: &Path) -> Vec<String> {
    let Some(Value::Object(values)) = pipeline::file_values(&pipeline.root, file) else { return vec![] };
    let other = |(name, value): (String, Value)| (pipeline.params.get(&name) != Some(&value)).then_some(name);
    values.into_iter().filter_map(other).collect()
}

fn code(record: &RunRecord) -> u8 {
    match record.status {
        RunStatus::Ok => 0,
        RunStatus::Failed => {
            let mut failed = record.stages.iter().filter(|stage| stage.outcome == Outcome::Failed).peekable();
            let is_mistake = |stage: &StageRecord| stage.failure.as_ref().is_some_and(|failure| failure.is_mistake());
            if failed.peek().is_some() && failed.all(is_mistake) { EXIT_USAGE } else { EXIT_FAILED }
        }
        // The last two are no ends.
        RunStatus::Interrupted | RunStatus::Running | RunStatus::Killed => EXIT_INTERRUPTED,
    }
}

/// How a run would end that finds what a plan found.
fn planned_code(plan: &[Planned]) -> u8 {
    let failing: Vec<&Planned> = plan.iter().filter(|planned| planned.step == Step::Fail).collect();
    let is_mistake = |reason: &Reason| matches!(reason, Reason::LeadsIntoStore { .. });
    match failing.iter().all(|planned| planned.reasons.iter().all(is_mistake)) {
        _ if failing.is_empty() => 0,
        true => EXIT_USAGE,
        false => EXIT_FAILED,
    }
}

/// The stages to execute whatever the cache has: those of the run that one of the names stands for. Which stages are run is said by the
/// targets alone, so a name that is none of them changes nothing, and that is told.
fn forced(pipeline: &Pipeline, names: &[String], stages: &BTreeSet<StageId>) -> Result<BTreeSet<StageId>, Stop> {
    let mut forced = BTreeSet::new();
    for name in names {
        let named = project::named(pipeline, std::slice::from_ref(name))?;
        let before = forced.len();
        forced.extend(named.intersection(stages));
        if forced.len() == before && named.is_disjoint(stages) {
            render::talk(&format!(
                "kiln: `--force {name}` changes nothing: this run is of other stages\n\
                 hint: `--force` takes one name; the names without it say which stages are run. Name `{name}` there as well\n"
            ));
        }
    }
    Ok(forced)
}

/// An option that checks takes one name: others beside it were meant for something else.
fn alone(targets: &[String], option: &str) -> Result<(), Stop> {
    match targets.first() {
        None => Ok(()),
        Some(name) => Err(Stop::Usage(format!(
            "`{name}` says nothing beside `{option}`\nhint: to check several stages, write `{option}` before each"
        ))),
    }
}
