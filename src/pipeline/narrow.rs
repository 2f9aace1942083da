//! How an input says that a command sees a part of it: a folder by patterns, a file of parameters by keys.

use std::path::Path;
use std::sync::Arc;

use super::expand::World;
use super::interpolate::Scope;
use super::mistake::{Mistake, Mistakes};
use super::no_value;
use super::node::{Content, Entry, Node, Place};
use super::spec::{BodySpec, ViewSpec};
use super::view::{self, View};
use crate::hash::picks::{Picks, Texts, check_pattern};

/// The view that an input asks for of a source at a normalised path. `None` if that is a mistake.
pub(super) fn of(
    world: &World<'_>,
    body: Option<BodySpec<'_>>,
    path: &str,
    spec: Option<&ViewSpec<'_>>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Option<Arc<View>>> {
    let own = spec.filter(|spec| !(spec.only.is_empty() && spec.ignore.is_empty() && spec.keys.is_empty()));
    if matches!(body, Some(BodySpec::Uses { .. })) {
        // It reads a source where it lies, and sees all of it.
        let Some(spec) = own else { return Some(None) };
        let mistake = Mistake::new("a built-in kind takes its inputs whole").at(spec.path.place, "");
        mistakes.add(scope.blame(mistake.hint("`only`, `ignore` and `keys` are for inputs of commands")));
        return None;
    }
    if let Some(spec) = own.filter(|spec| !spec.keys.is_empty()) {
        return Some(Some(Arc::new(View::Written(written(world, path, spec, scope, mistakes)?))));
    }
    let project = if path.starts_with("../") { vec![] } else { world.ignored.clone() };
    if own.is_none() && project.is_empty() {
        return Some(None);
    }
    let mut list = |nodes: &[Node]| {
        let texts: Vec<_> = nodes.iter().map(|node| pattern(node, scope, mistakes)).collect();
        texts.into_iter().collect::<Option<Vec<String>>>()
    };
    let (only, ignore) = match own {
        Some(spec) => (list(spec.only), list(spec.ignore)),
        None => (Some(vec![]), Some(vec![])),
    };
    let texts = Texts { only: only?, ignore: ignore?, project, folder: path.to_owned() };
    // Each was tried.
    Some(Picks::new(texts).ok().map(|picks| Arc::new(View::Picked(Box::new(picks)))))
}

fn pattern(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let text = scope.text(node, "a pattern", mistakes)?;
    let fault = if text.trim().is_empty() { Err("it is empty".into()) } else { check_pattern(&text) };
    if let Err(why) = fault {
        let mistake = Mistake::new(format!("`{text}` is no pattern: {why}")).at(node.place, "");
        mistakes.add(scope.blame(mistake.hint("patterns are those of `.gitignore`: `*.py`, `raw/`, `**/tests/**`")));
        return None;
    }
    Some(text.into_owned())
}

/// A file of parameters with the values of some keys, as they are in force.
fn written(
    world: &World<'_>,
    path: &str,
    spec: &ViewSpec<'_>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<String> {
    if !world.params.files.iter().any(|(file, _)| file == Path::new(path)) {
        let mistake = Mistake::new(format!("`{path}` is none of the files under `params`")).at(spec.path.place, "");
        mistakes.add(scope.blame(mistake.hint(format!(
            "`keys` takes single values of such a file; write `params: {path}` at the top of the pipeline, or take the file whole"
        ))));
        return None;
    }
    if Path::new(path).extension().is_some_and(|ending| ending == "toml") {
        let mistake = Mistake::new("`keys` writes YAML and JSON").at(spec.path.place, "this is TOML");
        mistakes.add(scope.blame(mistake.hint("take the file whole, or hand the command its values in `with`")));
        return None;
    }
    let mut tree = Node::new(Content::Map(vec![]));
    let mut whole = true;
    for key in spec.keys {
        let name = scope.text(key, "a key", mistakes)?;
        let mut node = &world.params.tree;
        let mut way = Vec::new();
        for segment in name.split('.') {
            let Some(next) = node.step(segment).filter(|_| !matches!(node.content, Content::List(_))) else {
                if !world.params.is_known_in_part() {
                    let hint = match &node.content {
                        Content::List(_) => "items of a list are not taken one by one; take the list".into(),
                        _ => no_value::known(node, segment, mistakes),
                    };
                    let mistake = Mistake::new(format!("`{path}` has no `{name}`"))
                        .at(key.place, format!("there is no `{segment}`"));
                    mistakes.add(scope.blame(mistake.hint(hint)));
                }
                whole = false;
                break;
            };
            let place = match &node.content {
                Content::Map(entries) => entries.iter().find(|entry| entry.key == segment).map(|entry| entry.place),
                _ => None,
            };
            way.push((segment, place.unwrap_or_default()));
            node = next;
        }
        if whole {
            insert(&mut tree, &way, node);
        }
    }
    if !whole {
        return None;
    }
    let json = path.ends_with(".json");
    let mut out = String::new();
    view::write(&mut out, &tree, !json, mistakes);
    out.push('\n');
    Some(out)
}

/// Puts a value at a place in a mapping, in the order in which keys are asked for.
fn insert(tree: &mut Node, way: &[(&str, Place)], value: &Node) {
    let ([(first, place), rest @ ..], Content::Map(entries)) = (way, &mut tree.content) else { return };
    let at = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
        let node = Node::new(Content::Map(vec![]));
        entries.push(Entry { key: (*first).to_owned(), place: *place, node });
        entries.len() - 1
    });
    if rest.is_empty() {
        entries[at].node = value.clone();
    } else {
        insert(&mut entries[at].node, rest, value);
    }
}
