//! `steps:` of one variant, with its values filled in.

use serde_json::Value;

use super::interpolate::{Found, Scope};
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node};
use super::settings::count;
use super::size;
use super::spec::{StageSpec, StepsSpec};
use super::steps::{Best, Keep, SIZE, Steps};
use super::template;
use crate::suggest;

/// More steps than this nobody can want.
const MOST: u64 = 1 << 53;

/// The steps of one variant of a command. `with` are the values that it is handed.
pub(super) fn read(
    spec: &StageSpec<'_>,
    with: Option<&Value>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Steps> {
    let steps = spec.steps.as_ref()?;
    let unit = match steps.unit {
        Some(node) => unit(node, scope, mistakes)?,
        None => "step".to_owned(),
    };
    let horizon = steps.horizon.and_then(|node| horizon(node, &unit, scope, mistakes));
    let metrics = steps.metrics.and_then(|node| metrics(node, spec, scope, mistakes));
    let (parameter, goal) = parameter(steps, spec, with, scope, mistakes)?;
    Some(Steps { parameter, goal, unit, horizon, metrics })
}

fn parameter(
    steps: &StepsSpec<'_>,
    spec: &StageSpec<'_>,
    with: Option<&Value>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<(String, u64)> {
    let Some(node) = steps.parameter else {
        let mistake = Mistake::new(format!("the `steps` of `{}` name no parameter", spec.name)).at(steps.place, "");
        mistakes.add(mistake.hint("write `parameter: NAME`, the value of `with` that says how many steps are wanted"));
        return None;
    };
    let name = scope.text(node, "`parameter`", mistakes)?.into_owned();
    // What is wrong with `with` itself was told.
    let broken = spec.with.is_some() && with.is_none();
    let nothing = Value::Null;
    let with = with.unwrap_or(&nothing);
    let Some(value) = find(with, &name) else {
        if !broken {
            let known: Vec<&str> = with.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let hint = mistakes.nearest(&name, known.iter().copied()).unwrap_or_else(|| match known[..] {
                [] => format!("add `with: {{{name}: 10}}`"),
                _ => format!("its values: {}", suggest::list(known)),
            });
            let mistake = Mistake::new(format!("the `with` of stage `{}` has no `{name}`", spec.name));
            mistakes.add(scope.blame(mistake.at(node.place, "")).hint(hint));
        }
        return None;
    };
    let Some(goal) = value.as_u64().filter(|goal| *goal <= MOST) else {
        let mistake = Mistake::new(format!("`{name}` says how many steps are wanted, so it has to be a whole number"));
        mistakes.add(scope.blame(mistake.at(node.place, format!("it is {value}"))));
        return None;
    };
    Some((name, goal))
}

fn unit(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let unit = scope.text(node, "`unit`", mistakes)?;
    let good = !unit.is_empty() && unit.len() <= 32 && unit.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if !good {
        let mistake = Mistake::new(format!("`{}` cannot be a unit", unit.escape_debug())).at(node.place, "");
        mistakes.add(scope.blame(mistake.hint("a unit is one word, such as `epoch`")));
        return None;
    }
    Some(unit.into_owned())
}

/// `true`, or what it is that depends on the number of steps.
fn horizon(node: &Node, unit: &str, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    match scope.value(node, mistakes)? {
        Value::Bool(false) | Value::Null => None,
        Value::Bool(true) => Some(format!("every {unit}")),
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().replace('\n', " ")),
        _ => {
            let mistake = Mistake::new("`horizon` has to be `true`, or what depends on the number of steps");
            mistakes.add(scope.blame(mistake.at(node.place, "")).hint("for example `horizon: the cosine schedule`"));
            None
        }
    }
}

fn metrics(node: &Node, spec: &StageSpec<'_>, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let name = match node.text().and_then(template::whole).map(|only| scope.find(only, mistakes)) {
        // `${outputs.curve}` is a path: the name is what is wanted.
        Some(Ok(Found::Paths(_))) | None => scope.text(node, "`metrics`", mistakes)?.into_owned(),
        Some(_) => scope.text(node, "`metrics`", mistakes)?.into_owned(),
    };
    if !spec.output_names.contains(&name.as_str()) {
        let names = || spec.output_names.iter().copied();
        let hint =
            mistakes.nearest(&name, names()).unwrap_or_else(|| format!("its outputs: {}", suggest::list(names())));
        let mistake = Mistake::new(format!("stage `{}` has no output `{name}`", spec.name)).at(node.place, "");
        mistakes.add(scope.blame(mistake).hint(hint));
        return None;
    }
    Some(name)
}

/// Which states of one variant are kept; `None` where the stage does not say.
pub(super) fn keep(steps: &StepsSpec<'_>, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Keep> {
    if steps.keep.is_empty() {
        return None;
    }
    let mut keep = Keep::default();
    for entry in &steps.keep {
        match entry.key.as_str() {
            "last" => keep.last = count(&entry.node, "`last`", 1, MOST, scope, mistakes).unwrap_or(1),
            "every" => keep.every = count(&entry.node, "`every`", 1, MOST, scope, mistakes),
            "size" => keep.size = bytes(&entry.node, scope, mistakes).unwrap_or(SIZE),
            "best" => best(entry, &mut keep.best, mistakes),
            _ => {}
        }
    }
    Some(keep)
}

fn bytes(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<u64> {
    let text = scope.text(node, "`size`", mistakes)?;
    let read = size::parse(&text);
    if read.is_none() {
        let mistake = Mistake::new(format!("`{text}` is not a size")).at(node.place, "");
        mistakes.add(scope.blame(mistake.hint("write for example `500MB`, `20GB` or `0`")));
    }
    read
}

/// `{min: loss}`, `{max: accuracy}` or both.
fn best(entry: &Entry, best: &mut Vec<Best>, mistakes: &mut Mistakes<'_>) {
    let Content::Map(entries) = &entry.node.content else {
        let mistake = Mistake::new("`best` has to be `{min: METRIC}` or `{max: METRIC}`").at(entry.node.place, "");
        mistakes.add(mistake.hint("for example `best: {min: val_loss}`"));
        return;
    };
    for entry in entries {
        match (entry.key.as_str(), entry.node.text()) {
            ("min" | "max", Some(metric)) => best.push(Best { metric: metric.to_owned(), most: entry.key == "max" }),
            ("min" | "max", None) => {
                mistakes.add(
                    Mistake::new(format!("`{}` has to be the name of a metric", entry.key)).at(entry.node.place, ""),
                );
            }
            (key, _) => {
                let mistake = Mistake::new(format!("unknown key `{key}` in `best`")).at(entry.place, "");
                mistakes.add(mistake.hint("known here: `min` and `max`"));
            }
        }
    }
}

fn find<'v>(params: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(params, |value, part| value.get(part))
}
