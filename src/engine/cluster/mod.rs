//! The executor of a cluster: stages are jobs there, and Kiln here lays them out, waits and captures.
//!
//! # What is true
//!
//! A job's record is. The job claims the folder of its attempt, runs the stage through the local executor, and renames a record into
//! place that names the attempt and holds the digests of what it wrote. What the scheduler says is when to look, and what became of a
//! job that left no record. Whoever gives an attempt up claims it first, so that no late job can begin; if it is claimed, it is called
//! off and cancelled. No folder is used for two attempts.
//!
//! # When Kiln dies
//!
//! Attempts and batches are folders of the store. The next run finds those of its stages by their identity, and goes on waiting.
//!
//! # Without a shared file system
//!
//! Both sides have a folder for the attempt, and the remote cache carries what one says to the other. Nobody else may write or read that:
//! it is closed under a seal, which goes with the job's script. Contents are checked by their digests. The claim is an object that one job
//! makes; should a server let two do so, one of them is listened to, and neither sees what the other writes.
//!
//! In reading order: `mod` is the executor, `attempt` one attempt as it is seen from here, `verdict` what becomes of one whose job is
//! over and `telling` what is told of it, `job` the other side, with a `gauge` of its memory; `attempt_folder` is what both share. `earlier`
//! finds what an earlier Kiln left. `keeper` has the `tracks` of all jobs; its thread makes `rounds`, in which it submits a `batch`, asks and
//! cancels; the `scheduler` is `slurm` or `command`s of the user's. `away` and `away_job` are the two sides without a shared file system: in
//! a `mailbox` they leave each other a `letter` with a `bundle` of files, `sealed` as both know. The job's `courier` writes its letters.

mod attempt;
mod attempt_folder;
mod away;
mod away_job;
mod batch;
mod bundle;
mod command;
mod courier;
mod earlier;
mod gauge;
mod job;
mod keeper;
mod letter;
mod mailbox;
mod relay;
mod rounds;
mod scheduler;
mod sealed;
mod slurm;
mod telling;
mod tracks;
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use away_job::job_away;
pub use job::job;

use self::attempt::ClusterAttempt;
use self::attempt_folder::AttemptFolder;
use self::away::Away;
use self::batch::Way;
use self::command::UserCommands;
use self::earlier::Earlier;
use self::keeper::Keeper;
use self::slurm::Slurm;
use super::executor::failure::{Failed, NoResult};
use super::executor::{Attempt, Executor, Exit, Listener, Prepared, Share, script};
use super::local::Local;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pipeline::{self, Body, Pipeline, Stage};
use crate::remote::Remote;
use crate::store::{self, Scratch, Store, StoreError};

/// A cluster, and this machine for what stays here.
pub(crate) struct Cluster<'a> {
    here: Local<'a>,
    pipeline: &'a Pipeline,
    store: &'a Store,
    /// Kiln itself.
    program: &'a Path,
    spec: &'a pipeline::Cluster,
    remote: Option<&'a Remote>,
    /// Whether jobs go on when the run is stopped.
    leaves: bool,
    interrupt: &'a Interrupt,
    /// Made when the first stage is to run there: who has nothing to do asks the cluster nothing.
    contact: OnceLock<Result<Contact, String>>,
    told_of_pipes: AtomicBool,
}

/// What there is once a stage is to run there.
struct Contact {
    keeper: Keeper,
    /// How jobs are reached that do not see the project.
    away: Option<Away>,
    jobs: PathBuf,
    earlier: Mutex<Earlier>,
}

impl<'a> Cluster<'a> {
    /// A cluster; `here` runs what stays.
    pub(crate) fn new(
        here: Local<'a>,
        pipeline: &'a Pipeline,
        store: &'a Store,
        program: &'a Path,
        spec: &'a pipeline::Cluster,
        leaves: bool,
        interrupt: &'a Interrupt,
    ) -> Self {
        let (contact, told_of_pipes, remote) = (OnceLock::new(), AtomicBool::new(false), None);
        Self { here, pipeline, store, program, spec, remote, leaves, interrupt, contact, told_of_pipes }
    }

    /// The same with a remote cache, if there is one: by way of it go jobs that do not see the project.
    pub(crate) fn by_way_of(self, remote: Option<&'a Remote>) -> Self {
        Self { remote, ..self }
    }

    fn contact(&self) -> Result<&Contact, String> {
        let made = self.contact.get_or_init(|| Contact::make(self));
        made.as_ref().map_err(Clone::clone)
    }

    /// Whether jobs go on when the user asks to stop: by Ctrl-C he asks to cancel them unless he said otherwise.
    fn leaves(&self, interrupt: &Interrupt) -> bool {
        self.leaves || !interrupt.is_pressed()
    }

    fn latency(&self) -> Duration {
        self.spec.latency
    }
}

impl Contact {
    fn make(cluster: &Cluster<'_>) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let scheduler: Box<dyn scheduler::Scheduler> = match &cluster.spec.scheduler {
            pipeline::Scheduler::Slurm => Box::new(Slurm::default()),
            pipeline::Scheduler::Command(commands) => {
                Box::new(UserCommands::new(commands.clone(), &cluster.pipeline.root))
            }
        };
        if let Some(why) = scheduler.missing() {
            return Err(why);
        }
        let away = cluster.spec.scratch.as_ref().map(|scratch| Away::make(scratch, cluster.remote)).transpose()?;
        let jobs = cluster.store.jobs().map_err(|error| text(&error))?;
        let earlier = Mutex::new(Earlier::look(&jobs, &cluster.pipeline.root));
        let mut way = Way { jobs: jobs.clone(), program: cluster.program.to_owned(), away: None };
        way.away = away.as_ref().map(|away| away.places()).map(|(address, scratch)| (address.into(), scratch.into()));
        let keeper = Keeper::start(scheduler, way, cluster.spec.patience);
        Ok(Self { keeper: keeper.map_err(|error| text(&error))?, away, jobs, earlier })
    }

    fn earlier(&self) -> std::sync::MutexGuard<'_, Earlier> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Cluster<'_> {
    fn capacity(&self) -> Share {
        Share { jobs: self.spec.jobs, ..self.here.capacity() }
    }

    fn is_elsewhere(&self, stage: &Stage) -> bool {
        let said = stage.elsewhere.as_ref().and_then(|elsewhere| elsewhere.local);
        // What fetches is done where there is a network: nodes often have none.
        let fetches = match &stage.body {
            Body::Uses { kind, params } => kind.fixed(params).is_some_and(|pinned| !pinned.is_empty()),
            Body::Run(_) => false,
        };
        !said.unwrap_or(fetches)
    }

    fn farewell(&self) -> Option<String> {
        // Before the first job there is nothing to be said of jobs.
        self.contact.get()?.as_ref().ok()?;
        Some(if self.leaves(self.interrupt) {
            "stopping: jobs go on, and the next run takes their results; stages on this machine are asked to end".into()
        } else {
            "stopping: jobs are cancelled, and stages on this machine are asked to end; a second Ctrl-C leaves at once, and jobs go on"
                .into()
        })
    }

    fn remarks(&self, stage: &Stage) -> Vec<String> {
        if !self.is_elsewhere(stage) {
            return self.here.remarks(stage);
        }
        let pipes = script::lacking(stage).filter(|_| !self.told_of_pipes.swap(true, Ordering::Relaxed));
        pipes.map(str::to_owned).into_iter().collect()
    }

    fn attempt<'e>(&'e self, stage: &Stage, folders: &BTreeSet<PathBuf>) -> store::Result<Box<dyn Attempt + 'e>> {
        if !self.is_elsewhere(stage) {
            return self.here.attempt(stage, folders);
        }
        let contact = match self.contact() {
            Ok(contact) => contact,
            Err(why) => {
                let mut scratch = self.store.scratch(&stage.name.stage)?;
                scratch.fit(folders.iter().map(PathBuf::as_path))?;
                return Ok(Box::new(OutOfReach { scratch, why }));
            }
        };
        let made = AttemptFolder::make(&contact.jobs, &stage.name.to_string());
        let folder = made.map_err(StoreError::io("create a folder in", &contact.jobs))?;
        for part in folders {
            let path = folder.stage().join(part);
            fs::create_dir_all(&path).map_err(StoreError::io("create the folder", &path))?;
        }
        Ok(Box::new(ClusterAttempt::new(self, contact, stage, folder)))
    }

    fn tidy(&self) {
        self.here.tidy();
    }
}

/// An attempt where there is no cluster.
struct OutOfReach {
    scratch: Scratch,
    why: String,
}

impl Attempt for OutOfReach {
    fn folder(&self) -> &Path {
        self.scratch.path()
    }

    fn is_guarded(&self) -> bool {
        true
    }

    fn run(&self, _: &Prepared<'_>, _: &Listener<'_>, _: &Interrupt) -> Result<Exit, NoResult> {
        let (why, hint) = self.why.split_once('\n').unwrap_or((&self.why, ""));
        let failed = Failed::from(Failure::Other { why: why.to_owned() });
        Err(NoResult::Failed(if hint.is_empty() { failed } else { failed.and(hint) }))
    }

    fn end(self: Box<Self>) {}
}

/// Moves an output, if there is one, over what is in its place.
fn take(from: &Path, to: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(from).is_err() {
        return Ok(());
    }
    let _ = store::remove_all(to);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(from, to)
}
