//! The one decision: given its final inputs, is a stage up to date, restorable, or to be executed, and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::json;

use super::metrics::Numbers;
use super::sources::Sources;
use crate::action::{self, Manifest};
use crate::engine::executor::failure::Failed;
use crate::engine::executor::surroundings::GUARD;
use crate::failure::Failure;
use crate::hash::{ActionKey, Allowance, Artifact, Digest, Memo};
use crate::kind::{Arity, Role};
use crate::name_map::NameMap;
use crate::pipeline::{Body, From, Input, Output, Pipeline, Source, Stage, StageId};
use crate::remote::Remote;
use crate::store::{ActionResult, Ownership, Store, StoreError};

/// What is to be done with a stage.
pub(crate) struct Decision {
    /// The key of its action.
    pub(crate) key: ActionKey,
    /// The key that the result has in the store, if it has one: another where outputs had other roles.
    pub(crate) under: ActionKey,
    /// The key's preimage.
    pub(crate) manifest: Manifest,
    /// The canonical bytes of its document inputs, by input name and position.
    pub(crate) documents: Documents,
    /// What to do.
    pub(crate) verdict: Verdict,
}

/// The canonical bytes of document inputs, by input name and position.
pub(crate) type Documents = BTreeMap<(String, usize), Vec<u8>>;

/// Up to date, restorable, or neither.
pub(crate) enum Verdict {
    /// Every output is in place.
    UpToDate(ActionResult),
    /// The store has the result; these outputs are missing or differ.
    Restore(ActionResult, Vec<PathBuf>),
    /// The store has no usable result.
    Execute(Missing),
}

impl Verdict {
    /// One word for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::UpToDate(_) => "up-to-date",
            Self::Restore(..) => "restore",
            Self::Execute(_) => "execute",
        }
    }
}

/// Why the store has no usable result.
pub(crate) enum Missing {
    /// No result under this key.
    Result,
    /// The artifact of this output is gone from the store.
    Artifact(String),
    /// It was asked for.
    Forced,
}

/// Everything a decision looks at.
pub(crate) struct Deciding<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) memo: &'a Memo,
    pub(crate) sources: &'a Sources,
    /// What may be replaced; `None` where nothing is put in place.
    pub(crate) ownership: Option<&'a Ownership<'a>>,
    /// The remote cache, if there is one.
    pub(crate) remote: Option<&'a Remote>,
}

impl Deciding<'_> {
    /// The name of a stage.
    pub(crate) fn name(&self, id: StageId) -> String {
        self.pipeline.stages[id.0].name.to_string()
    }

    /// Decides a stage. `outputs` gives the artifact of a producer's output.
    ///
    /// # Errors
    /// If an input cannot be read, or something lies where an output is to be put that is not Kiln's to replace.
    pub(crate) fn decide(
        &self,
        id: StageId,
        force: bool,
        outputs: &dyn Fn(StageId, &str) -> Option<Artifact>,
    ) -> Result<Decision, Failed> {
        let decision = self.decide_within(id, force, outputs, &Allowance::boundless())?;
        decision.ok_or_else(|| unreadable("more would have to be read than there is"))
    }

    /// The same if no more has to be read of what lies in place than is allowed; `None` if it would be more.
    ///
    /// # Errors
    /// If an input cannot be read.
    pub(crate) fn decide_within(
        &self,
        id: StageId,
        force: bool,
        outputs: &dyn Fn(StageId, &str) -> Option<Artifact>,
        allowance: &Allowance,
    ) -> Result<Option<Decision>, Failed> {
        let stage = &self.pipeline.stages[id.0];
        let (manifest, documents) = self.manifest(id, outputs)?;
        self.judge(stage, manifest, documents, force, allowance)
    }

    /// The manifest of a stage whose inputs are final, and the canonical bytes of its documents.
    ///
    /// # Errors
    /// If an input cannot be read.
    pub(crate) fn manifest(
        &self,
        id: StageId,
        outputs: &dyn Fn(StageId, &str) -> Option<Artifact>,
    ) -> Result<(Manifest, Documents), Failed> {
        let stage = &self.pipeline.stages[id.0];
        let mut documents = BTreeMap::new();
        let mut inputs = NameMap::with_capacity(stage.inputs.len());
        for (name, items) in &stage.inputs {
            let mut digests = Vec::with_capacity(items.len());
            for (position, item) in items.iter().enumerate() {
                let (digest, executable) = match self.document(stage, name, item)? {
                    Some(bytes) => {
                        let digest = Digest(*blake3::hash(&bytes).as_bytes());
                        documents.insert((name.clone(), position), bytes);
                        (digest, false)
                    }
                    None => {
                        let artifact = self.artifact(item, outputs)?;
                        (artifact.digest, artifact.executable && matches!(stage.body, Body::Run(_)))
                    }
                };
                digests.push(action::Input { label: self.label(stage, name, item), digest, executable });
            }
            inputs.insert(name.clone(), digests);
        }
        if let Some(bytes) = self.sources.environment(id).map_err(unreadable)? {
            let digest = Digest(*blake3::hash(bytes).as_bytes());
            documents.insert((action::ENVIRONMENT.to_owned(), 0), bytes.to_vec());
            let input = action::Input { label: String::new(), digest, executable: false };
            inputs.insert(action::ENVIRONMENT.to_owned(), vec![input]);
        }
        Ok((manifest(stage, inputs), documents))
    }

    fn judge(
        &self,
        stage: &Stage,
        manifest: Manifest,
        documents: Documents,
        force: bool,
        allowance: &Allowance,
    ) -> Result<Option<Decision>, Failed> {
        let key = manifest.key();
        let mut under = key;
        let verdict = match force {
            true => Some(Verdict::Execute(Missing::Forced)),
            false => match self.known(stage, &key).or_else(|| {
                let other = self.under_other_roles(stage, &manifest);
                let (other, result) = other.or_else(|| self.of_untyped_numbers(stage, &manifest))?;
                under = other;
                Some(result)
            }) {
                Some(result) => self.placed(stage, &under, result, allowance),
                None => Some(Verdict::Execute(Missing::Result)),
            },
        };
        let Some(verdict) = verdict else { return Ok(None) };
        let clear = match &verdict {
            Verdict::UpToDate(_) => true,
            Verdict::Restore(_, astray) => self.is_clear(astray.iter(), allowance)?,
            Verdict::Execute(why) => {
                let clear = self.is_clear(stage.outputs.values().map(|output| &output.path), allowance);
                clear.map_err(|failed| self.or_adopted(stage, why, failed))?
            }
        };
        Ok(clear.then_some(Decision { key, under, manifest, documents, verdict }))
    }

    /// What a stage will find in the way of its outputs, as far as that takes no more reading than is allowed.
    pub(crate) fn in_the_way(&self, stage: &Stage, allowance: &Allowance) -> Option<String> {
        let ownership = self.ownership?;
        let blocked = stage.outputs.values().find(|output| !ownership.seems_clear(&output.path, allowance))?;
        ownership.check(&blocked.path).err().map(|error| error.to_string())
    }

    /// Whether outputs can be put at their places; `false` if it would take more reading than is allowed to tell.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) fn is_clear<'p>(
        &self,
        paths: impl Iterator<Item = &'p PathBuf>,
        allowance: &Allowance,
    ) -> Result<bool, Failed> {
        let Some(ownership) = self.ownership else { return Ok(true) };
        for path in paths {
            if self.memo.artifact_within(&self.pipeline.root.join(path), allowance).is_none() {
                return Ok(false);
            }
            // Of any other error he will hear who puts something there.
            if let Err(error @ StoreError::InTheWay { .. }) = ownership.check(path) {
                return Err((&error).into());
            }
        }
        Ok(true)
    }

    /// Adds to what is in the way that it may be the result: of a command that has none, and all of whose outputs are there.
    fn or_adopted(&self, stage: &Stage, why: &Missing, failed: Failed) -> Failed {
        let is_there = |output: &Output| self.pipeline.root.join(&output.path).exists();
        let may_be = matches!(why, Missing::Result) && matches!(stage.body, Body::Run(_));
        if !may_be || !stage.outputs.values().all(is_there) {
            return failed;
        }
        let name = &stage.name;
        failed.and(format!("hint: if that is what `{name}` gives, `kiln adopt '{name}'` takes it for its result"))
    }

    /// Files the result of a decision under its key, if it has another yet.
    pub(crate) fn file(&self, decision: &Decision) {
        let Decision { key, under, manifest, verdict, .. } = decision;
        if key != under
            && let Verdict::UpToDate(result) | Verdict::Restore(result, _) = verdict
            && let Err(error) = self.store.publish(key, manifest, result)
        {
            // It is found again the same way.
            tracing::warn!("{error}");
        }
    }

    /// Decides stages whose inputs are final, side by side: that looks at the outputs of each.
    pub(crate) fn decide_all<T: Send>(
        &self,
        stages: &[StageId],
        decide: impl Fn(StageId) -> T + Sync + Send,
    ) -> Vec<(StageId, T)> {
        // Of a few the threads would take longer to wake than the stages to decide.
        if stages.len() < 16 {
            return stages.iter().map(|id| (*id, decide(*id))).collect();
        }
        stages.par_iter().with_min_len(8).map(|id| (*id, decide(*id))).collect()
    }

    /// Whether the store has a result for the key and the outputs are in place. Asked again once a lock is held, since
    /// another process may have published meanwhile.
    pub(crate) fn verdict(&self, stage: &Stage, key: &ActionKey) -> Verdict {
        let verdict = self.known(stage, key).map(|result| self.placed(stage, key, result, &Allowance::boundless()));
        verdict.flatten().unwrap_or(Verdict::Execute(Missing::Result))
    }

    /// The result that a key has.
    fn known(&self, stage: &Stage, key: &ActionKey) -> Option<ActionResult> {
        let result = self.store.result(key).or_else(|| self.promised_result(key)).or_else(|| self.pinned(stage))?;
        Some(self.with_numbers(stage, result))
    }

    /// A result of which the numbers could not be read, when they have been looked for again.
    pub(crate) fn with_numbers(&self, stage: &Stage, mut result: ActionResult) -> ActionResult {
        if result.unread {
            Numbers::of(stage, &result.outputs, self.store).enter(&mut result);
        }
        result
    }

    /// Whether the outputs of a result are in place, or can be put there; `None` if more would have to be read than is allowed.
    fn placed(&self, stage: &Stage, key: &ActionKey, result: ActionResult, allowance: &Allowance) -> Option<Verdict> {
        let mut astray: Vec<PathBuf> = Vec::new();
        for (name, output) in &stage.outputs {
            let path = self.pipeline.root.join(&output.path);
            let in_place = match result.outputs.get(name) {
                Some(artifact) => self.memo.holds_within(&path, artifact, allowance)?.unwrap_or(false),
                None => false,
            };
            if !in_place {
                astray.push(output.path.clone());
            }
        }
        if astray.is_empty() {
            return Some(Verdict::UpToDate(result));
        }
        if self.is_left_there(key, &result) {
            return Some(Verdict::UpToDate(result));
        }
        // Only what must be put in place has to be in the store, or to be had.
        for (name, output) in &stage.outputs {
            let needed = astray.contains(&output.path);
            if needed && !result.outputs.get(name).is_some_and(|artifact| self.can_have(key, artifact)) {
                return Some(Verdict::Execute(Missing::Artifact(name.clone())));
            }
        }
        Some(Verdict::Restore(result, astray))
    }

    /// The result of the same command whose outputs had other roles, and its key: a role decides what is read of an output, and nothing
    /// of what is in it. The numbers are read anew.
    fn under_other_roles(&self, stage: &Stage, manifest: &Manifest) -> Option<(ActionKey, ActionResult)> {
        if !matches!(stage.body, Body::Run(_)) || !self.store.knows_any() {
            return None;
        }
        let keys = under_other_roles(manifest).into_iter().map(|other| other.key());
        let key = keys.into_iter().find(|key| self.store.knows(key))?;
        let mut result = self.store.result(&key)?;
        if !self.store.is_whole(&result) {
            return None;
        }
        Numbers::of(stage, &result.outputs, self.store).enter(&mut result);
        Some((key, result))
    }

    /// The result of the same command from the time when `1.0` and `1` in a `with` had one key, and that key. Which of the two it was made of
    /// nobody knows, so it counts for both, as it did then.
    fn of_untyped_numbers(&self, stage: &Stage, manifest: &Manifest) -> Option<(ActionKey, ActionResult)> {
        let key = manifest.untyped_key()?;
        let result = self.store.result(&key)?;
        let serves = result.created < TYPED && self.store.is_whole(&result);
        serves.then(|| (key, self.with_numbers(stage, result)))
    }

    /// The result of a fixed-output stage whose pinned contents the store already has, from wherever they came.
    fn pinned(&self, stage: &Stage) -> Option<ActionResult> {
        let Body::Uses { kind, params } = &stage.body else { return None };
        let mut outputs = BTreeMap::new();
        for (name, digest) in kind.fixed(params)? {
            let bytes = std::fs::metadata(self.store.blob_path(&digest)).ok()?.len();
            outputs.insert(name, Artifact { digest, tree: false, bytes, executable: false });
        }
        let (created, host) = (Timestamp::UNIX_EPOCH, String::new());
        Some(ActionResult { created, host, ..ActionResult::of(outputs) })
    }

    fn document(&self, stage: &Stage, name: &str, item: &Input) -> Result<Option<Vec<u8>>, Failed> {
        let Body::Uses { kind, .. } = &stage.body else { return Ok(None) };
        let From::Source(path) = &item.from else { return Ok(None) };
        match self.pipeline.documents.resolve(kind.as_ref(), name, path, &self.pipeline.root) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(e)) => {
                let file = e.file.strip_prefix(&self.pipeline.root).unwrap_or(&e.file).display();
                let at = e.at.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
                Err(unreadable(format!("{file}{at}: {}", e.message)))
            }
        }
    }

    fn artifact(&self, item: &Input, outputs: &dyn Fn(StageId, &str) -> Option<Artifact>) -> Result<Artifact, Failed> {
        match &item.from {
            From::Source(path) => {
                self.sources.get(Source { path, view: item.view.as_ref() }).map_err(|failure| Failed::from(*failure))
            }
            From::Output { stage, output } => outputs(*stage, output)
                .ok_or_else(|| unreadable(format!("{} has no output `{output}`", self.pipeline.stages[stage.0].name))),
        }
    }

    /// What a stage sees of an input beside its contents: a command sees the path, a kind the matrix coordinates of
    /// what it gathers.
    fn label(&self, stage: &Stage, name: &str, item: &Input) -> String {
        match &stage.body {
            Body::Run(_) => input_path(self.pipeline, item).to_string_lossy().into_owned(),
            Body::Uses { kind, .. } => {
                let gathers = kind.inputs().iter().any(|p| p.name == name && p.arity == Arity::Many);
                if gathers { item.label.clone() } else { String::new() }
            }
        }
    }
}

/// Since when the types of the numbers in a `with` count: 2026-11-30, 15:00 UTC.
const TYPED: Timestamp = Timestamp::constant(1_796_050_800, 0);

/// The manifests in which an output, or of few outputs any number, has another role.
fn under_other_roles(manifest: &Manifest) -> Vec<Manifest> {
    const FEW: usize = 2;
    const ROLES: [Role; 4] = [Role::Data, Role::Metrics, Role::Series, Role::Figure];
    let mut found = vec![manifest.clone()];
    for (name, output) in &manifest.outputs {
        let bases = if manifest.outputs.len() <= FEW { found.len() } else { 1 };
        for base in 0..bases {
            for role in ROLES.into_iter().filter(|role| *role != output.role) {
                let mut other = found[base].clone();
                other.outputs.insert(name.clone(), action::Output { path: output.path.clone(), role });
                found.push(other);
            }
        }
    }
    found.split_off(1)
}

/// An input that cannot be read.
fn unreadable(why: impl Into<String>) -> Failed {
    Failure::Unreadable { why: why.into() }.into()
}

/// Where an input lies in the project.
pub(crate) fn input_path<'p>(pipeline: &'p Pipeline, item: &'p Input) -> &'p Path {
    match &item.from {
        From::Source(path) => path,
        From::Output { stage, output } => &pipeline.stages[stage.0].outputs[output].path,
    }
}

/// The variables that count: those that are set, digests of those from outside, and whether what is not declared may be read. A result that
/// may have read more must not pass for one that cannot have.
fn variables(stage: &Stage) -> BTreeMap<String, String> {
    let mut variables = stage.env.clone();
    for name in &stage.counted {
        let value = std::env::var_os(name);
        let digest = value.map(|value| blake3::hash(value.as_encoded_bytes()).to_hex()[..16].to_owned());
        variables
            .insert(name.clone(), digest.map_or_else(|| "unset".to_owned(), |digest| format!("outside ({digest})")));
    }
    if stage.warns {
        variables.insert(GUARD.0.into(), GUARD.1.into());
    }
    variables
}

fn manifest(stage: &Stage, inputs: NameMap<Vec<action::Input>>) -> Manifest {
    let mut manifest = match &stage.body {
        Body::Run(command) => {
            let shell = stage.language().map(str::to_owned);
            Manifest::run(command.clone(), variables(stage), stage.with.clone(), shell)
        }
        Body::Uses { kind, params } => match kind.fixed(params) {
            // What is pinned decides the outputs; where the bytes are looked for does not.
            Some(pinned) => Manifest::uses(kind.name(), "fixed-output", json!(pinned)),
            None => Manifest::uses(kind.name(), kind.fingerprint(), params.clone()),
        },
    };
    let seen = matches!(stage.body, Body::Run(_));
    let outputs = stage.outputs.iter().map(|(name, output)| {
        let path = seen.then(|| output.path.to_string_lossy().into_owned());
        (name.clone(), action::Output { path, role: output.role })
    });
    manifest.outputs = outputs.collect();
    manifest.inputs = inputs;
    manifest
}
