//! What an import found, and what it made of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use kiln::import::dvc::{Import, Note, Outcome, Weight};
use serde_json::{Value, json};

use super::number;
use super::stand::shown;

/// What becomes of the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Written {
    /// There was none.
    New,
    /// It is what an earlier import wrote, and DVC's files have changed since.
    Again,
    /// It is what it would be.
    Same,
    /// Somebody edited it: it stays.
    Kept,
}

/// An import, and what became of the pipeline file.
pub(crate) struct Told<'a> {
    pub(crate) import: &'a Import,
    pub(crate) file: &'a Path,
    pub(crate) check: bool,
    pub(crate) text: &'a str,
    pub(crate) there: Option<&'a str>,
    pub(crate) written: Written,
    /// What became of results; `None` if none were looked at.
    pub(crate) outcomes: Option<Vec<Outcome>>,
}

/// What does not carry over, what means something else, and what is written in another way.
pub(crate) fn notes(told: &Told<'_>) -> String {
    let mut out = String::new();
    for (weight, head) in [
        (Weight::Lost, "does not carry over"),
        (Weight::Differs, "is a little different"),
        (Weight::Told, "is written in another way"),
    ] {
        let notes: Vec<&Note> = told.import.notes.iter().filter(|note| note.weight == weight).collect();
        if notes.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{head}:");
        let mut said = BTreeSet::new();
        for note in notes {
            let at = if note.line == 0 { String::new() } else { format!(":{}:{}", note.line, note.column) };
            let _ = writeln!(out, "  {}{at}: {}", shown(&note.file), note.what);
            // What is to be done about many of a kind is said once.
            if let Some(hint) = note.hint.as_ref().filter(|hint| said.insert(*hint)) {
                let _ = writeln!(out, "    {hint}");
            }
        }
    }
    out
}

/// What was written, or would be; with `--check` the text itself.
pub(crate) fn outcome(told: &Told<'_>) -> String {
    let mut out = if told.check { String::new() } else { wrote(told) + "\n" };
    let Some(outcomes) = &told.outcomes else {
        out.push_str("no results were taken over, because the pipeline is not as an import writes it; `--trust` takes them all the same\n");
        return out;
    };
    let (good, bad): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| outcome.adopted);
    let verb = if told.check { "would adopt" } else { "adopted" };
    let of = if outcomes.len() == good.len() { String::new() } else { format!(" of {}", outcomes.len()) };
    if told.check {
        out.push_str(told.text);
        out.push_str("# ");
    }
    let _ = writeln!(out, "{verb} {}{of} from DVC, not executed here", number::count(good.len(), "result"));
    let sign = if told.check { "# " } else { "" };
    for outcome in bad {
        let _ = writeln!(out, "{sign}  to be executed: {}: {}", outcome.kiln, outcome.why.join("; "));
        if outcome.doubted {
            let _ = writeln!(out, "{sign}    `--trust` takes it over all the same");
        }
    }
    for outcome in good.iter().filter(|outcome| outcome.doubted) {
        let _ = writeln!(out, "{sign}  trusted: {}: {}", outcome.kiln, outcome.why.join("; "));
    }
    out
}

/// What became of the file.
pub(crate) fn wrote(told: &Told<'_>) -> String {
    let file = shown(told.file);
    let stages = number::count(told.import.stages, "stage");
    match told.written {
        Written::New => format!("wrote {file}: {stages} of DVC's"),
        Written::Again => format!("wrote {file} again: {stages} of DVC's"),
        Written::Same => format!("{file} is what it was: {stages} of DVC's"),
        Written::Kept => format!(
            "{file} was edited, and stays as it is; an import would now change these lines (`--force-overwrite` writes it):\n{}",
            differences(told.there.unwrap_or_default(), told.text).trim_end()
        ),
    }
}

/// For programs.
pub(crate) fn json(told: &Told<'_>) -> Value {
    json!({
        "file": told.file,
        "written": if told.check { Value::Null } else { json!(told.written) },
        "stages": told.import.stages,
        "notes": told.import.notes,
        "results": told.outcomes,
        "text": told.text,
    })
}

/// So many lines are compared.
const MOST: usize = 5000;

/// The lines that are in one text only: `-` of the first, `+` of the second.
fn differences(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().skip(1).take(MOST).collect();
    let new: Vec<&str> = new.lines().skip(1).take(MOST).collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // The longest common subsequence, by its lengths from each place on.
    let width = new.len() + 1;
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = String::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
            let _ = writeln!(out, "  -{}", old[i]);
            i += 1;
        } else {
            let _ = writeln!(out, "  +{}", new[j]);
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_shown() {
        assert_eq!(differences("h\na\nb\nc\nd", "h\na\nx\nc\ny\nd"), "  -b\n  +x\n  +y\n");
    }
}
