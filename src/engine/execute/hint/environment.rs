//! What a command misses of the surroundings of who started Kiln: variables, and the repository.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::CommandEnd;
use crate::engine::executor::surroundings;
use crate::pipeline::Stage;

/// What programs say of a variable that is not set, in small letters.
const UNSET: [&str; 12] = [
    "parameter not set",
    "parameter null or not set",
    "unbound variable",
    "keyerror",
    "not set",
    "unset",
    "not defined",
    "undefined",
    "environment variable",
    "notpresent",
    "is missing",
    "is required",
];

/// What a loader says that does not find a library.
const LIBRARY: &str = "cannot open shared object file";
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// A variable that lines complain of, and that is set where Kiln was started.
pub(super) fn unset(lines: &[&str], stage: &Stage) -> Option<String> {
    let is_set: BTreeSet<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    let name = lines.iter().find_map(|line| {
        let small = line.to_lowercase();
        if small.contains(LIBRARY) {
            return Some(LIBRARY_PATH).filter(|name| is_missed(name, stage, &is_set));
        }
        // `sh: 1: NAME: ...` is what a shell says of `${NAME:?...}`.
        let of_a_shell = || line.split(": ").skip(1).find(|part| is_missed(part, stage, &is_set));
        if let Some(name) = of_a_shell() {
            return Some(name);
        }
        let complains = UNSET.iter().any(|phrase| small.contains(phrase));
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|_| complains);
        words.find(|word| is_missed(word, stage, &is_set))
    })?;
    Some(format!(
        "`{name}` is set where Kiln was started, and a command sees only what its stage names; add `env: {{pass: [{name}]}}`"
    ))
}

/// Whether a word names a variable that is set outside and not in the stage.
fn is_missed(word: &str, stage: &Stage, is_set: &BTreeSet<OsString>) -> bool {
    let looks_like_one =
        word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    looks_like_one
        && is_set.contains(std::ffi::OsStr::new(word))
        && !stage.env.contains_key(word)
        && !stage.pass.iter().chain(&stage.cached).any(|name| name == word)
        && !surroundings::is_given(word)
}

/// A repository that `git` does not find in a stage.
pub(super) fn repository(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let complains =
        |line: &&str| line.contains("not a git repository") || line.contains("dubious ownership in repository");
    lines.iter().find(|line| complains(line))?;
    scene.project().ancestors().find(|folder| folder.join(".git").exists())?;
    Some(
        "a stage does not see the repository, which its key does not cover; hand over what it needs of it, for example \
         `kiln run --set commit=$(git rev-parse HEAD)` for `${params.commit}`"
            .into(),
    )
}
