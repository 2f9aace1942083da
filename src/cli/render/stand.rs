//! Paths of the project as they are from where the user stands.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, PoisonError, RwLock};

/// The project's folder, from where the user stands. A command is about one project, and everything that it prints is printed here.
static PROJECT: LazyLock<RwLock<PathBuf>> = LazyLock::new(RwLock::default);

/// Takes it that the user stands where this leads to the pipeline file.
pub(crate) fn at(file: &Path) {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    *PROJECT.write().unwrap_or_else(PoisonError::into_inner) = folder;
}

/// A path of the project, which may be relative to it, from where the user stands.
pub(crate) fn path(path: &Path) -> PathBuf {
    PROJECT.read().unwrap_or_else(PoisonError::into_inner).join(path)
}

/// The same for a message.
pub(crate) fn shown(of: &Path) -> String {
    path(of).display().to_string()
}
