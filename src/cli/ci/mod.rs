//! `kiln ci`: what a change did, as one Markdown text for a pull request, posted as one comment that is updated.

mod forge;
mod post;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use kiln::compare::{self, Comparison, Gate, GateResult, Over};
use kiln::record::{RunRecord, RunStatus};

use super::past::Past;
use super::select::{Far, ProjectArgs};
use super::{EXIT_FAILED, Stop, named, render};
use forge::Forge;

/// Fewer characters than any of the forges takes.
const LIMIT: usize = 65_000;

/// The axis that is put together if nobody names one.
const SEED: &str = "seed";

#[derive(Args, Debug)]
pub(crate) struct Ci {
    /// The run that is told: an id or its beginning, `latest`, a tag, a revision of Git's.
    #[arg(default_value = "latest")]
    run: String,
    /// What it is compared with: a run or a revision [default: where the pull request leaves its target branch; on a push the commit
    /// before].
    #[arg(long, value_name = "RUN")]
    base: Option<String>,
    /// Where the base has no run, check it out into a folder of its own and run it with the same cache.
    #[arg(long = "run-base")]
    run_base: bool,
    /// End with 1 if a metric is like this, as `compare` has it. May be repeated.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<String>,
    /// Put variants together that differ in this matrix axis only, with mean and standard deviation [default: `seed`, if there is
    /// such an axis].
    #[arg(long, value_name = "AXIS")]
    over: Option<String>,
    /// Where the files of this run can be seen, as an address; `{path}` in it stands for a file's path, which else is put behind it.
    #[arg(long, value_name = "URL")]
    artifacts: Option<String>,
    /// The same of the base.
    #[arg(long, value_name = "URL")]
    base_artifacts: Option<String>,
    /// What tells this comment from others of Kiln's on the same pull request [default: the pipeline file].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Post the text as a comment on the pull request, or update the one that is there. Where that cannot be done it goes to the job's
    /// summary, or to standard output.
    #[arg(long)]
    comment: bool,
    /// Write the text to a file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    far: Far,
}

pub(crate) fn ci(place: &ProjectArgs, args: &Ci) -> Result<u8, Stop> {
    let gates: Vec<Gate> =
        args.fail_if.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(super::compare::usage)?;
    let past = Past::open(place)?;
    let last = past.find(&args.run)?;
    let judges = !gates.is_empty();
    if args.run == "latest" {
        named::is_of_head(&past, &last, judges)?;
    }
    let base = base(&past, place, args)?;
    if let Some(base) = &base {
        named::are_two(base, &last, judges)?;
    }
    let runs: Vec<RunRecord> = base.into_iter().chain([last]).collect();
    let comparison = compare::diff(&runs).look_into(&runs, &past.evidence());
    let over = over(&comparison, args)?;
    let results = gates.iter().map(|gate| match &over {
        Some(over) => over.check(gate, &comparison),
        None => gate.check(&comparison),
    });
    let results: Vec<GateResult> = results.collect::<Result<_, _>>().map_err(super::compare::usage)?;
    let name = args.name.clone().unwrap_or_else(|| past.project.pipeline.to_string_lossy().into_owned());
    let text = render::ci::Text {
        marker: &post::marker(&name),
        runs: &runs,
        comparison: &comparison,
        over: over.as_ref(),
        gates: &results,
        artifacts: [args.base_artifacts.as_deref(), args.artifacts.as_deref()],
    };
    deliver(args, &name, &text.markdown(LIMIT))?;
    for failure in results.iter().flat_map(render::gates::failures) {
        render::error(&failure);
    }
    let failed =
        results.iter().any(|result| result.failed) || runs.last().is_some_and(|run| run.status != RunStatus::Ok);
    Ok(if failed { EXIT_FAILED } else { 0 })
}

/// The run that is compared with. On a first commit there is none.
fn base(past: &Past, place: &ProjectArgs, args: &Ci) -> Result<Option<RunRecord>, Stop> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let name = match (&args.base, set("GITHUB_BASE_REF"), set("CI_MERGE_REQUEST_DIFF_BASE_SHA")) {
        (Some(base), _, _) => base.clone(),
        (None, Some(branch), _) => past.fork(&format!("origin/{branch}"), "HEAD")?,
        (None, None, Some(commit)) => commit,
        (None, None, None) => match past.in_repository()?.commit("HEAD~1") {
            Ok(before) => before.id,
            Err(_) => return Ok(None),
        },
    };
    let judges = !args.fail_if.is_empty();
    let asked = named::Asked { name: &name, runs: args.run_base, judges, command: "kiln ci --run-base" };
    named::compared(past, place, &args.far, &asked).map(Some)
}

fn over(comparison: &Comparison, args: &Ci) -> Result<Option<Over>, Stop> {
    let axis = match &args.over {
        Some(axis) => axis,
        None if comparison.has_axis(SEED) => SEED,
        None => return Ok(None),
    };
    comparison.over(axis).map(Some).map_err(super::compare::usage)
}

/// Brings the text where it was asked for.
fn deliver(args: &Ci, name: &str, text: &str) -> Result<(), Stop> {
    if let Some(file) = &args.output {
        fs::write(file, text).map_err(|error| Stop::Usage(format!("cannot write {}: {error}", file.display())))?;
    }
    if !args.comment {
        if args.output.is_none() {
            render::data(text)?;
        }
        return Ok(());
    }
    let posted = Forge::of_environment().and_then(|forge| post::post(&forge, name, text));
    match posted {
        Ok(posted) => render::talk(&format!("{posted}\n")),
        Err(why) => {
            render::talk(&format!("no comment: {why}\n"));
            summarise(text)?;
        }
    }
    Ok(())
}

/// Puts the text into the job's summary, or else on standard output.
fn summarise(text: &str) -> Result<(), Stop> {
    if let Some(file) = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
        let opened = fs::OpenOptions::new().append(true).create(true).open(&file);
        match opened.and_then(|mut summary| writeln!(summary, "{text}")) {
            Ok(()) => {
                render::talk("the text is in the summary of the job\n");
                return Ok(());
            }
            Err(error) => render::talk(&format!("cannot write the summary of the job: {error}\n")),
        }
    }
    Ok(render::data(text)?)
}
