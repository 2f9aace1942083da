//! What `${...}` of DVC stands for: parameters and `vars` for a whole file, and `item`, `key` and `vars` of one stage.

use std::path::Path;

use super::note::{Notes, Refused};
use super::params;
use super::yaml::{At, Content, Entry, Node};

/// The names that a stage may use.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// Of the file: `params.yaml` and `vars`; a mapping.
    pub(super) globals: Node,
    /// Whether these are the parameters of the pipeline as well.
    pub(super) carried: bool,
    /// Of the stage, each with the name that Kiln has for it, if it has one.
    pub(super) locals: Vec<Local>,
}

/// A name of one stage.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) kiln: Option<String>,
    /// Names in it that Kiln calls otherwise: `item.model` is `matrix.model`.
    pub(super) fields: bool,
}

/// What a name was found to be.
pub(super) struct Found<'c> {
    pub(super) node: &'c Node,
    /// What Kiln calls it.
    pub(super) kiln: Option<String>,
}

impl Context {
    /// Looks a name up: `a.b[0].c`.
    pub(super) fn find(&self, name: &str) -> Result<Found<'_>, String> {
        let steps = steps(name);
        let missing = || format!("could not find `{name}`");
        let (first, rest) = steps.split_first().ok_or_else(missing)?;
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == *first) {
            let node = walk(&local.node, rest).ok_or_else(missing)?;
            let kiln = match (&local.kiln, local.fields) {
                // The axes of a matrix are the fields of its item.
                (_, true) if rest.is_empty() => None,
                (Some(root), _) => kiln_name(root, &local.node, rest),
                (None, _) => None,
            };
            return Ok(Found { node, kiln });
        }
        let node = walk(&self.globals, &steps).ok_or_else(missing)?;
        let kiln = if self.carried { kiln_name("params", &self.globals, &steps) } else { None };
        Ok(Found { node, kiln })
    }
}

/// The name of a value in Kiln: negative positions counted from the front, and nothing that is no word.
fn kiln_name(root: &str, node: &Node, steps: &[String]) -> Option<String> {
    let mut name = root.to_owned();
    let mut node = node;
    for step in steps {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let step = match &node.content {
            Content::List(items) => position(step, items.len())?.to_string(),
            _ if !step.is_empty() && step.chars().all(word) => step.clone(),
            _ => return None,
        };
        node = walk(node, std::slice::from_ref(&step))?;
        name.push('.');
        name.push_str(&step);
    }
    Some(name)
}

fn position(step: &str, length: usize) -> Option<usize> {
    let at: i64 = step.parse().ok()?;
    let at = if at < 0 { at + i64::try_from(length).ok()? } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn walk<'n>(node: &'n Node, steps: &[String]) -> Option<&'n Node> {
    let mut node = node;
    for step in steps {
        node = match &node.content {
            Content::Map(_) => node.get(step)?,
            Content::List(items) => &items[position(step, items.len())?],
            _ => return None,
        };
    }
    Some(node)
}

/// Cuts `a.b[0][c].d` at its dots and brackets.
pub(super) fn steps(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in name.trim().split('.') {
        let mut rest = part;
        let head = rest.find('[').unwrap_or(rest.len());
        if head > 0 || rest.is_empty() {
            out.push(rest[..head].to_owned());
        }
        rest = &rest[head..];
        while let Some(inner) = rest.strip_prefix('[') {
            let Some((step, after)) = inner.split_once(']') else { break };
            out.push(step.trim().to_owned());
            rest = after;
        }
    }
    out
}

/// Where the parameters of a pipeline come from, in the order in which DVC merges them.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file; of it all, or these keys.
    File { path: String, keys: Vec<String> },
    /// Written in `dvc.yaml`; where.
    Inline(Node),
}

/// The parameters of a file's templates: `params.yaml` in its folder if it is there, then what `vars` says.
pub(super) fn globals(
    root: &Path,
    file: &Path,
    folder: &str,
    vars: Option<&Node>,
) -> Result<(Node, Vec<Source>), Refused> {
    let mut tree = Node::new(Content::Map(vec![]));
    let mut sources = Vec::new();
    let usual = join(folder, "params.yaml");
    if root.join(&usual).is_file() {
        let node = params::file(root, &usual)?;
        lay(&mut tree, node);
        sources.push(Source::File { path: usual.clone(), keys: vec![] });
    }
    for item in vars.into_iter().flat_map(Node::items) {
        more(root, file, folder, item, &usual, &mut tree, &mut sources)?;
    }
    Ok((tree, sources))
}

/// Lays an item of `vars` over what there is.
pub(super) fn more(
    root: &Path,
    file: &Path,
    folder: &str,
    item: &Node,
    known: &str,
    tree: &mut Node,
    sources: &mut Vec<Source>,
) -> Result<(), Refused> {
    match &item.content {
        Content::Map(_) => {
            lay(tree, item.clone());
            sources.push(Source::Inline(item.clone()));
        }
        Content::Text(text) => {
            let (path, keys) = text.split_once(':').unwrap_or((text, ""));
            let path = join(folder, path);
            if path == known && keys.is_empty() {
                return Ok(());
            }
            if !root.join(&path).is_file() {
                return Err(Refused::new(file, item.at, format!("`{path}`, named under `vars`, does not exist")));
            }
            let node = params::file(root, &path)?;
            let keys: Vec<String> =
                keys.split(',').map(str::trim).filter(|k| !k.is_empty()).map(str::to_owned).collect();
            if keys.is_empty() {
                lay(tree, node);
            } else {
                for key in &keys {
                    let Some(value) = node.get(key) else {
                        return Err(Refused::new(file, item.at, format!("there is no `{key}` in `{path}`")));
                    };
                    let entry = Entry { key: key.clone(), at: At::default(), node: value.clone() };
                    lay(tree, Node::new(Content::Map(vec![entry])));
                }
            }
            sources.push(Source::File { path, keys });
        }
        _ => return Err(Refused::new(file, item.at, "an item of `vars` is a file or a mapping")),
    }
    Ok(())
}

/// Lays a mapping over another, deeply.
fn lay(under: &mut Node, over: Node) {
    let (Content::Map(own), Content::Map(new)) = (&mut under.content, over.content) else { return };
    for entry in new {
        match own.iter_mut().find(|known| known.key == entry.key) {
            Some(known) if matches!(known.node.content, Content::Map(_)) => lay(&mut known.node, entry.node),
            Some(known) => known.node = entry.node,
            None => own.push(entry),
        }
    }
}

/// A path from a folder, both relative to the project, as the project has it.
pub(super) fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') || path.contains("://") {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

/// Tells that files of parameters which only one stage names are not parameters of the pipeline.
pub(super) fn tell_of_own(notes: &mut Notes, file: &Path, at: At) {
    notes.differs(
        file,
        at,
        "values of a stage's own `vars` are written out in this stage",
        "to change them, edit the stage in pipeline.yaml; or move them to params.yaml and write `${params.NAME}`",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::dvc::yaml;

    #[test]
    fn names_are_walked_as_dvc_does() {
        let globals = yaml::read("a: {b: [1, {c: 2}], 'sp ace': 3}\nl: [x, y]\n").unwrap();
        let context = Context { globals, carried: true, locals: vec![] };
        let find = |name: &str| context.find(name).map(|f| (f.node.shown(), f.kiln)).ok();
        assert_eq!(find("a.b[0]"), Some((Some("1".into()), Some("params.a.b.0".into()))));
        assert_eq!(find("a[b][1][c]"), Some((Some("2".into()), Some("params.a.b.1.c".into()))));
        assert_eq!(find("l[-1]"), Some((Some("y".into()), Some("params.l.1".into()))));
        assert_eq!(find("a.sp ace"), Some((Some("3".into()), None)));
        assert_eq!(find("a.x"), None);
        assert_eq!(find("l[2]"), None);
    }

    #[test]
    fn paths_are_joined() {
        assert_eq!(join("sub", "../data//x/"), "data/x");
        assert_eq!(join("", "./a"), "a");
        assert_eq!(join("sub", "../../x"), "../x");
        assert_eq!(join("sub", "."), "sub");
        assert_eq!(join("", "."), ".");
    }
}
