//! Which files of an input folder count, by patterns as `.gitignore` has them.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns for an input folder.
#[derive(Clone, Debug)]
pub struct Picks {
    texts: Texts,
    only: Option<Gitignore>,
    ignore: Gitignore,
    project: Gitignore,
}

/// What they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Texts {
    /// A file counts if one of these fits it, or a folder that it is in; any file, if there are none. Relative to the folder.
    pub only: Vec<String>,
    /// What these fit does not count. Relative to the folder.
    pub ignore: Vec<String>,
    /// What these fit does not count. Relative to the project.
    pub project: Vec<String>,
    /// Where the folder lies in the project.
    pub folder: String,
}

impl Picks {
    /// Makes patterns of texts.
    ///
    /// # Errors
    /// The first text that is no pattern, and why.
    pub fn new(texts: Texts) -> Result<Self, (String, String)> {
        let only = if texts.only.is_empty() { None } else { Some(patterns(&texts.only)?) };
        let (ignore, project) = (patterns(&texts.ignore)?, patterns(&texts.project)?);
        Ok(Self { texts, only, ignore, project })
    }

    /// What they are made of.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Whether what lies at a path in the folder is left out, with all that is in it.
    pub(super) fn leaves_out(&self, inside: &Path, is_folder: bool) -> bool {
        let in_project = || Path::new(&self.texts.folder).join(inside);
        self.ignore.matched(inside, is_folder).is_ignore()
            || (!self.project.is_empty() && self.project.matched(in_project(), is_folder).is_ignore())
    }

    /// Whether a file counts that is not left out.
    pub(super) fn names(&self, inside: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| only.matched_path_or_any_parents(inside, false).is_ignore())
    }
}

/// Tries a line as a pattern.
///
/// # Errors
/// Why it is none.
pub fn check_pattern(line: &str) -> Result<(), String> {
    patterns(&[line]).map(drop).map_err(|(_, why)| why)
}

fn patterns<S: AsRef<str>>(lines: &[S]) -> Result<Gitignore, (String, String)> {
    let mut builder = GitignoreBuilder::new("");
    let refused = |line: &str, error: &ignore::Error| {
        // Its own words, without the pattern before them.
        let why = error.to_string();
        (line.to_owned(), why.rsplit_once("': ").map_or(why.as_str(), |(_, why)| why).to_owned())
    };
    for line in lines {
        builder.add_line(None, line.as_ref()).map_err(|error| refused(line.as_ref(), &error))?;
    }
    builder.build().map_err(|error| refused("", &error))
}

impl PartialEq for Picks {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Picks {}

impl PartialOrd for Picks {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Picks {
    fn cmp(&self, other: &Self) -> Ordering {
        self.texts.cmp(&other.texts)
    }
}

impl Hash for Picks {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}
