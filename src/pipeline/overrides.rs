//! What the command line changes of a pipeline.

use std::path::{Path, PathBuf};

/// What the command line changes.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The profile to lay over the parameters.
    pub profile: Option<String>,
    /// Parameters to set, in order: `params.epochs=3` or `epochs=3`. The value is YAML; the parameter has to exist.
    pub set: Vec<String>,
    /// The store, if it is not the folder `cache` beside the pipeline file. No path of the pipeline may lead there.
    pub cache: Option<PathBuf>,
}

impl Overrides {
    /// The store of the project at a folder.
    pub fn store(&self, root: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| root.join("cache"))
    }
}
