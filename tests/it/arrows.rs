//! Which room of `src/` uses which: ARCHITECTURE.md has the order, and nothing points against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The line of ARCHITECTURE.md after which the order follows, indented.
const ORDER: &str = "### Which room may use which";

/// What a room may not use.
struct Order {
    /// Room -> its line, from the top: rooms of later lines may use those of earlier ones.
    lines: BTreeMap<String, usize>,
    /// Room -> rooms of earlier lines that it may not use all the same.
    not: BTreeMap<String, BTreeSet<String>>,
}

impl Order {
    fn read(text: &str) -> Self {
        let (_, rest) = text.split_once(ORDER).expect("the order");
        let block =
            rest.lines().skip_while(|line| !line.starts_with("    ")).take_while(|line| line.starts_with("    "));
        let (mut lines, mut not) = (BTreeMap::new(), BTreeMap::new());
        for (number, line) in block.enumerate() {
            let (rooms, without) = line.split_once(" not ").unwrap_or((line, ""));
            let without: BTreeSet<String> = without.split_whitespace().map(str::to_owned).collect();
            for room in rooms.split_whitespace() {
                assert!(lines.insert(room.to_owned(), number).is_none(), "{room} stands twice in the order");
                not.insert(room.to_owned(), without.clone());
            }
        }
        Self { lines, not }
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        self.lines[to] < self.lines[from] && !self.not[from].contains(to)
    }
}

/// The room of a file: a file or folder of `src/`, or of `src/engine/`.
fn room(path: &Path) -> Option<String> {
    let mut parts = path.iter().map(|part| part.to_str().expect("UTF-8").trim_end_matches(".rs"));
    match (parts.next()?, parts.next()) {
        ("lib" | "main", None) | ("engine", None | Some("mod")) => None,
        ("engine", Some(room)) => Some(format!("engine/{room}")),
        (room, _) => Some(room.to_owned()),
    }
}

/// The rooms that a text names: by `crate::`, and in the command line by `kiln::`.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Not comments: documentation may point anywhere.
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    for (at, start) in ["crate::", "kiln::"].iter().flat_map(|start| code.match_indices(start)) {
        // `$crate`, `another_crate`.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + start.len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        let first = word(rest);
        let second = rest.strip_prefix("engine::").map(word).filter(|room| !room.is_empty());
        match second {
            Some(room) => drop(found.insert(format!("engine/{room}"))),
            None if first.is_empty() => assert!(!rest.starts_with('{'), "one room a line: {start}{{"),
            None => drop(found.insert(first)),
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_uses_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let order = Order::read(&fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md"));
    let mut sources = Vec::new();
    files(&root.join("src"), &mut sources);
    let (mut wrong, mut met) = (BTreeSet::new(), BTreeSet::new());
    for path in sources {
        let short = path.strip_prefix(root.join("src")).expect("in src");
        let Some(from) = room(short) else { continue };
        if !order.lines.contains_key(&from) {
            wrong.insert(format!("{from} has no place in the order"));
            continue;
        }
        let text = fs::read_to_string(&path).expect("a file");
        // Tests within a file may look anywhere.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for to in named(code).into_iter().filter(|to| *to != from && *to != "engine" && order.lines.contains_key(to)) {
            met.insert((from.clone(), to.clone()));
            if !order.allows(&from, &to) {
                wrong.insert(format!("{} uses {to}, which {from} may not", short.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "ARCHITECTURE.md does not allow this:\n{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
    assert!(met.len() > 50, "it has looked: {met:?}");
}

/// A file as a module of the crate: `engine::run::crew`.
fn module(short: &Path) -> Vec<String> {
    let parts = short.iter().map(|part| part.to_str().expect("UTF-8").trim_end_matches(".rs").to_owned());
    parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str())).collect()
}

/// The paths that `use` names in a file, without their last braces: `super::budget`, `crate::engine::executor`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let statements = code.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    for line in statements.filter_map(|line| line.rsplit_once("use ").map(|(_, line)| line.to_owned())) {
        let (head, names) = line.split_once('{').unwrap_or((&line, ""));
        let names = names.trim_end_matches('}').split(',').map(str::trim).filter(|name| !name.is_empty());
        found.extend(names.map(|name| format!("{head}{name}")));
        found.push(head.trim_end_matches("::").to_owned());
    }
    found
}

/// The files that each file uses, of a set of modules. What a folder's `mod.rs` has of its own files is no arrow.
fn uses(modules: &BTreeMap<Vec<String>, String>) -> BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> {
    let mut all: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = BTreeMap::new();
    for (module, code) in modules {
        for path in paths(code) {
            let mut parts = path.split("::").peekable();
            let mut full = if parts.next_if_eq(&"crate").is_some() { vec![] } else { module.clone() };
            while parts.next_if_eq(&"super").is_some() {
                full.pop();
            }
            full.extend(parts.map(|part| part.split(" as ").next().unwrap_or(part).to_owned()));
            let known = (1..=full.len()).rev().find_map(|end| modules.get_key_value(&full[..end]));
            let Some((used, _)) = known else { continue };
            if !used.starts_with(module) && !module.starts_with(used) {
                all.entry(module).or_default().insert(used);
            }
        }
    }
    all
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    files(&root, &mut sources);
    let read = |path: &PathBuf| {
        let module = module(path.strip_prefix(&root).expect("in src"));
        let code = fs::read_to_string(path).expect("a file");
        (module, code.split("#[cfg(test)]").next().unwrap_or_default().to_owned())
    };
    let modules: BTreeMap<Vec<String>, String> = sources.iter().map(read).collect();
    let uses = uses(&modules);
    let in_circle = |module: &&&Vec<String>| {
        let (mut met, mut open) = (BTreeSet::new(), vec![**module]);
        while let Some(used) = open.pop().and_then(|next| uses.get(next)) {
            open.extend(used.iter().copied().filter(|used| met.insert(*used)));
            open.retain(|next| uses.contains_key(next));
        }
        met.contains(**module)
    };
    let found: Vec<String> = uses.keys().filter(in_circle).map(|module| module.join("::")).collect();
    assert!(found.is_empty(), "these use each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn an_arrow_against_the_order_is_found() {
    let order = Order::read(&format!("{ORDER}\n\ntext\n\n    a b\n    c not a\n\nmore\n"));
    assert!(order.allows("c", "b"));
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
        assert!(!order.allows(from, to), "{from} {to}");
    }
    let text = "use crate::store::Store;\n// crate::x\nlet y = crate::engine::run::z();\nuse kiln::hash;\n$crate::no";
    assert_eq!(named(text), ["engine/run", "hash", "store"].map(str::to_owned).into());
}

#[test]
fn a_circle_is_found() {
    let file = |name: &str, code: &str| (vec!["x".to_owned(), name.to_owned()], code.to_owned());
    let modules = BTreeMap::from([
        file("a", "use super::b::{C, D};\nuse crate::x::c;\n"),
        file("b", "pub use super::a::A;\n"),
        file("c", "use std::fs;\n"),
    ]);
    let short: Vec<(String, String)> =
        uses(&modules).iter().flat_map(|(from, to)| to.iter().map(|to| (from[1].clone(), to[1].clone()))).collect();
    assert_eq!(short, [("a", "b"), ("a", "c"), ("b", "a")].map(|(from, to)| (from.to_owned(), to.to_owned())));
}
