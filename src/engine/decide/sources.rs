//! The state of every raw file and document a run reads, taken once before the first stage is decided.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::diagnostic::with_causes;
use crate::hash::{Artifact, Memo};
use crate::pipeline::{From, Pipeline, StageId};

/// What is wrong with a source, all of it, with paths as the pipeline has them.
pub(crate) fn told(error: &std::io::Error, root: &Path) -> String {
    with_causes(error).replace(&format!("{}/", root.display()), "")
}

/// Digests of the sources of a run.
pub(crate) struct Sources {
    digests: HashMap<PathBuf, Result<Artifact, String>>,
}

impl Sources {
    /// Looks at every source of the given stages, in parallel. Those of stages that are forced are read, whatever the memo says: there
    /// are changes that no stamp shows.
    pub(crate) fn scan(pipeline: &Pipeline, stages: &[StageId], force: &BTreeSet<StageId>, memo: &Memo) -> Self {
        let of = |id: &StageId| {
            let inputs = pipeline.stages.get(id.0).into_iter().flat_map(|stage| stage.inputs.values().flatten());
            inputs.filter_map(|input| match &input.from {
                From::Source(path) => Some(path.as_path()),
                From::Output { .. } => None,
            })
        };
        let anew: BTreeSet<&Path> = stages.iter().filter(|id| force.contains(id)).flat_map(of).collect();
        anew.into_iter().for_each(|path| memo.forget(&pipeline.root.join(path)));
        let paths: BTreeSet<&Path> = stages.iter().flat_map(of).collect();
        let digests = paths.into_par_iter().map(|path| (path.to_owned(), Self::look(pipeline, path, memo))).collect();
        Self { digests }
    }

    /// A source's artifact as it was when the run began.
    pub(crate) fn get(&self, path: &Path) -> Result<Artifact, String> {
        self.digests.get(path).cloned().unwrap_or_else(|| Err(format!("{} was not looked at", path.display())))
    }

    /// Every source that was looked at.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Path, Result<&Artifact, &String>)> {
        self.digests.iter().map(|(path, found)| (path.as_path(), found.as_ref()))
    }

    /// A source's artifact as it is now.
    pub(crate) fn look(pipeline: &Pipeline, path: &Path, memo: &Memo) -> Result<Artifact, String> {
        match memo.source(&pipeline.root.join(path)) {
            Ok(Some(artifact)) => Ok(artifact),
            Ok(None) => Err(format!("{} does not exist", path.display())),
            Err(error) => Err(format!("cannot read {}: {}", path.display(), told(&error, &pipeline.root))),
        }
    }
}
