//! The runs that a command looks back on: those of one pipeline file.

use std::path::Path;

use kiln::catalog::catalog;
use kiln::engine::StoreEvidence;
use kiln::git::{Commit, GitError, Repository};
use kiln::record::{Git, RunRecord};
use kiln::show::number::count;
use kiln::store::{Belongs, Owner, Project, RunLookupError, RunSummary, Store, Traced};

use super::select::ProjectArgs;
use super::{Stop, project, render};

/// So many pipeline files with runs are named.
const NAMED: usize = 4;

/// What a name stands for.
pub(crate) enum Named {
    /// A run.
    Run(Box<RunRecord>),
    /// A commit that has none.
    Nothing(Box<NoRun>),
    /// A commit of which there are only runs with changes that were not committed: the last of these, and what is said of it where it serves.
    Changed(Box<RunRecord>, Box<NoRun>, String),
}

/// A commit without a run, and how it was named.
pub(crate) struct NoRun {
    pub(crate) name: String,
    pub(crate) commit: Commit,
}

/// What Git says of a name.
pub(crate) fn of_git(error: GitError) -> Stop {
    let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    Stop::Usage(format!("{error}{hint}"))
}

/// A pipeline file and the store that has its runs.
pub(crate) struct Past {
    pub(crate) store: Store,
    pub(crate) project: Project,
}

impl Past {
    /// The past of the pipeline file that the command line names, to look at.
    pub(crate) fn open(place: &ProjectArgs) -> Result<Self, Stop> {
        let root = project::root(&place.file)?;
        Ok(Self { store: project::store(place, &root)?, project: Project::at(&root, &place.file) })
    }

    /// The same with a store that is to be written to.
    pub(crate) fn open_to_write(place: &ProjectArgs) -> Result<Self, Stop> {
        let root = project::root(&place.file)?;
        Ok(Self { store: project::store_to_write(place, &root)?, project: Project::at(&root, &place.file) })
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.project.root
    }

    /// The record of the run that a name stands for. In this order: `latest`, `latest~1`; a whole id; a tag; a revision that Git has a name
    /// for; the beginning of an id; the beginning of a commit's hash.
    pub(crate) fn find(&self, name: &str) -> Result<RunRecord, Stop> {
        match self.look_up(name)? {
            Named::Run(run) => Ok(*run),
            Named::Changed(run, _, told) => {
                render::talk(&told);
                Ok(*run)
            }
            Named::Nothing(none) => Err(self.no_run_of(&none, &format!("kiln compare --run {name}"))),
        }
    }

    /// The same, telling which commit it is that has no run.
    pub(crate) fn look_up(&self, name: &str) -> Result<Named, Stop> {
        self.search(name)?.map_err(|error| self.told(error))
    }

    /// The same, telling that a name stands for nothing here.
    pub(crate) fn search(&self, name: &str) -> Result<Result<Named, RunLookupError>, Stop> {
        match self.store.named_run(name, Some(&self.project)) {
            Ok(Some(run)) => return Ok(Ok(Named::Run(Box::new(run)))),
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
        let repository = self.repository();
        let of_git = repository.as_ref().filter(|repository| repository.is_name(name));
        if let Some(repository) = of_git {
            return self.at(repository, name).map(Ok);
        }
        let error = match self.store.find_run(name, Some(&self.project)) {
            Ok(run) => return Ok(Ok(Named::Run(Box::new(run)))),
            Err(error) => error,
        };
        let none = matches!(error, RunLookupError::NoRuns | RunLookupError::Unknown { .. });
        match repository.filter(|repository| none && repository.commit(name).is_ok()) {
            Some(repository) => self.at(&repository, name).map(Ok),
            None => Ok(Err(error)),
        }
    }

    /// The path of the pipeline file in its repository, if it is in one.
    pub(crate) fn path_in_repository(&self) -> Option<String> {
        self.repository()?.path_of(&self.root().join(&self.project.pipeline))
    }

    /// The repository of the project, if there is one that can be read.
    fn repository(&self) -> Option<Repository> {
        Repository::of(self.root()).unwrap_or_else(|error| {
            let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            render::talk(&format!("{error}; revisions are not looked for{hint}\n"));
            None
        })
    }

    /// The run of a revision, which is told: the newest of that commit, else of one with the same files.
    fn at(&self, repository: &Repository, name: &str) -> Result<Named, Stop> {
        let commit = repository.commit(name).map_err(of_git)?;
        let file = repository.path_of(&self.root().join(&self.project.pipeline));
        let own = |run: &RunSummary, git: &Git| match &file {
            Some(file) => git.pipeline.as_ref() == Some(file),
            None => run.origin.pipeline.file_name() == self.project.pipeline.file_name(),
        };
        let of_commit = |run: &RunSummary, git: &Git| own(run, git) && git.commit.as_ref() == Some(&commit.id);
        let of_files = |run: &RunSummary, git: &Git| {
            own(run, git) && git.tree.as_ref() == Some(&commit.tree) && git.dirty == Some(false)
        };
        // Runs with other parameters set tell less of what the last one is compared with.
        let set = self.store.find_run("latest", Some(&self.project)).map(|run| run.set).unwrap_or_default();
        let run_at = |is: &dyn Fn(&RunSummary, &Git) -> bool| {
            self.store.run_at(is, &|run| run.set == set).map_err(|error| self.told(error))
        };
        let found = run_at(&of_commit)?;
        let clean = found.as_ref().is_some_and(|run| run.git.as_ref().and_then(|git| git.dirty) == Some(false));
        // A run of the files as they are tells more of the commit than one of changed files.
        let same = if clean { None } else { run_at(&of_files)? };
        let Some(run) = same.or(found) else {
            return Ok(Named::Nothing(Box::new(NoRun { name: name.to_owned(), commit })));
        };
        let git = run.git.clone().unwrap_or_default();
        let other = git.commit.as_deref().filter(|other| *other != commit.id);
        let other = other.map_or_else(String::new, |other| {
            format!(", of commit {}, which has the same files", other.get(..9).unwrap_or(other))
        });
        let dirty = match git.dirty {
            Some(true) => ", with changes that were not committed",
            Some(false) => "",
            None => ", perhaps with changes that were not committed",
        };
        let told = format!("{name} is commit {} ({}): run {}{other}{dirty}\n", commit.short(), commit.subject, run.id);
        let run = Box::new(run);
        if git.dirty == Some(true) {
            return Ok(Named::Changed(run, Box::new(NoRun { name: name.to_owned(), commit }), told));
        }
        render::talk(&told);
        Ok(Named::Run(run))
    }

    /// The commit that two revisions go back to.
    pub(crate) fn fork(&self, a: &str, b: &str) -> Result<String, Stop> {
        self.in_repository()?.fork(a, b).map(|commit| commit.id).map_err(of_git)
    }

    /// The repository that the project has to be in.
    pub(crate) fn in_repository(&self) -> Result<Repository, Stop> {
        let found = Repository::of(self.root()).map_err(of_git)?;
        found.ok_or_else(|| of_git(GitError::None { folder: self.root().to_owned() }))
    }

    /// There is no run of a commit: says how to get one.
    pub(crate) fn no_run_of(&self, none: &NoRun, command: &str) -> Stop {
        let NoRun { name, commit } = none;
        let runs = self.store.runs(None).unwrap_or_default();
        let has = |id: &str| runs.iter().any(|run| run.git.as_ref().and_then(|git| git.commit.as_deref()) == Some(id));
        let nearest = self.repository().and_then(|repository| repository.nearest(commit, &has));
        let nearest = nearest.map_or_else(String::new, |(near, back)| {
            let back = count(back, "commit");
            format!("; `{}` ({}), {back} before it, has one", near.short(), near.subject)
        });
        Stop::Usage(format!(
            "there is no run of commit {} ({}), which `{name}` is\n\
             hint: `{command}` checks it out into a folder of its own, and runs it{nearest}",
            commit.short(),
            commit.subject
        ))
    }

    /// There is only a run of changed files of a commit: says why no gate is held against it.
    pub(crate) fn changed_run(run: &RunRecord, none: &NoRun, command: &str) -> Stop {
        let NoRun { name, commit } = none;
        Stop::Usage(format!(
            "`{name}` is commit {} ({}), and all its runs had changes that were not committed: a gate would judge other code\n\
             hint: `{command}` checks the commit out into a folder of its own, and runs it; to compare with the last of these runs all the same, name it: `{}`",
            commit.short(),
            commit.subject,
            run.id
        ))
    }

    /// Says that a name stands for nothing.
    pub(crate) fn told(&self, error: RunLookupError) -> Stop {
        match error {
            RunLookupError::NoRuns => self.nothing(),
            RunLookupError::TooFarBack { .. } | RunLookupError::Unknown { .. } => {
                let hint = self.elsewhere().map_or_else(String::new, |others| format!("\nhint: {others}"));
                Stop::Usage(format!("{error}{hint}"))
            }
            other => Stop::Usage(other.to_string()),
        }
    }

    /// A run that goes on or was killed, by its name or the beginning of that.
    pub(crate) fn find_traced(&self, name: &str) -> Option<Traced> {
        let mut found = self.store.traces(None);
        found.retain(|run| !name.is_empty() && run.began.id.starts_with(name));
        if found.len() == 1 { found.pop() } else { None }
    }

    /// What the store kept of the stages of past runs.
    pub(crate) fn evidence(&self) -> StoreEvidence<'_> {
        StoreEvidence { store: &self.store, catalog: catalog() }
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
            Belongs::OtherFile => run.origin.pipeline.clone(),
            Belongs::OtherProject => run.origin.project.join(&run.origin.pipeline),
        };
        let [file, own] = [&file, &self.project.pipeline].map(|file| render::stand::shown(file));
        render::talk(&format!("run {} is one of `{file}`, not of `{own}`\n", run.id));
        belongs
    }
}
