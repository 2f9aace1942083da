//! The command line: what may be asked, in clap's words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::adopt::Adopt;
use super::checkout::Checkout;
use super::ci::Ci;
use super::compare::Compare;
use super::export::ExportDvc;
use super::gc::Gc;
use super::graph::Graph;
use super::history::History;
use super::import::ImportDvc;
use super::init::Init;
use super::kinds::Kinds;
use super::list::List;
use super::log::Log;
use super::outputs::Outputs;
use super::remote::RemoteArgs;
use super::report::Report;
use super::run::Run;
use super::runs::Runs;
use super::select::Where;
use super::share::{Pull, Push};
use super::shell::Shell;
use super::show::Show;
use super::status::Status;
use super::tag::Tag;
use super::trace::Trace;
use super::verify::Verify;
use super::why::Why;

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
    /// Take what lies in place for the results of stages: what their commands made before there was a pipeline. Nothing is executed.
    Adopt(Adopt),
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
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
