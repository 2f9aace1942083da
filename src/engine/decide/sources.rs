//! The state of every raw file and document a run reads, taken once before the first stage is decided.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::environment::{self, Surroundings};
use crate::diagnostic::with_causes;
use crate::failure::Failure;
use crate::hash::picks::Picks;
use crate::hash::tree;
use crate::hash::walk::Extent;
use crate::hash::{Allowance, Artifact, ContentError, Digest, Memo};
use crate::pipeline::{Body, Input, Pipeline, Source, StageId, View};

/// What is wrong with a source, all of it, with paths as the pipeline has them.
pub(crate) fn told(error: &std::io::Error, root: &Path) -> String {
    with_causes(error).replace(&format!("{}/", root.display()), "")
}

/// What a source has come to. There may be very many, and few cannot be read.
type Looked = Result<Artifact, Box<Failure>>;

/// A part of a source, or with `None` the whole.
type Part = (Option<Arc<View>>, Looked);

/// What is listed of an environment, if there is anything.
type Listing = Option<Arc<[u8]>>;

/// Digests of the sources of a run.
pub(crate) struct Sources {
    /// What each path has come to, whole and in part.
    digests: HashMap<PathBuf, Vec<Part>>,
    /// The environments of commands that have theirs in the key.
    environments: HashMap<StageId, Result<Listing, String>>,
    /// The sources that are not here, and are taken to be what they were.
    taken: HashSet<PathBuf>,
}

/// How much of a source counts.
pub(crate) fn extent(source: Source<'_>) -> Extent<'_> {
    match source.view.map(|view| &**view) {
        Some(View::Picked(picks)) => Extent::Picked(picks),
        Some(View::Written(_)) | None => Extent::Source,
    }
}

impl Sources {
    /// Looks at every source of the given stages, in parallel. Those of stages that are forced are read, whatever the memo says: there
    /// are changes that no stamp shows.
    pub(crate) fn scan(pipeline: &Pipeline, stages: &[StageId], force: &BTreeSet<StageId>, memo: &Memo) -> Self {
        let of = |id: &StageId| {
            let inputs = pipeline.stages.get(id.0).into_iter().flat_map(|stage| stage.inputs.values().flatten());
            inputs.filter_map(Input::source)
        };
        let anew: BTreeSet<&Path> =
            stages.iter().filter(|id| force.contains(id)).flat_map(of).map(|source| source.path).collect();
        anew.into_iter().for_each(|path| memo.forget(&pipeline.root.join(path)));
        let mut sources: Vec<Source<'_>> = stages.iter().flat_map(of).collect();
        sources.sort_unstable();
        sources.dedup();
        let found: Vec<_> = sources.par_iter().map(|source| Self::look(pipeline, *source, memo)).collect();
        let mut digests: HashMap<PathBuf, Vec<Part>> = HashMap::with_capacity(sources.len());
        for (source, found) in sources.into_iter().zip(found) {
            let parts = digests.entry(source.path.to_owned()).or_insert_with(|| Vec::with_capacity(1));
            parts.push((source.view.cloned(), found));
        }
        let around = Surroundings::new(&pipeline.root, memo);
        let mut environments = HashMap::new();
        for id in stages {
            let stage = &pipeline.stages[id.0];
            if let (Some(environment), Body::Run(command)) = (&stage.environment, &stage.body) {
                let found = environment::listing(environment, stage, command, &around);
                environments.insert(*id, found.map(|found| found.map(Arc::from)));
            }
        }
        Self { digests, environments, taken: HashSet::new() }
    }

    /// A source's artifact as it was when the run began.
    pub(crate) fn get(&self, source: Source<'_>) -> Looked {
        let mut parts = self.digests.get(source.path).into_iter().flatten();
        let found = parts.find(|(view, _)| view.as_ref() == source.view).map(|(_, found)| found.clone());
        found.unwrap_or_else(|| Err(unreadable(format!("{} was not looked at", source.path.display()))))
    }

    /// Whether a source is no longer what it was, as far as can be told by reading no more than is allowed. One that was not looked at is not.
    pub(crate) fn is_changed(
        &self,
        pipeline: &Pipeline,
        source: Source<'_>,
        memo: &Memo,
        allowance: &Allowance,
    ) -> bool {
        let written = matches!(source.view.map(|view| &**view), Some(View::Written(_)));
        let Some(known) = self.get(source).ok().filter(|_| !written && !self.is_taken(source)) else {
            return false;
        };
        let now = memo.source_within(&pipeline.root.join(source.path), extent(source), allowance);
        now.is_none_or(|now| now.ok().flatten() != Some(known))
    }

    /// Whether a source is not here, and taken to be what it was.
    pub(crate) fn is_taken(&self, source: Source<'_>) -> bool {
        self.taken.contains(source.path)
    }

    /// Takes a source that could not be looked at to be something.
    pub(super) fn take(&mut self, source: Source<'_>, artifact: Artifact) {
        let mut parts = self.digests.get_mut(source.path).into_iter().flatten();
        if let Some((_, found)) = parts.find(|(view, _)| view.as_ref() == source.view) {
            *found = Ok(artifact);
            self.taken.insert(source.path.to_owned());
        }
    }

    /// The environment of a stage, if it counts and there is one.
    ///
    /// # Errors
    /// What could not be read of it.
    pub(crate) fn environment(&self, id: StageId) -> Result<Option<&[u8]>, String> {
        match self.environments.get(&id) {
            None => Ok(None),
            Some(Ok(found)) => Ok(found.as_deref()),
            Some(Err(why)) => Err(why.clone()),
        }
    }

    /// Every source that was looked at as a whole.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Path, &Looked)> {
        self.digests.iter().flat_map(|(path, parts)| {
            parts.iter().filter(|(view, _)| view.is_none()).map(|(_, found)| (path.as_path(), found))
        })
    }

    /// A source's artifact as it is now.
    pub(crate) fn look(pipeline: &Pipeline, source: Source<'_>, memo: &Memo) -> Looked {
        let path = source.path;
        if let Some(View::Written(text)) = source.view.map(|view| &**view) {
            let digest = Digest(blake3::hash(text.as_bytes()).into());
            return Ok(Artifact { digest, tree: false, bytes: text.len() as u64, executable: false });
        }
        match memo.source_in(&pipeline.root.join(path), extent(source)) {
            Ok(Some(artifact)) => match source.view.map(|view| &**view) {
                Some(View::Picked(picks)) => picked(path, artifact, picks),
                _ => Ok(artifact),
            },
            Ok(None) => Err(unreadable(format!("{} does not exist", path.display()))),
            Err(error) => {
                let why = format!("cannot read {}: {}", path.display(), told(&error, &pipeline.root));
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<ContentError>());
                Err(match cause {
                    Some(ContentError::Store { .. }) => Box::new(Failure::LeadsIntoStore { why }),
                    _ => unreadable(why),
                })
            }
        }
    }
}

fn unreadable(why: String) -> Box<Failure> {
    Box::new(Failure::Unreadable { why })
}

/// A source of which patterns take a part, if they take anything.
fn picked(path: &Path, artifact: Artifact, picks: &Picks) -> Looked {
    let own = !(picks.texts().only.is_empty() && picks.texts().ignore.is_empty());
    let path = path.display();
    if own && !artifact.tree {
        return Err(unreadable(format!("{path} is a file\nhint: `only` and `ignore` are for folders")));
    }
    if own && artifact == tree::Listing::new(vec![]).own_artifact() {
        return Err(unreadable(format!(
            "no file of {path} fits its patterns\nhint: patterns are relative to {path}, as in a `.gitignore` there"
        )));
    }
    Ok(artifact)
}
