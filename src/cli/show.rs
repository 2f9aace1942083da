//! `kiln show`: a stage as the pipeline has it with its last result, or a run in readable form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use kiln::action::ENVIRONMENT;
use kiln::compare::Evidence as _;
use kiln::engine::{self, Records, States};
use kiln::kind::Role;
use kiln::pipeline::{Body, Command, From, Pipeline, Stage, StageId};
use kiln::record::{RunRecord, StageRecord};
use kiln::store::Traced;
use serde::Serialize;
use serde_json::{Value, json};

use super::past::Past;
use super::render::look::Look;
use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A stage (`train`, `train[model=5]`, `eval*`), a file or folder, of which is told which run made it, wherever it lies, or a run (an id
    /// or its beginning, `latest`, `latest~2`, a tag, a revision of Git's).
    #[arg(value_name = "STAGE|FILE|RUN")]
    what: String,
    #[command(flatten)]
    select: Select,
    /// Show every stage of a run on a line of its own, and every number.
    #[arg(short, long)]
    all: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A stage as the pipeline has it, and its last result.
#[derive(Serialize)]
pub(crate) struct Shown {
    /// `train[model=5]`.
    pub(crate) name: String,
    /// The kind; `None` for a command.
    pub(crate) uses: Option<String>,
    /// Its parameters, resolved and with defaults; of a command the command and its environment.
    pub(crate) params: Value,
    /// The program that runs its script, with its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shell: Option<String>,
    /// Where its inputs come from.
    pub(crate) inputs: Vec<InputShown>,
    /// What it gives.
    pub(crate) outputs: Vec<OutputShown>,
    /// The interpreters, packages and programs in the key of the last result, and their versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Value>,
    /// The states that its steps have left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) states: Option<States>,
    /// The newest run that has it, and what it says of it.
    pub(crate) last: Option<LastRun>,
}

/// One artifact of an input.
#[derive(Serialize)]
pub(crate) struct InputShown {
    pub(crate) input: String,
    /// The output it is (`split.split`), or `None` for a source.
    pub(crate) from: Option<String>,
    pub(crate) path: PathBuf,
}

/// An output, as the pipeline declares it.
#[derive(Serialize)]
pub(crate) struct OutputShown {
    pub(crate) output: String,
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
}

/// The newest run that has a stage.
#[derive(Serialize)]
pub(crate) struct LastRun {
    pub(crate) run: String,
    pub(crate) started: jiff::Timestamp,
    pub(crate) record: StageRecord,
}

pub(crate) fn show(place: &ProjectArgs, args: &Show) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    // A stage goes before a run; where the pipeline has mistakes, runs can still be shown.
    let pipeline = project::load(place, &place.file, &args.select);
    let fault = match &pipeline {
        Ok(pipeline) => match project::named(pipeline, std::slice::from_ref(&args.what)) {
            Ok(stages) => {
                let mut records = Records::new(&past.store, &past.project);
                let traces: Vec<RunRecord> =
                    past.store.traces(Some(&past.project)).iter().map(Traced::record).collect();
                let shown = |id: &StageId| (*id, stage(pipeline, &pipeline.stages[id.0], &past, &mut records, &traces));
                let mut stages: BTreeMap<StageId, Shown> = stages.iter().map(shown).collect();
                // A run that was stopped may have left some on the way to a result that there is not yet.
                let without = stages.iter().filter(|(_, shown)| shown.states.is_none()).map(|(id, _)| *id).collect();
                for (id, states) in engine::states_now(pipeline, &past.store, &without) {
                    stages.entry(id).and_modify(|shown| shown.states = Some(states));
                }
                let stages: Vec<Shown> = stages.into_values().collect();
                if args.json {
                    render::json(&serde_json::json!({ "version": 1, "stages": stages }))?;
                } else {
                    render::data(&render::show::stages(&stages, args.all, &Look::stdout()))?;
                }
                return Ok(0);
            }
            Err(stop) => stop,
        },
        // Whoever asks for a stage of a broken pipeline has to hear what is broken, and not of a run that happens to begin so.
        Err(_) if !is_a_run(&args.what, &past) && !is_a_file(&args.what) => return pipeline.map(|_| 0),
        Err(_) => Stop::Usage(String::new()),
    };
    if !is_a_run(&args.what, &past) && is_a_file(&args.what) {
        return super::made::show(&past, Path::new(&args.what), args.all, args.json);
    }
    let found = past.find(&args.what);
    match found.or_else(|error| past.find_traced(&args.what).map(|run| run.record()).ok_or(error)) {
        Ok(run) => show_run(&run, args),
        Err(Stop::Usage(error)) => {
            let gone = pipeline.as_ref().ok().and_then(|pipeline| not_in_place(&args.what, pipeline));
            Err(gone.unwrap_or_else(|| nothing(&args.what, fault, &error)))
        }
        Err(other) => Err(other),
    }
}

/// Whether a name is certainly that of a file or folder.
fn is_a_file(name: &str) -> bool {
    let path = Path::new(name);
    path.is_file() || (name.contains('/') && path.exists())
}

/// Whether a name is certainly that of a run: `latest`, `latest~2`, a whole id, or a tag.
fn is_a_run(name: &str, past: &Past) -> bool {
    let back = name.strip_prefix("latest").is_some_and(|rest| rest.is_empty() || rest.starts_with('~'));
    back || past.store.named_run(name, Some(&past.project)).is_ok_and(|run| run.is_some())
        || past.find_traced(name).is_some_and(|run| run.began.id == name)
}

fn show_run(run: &RunRecord, args: &Show) -> Result<u8, Stop> {
    if args.json {
        render::json(run)?;
    } else {
        render::data(&render::show::run(run, args.all, &Look::stdout()))?;
    }
    Ok(0)
}

/// What is said of the path of an output that is not there.
fn not_in_place(what: &str, pipeline: &Pipeline) -> Option<Stop> {
    let path = std::path::absolute(what).ok()?;
    let path = path.strip_prefix(&pipeline.root).ok()?;
    let outputs = pipeline.stages.iter().flat_map(|stage| stage.outputs.iter().map(move |output| (stage, output)));
    let (stage, (output, _)) = outputs.into_iter().find(|(_, (_, output))| output.path == path)?;
    let name = &stage.name;
    Some(Stop::Usage(format!(
        "`{what}` is not there: it is the output `{output}` of stage `{name}`\nhint: `kiln show '{name}'` shows the stage, and `kiln run '{name}'` puts its outputs in place"
    )))
}

/// Neither a stage nor a run: both say what they know.
fn nothing(what: &str, stage: Stop, run: &str) -> Stop {
    let hint = match stage {
        Stop::Mistakes(mistakes) => mistakes.into_iter().find_map(|m| m.hint),
        _ => None,
    };
    let hint = hint.map_or(String::new(), |hint| format!("\nhint: of stages, {hint}"));
    Stop::Usage(format!("`{what}` is neither a stage nor a run: {run}{hint}"))
}

fn stage(pipeline: &Pipeline, stage: &Stage, past: &Past, records: &mut Records<'_>, traces: &[RunRecord]) -> Shown {
    let (uses, params) = match &stage.body {
        Body::Uses { kind, params } => (Some(kind.name().to_owned()), params.clone()),
        Body::Run(command) => {
            let run = match command {
                Command::Shell(script) => json!(script),
                Command::Argv(argv) => json!(argv),
            };
            let mut params = json!({ "run": run, "env": stage.env, "pass": stage.pass, "cache": stage.cached });
            if let Some(with) = &stage.with {
                params["with"] = with.clone();
            }
            if let Some(steps) = &stage.steps {
                params["steps"] = json!(steps);
            }
            (None, params)
        }
    };
    let mut inputs = Vec::new();
    for (name, items) in &stage.inputs {
        for item in items {
            let (from, path) = match &item.from {
                From::Source(path) => (None, path.clone()),
                From::Output { stage, output } => {
                    let producer = &pipeline.stages[stage.0];
                    (Some(format!("{}.{output}", producer.name)), producer.outputs[output].path.clone())
                }
            };
            inputs.push(InputShown { input: name.clone(), from, path });
        }
    }
    let name = stage.name.to_string();
    let outputs = stage.outputs.iter();
    let outputs = outputs.map(|(name, o)| OutputShown { output: name.clone(), path: o.path.clone(), role: o.role });
    let of = |run: &RunRecord| {
        let record = run.stages.iter().find(|stage| stage.name == name)?.clone();
        Some(LastRun { run: run.id.clone(), started: run.started, record })
    };
    let recorded = records.with_stage(&name, |_| true).and_then(|run| of(&run));
    // A run that goes on, or was killed, if it is newer.
    let last = recorded.into_iter().chain(traces.iter().filter_map(of)).max_by_key(|last| last.started);
    let key = last.as_ref().and_then(|last| last.record.key);
    let states = key.and_then(|key| engine::states(stage, &past.store, &key));
    let manifest = key.and_then(|key| past.store.manifest(&key));
    let listing = manifest.and_then(|manifest| Some(manifest.inputs.get(ENVIRONMENT)?.first()?.digest));
    let environment = listing.and_then(|listing| past.evidence().document(&listing));
    let (shell, outputs) = (engine::shell_of(stage), outputs.collect());
    Shown { uses, params, shell, inputs, outputs, environment, states, last, name }
}
