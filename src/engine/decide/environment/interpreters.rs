//! Which environments of Python a command uses, as far as that can be told without running it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::python::{Python, is_environment};
use super::{is_program, path_of, texts, which, words, words_of};
use crate::engine::executor::toolchain;
use crate::pipeline::{Command, Stage};

/// The environments that a command uses, in this order: those that it names by their paths; the interpreters that it names, or that scripts ask for
/// which it starts; the one that is active, if it starts other programs of it; if there are none of these and it speaks of Python, the
/// system's interpreter.
pub(super) fn used(command: &Command, stage: &Stage, root: &Path) -> Vec<Python> {
    let command = &without_comments(command);
    let mut found = named_environments(command, root);
    let is_named = !found.is_empty();
    let folders = path_of(stage);
    let told: Vec<String> = texts(command).iter().map(|text| filled(text, stage)).collect();
    // After `. .venv/bin/activate` a bare name is that of the environment, and under `uv run`.
    let is_active = is_named && told.iter().any(|text| text.contains("activate") || text.contains("uv run"));
    let started: Vec<String> = started(command, &told);
    // Beside an environment that is named, `python` may be any word.
    let is_meant = |word: &str| word.contains('/') || !is_named || started.iter().any(|program| program == word);
    let elsewhere = |name: &str| interpreter(name, &folders).filter(|_| name.contains('/') || !is_active);
    let words_told = told.iter().flat_map(|text| words_of(text));
    for word in words_told.filter(|word| names_interpreter(word) && is_meant(word)) {
        if let Some(interpreter) = elsewhere(word) {
            add(&mut found, Python::of(interpreter, stage));
        }
    }
    let scripts = started.iter().map(String::as_str).filter(|word| word.contains('/') && !word.starts_with('/'));
    let mut scripts_of_python = Vec::new();
    for script in scripts.filter(|script| is_program(&root.join(script))) {
        if let Some(interpreter) = asked_for(&root.join(script)).and_then(|name| elsewhere(&name)) {
            add(&mut found, Python::of(interpreter, stage));
            scripts_of_python.push(script);
        }
    }
    if is_named {
        return found;
    }
    // `python` may be of an environment that has no `python3`.
    let first = folders.iter().find(|folder| folder.join("python").is_file() || folder.join("python3").is_file());
    let active = first.and_then(|folder| folder.parent()).filter(|prefix| is_environment(prefix));
    let speaks = || words(command).any(|word| word.ends_with(".py") || word == "pip" || names_interpreter(word));
    match active {
        Some(prefix) => {
            let mut others =
                words(command).filter(|word| !names_interpreter(word) && !scripts_of_python.contains(word));
            if (found.is_empty() && speaks()) || others.any(|word| may_start(word, prefix, root)) {
                add(&mut found, Python::at(prefix.to_owned()));
            }
        }
        None if found.is_empty() && speaks() => {
            let interpreter = which(&folders, "python3").or_else(|| which(&folders, "python"));
            found.extend(interpreter.map(|interpreter| Python::of(interpreter, stage)));
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

/// A command without the lines of its script that are comments.
fn without_comments(command: &Command) -> Command {
    match command {
        Command::Shell(script) => {
            let lines: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
            Command::Shell(lines.join("\n"))
        }
        Command::Argv(argv) => Command::Argv(argv.clone()),
    }
}

/// A text with the values of variables that the stage sets, `$NAME` and `${NAME}`; among them those of `${...}` of the pipeline.
fn filled(text: &str, stage: &Stage) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let inside = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, behind) = inside.unwrap_or_else(|| after.split_at(end));
        match (name, stage.env.get(name)) {
            ("PWD", _) => {
                out.push('.');
                rest = behind;
            }
            (_, Some(value)) => {
                out.push_str(value);
                rest = behind;
            }
            (_, None) => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

/// The programs that a command starts, as far as that can be told: the first word of each command of a script, without quotes.
fn started(command: &Command, told: &[String]) -> Vec<String> {
    const BEFORE: [&str; 15] = [
        "exec", "time", "nohup", "nice", "env", "if", "then", "else", "elif", "while", "until", "do", "!", "command",
        "timeout",
    ];
    let is_shell = matches!(command, Command::Shell(_));
    let texts = if is_shell { told } else { told.get(..1).unwrap_or_default() };
    let commands = texts.iter().flat_map(|text| text.split(|c: char| is_shell && ";|&(){}`\n".contains(c)));
    let program = |command: &str| {
        let mut words = command.split_whitespace().map(|word| word.replace(['"', '\''], ""));
        // `timeout 10`, `nice -n 19`, `A=1`.
        let is_before = |word: &str| {
            BEFORE.contains(&word)
                || word.contains('=')
                || word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                || word.is_empty()
        };
        words.find(|word| !is_before(word))
    };
    commands.filter_map(program).collect()
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
    fn the_programs_that_a_script_starts_are_found() {
        let started = |text: &str| -> Vec<String> {
            let told = [text.to_owned()];
            super::started(&Command::Shell(text.to_owned()), &told)
        };
        assert_eq!(
            started("A=1 ./a.py x.py && exec \"b/c\" | d\nif ./e; then timeout 10 ./\"f\"; fi"),
            ["./a.py", "b/c", "d", "./e", "./f", "fi"]
        );
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
