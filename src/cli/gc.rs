//! `kiln gc`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kiln::git::Repository;
use kiln::store::{Alone, Keep, Store};

use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{EXIT_FAILED, Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Keep what the last N runs of each project reach; runs that reach nothing new are not counted.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) keep_last: usize,
    /// Keep what this run reaches as well. May be repeated.
    #[arg(long, value_name = "RUN")]
    pub(crate) keep: Vec<String>,
    /// Keep nothing for this checkout, such as one that is gone, and drop its run records. May be repeated.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) forget: Vec<PathBuf>,
    /// Keep results that no run record names (of killed runs, say), and damaged files put aside, for so long.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = limit)]
    pub(crate) unrecorded: std::time::Duration,
    /// Drop the records of runs that are not kept, too; `compare` will not know them any more.
    #[arg(long)]
    pub(crate) drop_records: bool,
    /// Delete it.
    #[arg(short = 'y', long, visible_alias = "yes")]
    pub(crate) delete: bool,
    /// Give up at once if a run uses the cache, where it would be waited for.
    #[arg(long, requires = "delete")]
    pub(crate) no_wait: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn gc(place: &ProjectArgs, args: &Gc) -> Result<u8, Stop> {
    let past = if args.delete { Past::open_to_write(place)? } else { Past::open(place)? };
    let mut runs: Vec<_> = args.keep.iter().map(|name| Ok(past.find(name)?.id)).collect::<Result<_, Stop>>()?;
    let store = past.store;
    runs.extend(store.runs_of_commits(&tips_at)?);
    let keep = Keep {
        last: args.keep_last,
        runs,
        forget: args.forget.iter().map(|path| whole(path)).collect(),
        unrecorded: args.unrecorded,
        drop_records: args.drop_records,
    };
    let (garbage, deleted) = if args.delete {
        let Some(alone) = alone(&store, args.no_wait)? else {
            render::error("a run uses the cache; nothing was deleted");
            return Ok(EXIT_FAILED);
        };
        let garbage = store.garbage(&keep)?;
        store.delete(&alone, &garbage)?;
        (garbage, true)
    } else {
        (store.garbage(&keep)?, false)
    };
    // What lay in place was hashed, and need not be again.
    if let Err(error) = store.memo().save() {
        tracing::warn!("cannot save the hash memo: {error}");
    }
    if args.json {
        render::json(&render::gc::json(&garbage, deleted))?;
    } else {
        render::data(&render::gc::text(&garbage, deleted, &Look::stdout()))?;
    }
    Ok(0)
}

/// The commits that are checked out, or that a branch or a tag names, in the repository of a project. A project that is gone, or cannot be read, has none.
fn tips_at(project: &Path) -> HashSet<String> {
    Repository::of(project).ok().flatten().map(|repository| repository.tips()).unwrap_or_default()
}

/// Waits until no run uses the store.
fn alone(store: &Store, no_wait: bool) -> Result<Option<Alone>, Stop> {
    if let Some(alone) = store.try_hold_alone()? {
        return Ok(Some(alone));
    }
    if no_wait {
        return Ok(None);
    }
    render::talk("a run uses the cache; waiting until it is over (Ctrl-C gives up, nothing is deleted yet)\n");
    Ok(Some(store.hold_alone()?))
}

/// The path as run records have it; a project that is gone can only be named in full.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Reads `36h` or `7d`; `0` for no time at all.
pub(crate) fn limit(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    kiln::pipeline::duration(text).ok_or_else(|| "write a time such as 7d, 12h or 0".to_owned())
}
