//! Programs of a command that are no Python: R, Julia, and what was compiled or installed by hand. They are known by their content.

use std::path::Path;

use super::{Listing, Surroundings, path_of, short, which, words};
use crate::pipeline::{Command, Stage};

/// What the packages of the system put where. They come and go with updates that are nobody's decision, and differ from machine to machine.
const SYSTEM: [&str; 6] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/games", "/usr/libexec"];

/// Of the system, too, these count: what they compute is theirs.
const LANGUAGES: [&str; 5] = ["R", "Rscript", "julia", "octave", "matlab"];

/// The programs that a command names.
///
/// # Errors
/// One that cannot be read.
pub(super) fn used(command: &Command, stage: &Stage, around: &Surroundings<'_>) -> Result<Listing, String> {
    let folders = path_of(stage);
    let mut found = Listing::new();
    for word in words(command) {
        let name = word.rsplit('/').next().unwrap_or(word);
        let path = if word.starts_with('/') { Some(word.into()) } else { which(&folders, word) };
        let Some(path) = path.filter(|_| !name.is_empty() && (word.starts_with('/') || !word.contains('/'))) else {
            continue;
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        let of_the_system = SYSTEM.iter().any(|system| folder == Path::new(system));
        if !path.is_file() || name.starts_with("python") || super::python::is_in_environment(&path) {
            continue;
        }
        if (of_the_system || folder.ends_with("shims")) && !LANGUAGES.contains(&name) {
            continue;
        }
        // Data that is named by an absolute path is no program.
        let is_program = which(&[folder.to_owned()], name).is_some();
        if !is_program {
            continue;
        }
        let artifact =
            around.memo.artifact(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if let Some(artifact) = artifact {
            found.insert(format!("{name} (program)"), short(&artifact.digest.0));
        }
    }
    Ok(found)
}
