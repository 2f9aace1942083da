//! Checking out: a past run's outputs put back into a project, without losing what somebody else wrote there.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::diagnostic::with_causes;
use crate::hash::{Artifact, Digest};
use crate::links;
use crate::record::{Outcome, RunRecord, StageRecord};
use crate::store::{Ownership, Store, StoreError};

/// An output of a past run, and what is to be done to have it in place.
#[derive(Clone, Debug, Serialize)]
pub struct Checkout {
    /// The stage's name.
    pub stage: String,
    /// The output's name.
    pub output: String,
    /// Where it goes, relative to the project.
    pub path: PathBuf,
    /// What goes there.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is to be done, or was.
    pub step: CheckoutStep,
    /// For [`CheckoutStep::Refuse`]: why.
    pub why: Option<String>,
    #[serde(skip)]
    artifact: Option<Artifact>,
}

/// What is to be done about an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckoutStep {
    /// Nothing: it is there.
    InPlace,
    /// Write it.
    Write,
    /// Nothing: something that Kiln did not write is in the way.
    Refuse,
    /// Nothing: the store no longer has it.
    Gone,
}

impl Checkout {
    /// What a checkout of these stages of a run would do in a project. Writes nothing.
    pub fn plan(
        store: &Store,
        root: &Path,
        run: &RunRecord,
        wanted: &dyn Fn(&StageRecord) -> bool,
        ownership: &Ownership<'_>,
    ) -> Vec<Self> {
        let done =
            |stage: &&StageRecord| matches!(stage.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored);
        let mut plan = Vec::new();
        for stage in run.stages.iter().filter(done).filter(|stage| wanted(stage)) {
            for (name, output) in &stage.outputs {
                let artifact = store.recorded_artifact(stage.key.as_ref(), &output.digest, output.bytes);
                let (step, why) = decide(store, root, &output.path, &output.digest, artifact.as_ref(), ownership);
                plan.push(Self {
                    stage: stage.name.clone(),
                    output: name.clone(),
                    path: output.path.clone(),
                    digest: output.digest,
                    bytes: output.bytes,
                    step,
                    why,
                    artifact,
                });
            }
        }
        plan
    }

    /// Writes the output if that is what is to be done. One that turns out to be damaged in the store is gone.
    ///
    /// # Errors
    /// What the system refuses, or that something was put there meanwhile; then nothing at the path has changed.
    pub fn carry_out(&mut self, ownership: &Ownership<'_>) -> Result<(), StoreError> {
        let Some(artifact) = self.artifact.as_ref().filter(|_| self.step == CheckoutStep::Write) else { return Ok(()) };
        match ownership.put(artifact, &self.path) {
            Err(error) if error.is_damage() => self.step = CheckoutStep::Gone,
            other => return other,
        }
        Ok(())
    }
}

fn decide(
    store: &Store,
    root: &Path,
    path: &Path,
    digest: &Digest,
    artifact: Option<&Artifact>,
    ownership: &Ownership<'_>,
) -> (CheckoutStep, Option<String>) {
    if let Some(why) = forbidden(store, root, path) {
        return (CheckoutStep::Refuse, Some(why));
    }
    if artifact.is_some_and(|artifact| store.memo().holds(&root.join(path), artifact).unwrap_or(false)) {
        return (CheckoutStep::InPlace, None);
    }
    let there = store.memo().artifact(&root.join(path));
    match (there, artifact) {
        (Ok(Some(there)), _) if there.digest == *digest => (CheckoutStep::InPlace, None),
        (_, None) => (CheckoutStep::Gone, None),
        (_, Some(_)) => match ownership.check(path) {
            Ok(()) => (CheckoutStep::Write, None),
            Err(StoreError::InTheWay { what, .. }) => (CheckoutStep::Refuse, Some(what)),
            Err(error) => (CheckoutStep::Refuse, Some(with_causes(&error))),
        },
    }
}

/// Why nothing may be written to a path of the project. Links on the way lead where they lead, as in a run.
pub(crate) fn forbidden(store: &Store, root: &Path, path: &Path) -> Option<String> {
    if !path.components().all(|part| matches!(part, Component::Normal(_))) || path.as_os_str().is_empty() {
        return Some("its path leaves the project".into());
    }
    let folder = root.join(path.parent().unwrap_or(Path::new("")));
    let place = match links::follow(&folder) {
        Ok(lead) => lead.end.join(path.file_name().unwrap_or_default()),
        Err(error) => return Some(format!("its folder cannot be found: {error}")),
    };
    if place.starts_with(store.root()) || store.root().starts_with(&place) {
        return Some("a link leads to the cache".into());
    }
    let broken = folder.ancestors().find(|folder| folder.is_symlink() && !folder.is_dir());
    if let Some(link) = broken {
        let link = link.strip_prefix(root).unwrap_or(link).display();
        return Some(format!("`{link}` is a link to a folder that does not exist"));
    }
    root.starts_with(&place).then(|| "a link leads to the project itself".into())
}
