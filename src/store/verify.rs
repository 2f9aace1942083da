//! Verifying: whether everything in the store is what its name says, read from the disk and not from what is remembered.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::copy::copy;
use super::garbage::Amount;
use super::inventory::{BLOBS, TREES};
use super::recorded::{InPlace, Recorded};
use super::{ActionResult, Result, Store, StoreError, names};
use crate::hash::{ActionKey, Artifact, Digest, hash_file, open_regular};

/// What verifying a store found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// The blobs that were read.
    pub blobs: Amount,
    /// The listings of trees that were read.
    pub trees: Amount,
    /// How many results were checked.
    pub results: usize,
    /// How many run records were checked.
    pub runs: usize,
    /// What is not what it should be.
    pub damaged: Vec<Damage>,
    /// Results that lack content, be it damaged or gone.
    pub touched: Vec<Touched>,
}

/// A thing that is not what its name says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// `blob`, `tree`, `result`, `journal` or `run record`.
    pub what: &'static str,
    /// Its digest, key or file.
    pub name: String,
    /// What is wrong, and what was done about it.
    pub finding: String,
}

/// A result that lacks content.
#[derive(Debug, Serialize)]
pub struct Touched {
    /// Its key.
    pub key: ActionKey,
    /// The newest name of its stage, if a run record tells.
    pub stage: Option<String>,
    /// The project of that stage.
    pub project: Option<PathBuf>,
    /// The outputs whose content was damaged or gone.
    pub outputs: Vec<String>,
    /// Whether the content was taken back into the store from an output that lies in place. If not, the result was withdrawn:
    /// its stage will be executed again.
    pub mended: bool,
}

impl Findings {
    /// Whether nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.touched.is_empty()
    }
}

impl Store {
    /// Reads everything in the store. Damaged objects and records are put aside in `quarantine/`; results that lack content are
    /// mended from outputs in place, or withdrawn. `progress` is told the bytes that were read and are to be read.
    ///
    /// # Errors
    /// If the store cannot be listed or the journal of results cannot be read or written.
    pub fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Findings> {
        let _hold = self.hold()?;
        let (blobs, trees) = (self.objects(BLOBS)?, self.objects(TREES)?);
        let mut findings = Findings { blobs: sum(&blobs), trees: sum(&trees), ..Findings::default() };
        let (done, total) = (AtomicU64::new(0), findings.blobs.bytes + findings.trees.bytes);
        progress(0, total);
        let told = |bytes: u64| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
        let bad = blobs.par_iter().filter_map(|(digest, bytes)| {
            let damage = self.check_blob(digest);
            told(*bytes);
            damage
        });
        findings.damaged.par_extend(bad);
        let bad = trees.par_iter().filter_map(|(digest, bytes)| {
            let damage = self.check_tree(digest);
            told(*bytes);
            damage
        });
        findings.damaged.par_extend(bad);
        self.check_journal(&mut findings)?;
        let recorded = self.recorded()?;
        findings.runs = recorded.runs.len();
        for path in &recorded.damaged {
            let finding = match self.put_aside(path, names::of(path)) {
                Ok(_) => "not what was written; put aside".to_owned(),
                Err(error) => format!("not what was written, and cannot be put aside: {error}"),
            };
            findings.damaged.push(Damage { what: "run record", name: path.display().to_string(), finding });
        }
        self.check_contents(&recorded, &mut findings)?;
        findings.damaged.sort();
        Ok(findings)
    }

    fn check_blob(&self, digest: &Digest) -> Option<Damage> {
        let path = self.blob_path(digest);
        let found = open_regular(&path).map_err(io::Error::from).and_then(|(file, metadata)| {
            let found = hash_file(&file, metadata.len(), self.interrupt())?;
            Ok(found)
        });
        let finding = match found {
            Ok(found) if found == *digest => return None,
            Ok(_) => self.damaged_finding(&path, digest),
            // Cut while it was read.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.damaged_finding(&path, digest),
            Err(e) => format!("cannot be read: {e}"),
        };
        Some(Damage { what: "blob", name: digest.to_string(), finding })
    }

    fn check_tree(&self, digest: &Digest) -> Option<Damage> {
        let finding = match self.listing(digest) {
            Ok(_) => return None,
            Err(StoreError::Damaged { .. }) => aside(&self.tree_path(digest)),
            Err(error) => format!("cannot be read: {error}"),
        };
        Some(Damage { what: "tree", name: digest.to_string(), finding })
    }

    fn damaged_finding(&self, path: &Path, digest: &Digest) -> String {
        // It says no more than that it is damaged.
        let _ = self.damaged(path, digest);
        aside(path)
    }

    /// Checks the journal of results; what is damaged in it is left out of a new one.
    fn check_journal(&self, findings: &mut Findings) -> Result<()> {
        let damage = self.check_results()?;
        if damage.bytes > 0 {
            let finding = format!("{} bytes of it are no sound frames; the results there are lost", damage.bytes);
            findings.damaged.push(Damage { what: "journal", name: super::files::RESULTS.into(), finding });
        }
        for key in &damage.actions {
            let finding = "its bytes are not what was written; withdrawn".to_owned();
            findings.damaged.push(Damage { what: "result", name: key.to_string(), finding });
        }
        if damage.bytes > 0 || !damage.actions.is_empty() {
            self.retain_results(&|key| !damage.actions.contains(key))?;
        }
        Ok(())
    }

    /// Finds the results that lack content, and mends or withdraws them.
    fn check_contents(&self, recorded: &Recorded, findings: &mut Findings) -> Result<()> {
        let results = self.all_results();
        findings.results = results.len();
        let lacking: Vec<(ActionKey, ActionResult, Vec<String>)> = results
            .into_par_iter()
            .filter_map(|(key, result)| {
                let gone = result.outputs.iter().filter(|(_, artifact)| !self.has(artifact));
                let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
                (!gone.is_empty()).then_some((key, result, gone))
            })
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let projects: BTreeSet<&Path> = recorded.made.iter().map(|made| made.project.as_path()).collect();
        let lying: HashMap<Digest, InPlace> =
            self.in_place(recorded, &projects).into_iter().map(|found| (found.artifact.digest, found)).collect();
        let mut names: BTreeMap<ActionKey, usize> = BTreeMap::new();
        for (position, made) in recorded.made.iter().enumerate() {
            names.entry(made.key).or_insert(position);
        }
        let mut withdrawn = HashSet::new();
        for (key, result, outputs) in lacking {
            let mend = |name: &String| self.mend(&result.outputs[name], &lying).is_ok();
            let mended = outputs.iter().all(mend);
            if !mended {
                withdrawn.insert(key);
            }
            let made = names.get(&key).map(|position| &recorded.made[*position]);
            let (stage, project) = (made.map(|m| m.stage.clone()), made.map(|m| m.project.clone()));
            findings.touched.push(Touched { key, stage, project, outputs, mended });
        }
        findings.touched.sort_by(|a, b| (&a.stage, a.key).cmp(&(&b.stage, b.key)));
        if withdrawn.is_empty() { Ok(()) } else { self.retain_results(&|key| !withdrawn.contains(key)) }
    }

    /// Takes content back into the store from an output that has it.
    fn mend(&self, artifact: &Artifact, lying: &HashMap<Digest, InPlace>) -> Result<()> {
        let missing = || StoreError::Missing { digest: artifact.digest };
        let found = lying.get(&artifact.digest).filter(|found| found.artifact == *artifact).ok_or_else(missing)?;
        let scratch = self.scratch("mend")?;
        let taken = scratch.path().join("artifact");
        let lies = self.memo().output_at(&found.path, &|there| there == artifact);
        let (_, extent) = lies.ok().flatten().ok_or_else(missing)?;
        copy(&found.path, &taken, extent, self.interrupt())?;
        if self.capture(&taken)? == *artifact && self.has(artifact) { Ok(()) } else { Err(missing()) }
    }
}

/// What became of a damaged object: the store moves it away unless the system refuses.
fn aside(path: &Path) -> String {
    let stays = path.exists();
    let done = if stays { "it cannot be put aside" } else { "put aside" };
    format!("not what its name says; {done}")
}

fn sum(objects: &[(Digest, u64)]) -> Amount {
    Amount { count: objects.len(), bytes: objects.iter().map(|(_, bytes)| bytes).sum() }
}
