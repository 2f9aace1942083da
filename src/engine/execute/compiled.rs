//! Compiled modules that a script left in its own output. They belong to the output, as all that is written there does, and hold the times of
//! their sources: so the output is another each time.

use std::path::{Path, PathBuf};

use crate::hash::Artifact;
use crate::hash::tree::{Listing, Node};
use crate::pipeline::StageName;
use crate::store::{ActionResult, Store};

/// Whether two results of a stage differ in compiled modules of Python and in nothing else.
pub(super) fn alone_differs(store: &Store, kept: &ActionResult, found: &ActionResult) -> bool {
    found
        .outputs
        .iter()
        .all(|(name, found)| kept.outputs.get(name).is_some_and(|kept| same_but_compiled(store, kept, found)))
}

fn same_but_compiled(store: &Store, kept: &Artifact, found: &Artifact) -> bool {
    if kept == found {
        return true;
    }
    let listing = |artifact: &Artifact| store.kept_listing(&artifact.digest).filter(|_| artifact.tree);
    let (Some(kept), Some(found)) = (listing(kept), listing(found)) else { return false };
    others(&kept).eq(others(&found))
}

/// What is in a folder beside compiled modules.
fn others(listing: &Listing) -> impl Iterator<Item = &(PathBuf, Node)> {
    listing.entries.iter().filter(|(path, _)| !is_compiled(path))
}

fn is_compiled(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "__pycache__")
}

/// What the user is told of it.
pub(super) fn words(stage: &StageName) -> String {
    format!(
        "{stage}: only what Python compiled differs, in `__pycache__`, for it holds the times of the sources\n\
         hint: `env: {{PYTHONDONTWRITEBYTECODE: \"1\"}}` for the stage keeps it out of the output"
    )
}
