//! Which environments of Python a command uses, as far as that can be told without running it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::python::{Python, is_environment};
use super::{path_of, texts, which, words};
use crate::engine::executor::toolchain;
use crate::pipeline::{Command, Stage};

/// The environments that a command uses: those it names by their paths. If there are none, the interpreters that it names or that its scripts ask
/// for, and the environment that is active, if it starts other programs of it. If there are none of these either and the command speaks of Python, the
/// system's interpreter.
pub(super) fn used(command: &Command, stage: &Stage, root: &Path) -> Vec<Python> {
    let named = named_environments(command, root);
    if !named.is_empty() {
        return named;
    }
    let folders = path_of(stage);
    let mut found = named_interpreters(command, &folders);
    if found.is_empty() {
        found = of_scripts(command, &folders, root);
    }
    // `python` may be of an environment that has no `python3`.
    let first = folders.iter().find(|folder| folder.join("python").is_file() || folder.join("python3").is_file());
    let active = first.and_then(|folder| folder.parent()).filter(|prefix| is_environment(prefix));
    let speaks = || words(command).any(|word| word.ends_with(".py") || word == "pip" || names_interpreter(word));
    match active {
        Some(prefix) => {
            let mut others = words(command).filter(|word| !names_interpreter(word));
            if (found.is_empty() && speaks()) || others.any(|word| may_start(word, prefix, root)) {
                add(&mut found, Python::at(prefix.to_owned()));
            }
        }
        None if found.is_empty() && speaks() => {
            let interpreter = which(&folders, "python3").or_else(|| which(&folders, "python"));
            found.extend(interpreter.map(Python::of));
        }
        None => {}
    }
    found
}

fn add(found: &mut Vec<Python>, python: Python) {
    if !found.contains(&python) {
        found.push(python);
    }
}

/// `.venv/bin/python`, `. .venv/bin/activate`, `/opt/envs/a/bin/python`, and what `uv run` takes.
fn named_environments(command: &Command, root: &Path) -> Vec<Python> {
    let mut prefixes: Vec<PathBuf> =
        toolchain::named(command, root).into_iter().map(|inside| root.join(inside)).collect();
    for word in words(command).filter(|word| word.starts_with('/')) {
        let folders = Path::new(word).parent().filter(|folder| folder.ends_with("bin")).and_then(Path::parent);
        prefixes.extend(folders.map(Path::to_owned));
    }
    if texts(command).iter().any(|text| text.contains("uv run")) || words(command).take(2).eq(["uv", "run"]) {
        prefixes.push(root.join(".venv"));
    }
    let mut found = Vec::new();
    for prefix in prefixes.into_iter().filter(|prefix| is_environment(prefix)) {
        add(&mut found, Python::at(prefix));
    }
    found
}

/// `python3.10 train.py`, `/opt/python/bin/python3 train.py`.
fn named_interpreters(command: &Command, folders: &[PathBuf]) -> Vec<Python> {
    let mut found = Vec::new();
    for word in words(command).filter(|word| names_interpreter(word)) {
        if let Some(interpreter) = interpreter(word, folders) {
            add(&mut found, Python::of(interpreter));
        }
    }
    found
}

/// The interpreters that scripts of the project ask for, where the command starts them by themselves: `./train.py`.
fn of_scripts(command: &Command, folders: &[PathBuf], root: &Path) -> Vec<Python> {
    let mut found = Vec::new();
    for word in words(command).filter(|word| word.contains('/')) {
        let script = root.join(word);
        if is_program(&script)
            && let Some(interpreter) = asked_for(&script).and_then(|name| interpreter(&name, folders))
        {
            add(&mut found, Python::of(interpreter));
        }
    }
    found
}

/// The interpreter of Python that the first line of a script names: `#!/opt/env/bin/python`, `#!/usr/bin/env -S python3.10 -u`.
fn asked_for(script: &Path) -> Option<String> {
    let mut head = [0; 512];
    let read = fs::File::open(script).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = String::from_utf8_lossy(head.get(..read)?).lines().next()?.strip_prefix("#!")?.to_owned();
    let mut words = line.split_whitespace();
    let program = words.next()?;
    let name = match program.rsplit('/').next() {
        Some("env") => words.find(|word| !word.starts_with('-') && !word.contains('='))?,
        _ => program,
    };
    names_interpreter(name).then(|| name.to_owned())
}

/// An interpreter by its name or its absolute path.
fn interpreter(word: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    match word.contains('/') {
        true => Some(PathBuf::from(word)).filter(|path| path.is_absolute() && is_program(path)),
        false => which(folders, word),
    }
}

/// Whether a word of a command may be a program of an environment, or a script that starts one.
fn may_start(word: &str, prefix: &Path, root: &Path) -> bool {
    matches!(word, "." | "source" | "eval" | "make" | "sh" | "bash")
        || word.ends_with(".sh")
        || (!word.contains('/') && is_program(&prefix.join("bin").join(word)))
        || (word.contains('/') && !word.starts_with('/') && is_program(&root.join(word)))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// `python`, `python3`, `/usr/bin/python3.12`.
fn names_interpreter(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.strip_prefix("python").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_by_their_names() {
        for name in ["python", "python3", "python3.12", "/opt/x/bin/python3"] {
            assert!(names_interpreter(name), "{name}");
        }
        for name in ["pythonista", "python3-config", "ipython", "python3.py"] {
            assert!(!names_interpreter(name), "{name}");
        }
    }

    #[test]
    fn the_first_line_of_a_script_names_its_interpreter() {
        let script = tempfile::NamedTempFile::new().expect("a file");
        for (text, name) in [
            ("#!/opt/env/bin/python\nx", Some("/opt/env/bin/python")),
            ("#! /usr/bin/env python3.10\n", Some("python3.10")),
            ("#!/usr/bin/env -S A=1 python3 -u", Some("python3")),
            ("#!/bin/bash\npython3 x", None),
            ("import x\n", None),
            ("", None),
        ] {
            fs::write(script.path(), text).expect("write it");
            assert_eq!(asked_for(script.path()).as_deref(), name, "{text}");
        }
    }
}
