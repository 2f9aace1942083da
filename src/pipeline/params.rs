//! The parameters in force: `params`, the profile laid over them, `--set` on top, and references among them resolved.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::mistake::{self, Mistake, Mistakes, Spot, is_other_file};
use super::no_value;
use super::node::{Content, Entry, Node, Place};
use super::overrides::Overrides;
use super::param_file;
use super::source;
use super::spec::{ParamsSpec, Spec};
use super::template::{self, Part, Use};

/// How many values `${...}` may copy in one pipeline, all variants together.
const BUDGET: usize = 500_000;
/// How deep references and values may nest.
const DEPTH: usize = 100;

/// The parameters in force.
pub(super) struct Params {
    /// Without any `${...}` left; a mapping.
    pub(super) tree: Node,
    /// Where in it a top-level key is: there may be thousands, each used often.
    index: HashMap<String, usize>,
    /// Top-level keys that were refused, and are not in the tree.
    broken: Vec<String>,
    /// Whether all of `params:` could be read. If not, nobody knows which parameters there are.
    all_read: bool,
    /// The files that they come from.
    pub(super) files: Vec<param_file::Read>,
    budget: Cell<usize>,
}

impl Params {
    /// Whether a name leads to a parameter that was refused: no second mistake is made of it.
    pub(super) fn is_broken(&self, name: Use<'_>) -> bool {
        let mut segments = name.segments();
        segments.next() == Some("params")
            && (!self.all_read
                || segments.next().map_or(!self.broken.is_empty(), |key| self.broken.iter().any(|b| b == key)))
    }

    /// Whether some parameters are not known, because a file could not be read or they were refused.
    pub(super) fn is_known_in_part(&self) -> bool {
        !self.all_read || !self.broken.is_empty()
    }

    /// The parameter of a name without dots.
    pub(super) fn top(&self, name: &str) -> Option<&Node> {
        self.index.get(name).map(|at| &entries_of(&self.tree)[*at].node)
    }

    /// Takes a copy of a value out of the budget. Short scalars are free: they cannot outgrow the file they stand in.
    pub(super) fn spend(&self, node: &Node) -> Result<(), Mistake> {
        spend(&self.budget, node.weight() - 1)
    }
}

fn spend(budget: &Cell<usize>, weight: usize) -> Result<(), Mistake> {
    match budget.get().checked_sub(weight) {
        Some(left) => {
            budget.set(left);
            Ok(())
        }
        None => {
            budget.set(0);
            Err(Mistake::new(format!("`${{...}}` copies more than {BUDGET} values in this pipeline"))
                .hint("refer to the part that is needed instead of a large mapping")
                .once())
        }
    }
}

/// Works the parameters out.
pub(super) fn resolve(spec: &Spec<'_>, root: &Path, overrides: &Overrides, mistakes: &mut Mistakes<'_>) -> Params {
    let mut files = Vec::new();
    let mut tree = Node::new(Content::Map(vec![]));
    let before = mistakes.count();
    for part in param_file::trees(&spec.params, root, &mut files, mistakes) {
        merge(&mut tree, &part);
    }
    let all_read = mistakes.count() == before;
    for profile in &spec.profiles {
        // Of a profile that nobody asked for only what stands here is looked at.
        let asked = overrides.profile.as_deref() == Some(profile.name);
        let here = |part: &&ParamsSpec<'_>| asked || matches!(part, ParamsSpec::Inline(_));
        let parts: Vec<_> = profile.params.iter().filter(here).copied().collect();
        for part in param_file::trees(&parts, root, &mut files, mistakes) {
            // Of what could not be read nobody knows what it declares.
            if all_read {
                unknown(&tree, &part, profile.name, mistakes);
            }
            if asked {
                merge(&mut tree, &part);
            }
        }
    }
    if let Some(wanted) = &overrides.profile
        && !spec.profiles.iter().any(|p| p.name == wanted)
    {
        let hint = mistakes.nearest(wanted, spec.profiles.iter().map(|p| p.name)).unwrap_or_else(|| {
            format!("this pipeline's profiles: {}", super::suggest::list(spec.profiles.iter().map(|p| p.name)))
        });
        mistakes.add(Mistake::new(format!("unknown profile `{wanted}`")).hint(hint));
    }
    for (i, argument) in overrides.set.iter().enumerate() {
        set(&mut tree, argument, mistake::argument(i), all_read, mistakes);
    }
    let budget = Cell::new(BUDGET);
    let top = entries_of(&tree).iter().map(|entry| (entry.key.as_str(), &entry.node)).collect();
    let mut resolver =
        Resolver { root: &tree, top, budget: &budget, done: HashMap::new(), stack: vec![], depth: 0, mistakes };
    let mut params = Params {
        tree: Node::new(Content::Null),
        index: HashMap::new(),
        broken: vec![],
        all_read,
        files,
        budget: Cell::new(0),
    };
    let mut entries = Vec::new();
    for entry in entries_of(&tree) {
        match resolver.node(&entry.node) {
            Some(node) => entries.push(Entry { key: entry.key.clone(), place: entry.place, node }),
            None => params.broken.push(entry.key.clone()),
        }
    }
    params.index = entries.iter().enumerate().map(|(i, entry)| (entry.key.clone(), i)).collect();
    params.tree.content = Content::Map(entries);
    params.budget.set(budget.get());
    params
}

fn entries_of(node: &Node) -> &[Entry] {
    if let Content::Map(entries) = &node.content { entries } else { &[] }
}

/// A profile may change parameters, not invent them: a slip would otherwise change nothing, silently.
fn unknown(tree: &Node, params: &Node, profile: &str, mistakes: &mut Mistakes<'_>) {
    let known: HashSet<&str> = keys(tree).collect();
    for entry in entries_of(params).iter().filter(|e| !known.contains(e.key.as_str())) {
        let hint = mistakes
            .nearest(&entry.key, keys(tree))
            .unwrap_or_else(|| "declare it, with its usual value, under `params:`".into());
        let message = format!("profile `{profile}` sets `{}`, which is not one of the `params`", entry.key);
        mistakes.add(Mistake::new(message).at(entry.place, "").hint(hint));
    }
}

fn keys(node: &Node) -> impl Iterator<Item = &str> {
    entries_of(node).iter().map(|e| e.key.as_str())
}

/// Mappings are merged key by key; anything else replaces what was there.
fn merge(base: &mut Node, over: &Node) {
    let (Content::Map(entries), Content::Map(new)) = (&mut base.content, &over.content) else {
        *base = over.clone();
        return;
    };
    let places: HashMap<String, usize> = entries.iter().enumerate().map(|(i, e)| (e.key.clone(), i)).collect();
    for entry in new {
        match places.get(&entry.key) {
            Some(at) => merge(&mut entries[*at].node, &entry.node),
            None => entries.push(entry.clone()),
        }
    }
}

/// Applies `params.a.b=VALUE`, or `a.b=VALUE`; the value is YAML.
fn set(tree: &mut Node, argument: &str, origin: u16, all_read: bool, mistakes: &mut Mistakes<'_>) {
    let Some((path, value)) = argument.split_once('=') else {
        mistakes.add(
            Mistake::new(format!("`--set {argument}` sets nothing"))
                .hint("write `--set NAME=VALUE`, for example `--set params.epochs=3`"),
        );
        return;
    };
    let place = Place { origin, start: 0, end: path.len() as u32 };
    let Some(node) = source::tree(value, origin, path.len() as u32 + 1, mistakes) else { return };
    let names = path.trim().strip_prefix("params.").unwrap_or(path.trim());
    let mut target = &mut *tree;
    for name in names.split('.') {
        if target.step(name).is_none() {
            if !all_read {
                return;
            }
            let hint = no_value::known(target, name, mistakes);
            let mistake = Mistake::new(format!("`--set` names no parameter of this pipeline: `{names}`"));
            mistakes.add(mistake.at(place, format!("there is no `{name}`")).hint(hint));
            return;
        }
        let Some(next) = target.step_mut(name) else { return };
        target = next;
    }
    *target = node;
}

/// Replaces references among the parameters, each value at most once.
struct Resolver<'a, 'm, 't> {
    root: &'a Node,
    /// What is in it, by name.
    top: HashMap<&'a str, &'a Node>,
    budget: &'a Cell<usize>,
    /// What named nodes came to, by address; `None` where that was a mistake.
    done: HashMap<*const Node, Option<Node>>,
    /// The names being resolved, outermost first.
    stack: Vec<(*const Node, String, Spot)>,
    depth: usize,
    mistakes: &'m mut Mistakes<'t>,
}

impl<'a> Resolver<'a, '_, '_> {
    fn node(&mut self, node: &'a Node) -> Option<Node> {
        let content = match &node.content {
            // In a file that other programs read such a text is theirs.
            Content::Text(text) if text.contains("${") && !is_other_file(node.place.origin) => {
                return self.text(node.place, text);
            }
            Content::List(items) => {
                let items: Vec<_> = items.iter().map(|n| self.node(n)).collect();
                Content::List(items.into_iter().collect::<Option<_>>()?)
            }
            Content::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|e| Some(Entry { key: e.key.clone(), place: e.place, node: self.node(&e.node)? }))
                    .collect();
                Content::Map(entries.into_iter().collect::<Option<_>>()?)
            }
            scalar => scalar.clone(),
        };
        Some(Node { place: node.place, content })
    }

    fn text(&mut self, place: Place, text: &'a str) -> Option<Node> {
        let parts = match template::parse(text) {
            Ok(parts) => parts,
            Err(fault) => {
                self.mistakes.add(Mistake::new(fault.message).at(Spot { place, usage: Some(fault.nth) }, ""));
                return None;
            }
        };
        if let [Part::Use(only)] = parts.as_slice() {
            return self.named(*only, place);
        }
        let mut out = String::new();
        let mut whole = true;
        for part in parts {
            match part {
                Part::Literal(literal) => out.push_str(&literal),
                Part::Use(name) => match self.named(name, place) {
                    Some(node) => match node.scalar() {
                        Some(text) => out.push_str(&text),
                        None => {
                            let spot = Spot { place, usage: Some(name.nth) };
                            self.mistakes.add(no_value::not_text(name, &node, spot));
                            whole = false;
                        }
                    },
                    None => whole = false,
                },
            }
        }
        whole.then_some(Node { place, content: Content::Text(out) })
    }

    /// The resolved value of a name.
    fn named(&mut self, name: Use<'_>, place: Place) -> Option<Node> {
        let spot = Spot { place, usage: Some(name.nth) };
        if self.depth >= DEPTH {
            let mistake = Mistake::new(format!("parameters refer to each other through more than {DEPTH} steps"));
            self.mistakes.add(mistake.at(spot, ""));
            return None;
        }
        self.depth += 1;
        let found = self.find(name, spot);
        self.depth -= 1;
        let found = found?;
        let fault = if found.depth() > DEPTH {
            Some(Mistake::new(format!("this value nests more than {DEPTH} levels deep")))
        } else {
            spend(self.budget, found.weight()).err()
        };
        match fault {
            Some(mistake) => {
                self.mistakes.add(mistake.at(spot, ""));
                None
            }
            None => Some(found),
        }
    }

    fn find(&mut self, name: Use<'_>, spot: Spot) -> Option<Node> {
        let mut segments = name.segments();
        if segments.next() != Some("params") {
            let hint = match self.top.get(name.segments().next().unwrap_or_default()) {
                Some(_) => format!("did you mean `${{params.{}}}`?", name.name),
                None => "`params` may use `${params.NAME}` only".into(),
            };
            self.mistakes.add(Mistake::new(format!("unknown name `${{{}}}`", name.name)).at(spot, "").hint(hint));
            return None;
        }
        let mut node = self.root;
        while let Some(segment) = segments.next() {
            if let Some(inner) = node.text().and_then(template::whole).filter(|_| !is_other_file(node.place.origin)) {
                // The way leads through another reference: `${params.a.b}` where `a: ${params.c}`.
                let mut value = &self.named(inner, node.place)?;
                for segment in std::iter::once(segment).chain(segments) {
                    value = self.stepped(value, segment, name, spot)?;
                }
                return Some(value.clone());
            }
            node = match self.top.get(segment) {
                Some(top) if std::ptr::eq(node, self.root) => top,
                _ => self.stepped(node, segment, name, spot)?,
            };
        }
        let key = std::ptr::from_ref(node);
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        if let Some(first) = self.stack.iter().position(|(k, ..)| *k == key) {
            self.cycle(first, name);
            return None;
        }
        self.stack.push((key, name.name.to_owned(), spot));
        let value = self.node(node);
        self.stack.pop();
        self.done.insert(key, value.clone());
        value
    }

    fn stepped<'n>(&mut self, node: &'n Node, segment: &str, name: Use<'_>, spot: Spot) -> Option<&'n Node> {
        let next = node.step(segment);
        if next.is_none() {
            let mistake = no_value::no_step(node, segment, name, self.mistakes);
            self.mistakes.add(mistake.at(spot, ""));
        }
        next
    }

    fn cycle(&mut self, first: usize, name: Use<'_>) {
        let ring = &self.stack[first..];
        let names: Vec<&str> = ring.iter().map(|(_, n, _)| n.as_str()).chain([name.name]).collect();
        // Whichever member the walk met first, the ring is told from the same place, so that it is told once.
        let mut spots: Vec<Spot> = ring.iter().map(|(.., spot)| *spot).collect();
        spots.sort_by_key(|s| s.place);
        let mut mistake = Mistake::new("parameters refer to each other in a ring");
        for spot in spots {
            mistake = mistake.at(spot, "");
        }
        self.mistakes.add(mistake.note(names.join(" -> ")));
    }
}
