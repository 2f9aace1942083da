//! What a command was seen to read though its stage does not declare it, and what is said of that.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::show::names::first_of;

/// So many files are named in a text.
const NAMED: usize = 5;

/// What a command read of the project though its stage does not declare it; paths are relative to the project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Files that it read.
    pub(crate) read: BTreeSet<PathBuf>,
    /// Folders that it listed.
    pub(crate) listed: BTreeSet<PathBuf>,
    /// Files that it only asked for whether they are there.
    pub(crate) asked: BTreeSet<PathBuf>,
    /// What it only asked for whether it is there, and it is not.
    pub(crate) sought: BTreeSet<PathBuf>,
    /// Files that it read elsewhere on this machine, absolute: neither of the project nor software.
    pub(crate) outside: BTreeSet<PathBuf>,
    /// What it wanted to read, and there is not.
    pub(crate) missing: BTreeSet<PathBuf>,
}

impl Found {
    /// What is to be said of a result: nothing if nothing was read.
    pub(crate) fn text(&self) -> Option<String> {
        if self.read.is_empty() {
            return None;
        }
        let named = first_of(self.read.iter().map(|path| path.display().to_string()), NAMED);
        Some(format!("not hermetic: it read what its stage does not declare: {named}"))
    }
}
