//! What a command is run in: its shell, and its environment as declared.

use std::collections::HashSet;

use super::decode::wrong;
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node, Place};
use super::spec::BodySpec;
use super::suggest;

/// The shells that a script may ask for. All of them take `-e`, `-u`, `-o OPTION` and `-c SCRIPT`, and quote as POSIX says.
pub(super) const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "mksh", "yash", "zsh"];

/// The key of `env:` that holds a list of variables from outside.
const PASS: &str = "pass";

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

/// Parts `env:` into variables with values, and the names of those that come from outside.
pub(super) fn variables<'n>(entries: &'n [Entry], mistakes: &mut Mistakes<'_>) -> (Vec<&'n Entry>, Vec<&'n str>) {
    // A variable may be called `pass`, too: then it has a value.
    let is_list =
        |entry: &&Entry| entry.key == PASS && matches!(entry.node.content, Content::List(_) | Content::Map(_));
    let (lists, variables): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_list);
    for entry in &variables {
        valid(&entry.key, entry.place, mistakes);
    }
    let set: HashSet<&str> = variables.iter().map(|entry| entry.key.as_str()).collect();
    let mut passed = Vec::new();
    for list in lists {
        passed.extend(passed_by(&list.node, &set, mistakes));
    }
    (variables, passed)
}

/// The names in the list of `pass:`.
fn passed_by<'n>(node: &'n Node, set: &HashSet<&str>, mistakes: &mut Mistakes<'_>) -> Vec<&'n str> {
    let Content::List(items) = &node.content else {
        let _: Option<()> = wrong(node, "`pass`", "a list of names of variables", mistakes);
        return vec![];
    };
    let mut names = Vec::new();
    for item in items {
        let Some(name) = item.text() else {
            let _: Option<()> = wrong(item, "an item of `pass`", "the name of a variable", mistakes);
            continue;
        };
        if name == "PATH" || OWN.contains(&name) {
            let fault =
                if name == "PATH" { "`PATH` always passes" } else { "Kiln sets it itself, to a folder of the stage" };
            mistakes.add(Mistake::new(format!("`{name}` cannot be passed")).at(item.place, fault));
        } else if set.contains(name) {
            let mistake = Mistake::new(format!("`{name}` is set in `env`, and passed from outside")).at(item.place, "");
            mistakes.add(mistake.hint("keep one of the two"));
        } else if valid(name, item.place, mistakes) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
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
