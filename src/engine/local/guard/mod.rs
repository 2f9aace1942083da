//! The guard: what the process of a stage and all its children may read and write, enforced by the kernel (Landlock), and what the superuser
//! may do there.

mod privileges;
mod readable_roots;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use readable_roots::ReadableRoots;
pub(crate) use rules::Confinement;

/// The guard of a run. Looking around costs something, so that waits until a stage is executed.
pub(crate) struct Guard {
    hidden: Vec<PathBuf>,
    state: OnceLock<Result<ReadableRoots, String>>,
}

/// What one stage may touch beside the system's files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Folders of which nothing may be read but what the other fields name.
    pub(crate) hidden: Vec<PathBuf>,
    /// Files and folders of these to read.
    pub(crate) read: Vec<PathBuf>,
    /// Folders with files to read that have to be asked for by name.
    pub(crate) named: Vec<PathBuf>,
    /// Folders to write in, and files to write.
    pub(crate) write: Vec<PathBuf>,
    /// Whether everything may be read: for outputs whose contents are known beforehand.
    pub(crate) everything: bool,
}

impl Guard {
    /// Hides a project and its cache from the stages, but for what their limits name.
    pub(crate) fn new(project: &Path, cache: &Path) -> Self {
        Self { hidden: vec![project.to_owned(), cache.to_owned()], state: OnceLock::new() }
    }

    /// Gets ready; tells, once, why there is no guard if there is none.
    pub(crate) fn prepare(&self) -> Option<&str> {
        let mut first = false;
        let state = self.state.get_or_init(|| {
            first = true;
            rules::available().map(|()| ReadableRoots::look(&self.hidden))
        });
        state.as_ref().err().filter(|_| first).map(String::as_str)
    }

    /// Whether there is a guard.
    pub(crate) fn is_there(&self) -> bool {
        self.prepare();
        matches!(self.state.get(), Some(Ok(_)))
    }

    /// Limits that hide what this guard hides; `None` where there is no guard.
    pub(crate) fn limits(&self) -> Option<Limits> {
        self.is_there().then(|| Limits { hidden: self.hidden.clone(), ..Limits::default() })
    }

    /// Makes the limits of a process that is about to be started.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn confine(&self, limits: &Limits) -> std::io::Result<Option<Confinement>> {
        match self.state.get() {
            Some(Ok(roots)) => rules::confine(roots, limits).map(Some),
            _ => Ok(None),
        }
    }
}

impl Limits {
    /// Puts this process, all that it starts and every thread it has yet to start under the limits.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn enter(&self) -> std::io::Result<()> {
        rules::confine(&ReadableRoots::look(&self.hidden), self)?.enter()
    }
}
