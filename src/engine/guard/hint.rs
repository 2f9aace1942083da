//! What a failed command stumbled over, told from the end of its log: undeclared files, and writing where nothing may be.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// What programs say when they cannot have a file.
const COMPLAINTS: [&str; 8] = [
    "denied",
    "no such file",
    "not found",
    "cannot open",
    "can't open",
    "cannot create",
    "not permitted",
    "cross-device",
];

/// Where a command ran.
pub(crate) struct Scene<'a> {
    /// The project.
    pub(crate) project: &'a Path,
    /// The cache.
    pub(crate) cache: &'a Path,
    /// The scratch directory, in which all may be written.
    pub(crate) scratch: &'a Path,
    /// The folder in it that the command was started in.
    pub(crate) work: &'a Path,
    /// The project paths that the stage declares, inputs and outputs.
    pub(crate) declared: &'a BTreeSet<PathBuf>,
}

/// A hint, if some lines complain of files that the stage would have to declare or cannot write.
pub(crate) fn hint(lines: &[&str], scene: &Scene<'_>) -> Option<String> {
    let complaints = lines.iter().filter(|line| {
        let line = line.to_lowercase();
        COMPLAINTS.iter().any(|complaint| line.contains(complaint))
    });
    let (mut undeclared, mut outside) = (None, None);
    for line in complaints {
        for word in line.split(|c: char| c.is_whitespace() || "'\"`‘’“”()[]{}<>,;=".contains(c)) {
            let word = word.trim_end_matches([':', '.']);
            // `file:12` and `PermissionError:/path`.
            for word in std::iter::once(word).chain(word.split(':')) {
                match scene.place(word) {
                    Some(Place::Undeclared(path)) => undeclared = undeclared.or(Some(path)),
                    // The last: before it may be the program that complains.
                    Some(Place::Outside(path)) if line.to_lowercase().contains("denied") => outside = Some(path),
                    _ => {}
                }
            }
        }
    }
    if let Some(path) = undeclared {
        let path = path.display();
        return Some(format!(
            "`{path}` is a file of the project that the stage does not declare; name it under `inputs`"
        ));
    }
    let outside = outside?;
    let path = outside.display();
    Some(format!(
        "`{path}` is outside the stage's scratch directory: it may write its outputs, and temporary files under $TMPDIR"
    ))
}

enum Place {
    /// A project path.
    Undeclared(PathBuf),
    /// Any other.
    Outside(PathBuf),
}

impl Scene<'_> {
    fn place(&self, word: &str) -> Option<Place> {
        if word.is_empty() || word.starts_with('-') || word == "/" {
            return None;
        }
        let full = self.work.join(word);
        let full = full.canonicalize().unwrap_or_else(|_| plain(&full));
        let within = match full.strip_prefix(self.work) {
            // What is asked for by its project path, where it was not put.
            Ok(within) => within.to_owned(),
            Err(_) if full.starts_with(self.scratch) || full.starts_with(self.cache) => return None,
            Err(_) => match full.strip_prefix(self.project) {
                Ok(within) => within.to_owned(),
                Err(_) => return Path::new(word).is_absolute().then_some(Place::Outside(full)),
            },
        };
        let known = within.as_os_str().is_empty()
            || self.declared.iter().any(|path| within.starts_with(path) || path.starts_with(&within));
        let there = || self.project.join(&within).exists() && !self.project.join(&within).starts_with(self.cache);
        if !known && there() {
            return Some(Place::Undeclared(within));
        }
        // A new file in the project, asked for by where the project is.
        (!full.starts_with(self.work) && !known).then_some(Place::Outside(full))
    }
}

/// The path without `.` and `..`, for what does not exist.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
