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
