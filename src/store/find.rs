//! Finding runs: those of a pipeline file, and one by a name that a person would type.

use std::path::PathBuf;

use super::project::Places;
use super::{Project, Result, RunLookupError, RunSummary, Store};
use crate::record::{RunId, RunRecord};

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

impl Store {
    /// The recorded runs of a pipeline file, or of all that share the store, newest first. Damaged records are left out.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn runs(&self, project: Option<&Project>) -> Result<Vec<RunSummary>> {
        let mut places = Places::new(self.root(), project);
        let all = self.summaries()?.into_iter().map(|(summary, _)| summary);
        Ok(all.filter(|summary| places.belongs(summary) == Belongs::Here).collect())
    }

    /// Whose runs are recorded, in the order of their newest runs.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn owners(&self) -> Result<Vec<Owner>> {
        let mut places = Places::new(self.root(), None);
        let mut owners: Vec<Owner> = Vec::new();
        for (run, _) in self.summaries()? {
            let project = places.of(&run);
            let pipeline = PathBuf::from(run.pipeline.file_name().unwrap_or_default());
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
            Belongs::OtherProject => Project::at(&run.project, &run.pipeline),
            _ => asked.with(&run.pipeline),
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
        Places::new(self.root(), Some(project)).belongs(&RunSummary::of(run))
    }

    /// The record of the run that a name stands for: its id, the start of it if that is enough to tell it from others, or
    /// `latest`, `latest~1`, ... counting back within the pipeline file. Runs are looked for there first, then in the project, then
    /// everywhere.
    ///
    /// # Errors
    /// If the name stands for none or for several, or the record is damaged.
    pub fn find_run(&self, name: &str, project: Option<&Project>) -> std::result::Result<RunRecord, RunLookupError> {
        let mut places = Places::new(self.root(), project);
        let with = |(run, path)| {
            let belongs = places.belongs(&run);
            (run, path, belongs)
        };
        let all: Vec<(RunSummary, PathBuf, Belongs)> = self.summaries()?.into_iter().map(with).collect();
        let own = || all.iter().filter(|(_, _, belongs)| *belongs == Belongs::Here);
        if let Some(back) = back(name) {
            return match own().nth(back) {
                Some((_, path, _)) => self.read_record(path),
                None if own().next().is_none() => Err(RunLookupError::NoRuns),
                None => Err(RunLookupError::TooFarBack { name: name.to_owned(), available: own().count() }),
            };
        }
        if let Some((_, path, _)) = all.iter().find(|(run, _, _)| run.id == name) {
            return self.read_record(path);
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
}

/// How far `latest` or `latest~2` goes back.
fn back(name: &str) -> Option<usize> {
    match name.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}
