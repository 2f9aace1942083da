//! One execution of a stage: a folder with what it reads, an executor that runs it there, captured outputs. Of a built-in kind in `kind`,
//! of a command in `command`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::found::Found;
use super::rehearsal::Keeping;
use crate::diagnostic::with_causes;
use crate::engine::decide::decision::{Deciding, Decision, Missing, Verdict};
use crate::engine::decide::sources::Sources;
use crate::engine::executor::failure::{Failed, NoResult};
use crate::engine::executor::log::Log;
use crate::engine::executor::tail::last_lines;
use crate::engine::executor::{Attempt, End, Executor, Exit, Ports, Prepared, Reach, Work};
use crate::failure::Failure;
use crate::hash::{Artifact, Digest, Memo};
use crate::interrupt::Interrupt;
use crate::kind::Event;
use crate::name_map::NameMap;
use crate::pipeline::{Body, Pipeline, Stage};
use crate::store::{ActionResult, Store};

/// What an execution needs to know.
pub(crate) struct Execution<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) memo: &'a Memo,
    pub(crate) sources: &'a Sources,
    pub(crate) executor: &'a dyn Executor,
    pub(crate) stage: &'a Stage,
    pub(crate) decision: &'a Decision,
    /// Producers' artifacts, by input name, in order; `None` for documents.
    pub(crate) inputs: BTreeMap<String, Vec<Option<Artifact>>>,
    /// Threads the stage may use.
    pub(crate) threads: usize,
    pub(crate) log: Log<'a>,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) events: &'a (dyn Fn(Event) + Sync),
    /// What becomes of what it makes beside its result.
    pub(crate) keeping: Keeping<'a>,
    /// Whether the folder of an attempt that failed is kept, as the user asked.
    pub(crate) leaves_folder: bool,
    /// Hears what only those want to know who ask for it.
    pub(crate) detail: &'a (dyn Fn(String) + Sync),
    /// Whether its command may read what the stage does not declare, so that it is found.
    pub(crate) discovers: bool,
    /// What it has read of that, where it may.
    pub(crate) found: &'a Mutex<Found>,
    /// How it was decided, and from which stores.
    pub(crate) deciding: &'a Deciding<'a>,
    /// What came of it so far.
    pub(crate) course: Course,
}

/// How an execution goes, over all its attempts.
#[derive(Default)]
pub(crate) struct Course {
    /// The last step whose state was kept; 0 if there is none.
    reached: AtomicU64,
    /// Milliseconds that it waited for a place to run.
    queued: AtomicU64,
    /// The same of the last attempt.
    last_queued: AtomicU64,
    /// What whoever ran it last says of its outputs.
    digests: Mutex<BTreeMap<PathBuf, Digest>>,
}

impl Course {
    /// Notes that the state of a step was kept.
    pub(crate) fn reach(&self, step: u64) {
        self.reached.fetch_max(step, Ordering::Relaxed);
    }

    /// Whether an attempt has kept a state.
    pub(crate) fn has_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed) > 0
    }

    /// Whether an output, by its path in the folder of the attempt, is what was written elsewhere.
    pub(crate) fn agrees(&self, path: &Path, artifact: &Artifact) -> bool {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.get(path).is_none_or(|digest| *digest == artifact.digest)
    }

    /// How long an attempt took that has just ended well, without what it waited for a place to run.
    pub(crate) fn executed(&self, took: Duration) -> Duration {
        took.saturating_sub(Duration::from_millis(self.last_queued.load(Ordering::Relaxed)))
    }

    /// How long it waited for a place to run.
    pub(crate) fn queued(&self) -> Duration {
        Duration::from_millis(self.queued.load(Ordering::Relaxed))
    }
}

/// So often in a row an attempt may be lost before that is told as a failure.
const LOST: u32 = 5;

impl Execution<'_> {
    /// Whether what it makes beside its result is kept.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self.keeping, Keeping::Everything)
    }

    /// Executes the stage, again after a failure as often as it allows. An attempt that was lost does not count, nor does one that
    /// ran out of time and came further than those before.
    pub(crate) fn execute(&self) -> Result<ActionResult, NoResult> {
        let (mut attempt, mut lost) = (0, 0);
        loop {
            let reached = self.course.reached.load(Ordering::Relaxed);
            match self.attempt(attempt == self.stage.retries) {
                Err(NoResult::Lost(why)) if !self.interrupt.is_set() => {
                    let further = self.course.reached.load(Ordering::Relaxed) > reached;
                    lost = if further { 0 } else { lost + 1 };
                    if !further && (why.out_of_time || lost > LOST) {
                        return Err(NoResult::Failed(why.failed));
                    }
                    let why = why.failed.text();
                    let summary = why.lines().next().unwrap_or_default();
                    let what = if further { "it goes on from its last step" } else { "it is begun anew" };
                    self.say(format!("{summary}; {what}"));
                }
                Err(NoResult::Failed(failed)) if attempt < self.stage.retries && !self.interrupt.is_set() => {
                    attempt += 1;
                    let why = failed.text();
                    let summary = why.lines().next().unwrap_or_default();
                    let text = format!("{summary}; attempt {} of {}", attempt + 1, self.stage.retries + 1);
                    (self.events)(Event::Message { text });
                    // The log has all of them, one below the other.
                    self.log.begin_attempt(attempt + 1, self.stage.retries + 1);
                }
                other => return other,
            }
        }
    }

    fn attempt(&self, last: bool) -> Result<ActionResult, NoResult> {
        let began = Instant::now();
        match &self.stage.body {
            Body::Uses { kind, params } => self.attempt_kind(kind.as_ref(), params, began, last),
            Body::Run(command) => self.attempt_command(command, began, last),
        }
    }

    /// The stage, laid out, with what is to run.
    pub(crate) fn prepared(&self, work: Work, reach: Reach) -> Prepared<'_> {
        let takes_any_gpu = match &work {
            // Who names a device counts all of them.
            Work::Kind(job) => job.device == "auto",
            Work::Command(_) => true,
        };
        Prepared {
            work,
            reach,
            shown: vec![],
            observed: vec![],
            gpus: self.stage.resources.gpu,
            takes_any_gpu,
            timeout: self.stage.timeout,
            grace: self.stage.grace,
            log: self.log,
            identity: self.identity(),
            ports: Ports::default(),
        }
    }

    /// What tells other attempts at the same work. What was asked to be executed whatever there is has nothing to do with earlier
    /// attempts, nor has what is compared and not kept.
    fn identity(&self) -> Option<String> {
        let forced = matches!(self.decision.verdict, Verdict::Execute(Missing::Forced));
        (self.keeps() && !forced).then(|| self.decision.key.to_string())
    }

    /// What comes of how a stage has ended.
    pub(crate) fn judge(&self, exit: &Exit) -> Result<(), NoResult> {
        let waited = u64::try_from(exit.queued.as_millis()).unwrap_or(u64::MAX);
        self.course.queued.fetch_add(waited, Ordering::Relaxed);
        self.course.last_queued.store(waited, Ordering::Relaxed);
        self.course.digests.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&exit.digests);
        let failure = match exit.end {
            End::Code(0) => return Ok(()),
            End::Interrupted => return Err(NoResult::Interrupted),
            // Stopped by the same hand that stopped Kiln.
            End::Code(_) | End::Signal { .. } if self.interrupt.is_set() => return Err(NoResult::Interrupted),
            End::Code(code) => Failure::Exited { code },
            End::Signal { number, core_dumped } => Failure::Killed { signal: number, core_dumped },
            End::TimedOut => Failure::TimedOut { limit: self.stage.timeout.map(|limit| limit.as_secs_f64()) },
            // By whom says why.
            End::Stopped => return Err(Failure::Stopped.into()),
        };
        let failure = if exit.out_of_memory { Failure::OutOfMemory { failure: Box::new(failure) } } else { failure };
        let beside = self.tail().into_iter().chain(exit.advice.iter().cloned()).collect();
        Err(NoResult::Failed(Failed { failure, beside }))
    }

    /// A failure of a stage that ended well, and where what it wrote is kept.
    pub(crate) fn salvaged(&self, why: NoResult, folder: &Path) -> NoResult {
        why.map(|mut failed| {
            failed.beside.extend(self.salvage(folder, &NameMap::new()));
            failed
        })
    }

    /// An end without a result, and where the folder of the attempt is kept, if it is to be. After Ctrl-C there is nothing to add that to, and it
    /// is told.
    pub(crate) fn left(&self, why: NoResult, attempt: &dyn Attempt, last: bool, took: Duration) -> NoResult {
        let stopped = matches!(why, NoResult::Interrupted);
        if attempt.is_left() || !(stopped || last && matches!(why, NoResult::Failed(_))) {
            return why;
        }
        let name = self.stage.name.to_string();
        let has_states = self.stage.steps.is_some() || matches!(self.stage.body, Body::Uses { .. });
        let text = match () {
            () if !self.leaves_folder && (took < LONG || has_states) => return why,
            () if !self.leaves_folder => format!("hint: with `--keep '{name}'` what it has written would be kept"),
            () => match self.store.salvage(attempt.folder(), &name) {
                Ok(place) => format!("its folder is kept in {} for a week", place.display()),
                Err(error) => format!("its folder cannot be kept: {}", with_causes(&error)),
            },
        };
        if stopped {
            (self.events)(Event::Message { text: text.clone() });
        }
        why.map(|failed| failed.and(text))
    }

    pub(crate) fn say_where(&self, folder: &Path) {
        tracing::debug!(stage = %self.stage.name, scratch = %folder.display(), "executing");
    }

    /// Tells the user, and the log.
    pub(crate) fn say(&self, text: String) {
        self.log.say(&text);
        (self.events)(Event::Message { text });
    }

    /// The end of the log, for a failure's message.
    pub(crate) fn tail(&self) -> Vec<String> {
        last_lines(self.log.path, TAIL_LINES)
    }
}

/// Whoever waited longer is told how to keep what there is.
const LONG: Duration = Duration::from_secs(60);

/// So many lines at the end of a log are told with a failure.
const TAIL_LINES: usize = 12;

/// Says that the disk is full where a stage failed on it; it may not have been able to say so in its log.
pub(crate) fn on_full_disk(why: NoResult, folder: &Path) -> NoResult {
    let full = || rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_blocks > 0 && disk.f_bavail < FEW_BLOCKS);
    why.map(|failed| {
        if !full() {
            return failed;
        }
        let Failed { failure, beside } = failed;
        let failure = Failure::DiskFull { folder: folder.to_owned(), failure: Box::new(failure) };
        Failed { failure, beside }.and(format!(
            "hint: No space left on the disk of {}; `kiln gc` says what of the cache nobody needs",
            folder.display()
        ))
    })
}

/// A disk with no more free blocks than this is full.
const FEW_BLOCKS: u64 = 4;
