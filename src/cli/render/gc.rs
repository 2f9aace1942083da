//! What `gc` found and did: what is kept for whom, and what goes.

use std::fmt::Write as _;

use kiln::store::{Garbage, KeptFor};
use serde_json::{Value, json};

use super::look::Look;
use super::number;
use super::table::{Grid, Side};

/// For people.
pub(crate) fn text(garbage: &Garbage, deleted: bool, look: &Look) -> String {
    let mut text = kept(&garbage.kept, look);
    if garbage.unrecorded > 0 {
        let what = number::count(garbage.unrecorded, "young result");
        let _ = writeln!(text, "and {what} that no run record names (of killed runs, or published on the way)");
    }
    let amounts = garbage.amounts();
    let found: Vec<String> = amounts
        .iter()
        .filter(|(_, amount)| amount.count > 0)
        .map(|(what, amount)| format!("{} {what}", number::Precision::Whole.show(amount.count as f64)))
        .collect();
    let size = indicatif::BinaryBytes(garbage.bytes());
    if garbage.bytes() == 0 && found.is_empty() {
        text.push_str("there is nothing to delete\n");
    } else if found.is_empty() {
        let done = if deleted { "was written anew" } else { "would be written anew" };
        let _ = writeln!(text, "the log of results {done}, {size} shorter");
    } else if deleted {
        let _ = writeln!(text, "deleted {}: {size}", found.join(", "));
    } else {
        let _ = writeln!(text, "would delete {}: {size}", found.join(", "));
        text.push_str("nothing was deleted; `kiln gc --delete` does it\n");
    }
    text
}

fn kept(projects: &[KeptFor], look: &Look) -> String {
    let columns = [
        ("kept for", Side::Left),
        ("runs", Side::Right),
        ("in place", Side::Right),
        ("artifacts", Side::Right),
        ("size", Side::Right),
    ];
    let mut grid = Grid::new(1, columns);
    for project in projects {
        let gone = if project.here { "" } else { " (not on this machine)" };
        grid.row([
            format!("{}{gone}", project.project.display()),
            format!("{} of {}", project.runs.len(), project.recorded),
            number::count(project.in_place, "stage"),
            number::Precision::Whole.show(project.artifacts.count as f64),
            indicatif::BinaryBytes(project.artifacts.bytes).to_string(),
        ]);
    }
    if grid.is_empty() { "no runs are recorded\n".to_owned() } else { grid.text(look) }
}

/// For programs.
pub(crate) fn json(garbage: &Garbage, deleted: bool) -> Value {
    json!({
        "deleted": deleted,
        "bytes": garbage.bytes(),
        "garbage": garbage.amounts(),
        "unrecorded": garbage.unrecorded,
        "kept": garbage.kept,
    })
}
