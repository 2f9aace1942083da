//! A second import into a file that was edited: what DVC's files changed since the last import, what somebody changed by hand, and what both.
//!
//! Three texts are held against each other key by key: the one that the last import wrote, the file, and the one that an import writes now.
//! `part` divides a text, `level` compares, `edited` says which stages of the file do something else than DVC's.

mod edited;
mod level;
mod part;

use std::path::PathBuf;

use serde::Serialize;

pub(super) use self::edited::edited;
use self::level::Merger;
use self::part::{Text, refused};
use super::note::Refused;

/// A file and what an import changes in it.
#[derive(Debug)]
pub struct Merge {
    /// The file with all that is taken over.
    pub text: String,
    /// Where it and an import differ, in the order of the file.
    pub changes: Vec<Change>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Whose it is.
    pub fate: Fate,
    /// The stage, if it is in one; by the file's name for it.
    pub stage: Option<String>,
    /// The keys that lead to it, below the stage: `inputs.data`. Empty for the stage itself.
    pub field: String,
    /// What happened.
    pub how: How,
    /// Line in the file, from 1; 0 where the file has nothing of it.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The stage in DVC's files, if it is there.
    pub dvc: Option<(PathBuf, usize, usize)>,
    /// The lines of the file.
    pub here: String,
    /// The lines that an import writes.
    pub there: String,
}

/// Who changed something since the last import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// DVC's files alone: a merge takes it over.
    Taken,
    /// Both, and not alike.
    Conflict,
    /// The file alone: it stays.
    Edited,
}

/// What an import would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It says something else.
    Changed,
    /// It has another name.
    Renamed,
    /// There is one more.
    New,
    /// It is no longer there.
    Gone,
    /// The comment above it is another.
    Comment,
}

/// Whose word counts where both changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// Nobody's: it is a conflict.
    None,
    /// The file's.
    File,
    /// DVC's.
    Dvc,
}

impl Merge {
    /// Whether there is a difference with such a fate.
    pub fn has(&self, fate: Fate) -> bool {
        self.changes.iter().any(|change| change.fate == fate)
    }
}

/// Merges what an import writes into a file called `name`. Without what the last import wrote, every difference counts as DVC's. `above` lines
/// of the file are not in its text.
pub(super) fn merge(
    name: &str,
    above: usize,
    base: Option<&str>,
    ours: &str,
    new: &str,
    prefer: Prefer,
) -> Result<Merge, Refused> {
    let eol = if ours.contains("\r\n") { "\r\n" } else { "\n" };
    let plain = ours.replace("\r\n", "\n");
    let read = |text| Text::of(text).map_err(|fault| refused(name, above, fault));
    let known = base.is_some();
    let (base, ours, new) = (read(base.unwrap_or(&plain))?, read(&plain)?, read(new)?);
    let mut merger = Merger::new(&base, &ours, &new, known, prefer, above);
    merger.level(&[], &base.parts(), &ours.parts(), &new.parts());
    let (text, changes) = merger.finish();
    // What is put together of sound parts is sound; if not, nothing is touched.
    read(&text)?;
    Ok(Merge { text: text.replace('\n', eol), changes })
}

#[cfg(test)]
mod tests;
