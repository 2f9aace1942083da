//! The command line: what may be asked, in clap's words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kiln::pipeline::ExecutorSpec;

use super::ci::Ci;
use super::history::History;
use super::list::List;
use super::log::Log;
use super::outputs::Outputs;
use super::remote::RemoteArgs;
use super::runs::Runs;
use super::select::{Far, Select, Where};
use super::shell::Shell;
use super::show::Show;
use super::status::Status;
use super::tag::Tag;
use super::why::Why;

/// Where `compare` puts its page in the project, unless it is named.
pub(crate) const COMPARE_PAGE: &str = "out/compare.html";

/// Declarative, incremental pipelines whose stages are keyed by content.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Where,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring stages up to date: execute what changed, restore the rest.
    Run(Run),
    /// Say which stages are up to date, which are dirty and why, and which wait for those.
    Status(Status),
    /// Say why a stage is dirty, field by field, or why it needs nothing.
    Why(Why),
    /// List the stages: kind, variants, what they need and give.
    List(List),
    /// Show a stage (parameters, inputs, outputs, its last result) or a run.
    Show(Show),
    /// Print what a stage said when it was last executed.
    Log(Log),
    /// Open a shell where a stage would run: with its inputs, its environment and its limits. What is written there is lost.
    Shell(Shell),
    /// List the outputs as they lie in the project: paths, roles, sizes, digests.
    Outputs(Outputs),
    /// Compare runs: metrics, parameters, and what was executed and why.
    Compare(Compare),
    /// Tell what a change did as one Markdown text for a pull request, and post or update it as a comment.
    Ci(Ci),
    /// Follow a metric over the runs.
    History(History),
    /// Give a run a name, under which `gc` keeps it; without a run, list those names.
    Tag(Tag),
    /// List the runs of the pipeline file, newest first.
    Runs(Runs),
    /// Render the report of a run: one page with its figures, numbers and history.
    Report(Report),
    /// Show the DAG.
    Graph(Graph),
    /// List the built-in stage kinds, or describe one.
    Kinds(Kinds),
    /// Delete from the cache what nobody needs any more; without `--delete`, say what that is.
    Gc(Gc),
    /// Put a past run's outputs back into the project.
    Checkout(Checkout),
    /// Send results of this cache to the remote cache: of stages, and what runs left to be sent.
    Push(Push),
    /// Fetch outputs of stages from the remote cache and put them in place; nothing is executed.
    Pull(Pull),
    /// Make a remote cache, look whether it works, delete what is not used any more.
    Remote(RemoteArgs),
    /// Show what decided how long a run took; with `--json`, a trace for Perfetto or chrome://tracing.
    Trace(Trace),
    /// Read everything in the cache and check that it is what it should be.
    Verify(Verify),
    /// Make a small working pipeline to begin with; what is there stays as it is.
    Init(Init),
    /// Make a pipeline of another tool's project, and take over its results.
    #[command(subcommand)]
    Import(Import),
    /// Write another tool's files for the pipeline, as up to date as it is.
    #[command(subcommand)]
    Export(Export),
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema,
    /// Print a script that completes the command line in a shell.
    Completions(Completions),
    /// Execute one stage on behalf of a run.
    #[command(hide = true)]
    Worker,
    /// Execute the stage of an attempt, as a job of a cluster.
    #[command(hide = true)]
    Job {
        /// The folder of the attempt, or its name where its files come from a remote cache.
        folder: PathBuf,
        /// The remote cache.
        #[arg(long, requires = "scratch")]
        remote: Option<String>,
        /// The folder of this machine to work in.
        #[arg(long)]
        scratch: Option<PathBuf>,
    },
    /// Kill what the commands of a run left running, should it be killed.
    #[command(hide = true)]
    Watchdog {
        /// The folder of scratch directories.
        scratch: PathBuf,
        /// The process that is watched.
        kiln: u32,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Push {
    /// The stages: `train`, `train[model=5]`, `eval*`, with all they need [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) far: Far,
    /// Send again what was sent before, too: after something was deleted there.
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// The stages: `train`, `train[model=5]`, `eval*`, and nothing they need [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) far: Far,
    /// Replace what Kiln did not make, or what was changed by hand.
    #[arg(long)]
    pub(crate) force_overwrite: bool,
}

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
    #[command(flatten)]
    pub(crate) far: Far,
    /// Leave outputs in the remote cache that nothing which is executed needs [default: `lazy` of the pipeline file].
    #[arg(long)]
    pub(crate) lazy: bool,
    /// Execute this stage, which is made of steps, in a single go and then in two halves; say which state and which output differ first, down to
    /// the tensor; publish nothing. May be repeated.
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["force", "dry_run", "keep_going", "check_determinism"])]
    pub(crate) check_resume: Vec<String>,
    /// If this stage fails, keep the folder that it ran in, and say where. May be repeated.
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

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Runs, oldest first: an id or its beginning, `latest`, `latest~2`, a tag, or a revision of Git's (`main`, `HEAD~3`), which is the newest
    /// run of that commit; `main..` and `main...HEAD` are two [default: the last two].
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Compare with this run or revision, which comes first.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["within", "by"])]
    pub(crate) base: Option<String>,
    /// Where a commit has no run, check it out into a folder of its own and run it with the same cache; the project stays as it is.
    #[arg(long, conflicts_with_all = ["within", "by"])]
    pub(crate) run: bool,
    /// Compare the variants of one run side by side.
    #[arg(long, value_name = "RUN", conflicts_with = "runs", num_args = 0..=1, default_missing_value = "latest")]
    pub(crate) within: Option<String>,
    /// Put variants together that differ in this matrix axis only, such as a seed: mean, standard deviation and number of
    /// every metric; of the latest run, unless `--within` names one.
    #[arg(long, value_name = "AXIS", conflicts_with = "runs")]
    pub(crate) by: Option<String>,
    /// End with 1 if a metric is like this: `[STAGE.]METRIC OP NUMBER`, of the difference, last run minus first
    /// (`accuracy < -0.002`), of its share of the first (`loss > 5%`), or of the last value itself
    /// (`value(evaluate[*].accuracy) < 0.9`). May be repeated.
    #[arg(long, value_name = "CONDITION")]
    pub(crate) fail_if: Vec<String>,
    /// Hold gates against the means over this matrix axis, such as a seed: what may be chance by the 95% interval fails none.
    #[arg(long, value_name = "AXIS", requires = "fail_if", conflicts_with_all = ["within", "by"])]
    pub(crate) over: Option<String>,
    /// Show only these columns (globs).
    #[arg(long, value_name = "GLOB")]
    pub(crate) columns: Vec<String>,
    /// Sort variants by a column, or metrics of runs by `stage`, `metric`, `delta` or a run; `-accuracy` for the highest
    /// first.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// Show the outputs that differ between the runs, with their digests.
    #[arg(long, conflicts_with_all = ["within", "by", "html"])]
    pub(crate) outputs: bool,
    /// Show every number, the per-class ones too.
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// As Markdown tables.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// As a page: differences, curves laid over each other, figures side by side [default: `out/compare.html` in the project].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "markdown", "within", "by"], num_args = 0..=1,
        require_equals = true)]
    pub(crate) html: Option<Option<PathBuf>>,
    /// Write the page even where something else lies than a page of Kiln's.
    #[arg(long, requires = "html")]
    pub(crate) force_overwrite: bool,
    #[command(flatten)]
    pub(crate) far: Far,
}

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The run: a name or its beginning, `latest`, `latest~2` [default: latest].
    pub(crate) run: Option<String>,
    /// Where to write it; `-` for standard output [default: `out/report.html` in the project, `out/report-RUN.html` for a
    /// run named].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write it even where something else lies than a page of Kiln's.
    #[arg(long)]
    pub(crate) force_overwrite: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) select: Select,
    /// How to draw it.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
    /// As JSON: every variant, and what it needs.
    #[arg(long, conflicts_with_all = ["format", "whole"])]
    pub(crate) json: bool,
    /// A node for every variant, where they would be folded into one.
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// Lines of text, variants folded together.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// A drawing.
    Svg,
}

#[derive(Args, Debug)]
pub(crate) struct Kinds {
    /// The kind to describe.
    pub(crate) kind: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Where; made if it is not there [default: here].
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Read dvc.yaml, dvc.lock, parameters and .dvc files; write pipeline.yaml and say what does not carry over.
    Dvc(ImportDvc),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Write dvc.yaml, unless the project has one of its own, and dvc.lock, so that `dvc status` finds nothing to do.
    Dvc(ExportDvc),
}

#[derive(Args, Debug)]
pub(crate) struct ExportDvc {
    /// Write nothing: print the dvc.yaml, or say which locks would be written.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ImportDvc {
    /// The project of DVC's [default: here].
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) folder: PathBuf,
    /// Write nothing: print the pipeline, and what there is to say of it.
    #[arg(long)]
    pub(crate) check: bool,
    /// Fetch data that is missing from remotes of DVC's on S3, into DVC's cache.
    #[arg(long)]
    pub(crate) fetch: bool,
    /// Take over results as well of which dvc.lock shows that it may be no record of how they were made.
    #[arg(long)]
    pub(crate) trust: bool,
    /// Take over into a pipeline file that was edited what DVC's files changed since the last import. What both changed is listed and stays;
    /// `--merge=dvc` takes it from DVC's files as well, and `--merge=file` settles that it stays.
    #[arg(long, value_name = "WHOSE", num_args = 0..=1, require_equals = true, default_missing_value = "neither")]
    pub(crate) merge: Option<Whose>,
    /// Write the pipeline file anew even where it was edited since the last import.
    #[arg(long, conflicts_with = "merge")]
    pub(crate) force_overwrite: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose word counts where both changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Whose {
    /// That of DVC's files.
    Dvc,
    /// That of the pipeline file.
    File,
    /// Nobody's: it is a conflict.
    #[value(hide = true)]
    Neither,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Keep what the last N runs of each project reach; runs that reach nothing new are not counted.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) keep_last: usize,
    /// Keep what this run reaches as well. May be repeated.
    #[arg(long, value_name = "RUN")]
    pub(crate) keep: Vec<String>,
    /// Keep nothing for this checkout, such as one that is gone, and drop its run records. May be repeated.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) forget: Vec<PathBuf>,
    /// Keep results that no run record names (of killed runs, say), and damaged files put aside, for so long.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = super::gc::limit)]
    pub(crate) unrecorded: std::time::Duration,
    /// Drop the records of runs that are not kept, too; `compare` will not know them any more.
    #[arg(long)]
    pub(crate) drop_records: bool,
    /// Delete it.
    #[arg(short = 'y', long, visible_alias = "yes")]
    pub(crate) delete: bool,
    /// Give up at once if a run uses the cache, where it would be waited for.
    #[arg(long, requires = "delete")]
    pub(crate) no_wait: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Checkout {
    /// The run: a name or its beginning, `latest`, `latest~2`.
    pub(crate) run: String,
    /// Only these stages: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    /// Replace what Kiln did not make, or what was changed by hand.
    #[arg(long = "force-overwrite", visible_alias = "force")]
    pub(crate) force: bool,
    /// Say what would be written, and write nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Trace {
    /// The run: a name or its beginning, `latest`, `latest~2`.
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// The whole run in the trace event format.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads `--executor`.
fn executor(text: &str) -> Result<ExecutorSpec, String> {
    ExecutorSpec::parse(text)
}
