//! Resources, timeout and retries of a stage.

use std::time::Duration;

use serde_json::Value;

use super::duration;
use super::executor::{self, Elsewhere, OF_STAGE, WISHES};
use super::interpolate::Scope;
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node};
use super::spec::TimeoutSpec;
use super::stage::Resources;

/// How long a stage may take to leave unless it says otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// How a stage is run; nothing of it decides an output.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) resources: Resources,
    pub(super) elsewhere: Option<Box<Elsewhere>>,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) retries: u32,
}

/// Reads the settings of one variant; what is wrong falls back to the default beside its mistake.
pub(super) fn read(
    resources: &[&Entry],
    executor: Option<&Node>,
    timeout: TimeoutSpec<'_>,
    retries: Option<&Node>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Settings {
    let mut settings =
        Settings { resources: Resources::default(), elsewhere: None, timeout: None, grace: GRACE, retries: 0 };
    settings.elsewhere = elsewhere(executor, resources, scope, mistakes);
    for entry in resources {
        let node = &entry.node;
        match entry.key.as_str() {
            "cpus" => settings.resources.cpus = count(node, "`cpus`", 1, 4096, scope, mistakes).unwrap_or(1) as usize,
            "gpu" => settings.resources.gpu = count(node, "`gpu`", 0, 1024, scope, mistakes).unwrap_or(0) as usize,
            "device" => settings.resources.device = device(node, scope, mistakes).unwrap_or_else(|| "auto".into()),
            _ => {}
        }
    }
    settings.timeout = timeout.after.and_then(|node| time(node, "`timeout`", scope, mistakes));
    if let Some(grace) = timeout.grace.and_then(|node| time(node, "`grace`", scope, mistakes)) {
        settings.grace = grace;
    }
    settings.retries = retries.and_then(|n| count(n, "`retries`", 0, 100, scope, mistakes)).unwrap_or(0) as u32;
    settings
}

/// Reads what a stage says of where it runs: its `executor:`, and the wishes among its `resources:`.
fn elsewhere(
    executor: Option<&Node>,
    resources: &[&Entry],
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Box<Elsewhere>> {
    let mut elsewhere = Elsewhere::default();
    if let Some(node) = executor
        && let Some(text) = scope.text(node, "`executor`", mistakes)
    {
        match &*text {
            "local" => elsewhere.local = Some(true),
            "cluster" => elsewhere.local = Some(false),
            other => {
                let hint = mistakes.nearest(other, OF_STAGE.iter().copied());
                let hint = hint.unwrap_or_else(|| {
                    "a stage runs `local`ly, or on the `cluster` that the file, the profile or `--executor` names"
                        .into()
                });
                let mistake = Mistake::new(format!("a stage cannot run on `{other}`")).at(node.place, "");
                mistakes.add(scope.blame(mistake.hint(hint)));
            }
        }
    }
    elsewhere.span = resources.first().map(|entry| executor::span(entry)).unwrap_or_default();
    for entry in resources.iter().filter(|entry| WISHES.contains(&entry.key.as_str())) {
        let values = match &entry.node.content {
            Content::List(items) if entry.key == "options" => items.iter().collect(),
            _ => vec![&entry.node],
        };
        for node in values {
            let text = match &node.content {
                Content::Number(number) => number.to_string(),
                _ => match scope.text(node, &format!("`{}`", entry.key), mistakes) {
                    Some(text) => text.into_owned(),
                    None => continue,
                },
            };
            if let Err(why) = elsewhere.wishes.set(&entry.key, &text) {
                mistakes.add(scope.blame(Mistake::new(why).at(node.place, "")));
            }
        }
    }
    (elsewhere != Elsewhere::default()).then(|| Box::new(elsewhere))
}

fn time(node: &Node, what: &str, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Duration> {
    let text = scope.text(node, what, mistakes)?;
    let read = duration::parse(&text);
    if read.is_none() {
        let mistake = Mistake::new(format!("`{text}` is not a duration")).at(node.place, "");
        let hint = match text.parse::<u64>() {
            Ok(seconds) if seconds > 0 => format!("for seconds write `{seconds}s`"),
            _ => "write for example `90s`, `2h` or `1h30m`; a year is the most".into(),
        };
        mistakes.add(scope.blame(mistake.hint(hint)));
    }
    read
}

pub(super) fn count(
    node: &Node,
    what: &str,
    least: u64,
    most: u64,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<u64> {
    let value = match &node.content {
        Content::Text(_) => scope.value(node, mistakes)?,
        _ => node.json(),
    };
    let read = value.as_u64().filter(|n| (least..=most).contains(n));
    if read.is_none() {
        let found = if let Value::Null = value { "nothing".into() } else { value.to_string() };
        let mistake = Mistake::new(format!("{what} has to be a whole number from {least} to {most}"));
        mistakes.add(scope.blame(mistake.at(node.place, format!("this is {}", shortened(&found)))));
    }
    read
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((i, _)) => format!("{}...", &text[..i]),
        None => text.to_owned(),
    }
}

fn device(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let text = scope.text(node, "`device`", mistakes)?;
    let cuda = |n: &str| n.len() <= 3 && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    if matches!(&*text, "auto" | "cpu") || text.strip_prefix("cuda:").is_some_and(cuda) {
        return Some(text.into_owned());
    }
    let mistake = Mistake::new(format!("unknown device `{text}`")).at(node.place, "");
    mistakes.add(scope.blame(mistake.hint("a device is `auto`, `cpu` or `cuda:0`")));
    None
}
