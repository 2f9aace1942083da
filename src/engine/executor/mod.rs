//! The seam between a stage and whoever runs it.
//!
//! On one side a stage is prepared: a folder with all that it reads, and a [`Prepared`] that says what is to run there. On the other an
//! [`Executor`] runs it, wherever it likes, and says how it ended. Then what lies in the folder is captured. Nothing above the seam
//! knows processes; nothing below it knows keys, the store's results or the schedule.
//!
//! # What an executor owes
//!
//! - Its folder is on a file system that Kiln sees under the same path, and where a file can be moved into the store.
//! - Who works in the folder is gone, with all that he started, before [`Attempt::run`] returns. What he wrote is there to be seen.
//! - A command finds its variables and those that say which GPUs it has, and no others. It reads nothing and writes to the log.
//! - A built-in kind is Kiln's own worker: it is handed the job, and what it prints is events, a JSON object a line.
//! - Events, and what is said to the log, come in order and soon, for whoever watches. [`Listener::goes_on`] is asked a few times a
//!   second; a stage that is not to go on, or that the user interrupts, is asked to leave and killed after its time of grace.
//! - What the [`Reach`] does not name should be out of reach. Where nothing keeps it so, the user is told by [`Executor::remarks`].
//!
//! In reading order: `mod` has the seam, `failure` is why there is no result; what both sides know is `log` and `tail` (what a stage says),
//! `surroundings` (variables), `script` (shells) and `toolchain` (environments of a project).

pub(super) mod failure;
pub(super) mod log;
pub(super) mod script;
pub(super) mod software;
pub(super) mod surroundings;
pub(super) mod tail;
pub(super) mod toolchain;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::interrupt::Interrupt;
use crate::kind::{Event, Job};
use crate::pipeline::Stage;
use crate::store;
use failure::NoResult;
use log::Log;

/// Whoever runs stages.
pub(crate) trait Executor: Send + Sync {
    /// How much can run at once.
    fn capacity(&self) -> Share;

    /// Whether it has a stage run elsewhere, so that it takes no processor of this machine.
    fn is_elsewhere(&self, _stage: &Stage) -> bool {
        false
    }

    /// What the user is to be told when the run is asked to stop.
    fn farewell(&self) -> Option<String> {
        None
    }

    /// What the user should know before a stage runs, and was not told before.
    fn remarks(&self, stage: &Stage) -> Vec<String>;

    /// Begins an attempt at a stage: a folder of its own that holds these folders and nothing else.
    ///
    /// # Errors
    /// If there can be no such folder.
    fn attempt<'e>(&'e self, stage: &Stage, folders: &BTreeSet<PathBuf>) -> store::Result<Box<dyn Attempt + 'e>>;

    /// Cleans up after attempts that are over. Called when there is time for it.
    fn tidy(&self);
}

/// One attempt at a stage.
pub(crate) trait Attempt {
    /// Its folder, absolute. Who prepares the stage lays out in it what it reads, and looks in it for what it wrote.
    fn folder(&self) -> &Path;

    /// Whether what the stage does not declare is out of its reach.
    fn is_guarded(&self) -> bool;

    /// Whether it can show the stage what lies elsewhere, as [`Prepared::shown`] has it.
    fn can_show(&self) -> bool {
        false
    }

    /// Whether it can tell what the stage reads, as [`Prepared::observed`] has it.
    fn can_observe(&self) -> bool {
        false
    }

    /// Runs the stage, which is laid out by now, and waits until it has ended.
    ///
    /// # Errors
    /// If it cannot be run. However a stage that ran has ended is no error here.
    fn run(&self, prepared: &Prepared<'_>, listener: &Listener<'_>, interrupt: &Interrupt) -> Result<Exit, NoResult>;

    /// Whether it goes on though nobody waits for it any more: its folder stays what it is.
    fn is_left(&self) -> bool {
        false
    }

    /// Ends it: nobody needs what lies in its folder any more. An attempt that is dropped without that leaves nothing, too; it may
    /// have gone wrong.
    fn end(self: Box<Self>);
}

/// A stage that is laid out in a folder, and ready to be run.
pub(crate) struct Prepared<'a> {
    /// What is to run.
    pub(crate) work: Work,
    /// What it may touch beside its folder.
    pub(crate) reach: Reach,
    /// What it sees in its folder and lies elsewhere; nothing where [`Attempt::can_show`] says no.
    pub(crate) shown: Vec<Shown>,
    /// Folders of which everything may be read, and is told by [`Exit::seen`] what was; nothing where [`Attempt::can_observe`] says no.
    pub(crate) observed: Vec<PathBuf>,
    /// How many GPUs it is to have, if it may be told which.
    pub(crate) gpus: usize,
    /// Whether it takes what GPU it is given; if not, it names one itself.
    pub(crate) takes_any_gpu: bool,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// How long it may take to leave once it is asked to.
    pub(crate) grace: Duration,
    /// Where what it says goes.
    pub(crate) log: Log<'a>,
    /// What tells whether another attempt is at the same work; `None` if none is to stand in for this one.
    pub(crate) identity: Option<String>,
    /// What of all that is in its folder somebody else may have to know.
    pub(crate) ports: Ports,
}

/// Paths in the folder of an attempt, relative to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ports {
    /// What it reads and must leave alone.
    pub(crate) inputs: Vec<PathBuf>,
    /// What it is to write.
    pub(crate) outputs: Vec<PathBuf>,
    /// The folder in which it leaves states, and the file of metrics that grows with them.
    pub(crate) states: Option<(PathBuf, PathBuf)>,
}

/// A file or a folder that a stage reads where it lies, under the path of its own that it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Where it lies, absolute.
    pub(crate) source: PathBuf,
    /// Where the stage is to see it, without the right to write: an empty file or folder in the folder of the attempt.
    pub(crate) place: PathBuf,
}

/// What is to run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Work {
    /// A built-in kind, in a worker of Kiln's.
    Kind(Job),
    /// A command.
    Command(Program),
}

/// A command as it is started.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Program {
    /// The program: a path, or a name to look for in the folders of `PATH`.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its variables.
    #[serde(with = "pairs")]
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// The folder that it is started in, absolute.
    pub(crate) folder: PathBuf,
    /// Whether it has Kiln's own input and output, and the terminal if that is one. What it says goes to no log then.
    pub(crate) on_terminal: bool,
}

/// Variables as a list: a name need not be text, as a key of JSON has to be.
mod pairs {
    use super::{BTreeMap, Deserialize, OsString, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        variables: &BTreeMap<OsString, OsString>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        variables.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'d, D: serde::Deserializer<'d>>(
        from: D,
    ) -> Result<BTreeMap<OsString, OsString>, D::Error> {
        Ok(Vec::<(OsString, OsString)>::deserialize(from)?.into_iter().collect())
    }
}

/// What a stage may read beside its folder and the system's files.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// Files and folders.
    pub(crate) read: Vec<PathBuf>,
    /// Folders with files that have to be asked for by name.
    pub(crate) named: Vec<PathBuf>,
    /// Folders that it may also write in: lasting ones of tools.
    pub(crate) write: Vec<PathBuf>,
    /// Whether everything may be read: for outputs whose contents are known beforehand.
    pub(crate) everything: bool,
}

/// Who is told how a stage goes on.
pub(crate) struct Listener<'l> {
    /// Hears what a built-in kind announces. Waiting in it holds the kind up.
    pub(crate) events: &'l (dyn Fn(Event) + Sync),
    /// Whether the stage is to go on.
    pub(crate) goes_on: &'l dyn Fn() -> bool,
}

/// How a stage that was run has ended.
pub(crate) struct Exit {
    /// How.
    pub(crate) end: End,
    /// Whether the memory ran out that it was given.
    pub(crate) out_of_memory: bool,
    /// How long it waited for a place to run.
    pub(crate) queued: Duration,
    /// What whoever ran it says of its outputs: their paths in its folder, and digests.
    pub(crate) digests: BTreeMap<PathBuf, Digest>,
    /// What it reads of the folders in which it was observed.
    pub(crate) seen: Seen,
    /// What is to be said below a failure.
    pub(crate) advice: Vec<String>,
}

/// Paths that the programs of a stage named to the system, absolute, each as it was named, whether there was anything or not.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What was to be opened for reading, or started.
    pub(crate) read: BTreeSet<PathBuf>,
    /// Folders that were to be listed.
    pub(crate) listed: BTreeSet<PathBuf>,
    /// What it was asked of whether it is there.
    pub(crate) asked: BTreeSet<PathBuf>,
    /// What was to be opened for reading elsewhere on the machine, and is no software by its path.
    pub(crate) outside: BTreeSet<PathBuf>,
}

impl Seen {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        [&self.read, &self.listed, &self.asked, &self.outside].into_iter().all(BTreeSet::is_empty)
    }
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// By itself, with a code: 0 if all went well.
    Code(i32),
    /// By a signal that nobody here sent.
    Signal {
        /// Its number.
        number: i32,
        /// Whether its memory was written to a file.
        core_dumped: bool,
    },
    /// Stopped because its time was up.
    TimedOut,
    /// Stopped because it was not to go on.
    Stopped,
    /// Stopped because the user asked to stop.
    Interrupted,
}

impl End {
    /// The code that a stage ended with.
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            _ => None,
        }
    }
}

/// Processors and GPUs of this machine, and jobs elsewhere, that there are, that a stage asks for, or that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share {
    pub(crate) cpus: usize,
    pub(crate) gpus: usize,
    pub(crate) jobs: usize,
}

/// The folder of an attempt that a command takes for its home.
pub(crate) const HOME: &str = "home";
