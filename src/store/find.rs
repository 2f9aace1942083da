//! Finding runs: those of a pipeline file, and one by a name that a person would type.

use std::path::PathBuf;

use super::project::Places;
use super::{Project, Result, RunLookupError, RunSummary, Store};
use crate::record::{Git, RunId, RunRecord, RunStatus};

/// A pipeline file that runs are recorded of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The project's folder.
    pub project: PathBuf,
    /// The pipeline file's name in it.
    pub pipeline: PathBuf,
    /// How many runs there are.
    pub runs: usize,
    /// The newest.
    pub newest: RunId,
}

/// How a run stands to a pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belongs {
    /// It is one of its own.
    Here,
    /// It is of another pipeline file of the project.
    OtherFile,
    /// It is of another project.
    OtherProject,
}

/// So many runs of a commit are looked at.
const LOOKED_AT: usize = 30;

impl Store {
    /// The recorded runs of a pipeline file, or of all that share the store, newest first. Damaged records are left out.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn runs(&self, project: Option<&Project>) -> Result<Vec<RunSummary>> {
        let mut places = Places::new(self.root(), project);
        let all = self.summaries()?.into_iter().map(|(summary, _)| summary);
        Ok(all.filter(|run| places.belongs(&run.origin, run.started) == Belongs::Here).collect())
    }

    /// Whose runs are recorded, in the order of their newest runs.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn owners(&self) -> Result<Vec<Owner>> {
        let mut places = Places::new(self.root(), None);
        let mut owners: Vec<Owner> = Vec::new();
        for (run, _) in self.summaries()? {
            let project = places.of(&run.origin);
            let pipeline = PathBuf::from(run.origin.pipeline.file_name().unwrap_or_default());
            match owners.iter_mut().find(|owner| owner.project == project && owner.pipeline == pipeline) {
                Some(owner) => owner.runs += 1,
                None => owners.push(Owner { project, pipeline, runs: 1, newest: run.id }),
            }
        }
        Ok(owners)
    }

    /// The pipeline file that a run is of, given one that was asked for: its project may have moved since.
    pub fn owner_of(&self, run: &RunRecord, asked: &Project) -> Project {
        match self.belongs(run, asked) {
            Belongs::OtherProject => Project::at(&run.origin.project, &run.origin.pipeline),
            _ => asked.with(&run.origin.pipeline),
        }
    }

    /// The run before a run of the same pipeline file, if there is one that can be read.
    pub fn run_before(&self, run: &RunRecord, asked: &Project) -> Option<RunRecord> {
        let mut runs = self.runs_of(&self.owner_of(run, asked)).map(|(summary, path)| (summary.id, path));
        runs.find(|(id, _)| *id == run.id)?;
        self.read_record(&runs.next()?.1).ok()
    }

    /// How a run stands to a pipeline file.
    pub fn belongs(&self, run: &RunRecord, project: &Project) -> Belongs {
        Places::new(self.root(), Some(project)).belongs(&run.origin, run.started)
    }

    /// The record of the run that a name stands for: its id, its tag, the start of the id if that is enough to tell it from others, or
    /// `latest`, `latest~1`, ... counting back within the pipeline file. Runs are looked for there first, then in the project, then
    /// everywhere.
    ///
    /// # Errors
    /// If the name stands for none or for several, or the record is damaged.
    pub fn find_run(&self, name: &str, project: Option<&Project>) -> std::result::Result<RunRecord, RunLookupError> {
        let all = self.all_runs(project)?;
        let own = || all.iter().filter(|(_, _, belongs)| *belongs == Belongs::Here);
        if let Some(path) = self.certain(name, &all)? {
            return self.read_record(&path);
        }
        let begins = |run: &RunSummary| !name.is_empty() && run.id.starts_with(name);
        let nearest = all.iter().filter(|(run, _, _)| begins(run)).map(|(_, _, belongs)| *belongs).min();
        let fits = all.iter().filter(|(run, _, belongs)| begins(run) && Some(*belongs) == nearest);
        match fits.collect::<Vec<_>>().as_slice() {
            [(_, path, _)] => self.read_record(path),
            [] if own().next().is_none() => Err(RunLookupError::NoRuns),
            [] => {
                let candidates = own().map(|(run, _, _)| run.id.clone()).collect();
                Err(RunLookupError::Unknown { name: name.to_owned(), candidates })
            }
            several => {
                let candidates = several.iter().map(|(run, _, _)| run.id.clone()).collect();
                Err(RunLookupError::Ambiguous { name: name.to_owned(), candidates })
            }
        }
    }

    /// The record of the run that a name certainly stands for: `latest` or `latest~1`, a whole id, or a tag. `None` if it is no such name.
    ///
    /// # Errors
    /// As [`Self::find_run`].
    pub fn named_run(
        &self,
        name: &str,
        project: Option<&Project>,
    ) -> std::result::Result<Option<RunRecord>, RunLookupError> {
        let path = self.certain(name, &self.all_runs(project)?)?;
        path.map(|path| self.read_record(&path)).transpose()
    }

    /// The newest run of a commit that tells most of it, among those that `is` picks by what the record says of Git: one that ended well
    /// before others, one of the commit as it is before one with changes. In this order the first one that `suits` is taken, and without one the
    /// first.
    ///
    /// # Errors
    /// If the records cannot be listed, or one that is looked at is damaged.
    pub fn run_at(
        &self,
        is: &dyn Fn(&RunSummary, &Git) -> bool,
        suits: &dyn Fn(&RunRecord) -> bool,
    ) -> std::result::Result<Option<RunRecord>, RunLookupError> {
        let mut found = self.summaries()?;
        found.retain(|(run, _)| run.git.as_ref().is_some_and(|git| is(run, git)));
        // The first of the best is the newest: those of the same worth stay in order.
        found.sort_by_key(|(run, _)| {
            let dirty = run.git.as_ref().and_then(|git| git.dirty) != Some(false);
            (run.status != RunStatus::Ok, dirty)
        });
        let mut first = None;
        for (_, path) in found.iter().take(LOOKED_AT) {
            let run = self.read_record(path)?;
            if suits(&run) {
                return Ok(Some(run));
            }
            first.get_or_insert(run);
        }
        Ok(first)
    }

    /// Every run with its record's file, and how it stands to a pipeline file; newest first.
    fn all_runs(&self, project: Option<&Project>) -> Result<Vec<(RunSummary, PathBuf, Belongs)>> {
        let mut places = Places::new(self.root(), project);
        let with = |(run, path): (RunSummary, PathBuf)| {
            let belongs = places.belongs(&run.origin, run.started);
            (run, path, belongs)
        };
        Ok(self.summaries()?.into_iter().map(with).collect())
    }

    fn certain(
        &self,
        name: &str,
        all: &[(RunSummary, PathBuf, Belongs)],
    ) -> std::result::Result<Option<PathBuf>, RunLookupError> {
        let own = || all.iter().filter(|(_, _, belongs)| *belongs == Belongs::Here);
        if let Some(back) = back(name) {
            return match own().nth(back) {
                Some((_, path, _)) => Ok(Some(path.clone())),
                None if own().next().is_none() => Err(RunLookupError::NoRuns),
                None => Err(RunLookupError::TooFarBack { name: name.to_owned(), available: own().count() }),
            };
        }
        let of = |id: &str| all.iter().find(|(run, _, _)| run.id == id).map(|(_, path, _)| path.clone());
        if let Some(path) = of(name) {
            return Ok(Some(path));
        }
        let Some(tag) = self.tags()?.into_iter().find(|tag| tag.name == name) else { return Ok(None) };
        let gone = || RunLookupError::Gone { tag: tag.name.clone(), run: tag.run.clone() };
        of(&tag.run).map(Some).ok_or_else(gone)
    }
}

/// How far `latest` or `latest~2` goes back.
fn back(name: &str) -> Option<usize> {
    match name.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}
