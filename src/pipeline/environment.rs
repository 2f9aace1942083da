//! What a command is run in: its shell, and its environment as declared.

use std::collections::HashSet;

use super::form::wrong;
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Place};
use super::spec::BodySpec;
use super::suggest;

/// The shells that a script may ask for. All of them take `-e`, `-u`, `-o OPTION` and `-c SCRIPT`, and quote as POSIX says.
pub(super) const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "mksh", "yash", "zsh"];

/// The key of `env:` that holds a list of variables from outside.
const PASS: &str = "pass";

/// The key of `env:` that holds a list of those whose values count.
const COUNT: &str = "count";

/// The key of `env:` that holds a list of those that name a lasting folder of a tool.
const CACHE: &str = "cache";

/// Variables that Kiln sets itself, and by which it knows what a command started.
const OWN: &[&str] = &["HOME", "TMPDIR"];

/// Variables by which Kiln hands a command its values, and the paths of its inputs and outputs.
pub(crate) const HANDED: [&str; 3] = ["KILN_PARAMS", "KILN_INPUTS", "KILN_OUTPUTS"];

/// Variables by which Kiln hands a command the states of its steps.
const STEPS: [&str; 4] = ["KILN_RESUME", "KILN_STEP", "KILN_STATES", "KILN_METRICS"];

/// How the variables begin that hold a value of `with` each.
pub(crate) const PARAM: &str = "KILN_PARAM_";

/// Reads `shell:`.
pub(super) fn shell<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> Option<&'n str> {
    let Some(name) = entry.node.text() else {
        return wrong(&entry.node, "`shell`", "the name of a shell, such as `bash`", mistakes);
    };
    if SHELLS.contains(&name) {
        return Some(name);
    }
    let hint = mistakes.nearest(name, SHELLS.iter().copied()).unwrap_or_else(|| {
        let known = suggest::list_all(SHELLS);
        format!("the shells: {known}; any other program can be named in a list: `run: [program, argument]`")
    });
    mistakes.add(Mistake::new(format!("unknown shell `{name}`")).at(entry.node.place, "").hint(hint));
    None
}

/// Reads `shell:` of a stage, which has to have a script for it.
pub(super) fn shell_of_stage<'n>(
    entry: &'n Entry,
    stage: &str,
    body: Option<BodySpec<'_>>,
    mistakes: &mut Mistakes<'_>,
) -> Option<&'n str> {
    let what = match body {
        Some(BodySpec::Uses { .. }) => "uses a built-in kind",
        Some(BodySpec::Argv(_)) => "runs a program without a shell",
        Some(BodySpec::Shell { .. }) | None => return shell(entry, mistakes),
    };
    let mistake = Mistake::new(format!("stage `{stage}` {what}, and has a `shell`")).at(entry.place, "");
    mistakes.add(mistake.hint("`shell` is for stages whose `run` is a script; remove it"));
    None
}

/// What `env:` says.
pub(super) struct Variables<'n> {
    /// Variables with values.
    pub(super) set: Vec<&'n Entry>,
    /// The names of those that come from outside.
    pub(super) passed: Vec<&'n str>,
    /// Those of them whose values count.
    pub(super) counted: Vec<&'n str>,
    /// Those that name a lasting folder.
    pub(super) cached: Vec<&'n str>,
}

/// Reads `env:`.
pub(super) fn variables<'n>(entries: &'n [Entry], mistakes: &mut Mistakes<'_>) -> Variables<'n> {
    // A variable may be called `pass`, too: then it has a value.
    let is_list = |entry: &&Entry| {
        [PASS, COUNT, CACHE].contains(&entry.key.as_str())
            && matches!(entry.node.content, Content::List(_) | Content::Map(_))
    };
    let (lists, set): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_list);
    for entry in &set {
        valid(&entry.key, entry.place, mistakes);
    }
    let names: HashSet<&str> = set.iter().map(|entry| entry.key.as_str()).collect();
    let (mut passed, mut counted, mut cached) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        for (name, place) in listed(list, &names, mistakes) {
            if passed.contains(&name) || cached.contains(&name) {
                let mistake = Mistake::new(format!("`{name}` is in two of the lists `pass`, `count` and `cache`"));
                mistakes.add(
                    mistake.at(place, "").hint("what is in `count` or `cache` reaches the command, too; name it once"),
                );
            } else if list.key == CACHE {
                cached.push(name);
            } else {
                passed.push(name);
                counted.extend((list.key == COUNT).then_some(name));
            }
        }
    }
    Variables { set, passed, counted, cached }
}

/// The names in the list of `pass:` or `count:`, each once.
fn listed<'n>(list: &'n Entry, set: &HashSet<&str>, mistakes: &mut Mistakes<'_>) -> Vec<(&'n str, Place)> {
    let what = &list.key;
    let Content::List(items) = &list.node.content else {
        let _: Option<()> = wrong(&list.node, &format!("`{what}`"), "a list of names of variables", mistakes);
        return vec![];
    };
    let mut names: Vec<(&str, Place)> = Vec::new();
    for item in items {
        let Some(name) = item.text() else {
            let _: Option<()> = wrong(item, &format!("an item of `{what}`"), "the name of a variable", mistakes);
            continue;
        };
        if name == "PATH" || OWN.contains(&name) {
            let fault =
                if name == "PATH" { "`PATH` always passes" } else { "Kiln sets it itself, to a folder of the stage" };
            mistakes.add(Mistake::new(format!("`{name}` cannot be passed")).at(item.place, fault));
        } else if set.contains(name) {
            let mistake = Mistake::new(format!("`{name}` is set in `env`, and passed from outside")).at(item.place, "");
            mistakes.add(mistake.hint("keep one of the two"));
        } else if valid(name, item.place, mistakes) && !names.iter().any(|(known, _)| *known == name) {
            names.push((name, item.place));
        }
    }
    names
}

/// Reads `guard:` of a stage: whether what is not declared may be read, and is told.
pub(super) fn warns(entry: &Entry, stage: &str, body: Option<BodySpec<'_>>, mistakes: &mut Mistakes<'_>) -> bool {
    match entry.node.text() {
        Some("warn") if matches!(body, Some(BodySpec::Uses { .. })) => {
            let mistake = Mistake::new(format!("stage `{stage}` uses a built-in kind, and has a `guard`"));
            mistakes.add(mistake.at(entry.place, "").hint("a kind reads nothing but its inputs; remove it"));
            false
        }
        Some("warn") => true,
        Some("strict") => false,
        _ => wrong(&entry.node, "`guard`", "`strict`, or `warn`", mistakes).unwrap_or(false),
    }
}

/// Whether a variable can have this name.
fn valid(name: &str, place: Place, mistakes: &mut Mistakes<'_>) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(word) || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        mistakes.add(
            Mistake::new(format!("`{name}` cannot be the name of an environment variable"))
                .at(place, "letters, digits and `_` only, and no digit first"),
        );
        return false;
    }
    let reserved = if name.starts_with(super::command::PREFIX) {
        "Kiln hands the values of `${...}` to the script under such names"
    } else if name.starts_with(PARAM) || HANDED.contains(&name) || STEPS.contains(&name) {
        "Kiln sets it for the command itself"
    } else {
        return true;
    };
    mistakes.add(Mistake::new(format!("`{name}` is reserved")).at(place, reserved));
    false
}
