//! What the run records name: actions, where their outputs went, and which of these still lie there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::pages::Pages;
use super::project::Places;
use super::run::read_line;
use super::{Result, RunLookupError, RunSummary, Store, StoreError, page};
use crate::hash::{ActionKey, Artifact, Digest};
use crate::name_map::NameMap;
use crate::record::RunId;

/// All run records in short. A stage that was the same in a thousand runs is held once.
#[derive(Default)]
pub(super) struct Recorded {
    /// Newest first.
    pub(super) runs: Vec<RecordedRun>,
    pub(super) made: Vec<Made>,
    /// The blobs that the records of large runs are in.
    pub(super) pages: HashSet<Digest>,
    /// Records that are not what was written.
    pub(super) damaged: Vec<PathBuf>,
}

/// A run.
pub(super) struct RecordedRun {
    pub(super) id: RunId,
    /// The folder of its project, wherever it was when the run took place.
    pub(super) project: PathBuf,
    /// The pipeline file's name in it.
    pub(super) pipeline: PathBuf,
    /// What the command line changed: the profile, and `--set`.
    pub(super) overrides: (Option<String>, Vec<String>),
    /// Its record's file.
    pub(super) path: PathBuf,
    /// What its stages reached, as positions in `made`.
    pub(super) reached: Vec<usize>,
    /// The logs it names, and what was made in the execution that wrote each.
    pub(super) logs: Vec<(PathBuf, Option<usize>)>,
}

/// Outputs of an action at their places in a project.
pub(super) struct Made {
    pub(super) project: PathBuf,
    pub(super) key: ActionKey,
    /// The newest name of the stage that had them.
    pub(super) stage: String,
    pub(super) outputs: Vec<(PathBuf, Digest)>,
    /// What it was made of.
    pub(super) inputs: Vec<Digest>,
}

/// A recorded output that lies where it was put.
pub(super) struct InPlace {
    /// Whose it is: positions in `made`.
    pub(super) made: Vec<usize>,
    pub(super) path: PathBuf,
    pub(super) artifact: Artifact,
}

/// As much of a run record as is needed here.
#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    set: Vec<String>,
    /// None where they are in pages.
    #[serde(default)]
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    key: Option<ActionKey>,
    #[serde(default)]
    inputs: NameMap<Vec<Digest>>,
    outputs: NameMap<Output>,
    log: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Output {
    path: PathBuf,
    digest: Digest,
}

/// A stage in a page: its name, and where in `made` its outputs are.
type Position = (String, Option<usize>);

/// A project, an action, and where its outputs went.
type Known = (PathBuf, ActionKey, Vec<(PathBuf, Digest)>);

/// What was read on the way.
#[derive(Default)]
struct Reading {
    made: Vec<Made>,
    /// Where in `made` the outputs of an action in a project are.
    known: HashMap<Known, usize>,
    /// Pages are shared by runs of a project, and sometimes of several.
    pages: HashMap<(PathBuf, Digest), Vec<Position>>,
}

impl Reading {
    /// Where in `made` outputs of a stage are.
    fn place(
        &mut self,
        project: &Path,
        name: &str,
        key: Option<ActionKey>,
        outputs: Vec<(PathBuf, Digest)>,
        inputs: impl FnOnce() -> Vec<Digest>,
    ) -> Option<usize> {
        let key = key.filter(|_| !outputs.is_empty())?;
        let made = &mut self.made;
        let place = self.known.entry((project.to_owned(), key, outputs)).or_insert_with_key(|(_, _, outputs)| {
            let (project, stage, outputs) = (project.to_owned(), name.to_owned(), outputs.clone());
            made.push(Made { project, key, stage, outputs, inputs: inputs() });
            made.len() - 1
        });
        Some(*place)
    }
}

/// How many records are held at a time.
const AT_ONCE: usize = 16;

/// What run records say of the places of a project.
#[derive(Debug, Default)]
pub struct RecordedPlaces {
    /// The path of every output that was put somewhere, and whose it was.
    pub outputs: BTreeMap<PathBuf, Placed>,
    /// What the command line changed, in each way that it was changed: the profile, and `--set`.
    pub overrides: BTreeSet<(Option<String>, Vec<String>)>,
}

/// Whose an output was.
#[derive(Debug)]
pub struct Placed {
    /// The stage that had it last.
    pub stage: String,
    /// The pipeline files of its runs, by their names in the project.
    pub pipelines: BTreeSet<PathBuf>,
}

impl Store {
    /// What run records say was at each path of a project, of whichever: there may be several checkouts.
    ///
    /// # Errors
    /// If the run records cannot be listed.
    pub(super) fn recorded_outputs(&self) -> Result<HashMap<PathBuf, HashSet<Digest>>> {
        let mut places: HashMap<PathBuf, HashSet<Digest>> = HashMap::new();
        for (path, digest) in self.recorded()?.made.into_iter().flat_map(|made| made.outputs) {
            places.entry(path).or_default().insert(digest);
        }
        Ok(places)
    }

    /// What run records say of the project at a folder.
    ///
    /// # Errors
    /// If the run records cannot be listed.
    pub fn places(&self, project: &Path) -> Result<RecordedPlaces> {
        let recorded = self.recorded()?;
        let mut places = RecordedPlaces::default();
        // Newest first: the first stage met is the last that had it.
        for run in recorded.runs.iter().filter(|run| run.project == project) {
            places.overrides.insert(run.overrides.clone());
            for made in run.reached.iter().map(|made| &recorded.made[*made]) {
                for (path, _) in made.outputs.iter().filter(|(path, _)| is_plain(path)) {
                    let placed = places.outputs.entry(path.clone());
                    let placed =
                        placed.or_insert_with(|| Placed { stage: made.stage.clone(), pipelines: BTreeSet::new() });
                    placed.pipelines.insert(run.pipeline.clone());
                }
            }
        }
        Ok(places)
    }

    /// The runs that have an output with this content, newest first.
    ///
    /// # Errors
    /// If the run records cannot be listed.
    pub fn runs_with(&self, digest: &Digest) -> Result<Vec<RunId>> {
        let recorded = self.recorded()?;
        let has = |made: &usize| recorded.made[*made].outputs.iter().any(|(_, output)| output == digest);
        Ok(recorded.runs.iter().filter(|run| run.reached.iter().any(has)).map(|run| run.id.clone()).collect())
    }

    /// The artifact with a digest that an action is recorded to have given, if all of it is still in the store.
    pub fn recorded_artifact(&self, key: Option<&ActionKey>, digest: &Digest, bytes: u64) -> Option<Artifact> {
        let result = key.and_then(|key| self.result(key));
        let known = result.into_iter().flat_map(|result| result.outputs.into_values());
        let known = known.into_iter().find(|artifact| artifact.digest == *digest);
        // The result may be another by now, or gone: the digest alone says all but whether a file can be executed.
        let tree = self.tree_path(digest).exists();
        let artifact = known.unwrap_or(Artifact { digest: *digest, tree, bytes, executable: false });
        self.has(&artifact).then_some(artifact)
    }

    /// Reads every run record; pages that they share, once.
    pub(super) fn recorded(&self) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        let mut reading = Reading::default();
        let mut places = Places::new(self.root(), None);
        for files in self.run_files()?.chunks(AT_ONCE) {
            let read: Vec<_> = files.par_iter().map(|(_, path)| (path, self.read_run(path))).collect();
            for (path, run) in read {
                let noted = run.and_then(|(run, pages, summary)| {
                    let blank = RecordedRun {
                        project: places.of(&summary.origin),
                        pipeline: summary.origin.pipeline.file_name().unwrap_or_default().into(),
                        overrides: (summary.origin.profile, run.set.clone()),
                        id: summary.id,
                        path: path.clone(),
                        reached: vec![],
                        logs: vec![],
                    };
                    let Some(pages) = pages else { return Ok(self.note(run, blank, &mut reading)) };
                    let run = self.note_pages(&pages, blank, &mut reading)?;
                    recorded.pages.extend(&pages.pages);
                    Ok(run)
                });
                match noted {
                    Ok(run) => recorded.runs.push(run),
                    Err(RunLookupError::Store(error @ StoreError::Io { .. })) => return Err(error),
                    Err(_) => recorded.damaged.push(path.clone()),
                }
            }
        }
        recorded.made = reading.made;
        Ok(recorded)
    }

    fn read_run(&self, path: &Path) -> std::result::Result<(Run, Option<Pages>, RunSummary), RunLookupError> {
        let (line, summary) = read_line(path)?;
        let run = serde_json::from_slice(&line).map_err(|_| RunLookupError::Damaged { path: path.to_owned() })?;
        Ok((run, serde_json::from_slice(&line).ok(), summary))
    }

    fn note(&self, run: Run, mut noted: RecordedRun, reading: &mut Reading) -> RecordedRun {
        for Stage { name, key, inputs, outputs, log } in run.stages {
            let outputs = outputs.into_values().map(|output| (output.path, output.digest)).collect();
            let place = reading.place(&noted.project, &name, key, outputs, || inputs.into_values().flatten().collect());
            noted.reached.extend(place);
            if log.is_some() {
                noted.logs.push((self.log_path(&noted.id, &name), place));
            }
        }
        noted
    }

    fn note_pages(
        &self,
        pages: &Pages,
        mut noted: RecordedRun,
        reading: &mut Reading,
    ) -> std::result::Result<RecordedRun, RunLookupError> {
        let project = noted.project.clone();
        let new = pages.pages.iter().filter(|page| !reading.pages.contains_key(&(project.clone(), **page)));
        let new: Vec<Digest> = new.copied().collect();
        let read: Result<Vec<(Digest, Vec<u8>)>> =
            new.into_par_iter().map(|page| Ok((page, self.read(&page)?))).collect();
        for (digest, bytes) in read? {
            let entries = page::entries(&bytes).ok_or(StoreError::Damaged { digest })?;
            let placed = entries.into_iter().map(|entry| {
                let outputs = entry.outputs().map(|(path, digest)| (path.into(), digest)).collect();
                (
                    entry.name.to_owned(),
                    reading.place(&project, entry.name, entry.key, outputs, || entry.inputs().collect()),
                )
            });
            let placed = placed.collect();
            reading.pages.insert((project.clone(), digest), placed);
        }
        let stages = pages.pages.iter().flat_map(|page| &reading.pages[&(project.clone(), *page)]);
        for (position, (name, place)) in stages.enumerate() {
            noted.reached.extend(place);
            if pages.per_run(position).log.is_some() {
                noted.logs.push((self.log_path(&noted.id, name), *place));
            }
        }
        Ok(noted)
    }

    /// The recorded outputs of some projects that lie where they were put, unchanged. Projects on other machines have none.
    pub(super) fn in_place(&self, recorded: &Recorded, projects: &BTreeSet<&Path>) -> Vec<InPlace> {
        let mut wanted: BTreeMap<PathBuf, Vec<(Digest, usize)>> = BTreeMap::new();
        for (position, made) in recorded.made.iter().enumerate() {
            if projects.contains(made.project.as_path()) {
                for (path, digest) in made.outputs.iter().filter(|(path, _)| is_plain(path)) {
                    wanted.entry(made.project.join(path)).or_default().push((*digest, position));
                }
            }
        }
        let look = |(path, candidates): (PathBuf, Vec<(Digest, usize)>)| {
            // What cannot be read is no output of Kiln's.
            let is_one = |there: &Artifact| candidates.iter().any(|(digest, _)| *digest == there.digest);
            let (artifact, _) = self.memo().output_at(&path, &is_one).ok().flatten()?;
            let same = candidates.into_iter().filter(|(digest, _)| *digest == artifact.digest);
            let made: Vec<usize> = same.map(|(_, position)| position).collect();
            (!made.is_empty()).then_some(InPlace { made, path, artifact })
        };
        wanted.into_par_iter().filter_map(look).collect()
    }
}

/// Whether a path is relative and goes nowhere but down.
pub(super) fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}
