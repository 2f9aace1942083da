//! Environments of the project that a command names by their path, as `.venv/bin/python` and `. .venv/bin/activate` do.
//!
//! Like one that is activated they are tools: a stage may read them. Its key covers them if `environment:` says so (`decide/environment`).

use std::path::{Component, Path, PathBuf};

use crate::pipeline::Command;

/// What follows the path of an environment where a program in it is named.
const PROGRAMS: [&str; 2] = ["/bin/", "/.bin/"];

/// The environments that a command names, relative to the project.
pub(crate) fn named(command: &Command, project: &Path) -> Vec<PathBuf> {
    let texts = match command {
        Command::Shell(script) => std::slice::from_ref(script),
        Command::Argv(argv) => argv.as_slice(),
    };
    let mut found: Vec<PathBuf> = Vec::new();
    for text in texts {
        for (at, _) in PROGRAMS.iter().flat_map(|programs| text.match_indices(programs)) {
            if let Some(path) = before(&text[..at])
                && !found.contains(&path)
                && is_toolchain(&project.join(&path))
            {
                found.push(path);
            }
        }
    }
    found
}

/// The relative path that a text ends with.
fn before(text: &str) -> Option<PathBuf> {
    let word = text.rsplit(|c: char| c.is_whitespace() || "'\"`=:;|&(){}<>$".contains(c)).next().unwrap_or(text);
    // `$PWD/.venv`, `${PWD}/.venv`.
    let word = word.strip_prefix("PWD").unwrap_or(word);
    let absolute = word.starts_with('/') && !text.strip_suffix(word).is_some_and(|rest| rest.ends_with(['D', '}']));
    let plain = Path::new(word).components().filter(|part| matches!(part, Component::Normal(_)));
    let path: PathBuf = plain.collect();
    (!absolute && !path.as_os_str().is_empty()).then_some(path)
}

/// Whether a folder is an environment of Python or conda, or the packages of Node.
pub(crate) fn is_toolchain(home: &Path) -> bool {
    let packages = || home.ends_with("node_modules") && home.join(".bin").is_dir();
    home.join("pyvenv.cfg").is_file() || home.join("conda-meta").is_dir() || packages()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_before_a_program_is_found() {
        for (text, path) in [
            (".venv", Some(".venv")),
            ("cd x; ../.venv", Some(".venv")),
            ("exec ./env", Some("env")),
            ("\"$PWD/.venv", Some(".venv")),
            ("${PWD}/.venv", Some(".venv")),
            ("tools/.venv", Some("tools/.venv")),
            ("/usr", None),
            ("", None),
            ("PATH=/opt", None),
        ] {
            assert_eq!(before(text), path.map(PathBuf::from), "{text}");
        }
    }
}
