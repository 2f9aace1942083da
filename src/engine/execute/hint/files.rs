//! Files that a command could not have: those that its stage does not declare, and those that it may not write or execute.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::complaint::{Complaint, Fault, complaint};
use super::{CommandEnd, Named};

/// The status of a shell that was told to start what it may not execute.
const NOT_EXECUTABLE: i32 = 126;

/// A file of the project that lines complain of, and that the stage does not declare.
pub(super) fn undeclared(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let complaints = lines.iter().filter_map(|line| complaint(line));
    complaints.into_iter().find_map(|complaint| complaint.names.iter().find_map(|name| of(name, &complaint, scene)))
}

fn of(name: &str, complaint: &Complaint<'_>, scene: &CommandEnd<'_>) -> Option<String> {
    let Some((Named::Project(path), own)) = scene.find(name) else { return None };
    let there = fs::symlink_metadata(scene.project().join(&path)).ok();
    let shown = path.display();
    match complaint.fault {
        // In words of its own a program may speak of anything that is called so.
        Fault::NotFound if !(name.contains(['/', '.']) && there.as_ref().is_some_and(|found| found.is_file())) => {
            return None;
        }
        // What a stage may not write in its own folder it has made itself.
        Fault::Denied if own || complaint.writes => return None,
        _ => {}
    }
    if let Some(from) = scene.producer(&path) {
        return Some(format!(
            "`{shown}` is what `{from}` writes, and the stage does not declare it; name it under `inputs`: `{{from: {from}}}`"
        ));
    }
    let found = there?;
    if let Some(home) = scene.toolchain(&path) {
        let home = home.display();
        return Some(format!(
            "`{home}` is an environment of the project; activate it before `kiln run`, and leave `{home}/bin/` away"
        ));
    }
    let what = if found.is_dir() { "folder" } else { "file" };
    let whose = if path.starts_with("..") { "beside" } else { "of" };
    Some(format!("`{shown}` is a {what} {whose} the project that the stage does not declare; name it under `inputs`"))
}

/// What lines say was refused, where it is certain why.
pub(super) fn denied(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let complaints = lines.iter().filter_map(|line| complaint(line));
    let complaints = complaints.filter(|found| found.fault == Fault::Denied || found.writes);
    let starts = scene.code == Some(NOT_EXECUTABLE) || lines.iter().any(|line| line.contains("_execute_child"));
    complaints.into_iter().find_map(|found| {
        found.names.iter().find_map(|name| refused(name, found.fault == Fault::Denied, starts, scene))
    })
}

/// `denied` if the system said that it may not be, and not that there is no folder for it.
fn refused(name: &str, denied: bool, starts: bool, scene: &CommandEnd<'_>) -> Option<String> {
    let (named, own) = scene.find(name)?;
    match named {
        Named::Input(path) if own && denied => {
            let shown = path.display();
            if let Some(started) = not_executable(&scene.work.join(&path), starts) {
                return Some(format!("`{shown}` is not executable; `chmod +x {shown}`, or write `{started} {shown}`"));
            }
            if starts {
                return None;
            }
            Some(format!("`{shown}` is an input, and inputs are read-only; write to a copy, for example under $TMPDIR"))
        }
        Named::Input(path) if !own && scene.guarded => {
            let shown = path.display();
            Some(format!("the stage has a copy of `{shown}` of its own; write `{shown}` for `{name}`"))
        }
        Named::Output(path) if !own && scene.guarded => {
            let shown = path.display();
            Some(format!(
                "a stage writes in a folder of its own; write `{shown}` for `{name}`, and Kiln puts it in place"
            ))
        }
        Named::Project(path) if !own && denied => outside(&scene.project().join(path), scene),
        Named::Outside(path) if denied && !starts && !path.starts_with("/dev") => outside(&path, scene),
        _ => None,
    }
}

/// Who could run a file that is a program, and cannot be executed.
fn not_executable(file: &Path, starts: bool) -> Option<String> {
    let found = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    if found.permissions().mode() & 0o111 != 0 {
        return None;
    }
    let mut head = [0; 128];
    let length = fs::File::open(file).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let text = String::from_utf8_lossy(&head[..length]);
    // `#!/usr/bin/env python3`
    let interpreter = text.lines().next().and_then(|line| line.strip_prefix("#!")).map(str::split_whitespace);
    let named =
        interpreter.and_then(|words| words.map(|word| word.rsplit('/').next().unwrap_or(word)).find(|w| *w != "env"));
    if named.is_none() && !starts {
        return None;
    }
    Some(named.unwrap_or("sh").to_owned())
}

/// A path that the guard keeps the stage from writing to: who started Kiln could.
fn outside(path: &Path, scene: &CommandEnd<'_>) -> Option<String> {
    let target = if path.exists() { path } else { path.parent()? };
    let reach = scene.guarded && access(target, Access::WRITE_OK).is_ok();
    let path = path.display();
    reach.then(|| {
        format!("`{path}` is outside the stage's scratch directory: it may write its outputs, and temporary files under $TMPDIR")
    })
}
