//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

use crate::hash::{ContentError, Digest};
use crate::record::RunId;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder is not empty, and no store.
    #[error("`{path}` is no store of Kiln's: {found}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What tells so.
        found: String,
    },
    /// A later Kiln made the store.
    #[error("the store {path} has format {found}; this Kiln knows formats up to {known}")]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// Something lies where an output goes, and is not Kiln's to replace.
    #[error("`{path}` is in the way: {what}")]
    InTheWay {
        /// Where, relative to the project.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A file that is asked for would lie in a store.
    #[error("`{path}` lies in a store of Kiln's")]
    IntoStore {
        /// The file.
        path: PathBuf,
    },
    /// A blob or a tree is not what its name says. It has been put aside in `quarantine/`; whoever makes it again
    /// mends the store.
    #[error("the stored artifact {digest} is damaged; it has been put aside")]
    Damaged {
        /// Its name.
        digest: Digest,
    },
    /// A blob or a tree is not in the store.
    #[error("the artifact {digest} is not in the store")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// A file that cannot be an artifact.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A record that could not be put into words.
    #[error("cannot encode {path}")]
    Encode {
        /// Where it was to go.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether the store lacks what it should have, so that the stage that makes it has to be executed again.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Missing { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Foreign { .. } => Some(
                "nothing was changed there; name an empty or a new folder with `--cache` or `KILN_CACHE`, or move what it holds elsewhere"
                    .into(),
            ),
            Self::IntoStore { .. } => Some("what is there is Kiln's own; choose another path".into()),
            Self::InTheWay { .. } => Some("move it aside; with `--force-overwrite` Kiln moves it into the cache".into()),
            Self::Io { path, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                super::sharing::advice(path)
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Some(
                "make room on that disk; where the cache lies on it, `kiln gc` lists what nobody needs any more".into(),
            ),
            Self::Io { path, source, .. }
                if source.kind() == io::ErrorKind::ReadOnlyFilesystem && super::sharing::store_of(path).is_some() =>
            {
                Some("a run writes to its cache; name one elsewhere with `--cache` or `KILN_CACHE`".into())
            }
            _ => None,
        }
    }

    /// Whether something that was asked for cannot be had, and nothing was done.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::InTheWay { .. } | Self::IntoStore { .. })
    }

    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }

    /// For system calls that report through rustix.
    pub(super) fn errno(operation: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source: source.into() }
    }
}

/// Why a name stands for no run.
#[derive(Debug, thiserror::Error)]
pub enum RunLookupError {
    /// There are no runs.
    #[error("there are no runs yet")]
    NoRuns,
    /// `latest~N` goes back too far.
    #[error("`{name}` goes back further than the {available} recorded runs")]
    TooFarBack {
        /// What was asked for.
        name: String,
        /// How many there are.
        available: usize,
    },
    /// The run of a tag has no record any more.
    #[error(
        "the run {run}, which is tagged `{tag}`, has no record any more\nhint: `kiln tag --delete {tag}` drops the tag"
    )]
    Gone {
        /// The tag.
        tag: String,
        /// The run.
        run: RunId,
    },
    /// No run's name begins like that.
    #[error("no run is called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Runs there are, newest first.
        candidates: Vec<RunId>,
    },
    /// The names of several runs begin like that.
    #[error("`{name}` could be any of {}", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The runs, newest first.
        candidates: Vec<RunId>,
    },
    /// The record is not what was written.
    #[error("the run record {path} is damaged\nhint: `kiln verify` puts aside what is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
