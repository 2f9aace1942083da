//! `kiln tag`: names for runs.

use clap::Args;
use serde_json::json;

use super::named::{self, Given};
use super::past::Past;
use super::render::look::Look;
use super::select::{Far, ProjectArgs, Select};
use super::{Stop, project, remote, render};

#[derive(Args, Debug)]
pub(crate) struct Tag {
    /// The run: an id or its beginning, `latest`, a tag, a revision of Git's [default: list the tags].
    #[arg(requires = "name")]
    run: Option<String>,
    /// Its new name, such as `paper` or `v1.2`.
    #[arg(group = "named")]
    name: Option<String>,
    /// Take the name from the run that has it; with `--delete`, also where it is another run in the remote cache.
    #[arg(long, requires = "named")]
    force: bool,
    /// Drop this name; the run stays, as long as `gc` has no reason to take it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["run", "name"], group = "named")]
    delete: Option<String>,
    /// The list as JSON.
    #[arg(long, conflicts_with_all = ["run", "delete"])]
    json: bool,
    /// List the tags that the remote cache has.
    #[arg(long, conflicts_with_all = ["run", "delete", "offline"])]
    shared: bool,
    #[command(flatten)]
    far: Far,
}

pub(crate) fn tag(place: &ProjectArgs, args: &Tag) -> Result<u8, Stop> {
    if let Some(name) = &args.delete {
        let past = Past::open_to_write(place)?;
        let remote = named::place_for_tags(place, &args.far)?;
        let own = past.store.tags()?.into_iter().find(|tag| tag.name == *name);
        // A colleague may have given the name to another run meanwhile.
        if let (Some(remote), Some(own), false) = (&remote, own, args.force)
            && let Some(other) = named::taken(remote, name, &own.run)
        {
            return Err(Stop::Usage(format!(
                "`{name}` is run {} here, and run {other} in {}\nhint: `--offline` drops it here alone, `--force` in both places",
                own.run,
                remote.address()
            )));
        }
        let there = remote.is_some_and(|remote| named::take(&remote, name));
        if past.store.untag(name)? || there {
            return Ok(0);
        }
        let known: Vec<String> = past.store.tags()?.into_iter().map(|tag| format!("`{}`", tag.name)).collect();
        let hint =
            if known.is_empty() { "there are no tags".to_owned() } else { format!("there are {}", known.join(", ")) };
        return Err(Stop::Usage(format!("no run is tagged `{name}`\nhint: {hint}")));
    }
    let (Some(run), Some(name)) = (&args.run, &args.name) else {
        return if args.shared { shared(place, args) } else { list(place, args.json) };
    };
    if let Some(why) = named::unfit(name) {
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
    let remote = named::place_for_tags(place, &args.far)?;
    if let Some(remote) = remote.as_ref().filter(|_| !args.force)
        && let Some(other) = named::taken(remote, name, &run.id)
    {
        return Err(Stop::Usage(format!(
            "run {other} is tagged `{name}` in {} already\nhint: `--force` gives the name to {}",
            remote.address(),
            run.id
        )));
    }
    past.store.tag(name, &run.id)?;
    let also = match named::give(remote.as_ref(), name, &run) {
        Given::There(url) => format!(", in {url} as well"),
        Given::Nowhere => String::new(),
    };
    render::talk(&format!("run {} is `{name}`{also}\n", run.id));
    Ok(0)
}

/// Lists what the remote cache has.
fn shared(place: &ProjectArgs, args: &Tag) -> Result<u8, Stop> {
    let none = || {
        let hint = "write `remote: s3://bucket/prefix` into the pipeline file, or name one with `--remote`";
        let stop = Stop::Usage(format!("no remote cache is named\nhint: {hint}"));
        // A pipeline file that cannot be read may name one.
        project::load_settings(place, &Select::default()).err().unwrap_or(stop)
    };
    let remote = remote::of_project(place, &args.far)?.ok_or_else(none)?;
    let tags =
        remote.tagged().map_err(|mistake| Stop::Usage(format!("{}\nhint: {}", mistake.message, mistake.hint)))?;
    if args.json {
        let tags = tags.iter().map(|tag| json!({ "name": tag.tag(), "run": tag.run, "tagged": tag.named }));
        render::json(&json!({ "version": 1, "tags": tags.collect::<Vec<_>>() }))?;
        return Ok(0);
    }
    match tags.is_empty() {
        true => render::talk("there are no tags\nhint: `kiln tag latest NAME` gives the last run one\n"),
        false => {
            let lines = tags.iter().filter_map(|tag| Some(format!("{}  {}\n", tag.run, tag.tag()?)));
            render::data(&lines.collect::<String>())?;
        }
    }
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
