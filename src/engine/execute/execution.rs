//! One execution of a stage: a scratch directory, a worker process (of a built-in kind here, of a command in `command`), its
//! steps kept on the way, captured outputs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::capture::Left;
use super::inputs::Linked;
use super::log;
use crate::diagnostic::with_causes;
use crate::engine::decide::checkpoints::Checkpoints;
use crate::engine::decide::decision::{Decision, Missing, Verdict, input_path, with_hint};
use crate::engine::decide::sources::Sources;
use crate::engine::local::guard::Limits;
use crate::engine::local::memory;
use crate::engine::local::process::{self, Ending};
use crate::engine::local::slot::Slots;
use crate::engine::local::worker::Assignment;
use crate::hash::{Artifact, Memo, tree};
use crate::interrupt::Interrupt;
use crate::kind::{self, Event, Job};
use crate::pipeline::{Body, From, Pipeline, Stage};
use crate::record::Resumed;
use crate::store::{ActionResult, Store, StoreError};

/// What an execution needs to know.
pub(crate) struct Execution<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) memo: &'a Memo,
    pub(crate) sources: &'a Sources,
    pub(crate) slots: &'a Slots<'a>,
    pub(crate) stage: &'a Stage,
    pub(crate) decision: &'a Decision,
    /// Producers' artifacts, by input name, in order; `None` for documents.
    pub(crate) inputs: BTreeMap<String, Vec<Option<Artifact>>>,
    /// Threads the stage may use.
    pub(crate) threads: usize,
    /// The program that runs built-in kinds: Kiln itself.
    pub(crate) worker: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) events: &'a (dyn Fn(Event) + Sync),
    /// Whether what was made is kept where it is not enough for a result.
    pub(crate) keeps: bool,
}

/// Why an execution gave no result.
pub(crate) enum Failure {
    /// The stage, or something around it, failed.
    Failed(String),
    /// The user asked to stop.
    Interrupted,
}

impl<E: std::error::Error + 'static> std::convert::From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &(dyn std::error::Error + 'static) = &error;
        let text = any.downcast_ref::<StoreError>().map_or_else(|| with_causes(&error), with_hint);
        Self::Failed(text)
    }
}

impl Execution<'_> {
    /// Executes the stage, again after a failure as often as it allows.
    pub(crate) fn execute(&self) -> Result<ActionResult, Failure> {
        self.slots.watch_memory();
        let mut attempt = 0;
        loop {
            match self.attempt() {
                Err(Failure::Failed(why)) if attempt < self.stage.retries && !self.interrupt.is_set() => {
                    attempt += 1;
                    let summary = why.lines().next().unwrap_or_default().to_owned();
                    let text = format!("{summary}; attempt {} of {}", attempt + 1, self.stage.retries + 1);
                    (self.events)(Event::Message { text });
                    // The log has all of them, one below the other.
                    let _ = self.open_log().map(|file| log::begin_attempt(file, attempt + 1, self.stage.retries + 1));
                }
                other => return other,
            }
        }
    }

    fn attempt(&self) -> Result<ActionResult, Failure> {
        let began = Instant::now();
        let (kind, params) = match &self.stage.body {
            Body::Uses { kind, params } => (kind, params),
            Body::Run(command) => return self.attempt_command(command, began),
        };
        let scratch = self.store.scratch(&self.stage.name.stage)?;
        self.say_where(scratch.path());
        let linked = self.linked()?;
        let ran = self
            .job(kind.name(), params.clone(), scratch.path())
            .and_then(|job| self.run_steps(job, scratch.path(), began, &linked));
        let names = self.names(scratch.path());
        // A source that was cut short is a memory fault to who had it mapped: what was changed comes before how that ended.
        if !matches!(ran, Err(Failure::Interrupted)) {
            self.unchanged(&linked).map_err(|failure| match &ran {
                Ok(_) => self.salvaged(failure, &scratch.path().join(OUTPUTS)),
                Err(own) => names.failure(also(failure, own)),
            })?;
        }
        let (outputs, resumed) = ran.map_err(|failure| names.failure(on_full_disk(failure, scratch.path())))?;
        let left = Left { outputs, folder: scratch.path().join(OUTPUTS) };
        self.capture(&left, began.elapsed(), resumed).map_err(|failure| names.failure(failure))
    }

    /// A failure of a stage that ended well, and where what it wrote is kept.
    pub(crate) fn salvaged(&self, failure: Failure, folder: &Path) -> Failure {
        match failure {
            Failure::Failed(why) => {
                let kept = self.salvage(folder, &BTreeMap::new()).map_or_else(String::new, |kept| format!("\n{kept}"));
                Failure::Failed(why + &kept)
            }
            Failure::Interrupted => failure,
        }
    }

    pub(crate) fn say_where(&self, scratch: &Path) {
        tracing::debug!(stage = %self.stage.name, scratch = %scratch.display(), "executing");
    }

    /// Runs a built-in kind, from its last step on if it is made of steps; returns what it wrote and went on from.
    fn run_steps(
        &self,
        mut job: Job,
        scratch: &Path,
        began: Instant,
        linked: &Linked,
    ) -> Result<(BTreeMap<String, PathBuf>, Option<Resumed>), Failure> {
        let Some(checkpoints) = Checkpoints::of(self.store, self.stage, self.decision) else {
            self.run_kind(&job, scratch, linked, &|_| {})?;
            return Ok((job.outputs, None));
        };
        let (from, folder) = (scratch.join("resume"), scratch.join("checkpoints"));
        fs::create_dir_all(&folder)?;
        let forced = matches!(self.decision.verdict, Verdict::Execute(Missing::Forced));
        let resumed = if forced { None } else { checkpoints.resume(&from, &|text| self.say(text))? };
        let resume = resumed.as_ref().map(|resumed| (resumed.step, from));
        job.checkpoints = kind::Checkpoints { resume, folder: Some(folder) };
        let told = AtomicBool::new(false);
        let keep = |announced: Announced| {
            let seconds = announced.at.duration_since(began).as_secs_f64();
            match self.keep(&checkpoints, &announced, seconds, resumed.clone(), linked) {
                Ok(()) => told.store(false, Ordering::Relaxed),
                // What is wrong with one step is mostly wrong with those after it.
                Err(_) if told.swap(true, Ordering::Relaxed) => {}
                Err(why) => self.say(format!("{} is not kept: {why}", checkpoints.name(announced.step))),
            }
        };
        self.run_kind(&job, scratch, linked, &keep)?;
        Ok((job.outputs, resumed))
    }

    /// Keeps the state after a step, or says why it cannot. That costs a later execution time and is no failure of this one.
    fn keep(
        &self,
        checkpoints: &Checkpoints,
        announced: &Announced,
        seconds: f64,
        resumed: Option<Resumed>,
        linked: &Linked,
    ) -> Result<(), String> {
        let name = checkpoints.name(announced.step);
        let kept = self
            .unchanged(linked)
            .and_then(|()| Ok(checkpoints.keep(announced.step, &announced.folder, seconds, resumed)?));
        let result = match kept {
            // Not in the stage's log: that is the same whenever the stage does the same.
            Ok(true) => {
                tracing::debug!(stage = %self.stage.name, "{name} is in the cache");
                Ok(())
            }
            Ok(false) => {
                self.say(format!("not deterministic: {name} differs from the one in the cache, which stays"));
                Ok(())
            }
            Err(Failure::Failed(why)) => Err(why),
            Err(Failure::Interrupted) => Ok(()),
        };
        // Its files were moved into the store; what is left goes with the scratch directory at the latest.
        let _ = fs::remove_dir_all(&announced.folder);
        result
    }

    /// Tells the user, and the log.
    pub(crate) fn say(&self, text: String) {
        let _ = self.open_log().map(|mut log| writeln!(log, "{text}"));
        (self.events)(Event::Message { text });
    }

    /// The work of a built-in kind, with its inputs laid out.
    fn job(&self, uses: &str, params: serde_json::Value, scratch: &Path) -> Result<Job, Failure> {
        let mut inputs = BTreeMap::new();
        for (name, items) in &self.stage.inputs {
            let mut paths = Vec::new();
            for (position, item) in items.iter().enumerate() {
                let file = input_path(self.pipeline, item);
                let file = file.file_name().unwrap_or_default();
                let path = scratch.join("inputs").join(name).join(position.to_string()).join(file);
                fs::create_dir_all(path.parent().unwrap_or(scratch))?;
                match self.decision.documents.get(&(name.clone(), position)) {
                    Some(bytes) => fs::write(&path, bytes)?,
                    None => self.link(name, position, item, &path)?,
                }
                paths.push((item.label.clone(), path));
            }
            inputs.insert(name.clone(), paths);
        }
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.stage.outputs {
            let path = scratch.join(OUTPUTS).join(name).join(output.path.file_name().unwrap_or_default());
            fs::create_dir_all(path.parent().unwrap_or(scratch))?;
            outputs.insert(name.clone(), path);
        }
        Ok(Job {
            uses: uses.to_owned(),
            params,
            inputs,
            outputs,
            threads: self.threads,
            device: self.stage.resources.device.clone(),
            project: self.pipeline.root.clone(),
            checkpoints: kind::Checkpoints::default(),
        })
    }

    /// Runs a built-in kind in a worker, as long as its sources stay as they are. `keep` is handed each step that it announces, beside the
    /// worker.
    fn run_kind(
        &self,
        job: &Job,
        scratch: &Path,
        linked: &Linked,
        keep: &(dyn Fn(Announced) + Sync),
    ) -> Result<(), Failure> {
        let mut command = Command::new(self.worker);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(self.open_log()?);
        // Stages read no environment; these bound the thread pools of the libraries under them.
        command.env("RAYON_NUM_THREADS", job.threads.to_string()).env("CANDLE_NUM_THREADS", "1");
        command.env("TMPDIR", scratch).envs(ALLOCATOR);
        // Who names a device counts all of them.
        let gpus = self.slots.gpus().lend(self.stage.resources.gpu);
        if self.stage.resources.device == "auto" {
            command.envs(gpus.variables());
        }
        let mut child = process::spawn(&mut command).map_err(|e| cannot_start(self.worker.as_os_str(), &e))?;
        let mut stdin = child.stdin.take().ok_or_else(|| Failure::Failed("the worker has no standard input".into()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::Failed("the worker has no standard output".into()))?;
        let mut line = serde_json::to_vec(&Assignment { job: job.clone(), limits: self.kind_limits(scratch)? })?;
        line.push(b'\n');
        // A worker that is already gone says why by its exit status.
        let _ = stdin.write_all(&line);
        // Bounded: a worker that is faster than the disk waits rather than fill it with what is not kept yet.
        let (steps, announced): (SyncSender<Announced>, Receiver<Announced>) = sync_channel(BACKLOG);
        let ending = std::thread::scope(|scope| {
            scope.spawn(move || self.relay(BufReader::new(stdout), &steps));
            scope.spawn(move || announced.into_iter().for_each(keep));
            let next = Cell::new(Instant::now() + LOOKS);
            let tick = || {
                log::keep_short(self.log);
                let begun = Instant::now();
                if begun < next.get() {
                    return true;
                }
                // What comes of a source that was changed is thrown away: the sooner it ends, the less that is.
                let goes_on = self.unchanged(linked).is_ok();
                // Of many files a look takes its time.
                next.set(Instant::now() + LOOKS.max(begun.elapsed() * 50));
                goes_on
            };
            process::wait(&mut child, self.stage.timeout, self.stage.grace, self.interrupt, &tick)
        })?;
        drop(stdin);
        drop(gpus);
        self.judge(ending)
    }

    /// What a built-in kind may touch: its inputs, which are links out of its scratch directory, and that.
    fn kind_limits(&self, scratch: &Path) -> Result<Option<Limits>, Failure> {
        let Some(mut limits) = self.slots.guard().limits() else { return Ok(None) };
        for item in self.stage.inputs.values().flatten() {
            let From::Source(path) = &item.from else { continue };
            let path = self.pipeline.root.join(path);
            // Of a link the kernel looks at where it leads, also of one in a folder.
            limits.read.extend(path.canonicalize().ok());
            if path.is_dir() {
                limits.read.extend(tree::followed(&path)?);
            }
        }
        // Who knows a blob's name knows what is in it.
        limits.named = vec![self.store.root().join("objects")];
        limits.write = vec![scratch.to_owned()];
        // What it brings in is checked against a digest, wherever it comes from.
        limits.everything = matches!(&self.stage.body, Body::Uses { kind, params } if kind.fixed(params).is_some_and(|f| !f.is_empty()));
        Ok(Some(limits))
    }

    /// Passes a worker's events on; whatever else it prints goes to the log.
    fn relay(&self, lines: impl BufRead, steps: &SyncSender<Announced>) {
        let Ok(mut log) = self.open_log() else { return };
        for line in lines.lines().map_while(Result::ok) {
            match serde_json::from_str::<Event>(&line) {
                Ok(Event::Checkpoint { step, folder }) => {
                    let _ = steps.send(Announced { step, folder, at: Instant::now() });
                }
                Ok(event) => {
                    if let Event::Message { text } = &event {
                        let _ = writeln!(log, "{text}");
                    }
                    (self.events)(event);
                }
                Err(_) => {
                    let _ = writeln!(log, "{line}");
                }
            }
        }
    }

    pub(crate) fn judge(&self, ending: Ending) -> Result<(), Failure> {
        match ending {
            Ending::Exited(status) if status.success() => Ok(()),
            // Stopped by the same hand that stopped Kiln.
            Ending::Exited(_) if self.interrupt.is_set() => Err(Failure::Interrupted),
            Ending::Exited(status) => {
                let killed = memory::killed(status, || self.slots.memory_has_run_out());
                let killed = killed.map_or_else(String::new, |why| format!(": {why}"));
                Err(Failure::Failed(format!("{status}{killed}{}", self.tail())))
            }
            Ending::TimedOut => {
                let limit = self.stage.timeout.map_or_else(String::new, |t| format!(" of {}", seconds(t)));
                Err(Failure::Failed(format!("stopped at its timeout{limit}{}", self.tail())))
            }
            // By whom says why.
            Ending::Stopped => Err(Failure::Failed(String::new())),
            Ending::Interrupted => Err(Failure::Interrupted),
        }
    }

    /// The log.
    pub(crate) fn open_log(&self) -> Result<File, Failure> {
        let open = || File::options().create(true).read(true).append(true).open(self.log);
        match open() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                self.store.make_folder(self.log.parent().unwrap_or(self.log))?;
                Ok(open()?)
            }
            other => Ok(other?),
        }
    }

    /// The end of the log, for a failure's message.
    pub(crate) fn tail(&self) -> String {
        let lines = super::tail::last_lines(self.log, TAIL_LINES);
        lines.into_iter().map(|line| format!("\n{line}")).collect()
    }
}

/// A step whose state a worker has left in a folder, and when.
struct Announced {
    step: u64,
    folder: PathBuf,
    at: Instant,
}

/// The folder of a scratch directory that a built-in kind writes to.
const OUTPUTS: &str = "outputs";

/// So many announced steps wait to be kept.
const BACKLOG: usize = 2;

pub(crate) const TAIL_LINES: usize = 12;

/// What glibc's allocator is told in a worker: keep what is freed. A training step frees and asks again for the same
/// megabytes; giving them back to the system each time costs a fifth of it. Other allocators do not listen.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_TRIM_THRESHOLD_", "4000000000"), ("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TOP_PAD_", "67108864")];

pub(crate) fn cannot_start(program: &std::ffi::OsStr, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => "; is it installed, and on PATH?",
        _ => "",
    };
    Failure::Failed(format!("cannot start {}: {error}{hint}", program.display()))
}

/// Says that the disk is full where a stage failed on it; it may not have been able to say so in its log.
pub(crate) fn on_full_disk(failure: Failure, scratch: &Path) -> Failure {
    let full = || rustix::fs::statvfs(scratch).is_ok_and(|disk| disk.f_blocks > 0 && disk.f_bavail < FEW_BLOCKS);
    match failure {
        Failure::Failed(text) if full() => {
            Failure::Failed(format!("{text}\nhint: No space left on the disk of {}", scratch.display()))
        }
        other => other,
    }
}

/// At least so long is between two looks at the sources that a built-in kind reads.
const LOOKS: Duration = Duration::from_secs(2);

/// A disk with no more free blocks than this is full.
const FEW_BLOCKS: u64 = 4;

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// A failure with what else went wrong, if something did.
fn also(failure: Failure, own: &Failure) -> Failure {
    match (failure, own) {
        (Failure::Failed(why), Failure::Failed(own)) if !own.is_empty() => Failure::Failed(format!("{why}\n{own}")),
        (failure, _) => failure,
    }
}
