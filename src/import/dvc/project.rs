//! A project of DVC's: which files it has, and what an import makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::adopt::{self, Candidate};
use super::cache::Caches;
use super::file::{self, File};
use super::ignore::Ignore;
use super::intake::{Intake, Opening, Taken};
use super::merge::{self, Merge, Prefer};
use super::note::{Note, Notes, Refused};
use super::yaml::At;
use super::{apart, data, dvcignore, plan, single, write};
use crate::engine::{self, Adoption};
use crate::pipeline::{Pipeline, StageName};
use crate::store::{Store, StoreError};

/// What an import makes of a project.
pub struct Import {
    /// The text of `pipeline.yaml`.
    pub text: String,
    /// What there is to tell, in the order of the files.
    pub notes: Vec<Note>,
    /// How many stages of DVC's there are, variants counted.
    pub stages: usize,
    /// The text of `.kilnignore`, if DVC passes over files of folders that stages take.
    pub ignore: Option<String>,
    candidates: Vec<Candidate>,
    /// What the store has a copy of already.
    taken: Taken,
    /// Where the stages stand in DVC's files, by Kiln's names.
    places: BTreeMap<String, (PathBuf, At)>,
}

/// What became of the result of a stage.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// DVC's name for it.
    pub stage: String,
    /// Kiln's.
    pub kiln: String,
    /// Whether its result is Kiln's now.
    pub adopted: bool,
    /// Whether Kiln has a result that was executed here, which needs none of DVC's.
    pub executed: bool,
    /// Why not, or what speaks against it.
    pub why: Vec<String>,
    /// Whether `--trust` would change that, or did.
    pub doubted: bool,
}

/// Reads the project of DVC's at a folder. With `put`, data that `.dvc` files name and that is missing is put in place from DVC's cache;
/// nothing else is written. With `fetch` it is fetched from remotes on S3 as well. With a way to a store, that takes copies of outputs while they are
/// read.
///
/// # Errors
/// If a file cannot be read, or is none that DVC takes.
pub fn import<'s>(root: &Path, put: bool, fetch: bool, store: Option<&'s Opening<'s>>) -> Result<Import, Refused> {
    let intake = Intake::new(store);
    let mut notes = Notes::default();
    let mut found = find(root);
    if found.pipelines.is_empty() && found.data.is_empty() {
        let what = format!("there is no dvc.yaml and no .dvc file in `{}`{}", root.display(), within(&found.inner));
        return Err(Refused::new(Path::new("dvc.yaml"), At { line: 1, column: 1 }, what));
    }
    for path in &found.inner {
        let hint = format!("`kiln import dvc {}` makes a pipeline of it", path.display());
        notes.lost(path, At::default(), "this is a project of DVC's by itself", &hint);
    }
    let mut files: Vec<File> = Vec::new();
    for (i, path) in found.pipelines.iter().enumerate() {
        // The parameters of one of them can be those of the pipeline.
        files.push(file::read(root, path, i == 0, &mut notes)?);
    }
    files.extend(single::take(root, &mut found.data, &mut notes)?);
    apart::divide(&mut files, &mut notes);
    let caches = Caches::of(root, fetch, &mut notes);
    for file in &found.data {
        data::look(root, file, &caches, &intake, put, &mut notes)?;
    }
    adopt::frozen(root, &files, &caches, put, &mut notes)?;
    let planned = plan::plan(root, &files, &mut notes);
    let ignore = dvcignore::kept(root, &planned, &mut notes);
    let text = write::pipeline(root, &files, &planned, caches.links(), &mut notes);
    let candidates = adopt::candidates(root, &files, &planned.stages, &caches, &intake)?;
    caches.tell(&mut notes);
    let places = planned.stages.iter().map(|stage| (stage.name.clone(), (stage.file.path.clone(), stage.stage.at)));
    let places = places.collect();
    let stages = files.iter().flat_map(|file| &file.stages).map(|stage| stage.variants.len()).sum();
    let mut notes = notes.0;
    notes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Ok(Import { text, notes, stages, ignore, candidates, taken: intake.taken(), places })
}

impl Import {
    /// Merges what an import writes into a file that somebody edited; `base` is what the last import wrote, if that is known. The first lines
    /// of the file, `above` of them, are not in `ours`.
    ///
    /// # Errors
    /// If the file is no YAML.
    pub fn merge(
        &self,
        name: &str,
        above: usize,
        base: Option<&str>,
        ours: &str,
        prefer: Prefer,
    ) -> Result<Merge, Refused> {
        let mut merged = merge::merge(name, above, base, ours, &self.text, prefer)?;
        for change in &mut merged.changes {
            let place = change.stage.as_ref().and_then(|stage| self.places.get(stage));
            change.dvc = place.map(|(file, at)| (file.clone(), at.line, at.column));
        }
        Ok(merged)
    }

    /// Holds the stages of the file against what an import writes: of those that do something else DVC's results are none, unless they are trusted.
    pub fn hold_against(&mut self, file: &str) {
        let Ok(edited) = merge::edited(file, &self.text) else { return };
        for candidate in &mut self.candidates {
            if let (Some(keys), Ok(doubts)) = (edited.get(&candidate.kiln), &mut candidate.standing) {
                doubts.push(format!("the pipeline says otherwise what it does, by `{}`", keys.join("`, `")));
            }
        }
    }

    /// What would be taken over, and what not.
    pub fn outlook(&self, trust: bool) -> Vec<Outcome> {
        self.candidates.iter().map(|candidate| outcome(candidate, trust)).collect()
    }

    /// Takes results over into the store, under the keys that the stages of the pipeline have.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn adopt(&self, pipeline: &Pipeline, store: &Store, trust: bool) -> Result<Vec<Outcome>, StoreError> {
        let taken = adopt::take_in(store, pipeline, &self.candidates, &self.taken, trust)?;
        let done = engine::adopt(pipeline, store, "DVC", &BTreeSet::new(), &|id, _| taken.get(&id).cloned())?;
        // In the file a stage may have another name; then it is known by what it writes.
        let (mut by_name, mut by_path) = (BTreeMap::new(), BTreeMap::new());
        for (id, adoption) in &done {
            let name = &pipeline.stages[id.0].name;
            by_name.insert((name.stage.clone(), name.variant.clone()), (*id, adoption));
            for output in pipeline.stages[id.0].outputs.values() {
                by_path.insert(output.path.to_string_lossy().into_owned(), (*id, adoption));
            }
        }
        let outcomes = self.candidates.iter().map(|candidate| {
            let mut outcome = outcome(candidate, trust);
            let found = by_name.get(&(candidate.kiln.clone(), candidate.labels.clone()));
            let found = found.or_else(|| candidate.outs.keys().find_map(|path| by_path.get(path)));
            if let Some((id, _)) = found {
                outcome.kiln = pipeline.stages[id.0].name.to_string();
            }
            let found = found.map(|(_, adoption)| *adoption);
            let against = match found {
                Some(Adoption::Adopted | Adoption::Known | Adoption::Executed) => None,
                Some(Adoption::Needs(stage)) => Some(format!("`{stage}`, which it needs, has no result")),
                Some(Adoption::Broken(why)) => Some(why.clone()),
                Some(Adoption::Nothing | Adoption::Astray) => None,
                None => Some(format!("the pipeline has no stage `{}` with these outputs", candidate.kiln)),
            };
            outcome.adopted = matches!(found, Some(Adoption::Adopted | Adoption::Known));
            outcome.executed = found == Some(&Adoption::Executed);
            outcome.why.extend(against);
            if !outcome.adopted && !outcome.executed && outcome.why.is_empty() {
                outcome.why.push("the outputs of the pipeline's stage are not those of DVC's".into());
            }
            outcome
        });
        let outcomes: Vec<Outcome> = outcomes.collect();
        let others = self.candidates.iter().zip(&outcomes).filter(|(_, outcome)| !outcome.adopted && !outcome.executed);
        let others: Vec<&Candidate> = others.map(|(candidate, _)| candidate).collect();
        adopt::give_up(store, &pipeline.root, &others, &self.taken)?;
        if let Err(error) = store.memo().save() {
            tracing::warn!("{error}");
        }
        Ok(outcomes)
    }
}

fn outcome(candidate: &Candidate, trust: bool) -> Outcome {
    let (adopted, why, doubted) = match &candidate.standing {
        Ok(doubts) => (trust || doubts.is_empty(), doubts.clone(), !doubts.is_empty()),
        Err(why) => (false, vec![why.clone()], false),
    };
    let kiln = StageName { stage: candidate.kiln.clone(), variant: candidate.labels.clone() }.to_string();
    Outcome { stage: candidate.name.clone(), kiln, adopted, executed: false, why, doubted }
}

/// The files of DVC's in a project.
#[derive(Default)]
pub(super) struct Found {
    pub(super) pipelines: Vec<PathBuf>,
    /// Files with data, or with a stage of their own.
    data: Vec<PathBuf>,
    /// Folders that are projects of DVC's by themselves.
    inner: Vec<PathBuf>,
}

/// So many of them are named.
const NAMED: usize = 5;

fn within(inner: &[PathBuf]) -> String {
    let Some(first) = inner.first() else { return String::new() };
    let named: Vec<String> = inner.iter().take(NAMED).map(|path| format!("`{}`", path.display())).collect();
    let more = inner.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more folders") };
    let are = if inner.len() == 1 { "is a project" } else { "are projects" };
    format!("\nhint: {}{more} {are} of DVC's: `kiln import dvc {}`", named.join(", "), first.display())
}

/// Finds them: those of the project's own folder first, then those below it.
pub(super) fn find(root: &Path) -> Found {
    let mut found = Found::default();
    walk(root, "", &Ignore::default(), &mut found);
    found.pipelines.sort_by_key(|path| (path.components().count(), path.clone()));
    found.data.sort();
    found.inner.sort();
    found
}

fn walk(root: &Path, folder: &str, ignore: &Ignore, found: &mut Found) {
    let ignore = ignore.and_of(root, folder);
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if ignore.passes_over(&path, kind.is_dir()) {
            continue;
        }
        if kind.is_dir() {
            let place = root.join(&path);
            if place.join(".dvc").is_dir() {
                found.inner.push(path.into());
            } else if !place.join("pyvenv.cfg").exists() && name != "node_modules" {
                walk(root, &path, &ignore, found);
            }
        } else if name == "dvc.yaml" {
            found.pipelines.push(path.into());
        } else if (name.ends_with(".dvc") && name.len() > 4) || name == single::PLAIN {
            found.data.push(path.into());
        }
    }
}
