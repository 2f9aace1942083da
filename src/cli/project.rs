//! The project that a command works on: its pipeline file, its cache.

use std::path::{Path, PathBuf};

use kiln::catalog::catalog;
use kiln::pipeline::{self, Overrides, Pipeline};
use kiln::store::Store;

use super::Stop;
use super::args::{Place, Select};

/// The pipeline with its overrides.
pub(crate) fn load(file: &Path, select: &Select) -> Result<Pipeline, Stop> {
    let overrides = Overrides { profile: select.profile.clone(), set: select.set.clone() };
    pipeline::load(file, &catalog(), &overrides).map_err(Stop::Mistakes)
}

/// The project's root: the folder of the pipeline file, which must be there, lest a cache be made where no project is.
pub(crate) fn root(file: &Path) -> Result<PathBuf, Stop> {
    if !file.is_file() {
        let text = format!(
            "there is no `{}` here\nhint: go to the project, or name its pipeline file with `--file`",
            file.display()
        );
        return Err(Stop::Usage(text));
    }
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    folder.canonicalize().map_err(|e| Stop::Usage(format!("cannot find {}: {e}", folder.display())))
}

/// The cache of a project.
pub(crate) fn store(place: &Place, root: &Path) -> Result<Store, Stop> {
    let cache = place.cache.clone().unwrap_or_else(|| root.join("cache"));
    Ok(Store::open(&cache)?)
}
