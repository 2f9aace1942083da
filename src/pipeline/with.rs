//! `with:` of a kind, against its typed parameters, and of a command, which is handed any values. A mistake in a parameter is
//! shown where its value is written.

use common::params;
use serde_json::{Map, Value};

use crate::kind::{Kind, ParamError};

use super::expand::World;
use super::interpolate::{Found, Scope};
use super::mistake::{Mistake, Mistakes, Spot};
use super::node::{Content, Entry, Place};
use super::spec::StageSpec;
use super::template;

/// The canonical parameters of one variant.
pub(super) fn check(
    kind: &dyn Kind,
    spec: &StageSpec<'_>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Value> {
    let with = match spec.with {
        None => Value::Object(Map::new()),
        Some(entry) if matches!(entry.node.content, Content::Null) => Value::Object(Map::new()),
        Some(entry) => scope.value(&entry.node, mistakes)?,
    };
    match kind.check(&with) {
        Ok(params) => Some(params),
        Err(error) => {
            mistakes.add(scope.blame(explain(&error, kind.name(), spec, scope, mistakes)));
            None
        }
    }
}

/// The values that the command of one variant is handed; `None` if it is handed none, or they were a mistake.
pub(super) fn values(spec: &StageSpec<'_>, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Value> {
    let entry = spec.with?;
    match scope.value(&entry.node, mistakes)? {
        Value::Null => None,
        Value::Object(values) if values.is_empty() => None,
        values @ Value::Object(_) => Some(values),
        _ => {
            let mistake = Mistake::new("`with` has to be a mapping").at(entry.node.place, "");
            mistakes.add(scope.blame(mistake.hint("write `with: {name: value}`")));
            None
        }
    }
}

/// Tells of parameters that do not fit what is known of other stages.
pub(super) fn blame(error: &ParamError, kind: &str, world: &World<'_>, draft: usize, mistakes: &mut Mistakes<'_>) {
    let scope = world.scope(world.drafts[draft]);
    let (plan, _) = world.plan(world.drafts[draft]);
    mistakes.add(scope.blame(explain(error, kind, &plan.spec, &scope, mistakes)));
}

fn explain(
    error: &ParamError,
    kind: &str,
    spec: &StageSpec<'_>,
    scope: &Scope<'_>,
    mistakes: &Mistakes<'_>,
) -> Mistake {
    let name = error.path.join(".");
    let what = if name.is_empty() { "`with`".to_owned() } else { format!("`with.{name}`") };
    let mut mistake = Mistake::new(format!("{what} of kind `{kind}`: {}", error.message));
    let hint = error.hint.clone().or_else(|| nearest_field(&error.message, mistakes));
    mistake = match spec.with {
        None => mistake.at(spec.place, "this stage has no `with`"),
        Some(entry) => {
            let unknown = error.message.starts_with("unknown field");
            let (spot, definition) = locate(entry, &error.path, unknown, scope, mistakes);
            let mistake = mistake.at(spot, "");
            match definition {
                Some(place) => mistake.at(place, "the value comes from here"),
                None => mistake,
            }
        }
    };
    mistake.maybe_hint(hint)
}

/// Where the value at a path is written: its place in `with`, and where it is defined if that is through `${...}`.
fn locate(
    entry: &Entry,
    path: &[String],
    key: bool,
    scope: &Scope<'_>,
    mistakes: &Mistakes<'_>,
) -> (Spot, Option<Place>) {
    let (mut node, mut name) = (&entry.node, entry.place);
    let mut usage: Option<Spot> = None;
    for i in 0..=path.len() {
        if usage.is_none()
            && let Some(only) = node.text().and_then(template::whole)
            && let Ok(Found::Value(value)) = scope.find(only, mistakes)
        {
            usage = Some(Spot { place: node.place, usage: Some(only.nth) });
            (node, name) = (value, value.place);
        }
        let Some(segment) = path.get(i) else { break };
        (node, name) = match &node.content {
            Content::Map(entries) => match entries.iter().find(|e| e.key == *segment) {
                Some(e) => (&e.node, e.place),
                None => break,
            },
            Content::List(items) => match segment.parse::<usize>().ok().and_then(|i| items.get(i)) {
                Some(item) => (item, item.place),
                None => break,
            },
            _ => break,
        };
    }
    // A mapping is shown by its key: what is wrong with it is rarely its first line.
    let place = if key || matches!(node.content, Content::Map(_)) { name } else { node.place };
    match usage {
        Some(spot) => (spot, Some(place)),
        None => (place.into(), None),
    }
}

/// serde names what it would have known: "unknown field `epoch`, expected one of `epochs`, `seed`".
fn nearest_field(message: &str, mistakes: &Mistakes<'_>) -> Option<String> {
    let (unknown, known) = params::unknown(message)?;
    mistakes.nearest(unknown, known)
}
