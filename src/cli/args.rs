//! The command line: what may be asked, in clap's words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Declarative, incremental pipelines whose stages are keyed by content.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the pipeline and the cache are.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The pipeline file.
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE", default_value = "pipeline.yaml")]
    pub(crate) file: PathBuf,
    /// The cache; several checkouts may share one [default: `cache` beside the pipeline file].
    #[arg(long, global = true, value_name = "DIR", env = "KILN_CACHE")]
    pub(crate) cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring stages up to date: execute what changed, restore the rest.
    Run(Run),
    /// Compare runs: metrics, parameters, and what was executed and why.
    Compare(Compare),
    /// List the runs, newest first.
    Runs(Runs),
    /// Show the DAG.
    Graph(Graph),
    /// List the built-in stage kinds, or describe one.
    Kinds(Kinds),
    /// Execute one stage on behalf of a run.
    #[command(hide = true)]
    Worker,
}

#[derive(Args, Debug)]
pub(crate) struct Select {
    /// A profile of the pipeline file.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Override a parameter: `params.epochs=3`. May be repeated; the value is YAML.
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The pipeline file, if the first ends in .yaml or .yml; then the stages wanted, with everything they need:
    /// `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "PIPELINE|STAGE")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Execute these stages whatever the cache has.
    #[arg(long, value_name = "STAGE")]
    pub(crate) force: Vec<String>,
    /// How many processors to keep busy [default: all].
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// After a failure, go on with what does not depend on it.
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Say what would be done, and do nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// End with the run record as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but mistakes.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Runs, oldest first: a name or its beginning, `latest`, `latest~2` [default: the last two].
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Compare the variants of one run side by side.
    #[arg(long, value_name = "RUN", conflicts_with = "runs", num_args = 0..=1, default_missing_value = "latest")]
    pub(crate) within: Option<String>,
    /// Show only these columns (globs).
    #[arg(long, value_name = "GLOB")]
    pub(crate) columns: Vec<String>,
    /// Sort variants by a column; `-accuracy` for the highest first.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// Show every number, the per-class ones too.
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// As Markdown tables.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Runs {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) select: Select,
    /// How to draw it.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
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
}

#[derive(Args, Debug)]
pub(crate) struct Kinds {
    /// The kind to describe.
    pub(crate) kind: Option<String>,
}
