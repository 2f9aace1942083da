//! Stages in files of their own, as DVC before 1.0 wrote them and later versions refuse them: `train.dvc` and `Dvcfile` with a `cmd`. The
//! file holds what its lock would say, too.

use std::path::{Path, PathBuf};

use super::context::join;
use super::file::{File, Item, Out, Params, Stage, Use, Variant};
use super::lock::{self, Entry};
use super::note::{Notes, Refused};
use super::template::Carried;
use super::text::text;
use super::yaml::{self, At, Content, Node};

/// The name of such a file that has no other.
pub(super) const PLAIN: &str = "Dvcfile";

/// Whether a path is that of such a file, and not of a `dvc.yaml`.
pub(super) fn is_single(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name != "dvc.yaml")
}

/// Of the files with data or a stage, takes those with a stage: what is left are data.
pub(super) fn take(root: &Path, data: &mut Vec<PathBuf>, notes: &mut Notes) -> Result<Vec<File>, Refused> {
    let mut files = Vec::new();
    let mut rest = Vec::new();
    for path in std::mem::take(data) {
        let text = text(root, &path)?;
        let tree = yaml::read(&text).map_err(|fault| Refused::of(&path, fault))?;
        match tree.get("cmd").filter(|cmd| !cmd.is_null()) {
            Some(_) => files.push(read(&path, text, tree, notes)?),
            None => rest.push(path),
        }
    }
    *data = rest;
    Ok(files)
}

fn read(path: &Path, text: String, root: Node, notes: &mut Notes) -> Result<File, Refused> {
    let folder = path.parent().map_or_else(String::new, |folder| folder.display().to_string());
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let wdir = join(&folder, root.get("wdir").and_then(Node::text).unwrap_or("."));
    let top = At { line: 1, column: 1 };
    let cmd = root.get("cmd");
    let (mut commands, mut whole) = (Vec::new(), None);
    match cmd.map(|cmd| &cmd.content) {
        Some(Content::List(items)) => {
            commands.extend(items.iter().filter_map(Node::shown).map(|text| Carried::plain(&text)));
        }
        _ => {
            let text = cmd.and_then(Node::shown).unwrap_or_default();
            commands.extend(Carried::plain(&text).lines());
            whole = Some(text);
        }
    }
    let item = |node: &Node| {
        let listed = node.get("path").and_then(Node::shown)?;
        let path = join(&wdir, &listed);
        Some(Item { written: path.replace("${", "$${"), path, listed, at: node.get("path")?.at })
    };
    let (mut deps, mut params, mut outs) = (Vec::new(), Vec::new(), Vec::new());
    for node in root.get("deps").map(Node::items).unwrap_or_default() {
        let Some(item) = item(node) else { continue };
        match node.get("params") {
            Some(values) => {
                let keys = values.entries().iter().map(|entry| entry.key.clone()).collect();
                params.push(Params { path: item.path, keys, at: item.at });
            }
            None => deps.push(item),
        }
    }
    for node in root.get("outs").map(Node::items).unwrap_or_default() {
        let Some(item) = item(node) else { continue };
        let says =
            |key: &str| node.get(key).is_some_and(|node| !matches!(node.content, Content::Null | Content::Bool(false)));
        let what = match (says("metric"), says("plot")) {
            (true, _) => Use::Metric,
            (_, true) => Use::Plot,
            _ => Use::Out,
        };
        let cache = !node.get("cache").is_some_and(|node| matches!(node.content, Content::Bool(false)));
        outs.push(Out { item, what, cache, persist: says("persist"), x: None });
    }
    let said = |key: &str| root.get(key).is_some_and(Node::is_true);
    let variant = Variant {
        name: name.clone(),
        labels: vec![],
        wdir_written: wdir.clone(),
        wdir,
        listed: whole.is_none(),
        commands,
        whole,
        deps,
        params,
        outs,
    };
    let stage = Stage {
        name,
        at: top,
        axes: vec![],
        variants: vec![variant],
        // Before 1.0 the word was another.
        frozen: said("frozen") || said("locked"),
        always: said("always_changed"),
        desc: root.get("desc").and_then(Node::text).map(|text| text.trim().to_owned()),
        last: text.lines().count(),
        cmd_at: cmd.map_or(top, |cmd| cmd.at),
        folded: false,
        apart: vec![],
        aside: Notes::default(),
    };
    if let Some(meta) = root.get("meta") {
        notes.lost(path, meta.at, "`meta` is not kept", "write it as a comment if it matters");
    }
    Ok(File { path: path.to_owned(), folder, text, root, sources: vec![], stages: vec![stage] })
}

/// The lock of a file with stages. That of a single stage is its own.
pub(super) fn lock_of(file: &File) -> PathBuf {
    if is_single(&file.path) { file.path.clone() } else { lock::beside(&file.path) }
}

/// What is known of the stages of any file, by its lock.
pub(super) fn entries(root: &Path, file: &File) -> Result<Vec<Entry>, Refused> {
    if is_single(&file.path) {
        return Ok(vec![locked(file)]);
    }
    lock::read(root, &lock_of(file))
}

/// What the file says of the contents that its stage met.
fn locked(file: &File) -> Entry {
    let name = file.stages.first().map_or("", |stage| stage.name.as_str());
    let mut entry = lock::of(name, &file.root);
    // Parameters are dependencies there.
    for node in file.root.get("deps").map(Node::items).unwrap_or_default() {
        if let (Some(path), Some(values)) = (node.get("path").and_then(Node::shown), node.get("params")) {
            entry.deps.retain(|dep| dep.path != path || dep.hash.is_some());
            entry.params.push((path, values.clone()));
        }
    }
    entry
}
