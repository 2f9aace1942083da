//! The runs that a command looks back on: those of one pipeline file.

use std::path::Path;

use kiln::catalog::catalog;
use kiln::engine::Kept;
use kiln::record::RunRecord;
use kiln::show::number::count;
use kiln::store::{Belongs, Owner, Project, RunLookupError, Store, Traced};

use super::args::Place;
use super::{Stop, project, render};

/// So many pipeline files with runs are named.
const NAMED: usize = 4;

/// A pipeline file and the store that has its runs.
pub(crate) struct Past {
    pub(crate) store: Store,
    pub(crate) project: Project,
}

impl Past {
    /// The past of the pipeline file that the command line names, to look at.
    pub(crate) fn open(place: &Place) -> Result<Self, Stop> {
        let root = project::root(&place.file)?;
        Ok(Self { store: project::store(place, &root)?, project: Project::at(&root, &place.file) })
    }

    /// The same with a store that is to be written to.
    pub(crate) fn open_to_write(place: &Place) -> Result<Self, Stop> {
        let root = project::root(&place.file)?;
        Ok(Self { store: project::store_to_write(place, &root)?, project: Project::at(&root, &place.file) })
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.project.root
    }

    /// The record of the run that a name stands for.
    pub(crate) fn find(&self, name: &str) -> Result<RunRecord, Stop> {
        self.store.find_run(name, Some(&self.project)).map_err(|error| match error {
            RunLookupError::NoRuns => self.nothing(),
            RunLookupError::TooFarBack { .. } | RunLookupError::Unknown { .. } => {
                let hint = self.elsewhere().map_or_else(String::new, |others| format!("\nhint: {others}"));
                Stop::Usage(format!("{error}{hint}"))
            }
            other => Stop::Usage(other.to_string()),
        })
    }

    /// A run that goes on or was killed, by its name or the beginning of that.
    pub(crate) fn find_traced(&self, name: &str) -> Option<Traced> {
        let mut found = self.store.traces(None);
        found.retain(|run| !name.is_empty() && run.began.id.starts_with(name));
        if found.len() == 1 { found.pop() } else { None }
    }

    /// What the store kept of the stages of past runs.
    pub(crate) fn evidence(&self) -> Kept<'_> {
        Kept { store: &self.store, catalog: catalog() }
    }

    /// There are no runs: says whose there are, if any.
    pub(crate) fn nothing(&self) -> Stop {
        let file = render::stand::shown(&self.project.pipeline);
        Stop::Usage(match self.elsewhere() {
            None => "there are no runs yet\nhint: `kiln run` makes the first".to_owned(),
            Some(others) => format!("there are no runs of `{file}` in {} yet\nhint: {others}", self.root().display()),
        })
    }

    /// The runs of other pipeline files and projects in the same store, and how to name them.
    pub(crate) fn elsewhere(&self) -> Option<String> {
        let own = |owner: &Owner| owner.project == self.project.root && owner.pipeline == self.project.pipeline;
        let mut others: Vec<Owner> = self.store.owners().ok()?.into_iter().filter(|owner| !own(owner)).collect();
        if others.is_empty() {
            return None;
        }
        let more = others.len().saturating_sub(NAMED);
        others.truncate(NAMED);
        let mut named: Vec<String> = others.iter().map(|owner| self.named(owner)).collect();
        if more > 0 {
            named.push(format!("runs of {}", count(more, "more pipeline file")));
        }
        let named = named.join(", ");
        Some(format!("this cache has {named}; `kiln runs --all` lists them, and a run can be named by its id"))
    }

    fn named(&self, owner: &Owner) -> String {
        let file = if owner.project == self.project.root {
            render::stand::shown(&owner.pipeline)
        } else {
            owner.project.join(&owner.pipeline).display().to_string()
        };
        format!("{} of `{file}`", count(owner.runs, "run"))
    }

    /// Says whose a run is if it is not one of the pipeline file; tells whose it is.
    pub(crate) fn say_whose(&self, run: &RunRecord) -> Belongs {
        let belongs = self.store.belongs(run, &self.project);
        let file = match belongs {
            Belongs::Here => return belongs,
            Belongs::OtherFile => run.pipeline.clone(),
            Belongs::OtherProject => run.project.join(&run.pipeline),
        };
        let [file, own] = [&file, &self.project.pipeline].map(|file| render::stand::shown(file));
        render::talk(&format!("run {} is one of `{file}`, not of `{own}`\n", run.id));
        belongs
    }
}
