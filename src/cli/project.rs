//! The project that a command works on: its pipeline file, its cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kiln::catalog::catalog;
use kiln::pipeline::{self, Identity, Overrides, Pipeline, StageId, StageName};
use kiln::record::RunRecord;
use kiln::show::names::first_of;
use kiln::store::{self, Access, Store};

use super::select::{ProjectArgs, Select};
use super::{Stop, render};

/// The pipeline with its overrides, for who only looks.
pub(crate) fn load(place: &ProjectArgs, file: &Path, select: &Select) -> Result<Pipeline, Stop> {
    load_whole(place, file, select).or_else(|stop| {
        let (pipeline, absent) = without_sources(place, file, select, stop)?;
        tell_absent(&absent);
        Ok(pipeline)
    })
}

/// The same for who wants nothing that depends on sources: it is not told that some are not here.
pub(crate) fn load_settings(place: &ProjectArgs, select: &Select) -> Result<Pipeline, Stop> {
    load_whole(place, &place.file, select).or_else(|stop| Ok(without_sources(place, &place.file, select, stop)?.0))
}

/// The same for who executes its stages: all sources have to be there.
pub(crate) fn load_whole(place: &ProjectArgs, file: &Path, select: &Select) -> Result<Pipeline, Stop> {
    store::recognise(&cache(place, folder_of(file)))?;
    let (identity, _) = identity(place, file, select)?;
    let (pipeline, known) = checked(place, &identity, select)?;
    keep(place, &identity, select, pipeline, known, Access::Look)
}

/// The pipeline where nothing is wrong but that sources are not there, as in a clone of a project without its data, and these. Otherwise what
/// stopped who wanted all of it.
fn without_sources(
    place: &ProjectArgs,
    file: &Path,
    select: &Select,
    stop: Stop,
) -> Result<(Pipeline, Vec<String>), Stop> {
    let Stop::Mistakes(mistakes) = stop else { return Err(stop) };
    pipeline::load_without_sources(file, &catalog(), &overrides(place, select)).map_err(|_| Stop::Mistakes(mistakes))
}

/// Says which sources are not here, if any.
pub(crate) fn tell_absent(absent: &[String]) {
    if !absent.is_empty() {
        render::talk(&format!(
            "warning: {}, so nothing is known of what depends on that\n\
             hint: `kiln pull` and `kiln run --allow-missing` go by an earlier run\n",
            not_here(absent)
        ));
    }
}

/// `raw/a.csv` and 3 more are not here.
pub(crate) fn not_here(absent: &[String]) -> String {
    const NAMED: usize = 3;
    let named = first_of(absent.iter().map(|path| format!("`{path}`")), NAMED);
    let verb = if absent.len() == 1 { "is" } else { "are" };
    format!("{named} {verb} not here")
}

/// What a pipeline is known by in its cache, and that.
pub(crate) fn identity(place: &ProjectArgs, file: &Path, select: &Select) -> Result<(Identity, PathBuf), Stop> {
    let cache = cache(place, folder_of(file));
    Ok((Identity::of(file, &overrides(place, select)).map_err(Stop::Mistakes)?, cache))
}

/// The pipeline, and the project's cache: a pipeline that was checked before is taken from there. Who only looks needs none, and writes
/// nothing to it but a large pipeline, which the next look would have to check again.
pub(crate) fn open(
    place: &ProjectArgs,
    identity: &Identity,
    cache: &Path,
    select: &Select,
    access: Access,
) -> Result<(Pipeline, Store), Stop> {
    store::recognise(cache)?;
    let open = || if access == Access::Look { Store::look(cache) } else { Store::open(cache) };
    // The cache is opened while the pipeline is read, and not made for one that is no good.
    let (loaded, opened) = std::thread::scope(|scope| {
        let store = scope.spawn(|| cache.is_dir().then(open));
        (checked(place, identity, select), store.join().ok().flatten())
    });
    let (pipeline, known) = loaded?;
    let store = match opened {
        Some(opened) => opened?,
        None => open()?,
    };
    Ok((keep(place, identity, select, pipeline, known, access)?, store))
}

/// The same as [`open`] for who executes nothing: sources need not be there. Those that are not come beside.
pub(crate) fn open_without_sources(
    place: &ProjectArgs,
    file: &Path,
    select: &Select,
    access: Access,
) -> Result<(Pipeline, Store, Vec<String>), Stop> {
    let (identity, cache) = identity(place, file, select)?;
    match open(place, &identity, &cache, select, access) {
        Ok((pipeline, store)) => Ok((pipeline, store, vec![])),
        Err(stop) => {
            let (pipeline, absent) = without_sources(place, file, select, stop)?;
            let store = if access == Access::Look { Store::look(&cache)? } else { Store::open(&cache)? };
            Ok((pipeline, store, absent))
        }
    }
}

/// The pipeline, and whether it is the one that is kept.
fn checked(place: &ProjectArgs, identity: &Identity, select: &Select) -> Result<(Pipeline, bool), Stop> {
    pipeline::load_kept(identity, &catalog(), &overrides(place, select)).map_err(Stop::Mistakes)
}

/// Keeps a pipeline, if it is not `known` as it is.
fn keep(
    place: &ProjectArgs,
    identity: &Identity,
    select: &Select,
    pipeline: Pipeline,
    known: bool,
    access: Access,
) -> Result<Pipeline, Stop> {
    let kept = match access {
        _ if known => Some(pipeline),
        Access::Write => identity.keep(pipeline, &catalog()),
        Access::Look => identity.leave(pipeline, &catalog()),
    };
    kept.map_or_else(|| Ok(checked(place, identity, select)?.0), Ok)
}

/// The project's root: the folder of the pipeline file, which must be there, lest a cache be made where no project is.
pub(crate) fn root(file: &Path) -> Result<PathBuf, Stop> {
    if !file.is_file() {
        let text = format!(
            "there is no `{}` here or in a folder above\nhint: go to the project, or name its pipeline file with `--file`",
            file.display()
        );
        return Err(Stop::Usage(text));
    }
    let folder = folder_of(file);
    folder.canonicalize().map_err(|e| Stop::Usage(format!("cannot find {}: {e}", folder.display())))
}

/// The cache of a project, to read from.
pub(crate) fn store(place: &ProjectArgs, root: &Path) -> Result<Store, Stop> {
    Ok(Store::look(&cache(place, root))?)
}

/// The cache of a project, to write to.
pub(crate) fn store_to_write(place: &ProjectArgs, root: &Path) -> Result<Store, Stop> {
    Ok(Store::open(&cache(place, root))?)
}

pub(super) fn overrides(place: &ProjectArgs, select: &Select) -> Overrides {
    Overrides { profile: select.profile.clone(), set: select.set.clone(), cache: place.cache.clone() }
}

/// The folder of a pipeline file.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cache(place: &ProjectArgs, root: &Path) -> PathBuf {
    place.cache.clone().unwrap_or_else(|| root.join("cache"))
}

/// `kiln run pipeline.yaml train`: a first argument that looks like a YAML file is the pipeline file.
pub(crate) fn pipeline_and_targets(file: &Path, targets: &[String]) -> (PathBuf, Vec<String>) {
    match targets.split_first() {
        Some((first, rest)) if first.ends_with(".yaml") || first.ends_with(".yml") => {
            render::stand::at(Path::new(first));
            (first.into(), rest.to_vec())
        }
        _ => (file.to_owned(), targets.to_vec()),
    }
}

/// The stages asked for, with everything they need; all of them if none is named.
pub(crate) fn selected(pipeline: &Pipeline, targets: &[String]) -> Result<BTreeSet<StageId>, Stop> {
    if targets.is_empty() {
        return Ok((0..pipeline.stages.len()).map(StageId).collect());
    }
    pipeline::select(pipeline, targets).map_err(Stop::Mistakes)
}

/// The stages named, without what they need.
pub(crate) fn named(pipeline: &Pipeline, names: &[String]) -> Result<BTreeSet<StageId>, Stop> {
    pipeline::matching(pipeline, names).map_err(Stop::Mistakes)
}

/// The stages of a run that targets name, in its order.
pub(crate) fn recorded(run: &RunRecord, targets: &[String]) -> Result<Vec<String>, Stop> {
    let names = run.stages.iter().map(|stage| StageName {
        stage: stage.stage.clone(),
        variant: stage.variant.iter().map(|(axis, value)| (axis.clone(), value.clone())).collect(),
    });
    let names: Vec<StageName> = names.collect();
    let found = pipeline::matching_names(&names, targets).map_err(Stop::Mistakes)?;
    Ok(found.into_iter().map(|i| run.stages[i].name.clone()).collect())
}
