//! Why a stage is dirty or needs nothing, as text.

use std::fmt::Write as _;

use kiln::action::{Difference, ENVIRONMENT, Field};
use kiln::engine::{Changed, Changes, Explanation, Origin, Part, StageState, Step};
use kiln::reason::Reason;
use kiln::record::Outcome;
use kiln::show::script::{as_written, written};
use kiln::show::{difference, reason};
use serde_json::Value;

use super::look::{Look, one_line};
use super::names::collapsed;
use super::number;
use crate::cli::status::State;

/// So many stages above one are told of.
const STAGES: usize = 20;
/// So many fields of a document, and so many characters of a value, are shown.
const FIELDS: usize = 30;
/// So many changes of a stage are shown.
const INPUTS: usize = 50;
const VALUE: usize = 100;

/// Each stage in full; where several are asked for, those that are up to date in one line at the end.
pub(crate) fn why(all: &[Explanation], look: &Look) -> String {
    let quiet = |e: &&Explanation| all.len() > 1 && e.standing == StageState::Now(Step::UpToDate);
    let (idle, told): (Vec<&Explanation>, Vec<&Explanation>) = all.iter().partition(quiet);
    let mut blocks: Vec<String> = told.into_iter().map(|explanation| one(explanation, look)).collect();
    if !idle.is_empty() {
        let names: Vec<&str> = idle.iter().map(|explanation| explanation.stage.as_str()).collect();
        blocks.push(format!("{}\n", look.green(&format!("up to date: {}", folded(&names)))));
    }
    blocks.join("\n")
}

fn folded(names: &[&str]) -> String {
    let mut rest = names;
    let mut parts = Vec::new();
    while let Some(first) = rest.first() {
        let end = rest.iter().position(|n| super::names::base(n) != super::names::base(first)).unwrap_or(rest.len());
        parts.push(collapsed(&rest[..end]));
        rest = &rest[end..];
    }
    parts.join(", ")
}

fn one(explanation: &Explanation, look: &Look) -> String {
    let mut text = format!("{}\n", look.bold(&headline(explanation)));
    let up_to_date = explanation.standing == StageState::Now(Step::UpToDate);
    if up_to_date {
        text += &parts(&explanation.parts, look);
    } else {
        text += &changed(explanation, look);
    }
    for warning in &explanation.warnings {
        let _ = writeln!(text, "  {}", one_line(warning));
    }
    if let Some(origin) = &explanation.execution {
        let _ = writeln!(text, "{}", look.dim(&executed(origin)));
    }
    if let Some(key) = explanation.key.filter(|_| up_to_date) {
        let _ = writeln!(text, "{}", look.dim(&format!("key {key}")));
    }
    if let (Some(run), false) = (&explanation.since, up_to_date) {
        let started = run.started.strftime("%Y-%m-%d %H:%M:%S UTC");
        let _ = writeln!(text, "{}", look.dim(&format!("compared with run {} ({started})", run.id)));
    }
    text
}

fn headline(explanation: &Explanation) -> String {
    let name = &explanation.stage;
    match &explanation.standing {
        StageState::Now(Step::UpToDate) => format!("{name} is up to date: nothing that decides it has changed"),
        StageState::Now(Step::Execute) => format!("{name} is dirty: a run would execute it"),
        StageState::Now(Step::Restore) => format!("{name} is restorable: a run would put its outputs in place"),
        StageState::Now(Step::Fail) => format!("{name} is {}: a run would fail", State::Broken.words()),
        StageState::Now(Step::Depends(_)) if explanation.changes.first().is_some_and(|own| !own.fields.is_empty()) => {
            format!("{name} is dirty: a run would execute it, after what is above it")
        }
        StageState::Now(Step::Depends(_)) => {
            format!("{name} is waiting: if what is above it comes out the same, it needs nothing else")
        }
        StageState::Then(Outcome::UpToDate) => format!("{name} was up to date"),
        StageState::Then(outcome) => format!("{name} was {outcome}"),
    }
}

/// What changed; where nothing did, the reasons.
fn changed(explanation: &Explanation, look: &Look) -> String {
    let mut text = String::new();
    let told = explanation.changes.first().is_some_and(|own| !own.fields.is_empty());
    let words = match explanation.standing {
        StageState::Now(_) => reason::words,
        StageState::Then(_) => reason::past,
    };
    for reason in &explanation.reasons {
        let again = match reason {
            // The fields say the same, and more.
            Reason::Changed(_) | Reason::MoreChanges { .. } | Reason::Told { .. } => told,
            // The headline says it.
            Reason::DependsOn { .. } => true,
            _ => false,
        };
        if !again {
            for line in words(reason).lines() {
                let _ = writeln!(text, "  {}", one_line(line));
            }
        }
    }
    for (i, changes) in explanation.changes.iter().enumerate().take(STAGES) {
        if i > 0 {
            let _ = writeln!(text, "{}", look.bold(&format!("above it, {}", changes.stage)));
        }
        text += &stage(changes, look);
    }
    if explanation.changes.len() > STAGES {
        let more = number::count(explanation.changes.len() - STAGES, "more stage");
        let _ = writeln!(text, "and {more} above them (`--json` has all)");
    }
    text
}

fn stage(changes: &Changes, look: &Look) -> String {
    let mut text = String::new();
    for note in &changes.notes {
        let _ = writeln!(text, "  {}", one_line(note));
    }
    for changed in changes.fields.iter().take(INPUTS) {
        text += &field(changed, look);
    }
    if changes.fields.len() > INPUTS {
        let more = number::count(changes.fields.len() - INPUTS, "more change");
        let _ = writeln!(text, "  and {more} (`--json` has all)");
    }
    if !changes.waits_for.is_empty() {
        let names: Vec<&str> = changes.waits_for.iter().map(String::as_str).collect();
        let own = if changes.fields.is_empty() { "nothing of its own changed; it waits for" } else { "it waits for" };
        let _ = writeln!(text, "  {own} {}", folded(&names));
    }
    text
}

fn field(changed: &Changed, look: &Look) -> String {
    let from = changed.from.as_ref().map_or(String::new(), |from| look.dim(&format!("  from {from}")));
    let Difference::Input { fields, files, .. } = &changed.difference else {
        return format!("  {}{from}\n", shortened(&changed.text));
    };
    let mut text = format!("  {}{from}\n", difference::input(&changed.difference));
    if let Some(files) = files {
        let _ = writeln!(text, "    {}", one_line(&difference::files(files)));
    }
    let of_environment = matches!(&changed.difference, Difference::Input { name, .. } if name == ENVIRONMENT);
    for whole @ Field { path, change } in fields.iter().take(FIELDS) {
        if of_environment {
            let _ = writeln!(text, "    {}", one_line(&difference::package(whole)));
            continue;
        }
        let _ = writeln!(text, "    {}{}", one_line(path), difference::arrow(&change.map(value)));
    }
    if fields.len() > FIELDS {
        let _ = writeln!(text, "    and {}", number::count(fields.len() - FIELDS, "more field"));
    }
    text
}

fn value(value: &Value) -> String {
    shortened(&value.to_string())
}

fn shortened(text: &str) -> String {
    console::truncate_str(&one_line(text), VALUE, "...").into_owned()
}

fn parts(parts: &[Part], look: &Look) -> String {
    let rows: Vec<[String; 3]> = parts.iter().map(row).collect();
    let widths = [0, 1].map(|i| rows.iter().map(|row| console::measure_text_width(&row[i])).max().unwrap_or(0));
    let mut text = String::new();
    for [name, value, place] in &rows {
        let pad = |text: &str, width: usize| " ".repeat(width - console::measure_text_width(text));
        let line = format!("  {name}{}  {value}{}  {}", pad(name, widths[0]), pad(value, widths[1]), look.dim(place));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn row(part: &Part) -> [String; 3] {
    let name = match part.name.as_str() {
        "" => part.what.to_owned(),
        ENVIRONMENT if part.what == "input" => "environment".to_owned(),
        name if part.what == "environment" => written(name).unwrap_or_else(|| format!("environment {name}")),
        name => format!("{} {name}", part.what),
    };
    let digest = |value: &Value| value.as_str().map_or("-".to_owned(), |text| text.chars().take(12).collect());
    let shown = match part.what {
        "input" | "output" | "code" => digest(&part.value),
        _ => console::truncate_str(&one_line(&as_written(&part.value.to_string())), 50, "...").into_owned(),
    };
    let size = part.bytes.map_or(String::new(), |bytes| format!(", {}", number::size(bytes)));
    [one_line(&name), shown, part.place.as_ref().map_or(String::new(), |place| format!("{place}{size}"))]
}

fn executed(origin: &Origin) -> String {
    let by = origin.run.as_ref().map_or(String::new(), |run| format!(" by run {run}"));
    let ended = origin.ended.strftime("%Y-%m-%d %H:%M:%S UTC");
    if let Some(from) = &origin.adopted {
        return format!("adopted from {from} on {}, {ended}, not executed here", one_line(&origin.host));
    }
    // Of a run of this project the rest is in its record.
    let maker = origin.maker.as_ref().filter(|_| origin.run.is_none()).map_or(String::new(), |maker| {
        let commit = maker
            .commit
            .as_ref()
            .map_or(String::new(), |id| format!(" at commit {}", one_line(id.get(..8).unwrap_or(id))));
        format!(", by Kiln {} on {}{commit}", one_line(&maker.kiln), one_line(&maker.processor))
    });
    format!("executed{by} on {}, {ended}, in {}{maker}", one_line(&origin.host), number::duration(origin.seconds))
}
