//! One model as a change of another: follows `extends` and applies `remove`, `change` and `insert` by layer name.

use std::path::{Path, PathBuf};

use common::params::hint;

use crate::kind::DocumentError;

use super::load::unknown;
use super::tree::{Data, Key, Node};

/// Reads a model file and everything it extends, and returns the whole model as one tree. `sources` receives every file
/// that was read, the named one first.
///
/// # Errors
/// If a file cannot be read, `extends` goes round in a circle, or a change names a layer that is not there.
pub fn resolve(path: &Path, sources: &mut Vec<PathBuf>) -> Result<Node, DocumentError> {
    follow(path, &mut Vec::new(), sources)
}

fn follow(path: &Path, chain: &mut Vec<PathBuf>, sources: &mut Vec<PathBuf>) -> Result<Node, DocumentError> {
    sources.push(path.to_owned());
    let mut node = Node::read(path)?;
    node.mapping("a model")?;
    if node.get("name").is_none() {
        return Err(node.place.error("the model has no `name`"));
    }
    if let Some(layers) = node.get_mut("layers") {
        name_inner(layers)?;
    }
    let Some(base) = node.take("extends") else {
        for edit in ["remove", "change", "insert"] {
            if let Some(found) = node.get(edit) {
                let message = format!("`{edit}` changes the layers of another model, and this one has no `extends`");
                return Err(found.place.error(message));
            }
        }
        return Ok(node);
    };
    let name = base.text().ok_or_else(|| base.place.error("`extends` must be the path of a model file"))?;
    let target = path.parent().unwrap_or(Path::new("")).join(name);
    let real = |p: &Path| std::fs::canonicalize(p).unwrap_or_else(|_| p.to_owned());
    chain.push(real(path));
    if chain.contains(&real(&target)) {
        let shown = |p: &PathBuf| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut names: Vec<String> = chain.iter().map(shown).collect();
        names.push(shown(&target));
        return Err(base.place.error(format!("`extends` goes round in a circle: {}", names.join(" -> "))));
    }
    if !target.is_file() {
        let mut error = base.place.error(format!("there is no model file {}", target.display()));
        error.hint = Some("the path is relative to the file that says `extends`".into());
        return Err(error);
    }
    let base = follow(&target, chain, sources)?;
    apply(base, node)
}

/// `base` with the entries of `change` in place of its own, then edited.
fn apply(mut base: Node, mut change: Node) -> Result<Node, DocumentError> {
    let edits = ["remove", "change", "insert"].map(|key| change.take(key));
    base.place = change.place.clone();
    if let Data::Mapping(entries) = change.data {
        for (key, value) in entries {
            base.set(key, value);
        }
    }
    let [remove, replace, insert] = edits;
    let Some(layers) = base.get_mut("layers") else {
        return match [remove, replace, insert].into_iter().flatten().next() {
            Some(edit) => Err(edit.place.error("there are no layers to change")),
            None => Ok(base),
        };
    };
    if let Some(names) = remove {
        for name in names.sequence("`remove`")? {
            at(layers, name, |list, i| {
                list.remove(i);
                Ok(())
            })?;
        }
    }
    if let Some(changes) = replace {
        for (name, fields) in changes.mapping("`change`")? {
            let key = Node { place: name.place.clone(), data: Data::Scalar(name.text.clone().into()) };
            fields.mapping("the change of a layer")?;
            at(layers, &key, |list, i| {
                replace_fields(&mut list[i], fields);
                Ok(())
            })?;
        }
        name_inner(layers)?;
    }
    if let Some(inserts) = insert {
        for item in inserts.sequence("`insert`")? {
            insert_layers(layers, item)?;
        }
    }
    Ok(base)
}

/// Replaces fields; a new `type` replaces the whole layer but for its name.
fn replace_fields(layer: &mut Node, fields: &Node) {
    if fields.get("type").is_some()
        && let Data::Mapping(entries) = &mut layer.data
    {
        entries.retain(|(k, _)| k.text == "name");
    }
    if let Data::Mapping(entries) = &fields.data {
        for (key, value) in entries {
            layer.set(key.clone(), value.clone());
        }
    }
}

fn insert_layers(layers: &mut Node, item: &Node) -> Result<(), DocumentError> {
    const KEYS: &[&str] = &["after", "before", "layers"];
    for (key, _) in item.mapping("an insertion")? {
        if !KEYS.contains(&key.text.as_str()) {
            return Err(unknown(key, "an insertion", KEYS));
        }
    }
    let (anchor, offset) = match (item.get("after"), item.get("before")) {
        (Some(anchor), None) => (anchor, 1),
        (None, Some(anchor)) => (anchor, 0),
        _ => return Err(item.place.error("an insertion needs either `after` or `before`: the name of a layer")),
    };
    let mut new = item.get("layers").cloned().ok_or_else(|| item.place.error("an insertion needs `layers`"))?;
    name_inner(&mut new)?;
    let new = new.sequence("`layers`")?;
    at(layers, anchor, |list, i| {
        list.splice(i + offset..i + offset, new.iter().cloned());
        Ok(())
    })
}

/// Runs `edit` on the list that holds the named layer, be it in a block.
fn at(
    layers: &mut Node,
    name: &Node,
    edit: impl FnOnce(&mut Vec<Node>, usize) -> Result<(), DocumentError>,
) -> Result<(), DocumentError> {
    let wanted = name.text().ok_or_else(|| name.place.error("expected the name of a layer"))?;
    match find(layers, wanted) {
        Some((list, i)) => edit(list, i),
        None => {
            let mut names = Vec::new();
            collect_names(layers, &mut names);
            let mut error = name.place.error(format!("there is no layer `{wanted}` in the extended model"));
            error.hint = hint(wanted, names.iter().map(String::as_str));
            Err(error)
        }
    }
}

fn find<'a>(layers: &'a mut Node, wanted: &str) -> Option<(&'a mut Vec<Node>, usize)> {
    let Data::Sequence(items) = &mut layers.data else { return None };
    if let Some(i) = items.iter().position(|l| l.get("name").and_then(Node::text) == Some(wanted)) {
        return Some((items, i));
    }
    items.iter_mut().find_map(|layer| inner(layer).into_iter().find_map(|list| find(list, wanted)))
}

/// The lists of layers inside a block.
fn inner(layer: &mut Node) -> Vec<&mut Node> {
    let Data::Mapping(entries) = &mut layer.data else { return vec![] };
    let mut lists = Vec::new();
    for (key, value) in entries {
        if key.text == "layers" {
            lists.push(value);
        } else if key.text == "branches"
            && let Data::Sequence(branches) = &mut value.data
        {
            lists.extend(branches);
        }
    }
    lists
}

fn collect_names(layers: &mut Node, names: &mut Vec<String>) {
    let Data::Sequence(items) = &mut layers.data else { return };
    for layer in items {
        names.extend(layer.get("name").and_then(Node::text).map(str::to_owned));
        for list in inner(layer) {
            collect_names(list, names);
        }
    }
}

/// Gives every unnamed layer inside a block a name: `<block>_1`, or `<block>_<branch>_1` where there are branches.
fn name_inner(layers: &mut Node) -> Result<(), DocumentError> {
    layers.sequence("`layers`")?;
    let Data::Sequence(items) = &mut layers.data else { return Ok(()) };
    for layer in items {
        layer.mapping("a layer")?;
        let Some(block) = layer.get("name").and_then(Node::text).map(str::to_owned) else { continue };
        let branched = layer.get("branches").is_some();
        for (branch, list) in inner(layer).into_iter().enumerate() {
            let Data::Sequence(items) = &mut list.data else { continue };
            for (i, item) in items.iter_mut().enumerate() {
                if matches!(item.data, Data::Mapping(_)) && item.get("name").is_none() {
                    let prefix = if branched { format!("{block}_{}", branch + 1) } else { block.clone() };
                    let name =
                        Node { place: item.place.clone(), data: Data::Scalar(format!("{prefix}_{}", i + 1).into()) };
                    item.set(Key { text: "name".into(), place: item.place.clone() }, name);
                }
            }
            name_inner(list)?;
        }
    }
    Ok(())
}
