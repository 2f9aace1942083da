//! `kiln tag`: names for runs.

use clap::Args;
use serde_json::json;

use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Tag {
    /// The run: an id or its beginning, `latest`, a tag, a revision of Git's [default: list the tags].
    #[arg(requires = "name")]
    run: Option<String>,
    /// Its new name, such as `paper` or `v1.2`.
    name: Option<String>,
    /// Take the name from the run that has it.
    #[arg(long, requires = "name")]
    force: bool,
    /// Drop this name; the run stays, as long as `gc` has no reason to take it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["run", "name"])]
    delete: Option<String>,
    /// The list as JSON.
    #[arg(long, conflicts_with_all = ["run", "delete"])]
    json: bool,
}

pub(crate) fn tag(place: &ProjectArgs, args: &Tag) -> Result<u8, Stop> {
    if let Some(name) = &args.delete {
        let past = Past::open_to_write(place)?;
        if past.store.untag(name)? {
            return Ok(0);
        }
        let known: Vec<String> = past.store.tags()?.into_iter().map(|tag| format!("`{}`", tag.name)).collect();
        let hint =
            if known.is_empty() { "there are no tags".to_owned() } else { format!("there are {}", known.join(", ")) };
        return Err(Stop::Usage(format!("no run is tagged `{name}`\nhint: {hint}")));
    }
    let (Some(run), Some(name)) = (&args.run, &args.name) else { return list(place, args.json) };
    if let Some(why) = unfit(name) {
        return Err(Stop::Usage(format!(
            "`{name}` cannot be a tag: {why}\nhint: write a name such as `paper` or `v1.2`"
        )));
    }
    let past = Past::open_to_write(place)?;
    let run = past.find(run)?;
    let has = past.store.tags()?.into_iter().find(|tag| tag.name == *name && tag.run != run.id);
    if let Some(tag) = has.filter(|_| !args.force) {
        let text = format!("run {} is tagged `{name}` already\nhint: `--force` gives the name to {}", tag.run, run.id);
        return Err(Stop::Usage(text));
    }
    past.store.tag(name, &run.id)?;
    render::talk(&format!("run {} is `{name}`\n", run.id));
    Ok(0)
}

fn list(place: &ProjectArgs, json: bool) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let tags = past.store.tags()?;
    if json {
        render::json(&json!({ "version": 1, "tags": tags }))?;
        return Ok(0);
    }
    let runs = past.store.runs(None)?;
    match tags.is_empty() {
        true => render::talk("there are no tags\nhint: `kiln tag latest NAME` gives the last run one\n"),
        false => render::data(&render::list::tags(&tags, &runs, &Look::stdout()))?,
    }
    Ok(0)
}

/// Why a name would be read as something else.
fn unfit(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(['-', '.', '/']) || name.contains("..") {
        return Some(
            "a tag is made of letters, digits and `-`, `_`, `.`, `/`, `+`, and begins with none of `-`, `.` and `/`",
        );
    }
    if name == "latest" {
        return Some("`latest` is the last run");
    }
    let id = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    id.then_some("eight small letters are the id of a run")
}
