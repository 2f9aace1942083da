//! What Kiln asks of the scheduler of a cluster: to run jobs, to say what has become of them, and to cancel them.
//!
//! What a scheduler says is a hint when to look, and never a result: that is in the record that a job writes itself.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};

use crate::pipeline::Wishes;

/// Who runs the jobs of a cluster.
pub(super) trait Scheduler: Send {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Why nobody here can speak to it, with a hint on a line of its own, if nobody can.
    fn missing(&self) -> Option<String>;

    /// How many jobs can be submitted at once.
    fn most(&mut self) -> usize;

    /// The variable in which a job finds which of its batch it is, if several can be submitted at once.
    fn index_variable(&self) -> Option<&'static str>;

    /// How many megabytes of memory a job has, as a shell on its node reads it; nothing or 0 if that is not known there.
    fn memory(&self, wants: &Wants) -> String {
        wants.megabytes().map_or_else(String::new, |megabytes| megabytes.to_string())
    }

    /// What it calls a job of a batch.
    fn name_of(&self, batch: &str, index: usize) -> String;

    /// Submits a batch.
    fn submit(&mut self, batch: &Batch<'_>) -> Answer;

    /// What has become of the jobs of some batches. A job that is not told of is not known.
    ///
    /// # Errors
    /// If nothing can be told.
    fn poll(&mut self, batches: &[Known]) -> Result<Vec<Job>, String>;

    /// Cancels jobs. That it was asked for says nothing.
    ///
    /// # Errors
    /// If it could not be asked for.
    fn cancel(&mut self, jobs: &[String]) -> Result<(), String>;

    /// How long a job is known after its end, if that is known.
    fn remembers(&self) -> Option<Duration> {
        None
    }
}

/// Jobs that are submitted together.
pub(super) struct Batch<'a> {
    /// Its name, which no other has.
    pub(super) name: &'a str,
    /// The folder of the script, where the outputs of the jobs go, too.
    pub(super) folder: &'a Path,
    /// The script of each job.
    pub(super) script: &'a Path,
    /// Whether nodes see that folder.
    pub(super) is_seen: bool,
    /// How many jobs there are.
    pub(super) jobs: usize,
    /// What each asks for.
    pub(super) wants: &'a Wants,
    /// What is said of them to people.
    pub(super) comment: &'a str,
}

/// What a job asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wants {
    pub(super) cpus: usize,
    pub(super) gpus: usize,
    pub(super) wishes: Wishes,
}

impl Wants {
    /// How many megabytes of memory it asks for, if it does.
    pub(super) fn megabytes(&self) -> Option<u64> {
        self.wishes.memory.map(|bytes| bytes.div_ceil(1 << 20))
    }
}

/// A batch that was submitted, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    /// What the scheduler calls it.
    pub(super) id: Option<String>,
}

/// What came of submitting a batch.
pub(super) enum Answer {
    /// It is there, under this name of the scheduler's.
    Accepted(String),
    /// It was refused, for good.
    Refused(String),
    /// There is no room for it now.
    Busy(String),
    /// It may be there or not.
    Unknown(String),
}

/// A job as the scheduler has it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The name of its batch, and which of it it is.
    pub(super) batch: String,
    pub(super) index: usize,
    /// What the scheduler calls it.
    pub(super) id: String,
    pub(super) state: State,
}

/// What has become of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for this.
    Queued(String),
    /// It waits, and will not start as it is.
    Stuck(String),
    /// It was put back into the queue after it was begun, unless it waits for a time that it asked for.
    PutBack(String),
    /// It could not be started, and is held.
    Held(String),
    /// It runs, or is about to begin or to end.
    Running,
    /// It is over.
    Over(Over),
}

/// How a job ended, as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// By itself, or so it is said.
    Itself(String),
    /// Its time was up.
    OutOfTime,
    /// Its memory ran out.
    OutOfMemory,
    /// Somebody cancelled it.
    Cancelled,
    /// Its machine was lost or needed for another.
    Lost(String),
}

/// What a command of a scheduler has said.
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether its time was up.
    pub(super) timed_out: bool,
}

impl Said {
    /// The first line that says why.
    pub(super) fn why(&self) -> String {
        let lines = self.stderr.lines().chain(self.stdout.lines()).map(str::trim);
        let line = lines.into_iter().find(|line| !line.is_empty()).map(str::to_owned);
        match line {
            Some(line) => line,
            None if self.timed_out => "it gives no answer".into(),
            None => format!("it ended with {:?} and said nothing", self.code),
        }
    }
}

/// Whether a program can be started: by its path from a folder, or in the folders of `PATH`.
pub(super) fn is_there(program: &str, folder: &Path) -> bool {
    let can_start = |path: PathBuf| access(&path, Access::EXEC_OK).is_ok() && path.is_file();
    if program.contains('/') {
        return can_start(folder.join(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| can_start(folder.join(program)))
}

/// Runs a command of a scheduler, for so long and no longer.
///
/// # Errors
/// If it cannot be started.
pub(super) fn ask(command: &mut Command, limit: Duration) -> io::Result<Said> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<&mut dyn io::Read>| {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let deadline = Instant::now() + limit;
    std::thread::scope(|scope| {
        let out = scope.spawn(move || read(stdout.map(Box::new).as_deref_mut().map(|pipe| pipe as &mut dyn io::Read)));
        let err = scope.spawn(move || read(stderr.map(Box::new).as_deref_mut().map(|pipe| pipe as &mut dyn io::Read)));
        let (mut timed_out, mut pause) = (false, Duration::from_millis(2));
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if !timed_out && Instant::now() >= deadline {
                timed_out = true;
                let _ = child.kill();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        Ok(Said { code: status.code(), stdout, stderr, timed_out })
    })
}
