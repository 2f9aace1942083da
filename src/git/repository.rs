//! The repository that a project is in.

use std::path::{Path, PathBuf};

use gix::sec::Trust;

/// Why Git could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It belongs to somebody else, so that what it says is not believed.
    #[error("the Git repository at {} belongs to another user", .folder.display())]
    Foreign {
        /// The repository's folder.
        folder: PathBuf,
    },
    /// The project is in no repository.
    #[error("{} is in no Git repository", .folder.display())]
    None {
        /// The project's folder.
        folder: PathBuf,
    },
    /// A name stands for no commit.
    #[error("`{name}` is no revision that Git knows")]
    Unknown {
        /// The name.
        name: String,
        /// Whether the history was cut off when the repository was cloned.
        shallow: bool,
    },
    /// A commit's files cannot be written.
    #[error("cannot write the files of a commit to {}: {why}", .folder.display())]
    NotWritten {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Anything else: a format that is not read, damage, a file that cannot be read.
    #[error("cannot read the Git repository at {}: {why}", .folder.display())]
    Unreadable {
        /// The repository's folder, or the project's where it was not found.
        folder: PathBuf,
        /// What the library said, in one line.
        why: String,
    },
}

impl GitError {
    /// What can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Foreign { folder } => {
                Some(format!("`git config --global --add safe.directory {}` says that you trust it", folder.display()))
            }
            Self::Unknown { shallow: true, .. } => Some(
                "this clone has a part of the history only; `git fetch --unshallow` brings the rest, \
                 and `fetch-depth: 0` says so to `actions/checkout`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The repository that a project is in, open to be read.
pub struct Repository {
    pub(super) git: gix::Repository,
}

impl Repository {
    /// The repository that a folder is in, as `git` would find it there: `GIT_DIR` and its like count. `None` if it is in none.
    ///
    /// # Errors
    /// If there is one that is somebody else's, as `safe.directory` has it, or that cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Self>, GitError> {
        // Ceilings above which nothing is looked for need not be above this folder.
        let options = gix::discover::upwards::Options { match_ceiling_dir_or_error: false, ..Default::default() };
        let found = gix::ThreadSafeRepository::discover_with_environment_overrides_opts(
            folder,
            options,
            gix::sec::trust::Mapping::default(),
        );
        let git = match found {
            Ok(found) => found.to_thread_local(),
            Err(error) if is_none(&error) => return Ok(None),
            Err(error) => return Err(unreadable(folder, &error)),
        };
        if git.git_dir_trust() != Trust::Full {
            let folder = git.workdir().unwrap_or(git.git_dir()).to_owned();
            return Err(GitError::Foreign { folder: folder.canonicalize().unwrap_or(folder) });
        }
        Ok(Some(Self { git }))
    }

    /// The folder that a mistake is told of.
    pub(super) fn folder(&self) -> PathBuf {
        self.git.workdir().unwrap_or(self.git.git_dir()).to_owned()
    }

    /// Where a file of the working tree is in the repository, with slashes; `None` if it is outside.
    pub fn path_of(&self, file: &Path) -> Option<String> {
        let root = self.git.workdir()?.canonicalize().ok()?;
        let folder = file.parent()?.canonicalize().ok()?;
        let inside = folder.join(file.file_name()?);
        Some(inside.strip_prefix(root).ok()?.to_string_lossy().into_owned())
    }

    /// Whether the history was cut off when the repository was cloned.
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow().unwrap_or(false)
    }

    pub(super) fn unreadable(&self, error: &gix::Error) -> GitError {
        unreadable(&self.folder(), error)
    }
}

/// Whether the search ended without a repository.
fn is_none(error: &gix::Error) -> bool {
    use gix::discover::upwards::Error;
    error.downcast_any_ref::<Error>().is_some_and(|error| !matches!(error, Error::NoTrustedGitRepository { .. }))
}

fn unreadable(folder: &Path, error: &gix::Error) -> GitError {
    let why = error.to_string();
    let why = why.lines().next().unwrap_or_default().trim_end_matches([',', ':']).to_owned();
    GitError::Unreadable { folder: folder.to_owned(), why }
}
