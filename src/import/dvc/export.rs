//! The way back: a `dvc.yaml` of a pipeline, and a `dvc.lock` of what lies in the project, which DVC takes for up to date.
//!
//! Where the project has a `dvc.yaml` of its own, only locks are written. Entries of stages that are not up to date stay as they are.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cache::Caches;
use super::digest::{self, Hash};
use super::file::{self, File, Variant};
use super::note::{Notes, Refused};
use super::project::{Found, find};
use super::scalar::{block_or, flow, scalar};
use super::text::text;
use super::yaml::{self, At, Content, Node};
use super::{apart, lock, params, plan, planned};
use crate::kind::Role;
use crate::pipeline::{Body, Command, From, Input, Pipeline, Stage, View};

/// The `dvc.yaml` of a pipeline: every variant a stage, its outputs not in DVC's cache.
pub fn stages(pipeline: &Pipeline) -> String {
    let mut out = String::from("stages:\n");
    let mut taken = BTreeSet::new();
    for stage in &pipeline.stages {
        let mut name: String = stage.name.stage.clone();
        for (_, label) in &stage.name.variant {
            let _ = write!(name, "-{label}");
        }
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let mut name: String = name.chars().map(|c| if good(c) { c } else { '_' }).collect();
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        let _ = writeln!(out, "  {name}:");
        let escaped = command(stage).replace("${", "\\${");
        let _ = if escaped.contains('\n') {
            writeln!(out, "    cmd:\n    - {}", block_or(&escaped, "      "))
        } else {
            writeln!(out, "    cmd: {}", scalar(&escaped, false))
        };
        let (mut deps, mut keys) = (BTreeSet::new(), Vec::new());
        for input in stage.inputs.values().flatten() {
            match &input.from {
                From::Source(path) => match written_keys(input) {
                    Some(found) => keys.push((path.display().to_string(), found)),
                    None => drop(deps.insert(path.display().to_string())),
                },
                From::Output { stage, output } => {
                    deps.insert(pipeline.stages[stage.0].outputs[output].path.display().to_string());
                }
            }
        }
        list(&mut out, "deps", deps.iter().map(|path| scalar(path, false)));
        let keys = keys.into_iter().map(|(path, keys)| {
            let keys: Vec<String> = keys.iter().map(|key| format!("\n      - {}", scalar(key, false))).collect();
            format!("{}:{}", scalar(&path, false), keys.concat())
        });
        list(&mut out, "params", keys);
        for (key, roles) in
            [("outs", &[Role::Data][..]), ("metrics", &[Role::Metrics]), ("plots", &[Role::Series, Role::Figure])]
        {
            let outputs = stage.outputs.values().filter(|output| roles.contains(&output.role));
            let items = outputs
                .map(|output| format!("{}:\n        cache: false", scalar(&output.path.to_string_lossy(), false)));
            list(&mut out, key, items);
        }
    }
    out
}

fn list(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    for (i, item) in items.enumerate() {
        if i == 0 {
            let _ = writeln!(out, "    {key}:");
        }
        let _ = writeln!(out, "    - {item}");
    }
}

/// The keys of a file of parameters that a command takes; `None` if it takes a file or folder.
fn written_keys(input: &Input) -> Option<Vec<String>> {
    let Some(View::Written(text)) = input.view.as_deref() else { return None };
    let mut keys = Vec::new();
    leaves(&yaml::read(text).ok()?, "", &mut keys);
    Some(keys)
}

fn leaves(node: &Node, path: &str, keys: &mut Vec<String>) {
    for entry in node.entries() {
        let name = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        match &entry.node.content {
            Content::Map(entries) if !entries.is_empty() => leaves(&entry.node, &name, keys),
            _ => keys.push(name),
        }
    }
}

/// What DVC is to run for a stage.
fn command(stage: &Stage) -> String {
    let word = |text: &str| super::template::quoted(text);
    let Body::Run(command) = &stage.body else {
        // Built-in kinds are Kiln's alone.
        return format!("kiln run {}", word(&stage.name.to_string()));
    };
    let mut lines = Vec::new();
    for (name, value) in &stage.env {
        lines.push(format!("export {name}={}", word(value)));
    }
    match command {
        Command::Argv(argv) => match argv.as_slice() {
            // As it came from DVC.
            [shell, option, text] if lines.is_empty() && matches!(shell.as_str(), "sh" | "bash") && option == "-c" => {
                return text.clone();
            }
            argv => lines.push(argv.iter().map(|argument| word(argument)).collect::<Vec<_>>().join(" ")),
        },
        Command::Shell(script) => {
            let script = script.trim_end();
            if lines.is_empty() && !script.contains('\n') {
                return script.to_owned();
            }
            lines.insert(0, "set -eu".into());
            lines.push(script.to_owned());
        }
    }
    lines.join("\n")
}

/// A lock to be written, and what is to be in DVC's cache for it.
pub struct Lock {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// DVC's names of the stages whose entries are new.
    pub entries: Vec<String>,
    /// Those of stages that are up to date and of which something that they take is not in place.
    pub lacking: Vec<String>,
    /// What DVC's cache has to have: its name there, and where it lies.
    objects: Vec<(String, PathBuf)>,
    /// Listings of folders, by their names there.
    listings: Vec<(String, String)>,
}

/// The locks of every `dvc.yaml` of the project. `is_done` tells of a path whether it is an output of a stage that is up to date.
///
/// # Errors
/// If a file cannot be read.
pub fn locks(root: &Path, is_done: &dyn Fn(&str) -> bool) -> Result<Vec<Lock>, Refused> {
    let mut notes = Notes::default();
    let Found { pipelines, .. } = find(root);
    let files = pipelines.iter().enumerate().map(|(i, path)| file::read(root, path, i == 0, &mut notes));
    let mut files = files.collect::<Result<Vec<File>, _>>()?;
    apart::divide(&mut files, &mut notes);
    let names = plan::names(&files, &mut notes);
    let of = |(f, file)| lock_of(root, file, &|s: usize| names[&(f, s)].as_str(), is_done);
    files.iter().enumerate().map(of).collect()
}

fn lock_of<'n>(
    root: &Path,
    file: &File,
    name: &dyn Fn(usize) -> &'n str,
    is_done: &dyn Fn(&str) -> bool,
) -> Result<Lock, Refused> {
    let path = lock::beside(&file.path);
    let before = if root.join(&path).is_file() { text(root, &path)? } else { String::new() };
    // Held to be a lock before parts of it are kept.
    lock::read(root, &path)?;
    let mut blocks = blocks(&before);
    let mut lock =
        Lock { file: path, text: String::new(), entries: vec![], lacking: vec![], objects: vec![], listings: vec![] };
    for (s, stage) in file.stages.iter().enumerate().filter(|(_, stage)| !stage.frozen) {
        for variant in &stage.variants {
            // A stage without outputs leaves a mark.
            let labels = variant.labels.iter().map(|(_, label)| label.clone());
            let done = match variant.outs.as_slice() {
                [] => is_done(&planned::mark(name(s), labels)),
                outs => outs.iter().all(|out| is_done(&out.item.path)),
            };
            if !done {
                continue;
            }
            let mut taken =
                variant.deps.iter().map(|dep| &dep.path).chain(variant.params.iter().map(|file| &file.path));
            if !taken.all(|path| root.join(path).exists()) {
                lock.lacking.push(variant.name.clone());
                continue;
            }
            let entry = entry(root, file, variant, &mut lock)?;
            match blocks.iter_mut().find(|(name, _)| *name == variant.name) {
                Some((_, text)) => *text = entry,
                None => blocks.push((variant.name.clone(), entry)),
            }
            lock.entries.push(variant.name.clone());
        }
    }
    lock.text = String::from("schema: '2.0'\nstages:\n");
    blocks.iter().for_each(|(_, text)| lock.text.push_str(text));
    Ok(lock)
}

/// The entries of a lock as they are written there.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            within = line.starts_with("stages:");
            continue;
        }
        let begins = line.starts_with("  ") && !line[2..].starts_with([' ', '-', '#']);
        if within && begins && line.ends_with(':') {
            let key = line.trim().trim_end_matches(':');
            let name = yaml::read(key).ok().and_then(|node| node.shown()).unwrap_or_else(|| key.to_owned());
            blocks.push((name, String::new()));
        }
        if let Some((_, block)) = blocks.last_mut().filter(|_| within) {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

fn entry(root: &Path, file: &File, variant: &Variant, lock: &mut Lock) -> Result<String, Refused> {
    let refuse = |what: String| Refused::new(&file.path, At::default(), what);
    let mut out = format!("  {}:\n", scalar(&variant.name, false));
    let texts: Vec<String> = variant.commands.iter().map(|command| command.resolved()).collect();
    if variant.listed {
        out.push_str("    cmd:\n");
        for text in &texts {
            let _ = writeln!(out, "    - {}", quoted(text));
        }
    } else {
        let _ = writeln!(out, "    cmd: {}", quoted(variant.whole.as_deref().unwrap_or(&texts.join("\n"))));
    }
    let mut deps: Vec<(&str, &str)> = variant.deps.iter().map(|dep| (dep.listed.as_str(), dep.path.as_str())).collect();
    deps.sort_unstable();
    for (i, (listed, path)) in deps.iter().enumerate() {
        out.push_str(if i == 0 { "    deps:\n" } else { "" });
        describe(root, path, listed, &mut out, None).map_err(|e| refuse(format!("cannot read `{path}`: {e}")))?;
    }
    for (i, params) in variant.params.iter().enumerate() {
        out.push_str(if i == 0 { "    params:\n" } else { "" });
        let node = params::file(root, &params.path)?;
        let listed = if variant.wdir == "." { params.path.clone() } else { relative(&variant.wdir, &params.path) };
        let _ = writeln!(out, "      {}:", scalar(&listed, false));
        if params.keys.is_empty() {
            for entry in node.entries() {
                let _ = writeln!(out, "        {}: {}", scalar(&entry.key, false), flow(&entry.node));
            }
        }
        let mut keys: Vec<&String> = params.keys.iter().collect();
        keys.sort_unstable();
        for key in keys {
            let value = params::value(&node, key).ok_or_else(|| refuse(format!("`{}` has no `{key}`", params.path)))?;
            let _ = writeln!(out, "        {}: {}", scalar(key, false), flow(value));
        }
    }
    let mut outs: Vec<_> = variant.outs.iter().collect();
    outs.sort_unstable_by_key(|out| &out.item.listed);
    for (i, output) in outs.iter().enumerate() {
        out.push_str(if i == 0 { "    outs:\n" } else { "" });
        let cached = output.cache.then_some(&mut *lock);
        let path = &output.item.path;
        describe(root, path, &output.item.listed, &mut out, cached)
            .map_err(|e| refuse(format!("cannot read `{path}`: {e}")))?;
    }
    Ok(out)
}

/// What a lock says of a path; with a lock it is to be in DVC's cache, too.
fn describe(root: &Path, path: &str, listed: &str, out: &mut String, cached: Option<&mut Lock>) -> io::Result<()> {
    let full = root.join(path);
    let metadata = fs::metadata(&full)?;
    let _ = writeln!(out, "    - path: {}\n      hash: md5", scalar(listed, false));
    if metadata.is_dir() {
        let members = digest::members(root, path, &|path| digest::of_file(path, false))?;
        let listing = digest::listing(&members);
        let md5 = digest::of_bytes(listing.as_bytes()) + ".dir";
        let mut size = 0;
        for member in &members {
            size += fs::metadata(full.join(&member.relative))?.len();
        }
        let _ = writeln!(out, "      md5: {md5}\n      size: {size}\n      nfiles: {}", members.len());
        if let Some(lock) = cached {
            lock.objects.extend(members.iter().map(|m| (m.md5.clone(), PathBuf::from(path).join(&m.relative))));
            lock.listings.push((md5, listing));
        }
        return Ok(());
    }
    let md5 = digest::of_file(&full, false)?;
    let _ = writeln!(out, "      md5: {md5}\n      size: {}", metadata.len());
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0 {
        out.push_str("      isexec: true\n");
    }
    if let Some(lock) = cached {
        lock.objects.push((md5, PathBuf::from(path)));
    }
    Ok(())
}

impl Lock {
    /// Puts what the lock names into DVC's cache, as copies, and then writes it.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        let mut notes = Notes::default();
        let cache = Caches::of(root, false, &mut notes);
        for (md5, path) in &self.objects {
            let place = cache.place(&Hash { md5: md5.clone(), folded: false });
            if !place.is_file() {
                put(&place, |to| reflink_copy::reflink_or_copy(root.join(path), to).map(drop))?;
            }
        }
        for (md5, text) in &self.listings {
            let place = cache.place(&Hash { md5: md5.clone(), folded: false });
            if !place.is_file() {
                put(&place, |to| fs::write(to, text))?;
            }
        }
        let file = root.join(&self.file);
        let new = file.with_extension("lock.new");
        fs::write(&new, &self.text)?;
        fs::rename(new, file)
    }
}

/// Writes a file of DVC's cache, which nobody may write to.
fn put(place: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = place.with_extension("new");
    let _ = fs::remove_file(&new);
    write(&new)?;
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o444))?;
    fs::rename(new, place)
}

/// A text as a scalar that PyYAML and ruamel read as that text.
fn quoted(text: &str) -> String {
    if text.contains('\n') { Value::from(text).to_string() } else { scalar(text, false) }
}

/// The way from a folder of the project to a path.
fn relative(folder: &str, path: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (folder.split('/').collect(), path.split('/').collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    up.chain(to[common..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::dvc::context::join;

    #[test]
    fn entries_of_a_lock_are_taken_apart() {
        let text = "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps:\n    - path: y\n  b@1:\n    cmd: |\n      z\n";
        let found = blocks(text);
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b@1"]);
        assert_eq!(found[1].1, "  b@1:\n    cmd: |\n      z\n");
        assert_eq!(relative("sub/x", "sub/in"), "../in");
        assert_eq!(join("sub/x", "../in"), "sub/in");
    }
}
