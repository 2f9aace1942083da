//! A stage or a run in readable form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kiln::hash::Digest;
use kiln::kind::Role;
use kiln::reason::Reason;
use kiln::record::{Git, Outcome, RunRecord, RunStatus, StageRecord};
use kiln::show::difference::version;
use kiln::show::reason::past;
use kiln::show::script::{as_written, written};
use serde_json::Value;

use super::look::{Look, one_line};
use super::names::{collapsed, escaped};
use super::number::{self, Precision};
use super::stand;
use super::table::{Grid, Side};
use crate::cli::made::{Made, Origin};
use crate::cli::show::{LastRun, Shown};

/// So many characters of a value, and so many numbers, are shown.
const VALUE: usize = 100;
const NUMBERS: usize = 12;

/// Stages, one below the other.
pub(crate) fn stages(stages: &[Shown], all: bool, look: &Look) -> String {
    stages.iter().map(|shown| stage(shown, all, look)).collect::<Vec<_>>().join("\n")
}

fn stage(shown: &Shown, all: bool, look: &Look) -> String {
    let kind = shown.uses.as_ref().map_or("a command".to_owned(), |kind| format!("uses {kind}"));
    let mut text = format!("{}  {kind}\n", look.bold(&shown.name));
    text += &section(if shown.uses.is_some() { "parameters" } else { "command" }, &parameters(shown), look);
    let inputs: Vec<[String; 2]> = shown
        .inputs
        .iter()
        .map(|input| {
            let path = stand::shown(&input.path);
            let from = input.from.as_ref().map_or(path.clone(), |from| format!("{from} ({path})"));
            [input.input.clone(), from]
        })
        .collect();
    text += &section("inputs", &inputs, look);
    let outputs: Vec<[String; 2]> =
        shown.outputs.iter().map(|output| [output.output.clone(), output_text(shown, &output.output)]).collect();
    text += &section("outputs", &outputs, look);
    text += &section("environment in the key", &environment(shown, all), look);
    text += &section("states", &states(shown), look);
    match &shown.last {
        Some(last) => text += &last_result(last, all, look),
        None => text += "  no run has it yet\n",
    }
    text
}

fn parameters(shown: &Shown) -> Vec<[String; 2]> {
    let Value::Object(params) = &shown.params else { return vec![[String::new(), value(&shown.params)]] };
    let mut rows = Vec::new();
    for (name, param) in params {
        // A record says what kind of command it is.
        let command = param.get("shell").or(param.get("argv")).filter(|_| shown.uses.is_none() && name == "run");
        match command.unwrap_or(param) {
            // A script is read as it is written.
            Value::String(script) if shown.uses.is_none() => {
                let script = as_written(script);
                let mut lines = script.trim_end().lines();
                rows.push([name.clone(), one_line(lines.next().unwrap_or_default())]);
                rows.extend(lines.map(|line| [String::new(), one_line(line)]));
            }
            Value::Array(names) if shown.uses.is_none() && name == "pass" => {
                rows.extend(names.iter().filter_map(Value::as_str).map(|name| ["passes".to_owned(), one_line(name)]));
            }
            // A record says `params` of what a stage says by `with`.
            Value::Object(values) if shown.uses.is_none() && ["with", "params", "steps"].contains(&name.as_str()) => {
                let name = if name == "params" { "with" } else { name };
                let said = values.iter().filter(|(_, text)| !text.is_null());
                rows.extend(said.map(|(key, text)| [format!("{name} {}", escaped(key)), value(text)]));
            }
            Value::Object(env) if shown.uses.is_none() => {
                let name = |name: &String| written(name).unwrap_or_else(|| format!("env {name}"));
                rows.extend(env.iter().map(|(variable, text)| [name(variable), value(text)]));
            }
            other => rows.push([name.clone(), value(other)]),
        }
    }
    rows.extend(shown.shell.iter().map(|shell| ["shell".to_owned(), one_line(shell)]));
    rows
}

/// Interpreters, packages and programs with their versions, and digests where there are only these.
fn environment(shown: &Shown, all: bool) -> Vec<[String; 2]> {
    let Some(Value::Object(listing)) = &shown.environment else { return vec![] };
    let most = if all { usize::MAX } else { NUMBERS };
    let version = |said: &Value| one_line(&said.as_str().map_or_else(|| said.to_string(), version));
    let mut rows: Vec<[String; 2]> =
        listing.iter().take(most).map(|(name, said)| [escaped(name), version(said)]).collect();
    let more = listing.len().saturating_sub(most);
    if more > 0 {
        rows.push([String::new(), format!("and {more} more; `--all` shows them")]);
    }
    rows
}

/// `epoch 1 to 4, 6, 8` and what they take in the cache.
fn states(shown: &Shown) -> Vec<[String; 2]> {
    let Some(states) = &shown.states else { return vec![] };
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for step in &states.steps {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *step => *last = *step,
            _ => spans.push((*step, *step)),
        }
    }
    let spans = spans.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    });
    let size = number::size(states.bytes);
    vec![[states.unit.clone(), one_line(&format!("{}  {size}", spans.collect::<Vec<_>>().join(", ")))]]
}

fn output_text(shown: &Shown, name: &str) -> String {
    let Some(output) = shown.outputs.iter().find(|output| output.output == name) else { return String::new() };
    let role = match output.role {
        Role::Data => "",
        Role::Metrics => ", metrics",
        Role::Figure => ", figure",
        Role::Series => ", series",
    };
    let made = shown.last.as_ref().and_then(|last| last.record.outputs.get(name));
    let made = made.map_or(String::new(), |made| format!("  {}, {}", made.digest.short(), number::size(made.bytes)));
    format!("{}{role}{made}", stand::shown(&output.path))
}

fn last_result(last: &LastRun, all: bool, look: &Look) -> String {
    let record = &last.record;
    let started = last.started.strftime("%Y-%m-%d %H:%M:%S UTC");
    let mut line = format!("{} in run {} ({started})", words(record), last.run);
    if let Some(seconds) = record.executed_seconds.map(number::duration) {
        line += &match record.outcome {
            Outcome::Executed => format!(", which took {seconds}"),
            _ => format!("; its execution took {seconds}"),
        };
    }
    let mut rows: Vec<[String; 2]> = vec![[String::new(), line]];
    let mut told = |what: &str, lines: Vec<String>| {
        rows.extend(
            lines
                .iter()
                .enumerate()
                .map(|(i, line)| [if i == 0 { what.to_owned() } else { String::new() }, one_line(line)]),
        );
    };
    told("why", reasons(record).iter().map(past).collect());
    told("warning", record.warnings.clone());
    told("error", record.error.iter().flat_map(|error| error.lines()).map(str::to_owned).collect());
    let mut text = section("last run", &rows, look);
    let mut numbers: Vec<[String; 2]> =
        record.metrics.iter().map(|(name, value)| [escaped(name), Precision::of([*value]).show(*value)]).collect();
    let more = if all { 0 } else { numbers.len().saturating_sub(NUMBERS) };
    numbers.truncate(numbers.len() - more);
    text += &section("metrics", &numbers, look);
    if more > 0 {
        let _ = writeln!(text, "    and {} (`--all` shows them)", number::count(more, "more number"));
    }
    text
}

fn section(title: &str, rows: &[[String; 2]], look: &Look) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = rows.iter().map(|[name, _]| console::measure_text_width(name)).max().unwrap_or(0);
    let gap = if width == 0 { "" } else { "  " };
    let mut text = format!("  {}\n", look.bold(title));
    for [name, value] in rows {
        let pad = " ".repeat(width - console::measure_text_width(name));
        let _ = writeln!(text, "{}", format!("    {name}{pad}{gap}{value}").trim_end());
    }
    text
}

fn value(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    console::truncate_str(&one_line(&text), VALUE, "...").into_owned()
}

fn words(record: &StageRecord) -> String {
    match record.outcome {
        Outcome::UpToDate => "up to date".into(),
        _ if record.causes.contains(&Reason::UnderWay) => "under way".into(),
        // It was begun.
        Outcome::Skipped if record.start.is_some() => "not finished".into(),
        outcome => outcome.to_string(),
    }
}

/// Why, unless the outcome says it already.
fn reasons(record: &StageRecord) -> Vec<Reason> {
    let mut reasons = record.why();
    reasons.retain(|reason| *reason != Reason::UnderWay);
    reasons
}

/// A commit in full, its branch, and whether there was more than the commit.
fn commit(git: &Git) -> String {
    let mut text = git.commit.clone().unwrap_or_else(|| "none yet".to_owned());
    text.extend(git.branch.iter().map(|branch| format!(" on {branch}")));
    text += match git.dirty {
        Some(true) => ", with changes that were not committed",
        Some(false) => "",
        None => ", perhaps with changes that were not committed",
    };
    text
}

/// Where a file comes from: the stage, its parameters, the run, the commit.
pub(crate) fn origin(origin: &Origin<'_>, all: bool, look: &Look) -> String {
    let Made { run, stage, output } = &origin.made;
    let mut text = format!("{}  {}\n", look.bold(&origin.file.display().to_string()), origin.digest);
    let place = stage.outputs.get(output).map(|output| stand::shown(&output.path)).unwrap_or_default();
    let how = match stage.outcome {
        Outcome::Executed => "executed by",
        _ => "known since",
    };
    let started = run.started.strftime("%Y-%m-%d %H:%M:%S UTC");
    let mut rows = vec![
        ["output".to_owned(), format!("{}.{output} ({place})", stage.name)],
        [how.to_owned(), format!("run {} ({started})", run.id)],
        ["pipeline".to_owned(), run.origin.project.join(&run.origin.pipeline).display().to_string()],
    ];
    let adopted = stage.why().into_iter().find(|reason| matches!(reason, Reason::Adopted { .. }));
    rows.extend(adopted.map(|reason| ["how".to_owned(), past(&reason)]));
    rows.extend(run.git.iter().map(|git| ["commit".to_owned(), commit(git)]));
    rows.extend(run.origin.profile.iter().map(|profile| ["profile".to_owned(), profile.clone()]));
    let others: Vec<&str> = origin.runs.iter().map(|run| run.id.as_str()).filter(|id| *id != run.id).collect();
    if let Some(newest) = others.first() {
        rows.push(["in".to_owned(), format!("{}, the newest {newest}", number::count(others.len(), "other run"))]);
    }
    text += &section("made by", &rows, look);
    let uses = stage.uses.as_ref().map_or("command", |_| "parameters");
    let shown = Shown {
        name: stage.name.clone(),
        uses: stage.uses.clone(),
        params: stage.params.value(),
        shell: None,
        inputs: vec![],
        outputs: vec![],
        environment: None,
        states: None,
        last: None,
    };
    text += &section(uses, &parameters(&shown), look);
    let inputs: Vec<[String; 2]> = stage.inputs.iter().map(|(name, digests)| [name.clone(), inputs(digests)]).collect();
    text += &section("inputs", &inputs, look);
    if all {
        let number = |(name, value): (&String, &f64)| [escaped(name), Precision::of([*value]).show(*value)];
        text += &section("metrics", &stage.metrics.iter().map(number).collect::<Vec<_>>(), look);
    }
    text
}

fn inputs(digests: &[Digest]) -> String {
    let mut shown: Vec<String> = digests.iter().take(NUMBERS).map(Digest::short).collect();
    if digests.len() > NUMBERS {
        shown.push(format!("and {} more", digests.len() - NUMBERS));
    }
    shown.join(" ")
}

/// A run: what it was asked, on what, and what became of its stages.
pub(crate) fn run(run: &RunRecord, all: bool, look: &Look) -> String {
    let status = match run.status {
        RunStatus::Ok => look.green("ok"),
        RunStatus::Failed => look.red("failed"),
        RunStatus::Interrupted => look.yellow("interrupted"),
        RunStatus::Running => "running".to_owned(),
        RunStatus::Killed => look.yellow("killed"),
    };
    let mut text = format!("{}  {status}\n", look.bold(&format!("run {}", run.id)));
    let mut rows = vec![
        ["started".to_owned(), run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()],
        ["took".to_owned(), number::duration(run.seconds)],
        ["pipeline".to_owned(), run.origin.project.join(&run.origin.pipeline).display().to_string()],
        [
            "host".to_owned(),
            format!("{}, {}, kiln {}", run.host.name, number::count(run.host.cpus, "processor"), run.host.kiln),
        ],
    ];
    rows.extend(run.git.iter().map(|git| ["commit".to_owned(), commit(git)]));
    rows.extend(run.origin.profile.iter().map(|profile| ["profile".to_owned(), profile.clone()]));
    rows.extend(run.set.iter().map(|set| ["set".to_owned(), one_line(set)]));
    if let Value::Object(params) = &run.params {
        rows.extend(params.iter().map(|(name, param)| [format!("params.{name}"), value(param)]));
    }
    let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or(0);
    for [name, value] in rows {
        let _ = writeln!(text, "  {name:width$}  {value}");
    }
    text.push('\n');
    text += &stages_of(run, all).text(look);
    text
}

/// A line a stage, variants that fared alike together.
fn stages_of(run: &RunRecord, all: bool) -> Grid {
    let titles = [("stage", Side::Left), ("outcome", Side::Left), ("seconds", Side::Right), ("why", Side::Left)];
    let mut grid = Grid::new(1, titles).wrapping(3);
    let mut groups: Vec<Vec<&StageRecord>> = Vec::new();
    let mut places: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
    for record in &run.stages {
        let why = why(record);
        let own = if all { record.name.clone() } else { String::new() };
        let place = *places.entry((&record.stage, format!("{}{own}", words(record)), why)).or_insert_with(|| {
            groups.push(vec![]);
            groups.len() - 1
        });
        groups[place].push(record);
    }
    for group in groups {
        let names: Vec<&str> = group.iter().map(|record| record.name.as_str()).collect();
        let seconds: f64 = group.iter().map(|record| record.seconds).sum();
        let seconds = if group[0].outcome == Outcome::Executed { format!("{seconds:.1}") } else { String::new() };
        grid.row([collapsed(&names), words(group[0]), seconds, why(group[0])]);
    }
    grid
}

fn why(record: &StageRecord) -> String {
    let error = record.error.as_ref().and_then(|error| error.lines().next()).map(str::to_owned);
    let reasons = reasons(record);
    let more = if reasons.len() > 1 { format!(" and {} more", reasons.len() - 1) } else { String::new() };
    let text = error.or_else(|| reasons.first().map(|reason| past(reason) + &more)).unwrap_or_default();
    console::truncate_str(&one_line(&text), VALUE, "...").into_owned()
}
