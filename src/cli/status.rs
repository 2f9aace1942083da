//! `kiln status`: which stages are up to date, which are dirty and why, and which wait for those.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use kiln::engine::{self, Planned, RecordedKeys, Step};
use kiln::pipeline::Pipeline;
use kiln::reason::Reason;
use kiln::show::reason::words;
use kiln::store::{Access, Ownership, Project, Traced};
use serde::Serialize;
use serde_json::{Value, json};

use super::render::look::Look;
use super::runs::under_way;
use super::select::{ProjectArgs, Select};
use super::{Stop, project, remote, render};

#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The stages wanted, with everything they need: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    targets: Vec<String>,
    #[command(flatten)]
    select: Select,
    /// List every stage on a line of its own, those that are up to date too.
    #[arg(short, long)]
    all: bool,
    /// As JSON.
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

/// How a stage stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// An input cannot be read, or something that is not Kiln's lies where an output goes: a run would fail.
    Broken,
    /// A run would execute it.
    Dirty,
    /// A run would put its outputs in place from the cache.
    Restorable,
    /// It depends on what a dirty stage will give.
    Waiting,
    /// A run would do nothing.
    UpToDate,
}

impl State {
    pub(crate) fn of(step: &Step) -> Self {
        match step {
            Step::UpToDate => Self::UpToDate,
            Step::Restore => Self::Restorable,
            Step::Execute => Self::Dirty,
            Step::Depends(_) => Self::Waiting,
            Step::Fail => Self::Broken,
        }
    }

    /// As people write it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Dirty => "dirty",
            Self::Restorable => "restorable",
            Self::Waiting => "waiting",
            Self::UpToDate => "up to date",
        }
    }
}

/// What a run would do with each stage, as JSON.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    version: u32,
    /// The runs of the project that go on.
    runs: Vec<Value>,
    counts: BTreeMap<State, usize>,
    stages: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    stage: &'a str,
    variant: BTreeMap<&'a str, &'a str>,
    state: State,
    /// In words.
    reasons: Vec<String>,
    /// As data.
    causes: &'a [Reason],
    waits_for: &'a [String],
    warnings: &'a [String],
}

pub(crate) fn status(place: &ProjectArgs, args: &Status) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let (pipeline, store, absent) = project::open_without_sources(place, &file, &args.select, Access::Look)?;
    project::tell_absent(&absent);
    let stages = project::selected(&pipeline, &targets)?;
    // Who asks while a run goes on wants to know how it goes, and that at once.
    let runs: Vec<Traced> =
        store.traces(Some(&Project::at(&pipeline.root, &pipeline.file))).into_iter().filter(|run| run.alive).collect();
    if !args.json {
        render::data(&render::under_way::runs(&runs, &Look::stdout()))?;
    }
    let ownership = Ownership::new(&store, &pipeline.root, false);
    // It is not asked: this is a look at what is here, and what is known to be there.
    let remote = remote::unasked(&pipeline, &store);
    let plan = engine::plan(
        &pipeline,
        &store,
        &stages,
        &BTreeSet::new(),
        &ownership,
        remote.as_ref().map(|remote| (remote, false)),
        &RecordedKeys::new(),
    );
    if args.json {
        render::json(&report(&pipeline, &plan, &runs))?;
    } else {
        render::data(&render::status::status(&plan, args.all, &Look::stdout()))?;
        render::data(&render::status::uncounted(&engine::uncounted(&pipeline, &stages)))?;
    }
    Ok(0)
}

/// The plan for programs, of `status` and of a dry run alike.
pub(crate) fn report<'a>(pipeline: &'a Pipeline, plan: &'a [Planned], runs: &[Traced]) -> Report<'a> {
    let all = [State::UpToDate, State::Dirty, State::Restorable, State::Waiting, State::Broken];
    let mut counts: BTreeMap<State, usize> = all.into_iter().map(|state| (state, 0)).collect();
    let stages = plan.iter().map(|planned| {
        let state = State::of(&planned.step);
        *counts.entry(state).or_default() += 1;
        let name = &pipeline.stages[planned.id.0].name;
        let waits_for: &[String] = if let Step::Depends(names) = &planned.step { names } else { &[] };
        Line {
            name: &planned.name,
            stage: &name.stage,
            variant: name.variant.iter().map(|(axis, value)| (axis.as_str(), value.as_str())).collect(),
            state,
            reasons: planned.reasons.iter().map(words).collect(),
            causes: &planned.reasons,
            waits_for,
            warnings: &planned.warnings,
        }
    });
    let stages = stages.collect();
    let runs =
        runs.iter().map(|run| json!({ "id": run.began.id, "seconds": run.seconds(), "under_way": under_way(run) }));
    Report { version: 1, runs: runs.collect(), counts, stages }
}
