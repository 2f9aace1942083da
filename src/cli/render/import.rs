//! What an import found, and what it made of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use kiln::import::dvc::{Change, Fate, How, Import, Merge, Note, Outcome, Weight};
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
    /// Somebody edited it, and it takes over what DVC's files changed.
    Merged,
}

/// What an import does to the pipeline file.
pub(crate) struct Step {
    pub(crate) written: Written,
    /// What it holds then; `None` if it stays as it is.
    pub(crate) text: Option<String>,
    /// How it differs from what an import writes; `None` where there is nothing to hold against each other.
    pub(crate) merge: Option<Merge>,
    /// Whether it is known what the last import wrote.
    pub(crate) known: bool,
}

impl Step {
    pub(crate) fn has(&self, fate: Fate) -> bool {
        self.merge.as_ref().is_some_and(|merge| merge.has(fate))
    }
}

/// An import, and what became of the pipeline file.
pub(crate) struct Told<'a> {
    pub(crate) import: &'a Import,
    pub(crate) file: &'a Path,
    pub(crate) check: bool,
    /// Whether a merge is asked for.
    pub(crate) merging: bool,
    /// What the file holds now, or would.
    pub(crate) text: &'a str,
    pub(crate) step: &'a Step,
    /// What became of results.
    pub(crate) outcomes: Vec<Outcome>,
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
    let (own, others): (Vec<&Outcome>, Vec<&Outcome>) = told.outcomes.iter().partition(|outcome| outcome.executed);
    let (good, bad): (Vec<&Outcome>, Vec<&Outcome>) = others.into_iter().partition(|outcome| outcome.adopted);
    let verb = if told.check { "would adopt" } else { "adopted" };
    let of = if told.outcomes.len() == good.len() { String::new() } else { format!(" of {}", told.outcomes.len()) };
    let sign = if told.check { "# " } else { "" };
    if told.check {
        out.push_str(told.text);
        for line in differences_told(told).lines() {
            let _ = writeln!(out, "# {line}");
        }
    }
    let _ = writeln!(out, "{sign}{verb} {}{of} from DVC, not executed here", number::count(good.len(), "result"));
    if !own.is_empty() {
        let _ =
            writeln!(out, "{sign}of {} there is a result that was executed here", number::count(own.len(), "stage"));
    }
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
    let head = match told.step.written {
        Written::New => format!("wrote {file}: {stages} of DVC's"),
        Written::Again => format!("wrote {file} again: {stages} of DVC's"),
        Written::Same => format!("{file} is what it was: {stages} of DVC's"),
        Written::Merged => format!("merged {file}: {stages} of DVC's"),
        Written::Kept => format!("{file} was edited, and stays as it is: {stages} of DVC's"),
    };
    (head + "\n" + &differences_told(told)).trim_end().to_owned()
}

/// What became of the file, if it is none that can be run yet.
pub(crate) fn unfinished(told: &Told<'_>) -> String {
    format!("{}\nno result was taken over yet; when this is mended, `kiln import dvc` again does it", wrote(told))
}

/// For programs.
pub(crate) fn json(told: &Told<'_>) -> Value {
    json!({
        "file": told.file,
        "written": if told.check { Value::Null } else { json!(told.step.written) },
        "stages": told.import.stages,
        "notes": told.import.notes,
        "changes": told.step.merge.as_ref().map(|merge| &merge.changes),
        "results": told.outcomes,
        "text": told.text,
    })
}

/// How the file and what an import writes differ, by whose it is.
fn differences_told(told: &Told<'_>) -> String {
    let Some(merge) = &told.step.merge else { return String::new() };
    let mut out = String::new();
    let taken = match told.step.written {
        Written::Kept if !told.step.known => {
            "differs from what an import writes now; what the last one wrote is not known (`--merge=dvc` takes it, `--merge=file` settles that \
             the file is right):"
        }
        Written::Kept => "changed in DVC's files (`--merge` takes it over):",
        _ => "changed in DVC's files, and taken over:",
    };
    let conflicts = if told.merging {
        "changed in both, and left as it is (`--merge=dvc` or `--merge=file` settles it):"
    } else {
        "changed in both (`--merge=dvc` or `--merge=file` settles it):"
    };
    for (fate, head) in
        [(Fate::Taken, taken), (Fate::Conflict, conflicts), (Fate::Edited, "edited in the file, and kept:")]
    {
        let changes: Vec<&Change> = merge.changes.iter().filter(|change| change.fate == fate).collect();
        if changes.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{head}");
        for change in changes.iter().take(SHOWN) {
            let _ = writeln!(out, "  {}", difference(told.file, change));
            if fate != Fate::Edited && matches!(change.how, How::Changed | How::Comment) && !change.here.is_empty() {
                let lines = differences(&change.here, &change.there);
                for line in lines.lines() {
                    let _ = writeln!(out, "    {line}");
                }
            }
        }
        if changes.len() > SHOWN {
            let _ = writeln!(out, "  and {} more", changes.len() - SHOWN);
        }
    }
    out
}

/// A difference in a line.
fn difference(file: &Path, change: &Change) -> String {
    let at = if change.line == 0 { String::new() } else { format!(":{}:{}", change.line, change.column) };
    let dvc = change.dvc.as_ref().filter(|_| change.fate == Fate::Conflict || change.line == 0);
    let dvc = dvc.map_or_else(String::new, |(file, line, column)| format!(" ({}:{line}:{column})", shown(file)));
    let what = match (&change.stage, change.field.as_str()) {
        (Some(stage), "") => format!("stage {stage}"),
        (Some(stage), field) => format!("{stage}: `{field}`"),
        (None, field) => format!("`{field}`"),
    };
    let how = match (change.how, change.fate) {
        (How::Changed, _) => String::new(),
        (How::Comment, _) => ", the comment above".to_owned(),
        (How::Renamed, Fate::Edited) => format!(", `{}` in DVC's files", change.there),
        (How::Renamed, _) => format!(" is called `{}`", change.there),
        (How::New, _) => " is new".to_owned(),
        (How::Gone, Fate::Conflict) if change.line == 0 => " was taken out of the file, and has changed".to_owned(),
        (How::Gone, Fate::Conflict) => " was edited, and DVC's files no longer have it".to_owned(),
        (How::Gone, _) => " is gone".to_owned(),
    };
    format!("{}{at}: {what}{how}{dvc}", shown(file))
}

/// So many differences are shown of a kind.
const SHOWN: usize = 50;

/// So many lines are compared.
const MOST: usize = 1000;

/// The lines that are in one text only: `-` of the first, `+` of the second.
fn differences(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().take(MOST).collect();
    let new: Vec<&str> = new.lines().take(MOST).collect();
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
            let _ = writeln!(out, "-{}", old[i]);
            i += 1;
        } else {
            let _ = writeln!(out, "+{}", new[j]);
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
        assert_eq!(differences("h\na\nb\nc\nd", "h\na\nx\nc\ny\nd"), "-b\n+x\n+y\n");
    }
}
