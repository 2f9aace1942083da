//! The state of a pipeline's stages: variants with the same to tell share a line.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kiln::engine::{Planned, Step};
use kiln::show::reason::words;

use super::look::{Look, one_line};
use super::names::{base, collapsed};
use super::number;
use super::summary::warnings;
use crate::cli::status::State;

/// So many lines are shown unless all are asked for.
const LINES: usize = 100;
/// So many characters of a reason are shown.
const REASON: usize = 120;

/// What is not up to date, and how many stages are; with `all` every stage on a line of its own.
pub(crate) fn status(plan: &[Planned], all: bool, look: &Look) -> String {
    let mut lines = if all { plan.iter().map(single).collect() } else { folded(plan) };
    let more = if all { 0 } else { lines.len().saturating_sub(LINES) };
    lines.truncate(lines.len() - more);
    let width = lines.iter().map(|(_, name, _)| console::measure_text_width(name)).max().unwrap_or(0);
    let mut text = String::new();
    for (state, name, reason) in lines {
        let pad = " ".repeat(width - console::measure_text_width(&name));
        let line = format!("{}  {name}{pad}  {}", painted(state, look), one_line(&reason));
        text += line.trim_end();
        text.push('\n');
    }
    if more > 0 {
        text += &format!("and {} (`--all` shows every stage)\n", number::count(more, "more line"));
    }
    text + &counted(plan) + &warnings(plan.iter().map(|planned| (planned.name.as_str(), &planned.warnings[..])), look)
}

/// What to say of environments that are in no key.
pub(crate) fn uncounted(found: &BTreeMap<String, Vec<String>>) -> String {
    let line = |(place, names): (&String, &Vec<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("the packages in {} are not in the key of {}\n", one_line(place), folded_names(names.into_iter()))
    };
    let lines: String = found.iter().map(line).collect();
    match lines.as_str() {
        "" => lines,
        _ => {
            lines
                + "hint: `environment: auto` in the pipeline file puts them there, and executes these stages once; `none` says no more of it\n"
        }
    }
}

type Line = (State, String, String);

fn single(planned: &Planned) -> Line {
    let reason = match &planned.step {
        Step::Depends(names) => format!("for {}", folded_names(names.iter().map(String::as_str))),
        _ => first(planned),
    };
    (State::of(&planned.step), planned.name.clone(), reason)
}

/// Lines for all that is not up to date, in the order of the pipeline.
fn folded(plan: &[Planned]) -> Vec<Line> {
    let mut groups: Vec<Vec<&Planned>> = Vec::new();
    let mut places: HashMap<(&str, State, String), usize> = HashMap::new();
    for planned in plan.iter().filter(|p| p.step != Step::UpToDate) {
        // Variants that wait for variants of the same stages wait for the same thing.
        let reason = match &planned.step {
            Step::Depends(names) => names.iter().map(|n| base(n)).collect::<BTreeSet<_>>().into_iter().collect(),
            Step::Restore => String::new(),
            _ => first(planned),
        };
        let place = *places.entry((base(&planned.name), State::of(&planned.step), reason)).or_insert_with(|| {
            groups.push(vec![]);
            groups.len() - 1
        });
        groups[place].push(planned);
    }
    groups.iter().map(|group| line(group)).collect()
}

fn line(group: &[&Planned]) -> Line {
    let names: Vec<&str> = group.iter().map(|planned| planned.name.as_str()).collect();
    let reason = match &group[0].step {
        Step::Depends(_) => {
            let all = group.iter().flat_map(|planned| match &planned.step {
                Step::Depends(names) => names.as_slice(),
                _ => &[],
            });
            format!("for {}", folded_names(all.map(String::as_str)))
        }
        Step::Restore if group.len() > 1 => "outputs not in place".to_owned(),
        _ => first(group[0]),
    };
    (State::of(&group[0].step), collapsed(&names), reason)
}

/// The first reason, and how many more there are. Of two both are shown, unless the first takes most of the room.
fn first(planned: &Planned) -> String {
    let cut = |reason: &str| console::truncate_str(reason, REASON, "...").into_owned();
    let reason = planned.reasons.first().map_or_else(String::new, words);
    match &planned.reasons[..] {
        [] | [_] => cut(&reason),
        [_, second] if console::measure_text_width(&reason) <= REASON / 2 => {
            cut(&format!("{reason}; {}", words(second)))
        }
        [_, rest @ ..] => format!("{}; {} more", cut(&reason), rest.len()),
    }
}

/// `train[model=1..7] (7), split`.
fn folded_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut stages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        stages.entry(base(name)).or_default().insert(name);
    }
    let all: Vec<String> = stages.values().map(|names| collapsed(&names.iter().copied().collect::<Vec<_>>())).collect();
    all.join(", ")
}

fn painted(state: State, look: &Look) -> String {
    let word = format!("{:10}", state.words());
    match state {
        State::Broken => look.red(&word),
        State::Dirty => look.bold(&word),
        State::Restorable | State::Waiting => look.yellow(&word),
        State::UpToDate => look.green(&word),
    }
}

fn counted(plan: &[Planned]) -> String {
    let count = |state: State| plan.iter().filter(|p| State::of(&p.step) == state).count();
    let all = [State::UpToDate, State::Dirty, State::Restorable, State::Waiting, State::Broken];
    let parts: Vec<String> = all
        .into_iter()
        .map(|state| (state, count(state)))
        .filter(|(_, n)| *n > 0)
        .map(|(state, n)| format!("{n} {}", state.words()))
        .collect();
    format!(
        "{}: {}\n",
        number::count(plan.len(), "stage"),
        if parts.is_empty() { "none".into() } else { parts.join(", ") }
    )
}
