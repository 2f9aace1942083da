//! What most commands take: the project, the profile and parameters, the remote cache.

use std::path::PathBuf;

use clap::Args;

/// Where the pipeline and the cache are, as far as that was said.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The pipeline file [default: `pipeline.yaml` here, or in the nearest folder above that has one].
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The cache; several checkouts may share one [default: `cache` beside the pipeline file].
    #[arg(long, global = true, value_name = "DIR", env = "KILN_CACHE")]
    pub(crate) cache: Option<PathBuf>,
}

/// Where the pipeline and the cache are.
#[derive(Debug)]
pub(crate) struct ProjectArgs {
    /// The pipeline file, from where the user stands.
    pub(crate) file: PathBuf,
    /// The cache, if it was named.
    pub(crate) cache: Option<PathBuf>,
}

/// Which pipeline the file stands for.
#[derive(Args, Debug, Default)]
pub(crate) struct Select {
    /// A profile of the pipeline file.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Override a parameter: `params.epochs=3`. May be repeated; the value is YAML.
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The remote cache, as far as the command line says something of it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Far {
    /// The remote cache: `s3://bucket/prefix`, `gs://...`, `az://...`, `file:///folder` [default: `remote` of the pipeline file].
    #[arg(long, value_name = "URL", env = "KILN_REMOTE")]
    pub(crate) remote: Option<String>,
    /// What may be done with it [default: `access` of the pipeline file; in CI `read`, unless the branch is protected].
    #[arg(long, value_name = "ACCESS", env = "KILN_REMOTE_ACCESS")]
    pub(crate) remote_access: Option<FarAccess>,
    /// Ask no remote cache.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum FarAccess {
    /// Take results from it.
    Read,
    /// Send results to it.
    Write,
    /// Both.
    Both,
}
