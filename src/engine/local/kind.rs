//! Running a built-in kind: in a worker process, which is handed its job on standard input and prints events.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::guard::Limits;
use super::process;
use super::worker::Assignment;
use super::{KindAttempt, cannot_start};
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::log::{self, Log};
use crate::engine::executor::{Attempt, Exit, Listener, Prepared, Reach, Work};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::kind::{Event, Job};

/// What glibc's allocator is told in a worker: keep what is freed. A training step frees and asks again for the same
/// megabytes; giving them back to the system each time costs a fifth of it. Other allocators do not listen.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_TRIM_THRESHOLD_", "4000000000"), ("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TOP_PAD_", "67108864")];

impl Attempt for KindAttempt<'_> {
    fn folder(&self) -> &Path {
        self.scratch.path()
    }

    fn is_guarded(&self) -> bool {
        self.local.guard.is_there()
    }

    fn run(&self, prepared: &Prepared<'_>, listener: &Listener<'_>, interrupt: &Interrupt) -> Result<Exit, NoResult> {
        let Work::Kind(job) = &prepared.work else {
            return Err(Failure::Other { why: "a command is no built-in kind".into() }.into());
        };
        self.run_job(job, prepared, listener, interrupt)
    }

    fn end(self: Box<Self>) {}
}

impl KindAttempt<'_> {
    fn run_job(
        &self,
        job: &Job,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<Exit, NoResult> {
        let log = prepared.log;
        let mut command = Command::new(self.local.program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.open()?);
        // Stages read no environment; these bound the thread pools of the libraries under them.
        command.env("RAYON_NUM_THREADS", job.threads.to_string()).env("CANDLE_NUM_THREADS", "1");
        command.env("TMPDIR", self.folder()).envs(ALLOCATOR);
        let gpus = self.local.gpus.lend(prepared.gpus);
        if prepared.takes_any_gpu {
            command.envs(gpus.variables());
        }
        let mut child =
            process::spawn(&mut command).map_err(|error| cannot_start(self.local.program.as_os_str(), &error))?;
        let lacks = |what: &str| NoResult::from(Failure::Other { why: format!("the worker has no standard {what}") });
        let mut stdin = child.stdin.take().ok_or_else(|| lacks("input"))?;
        let stdout = child.stdout.take().ok_or_else(|| lacks("output"))?;
        let limits = self.limits(&prepared.reach);
        let mut line = serde_json::to_vec(&Assignment { job: job.clone(), limits })?;
        line.push(b'\n');
        // A worker that is already gone says why by its exit status.
        let _ = stdin.write_all(&line);
        let ending = std::thread::scope(|scope| {
            scope.spawn(|| relay(BufReader::new(stdout), log, listener.events));
            let tick = || {
                log::keep_short(log.path);
                (listener.goes_on)()
            };
            process::wait(&mut child, prepared.timeout, prepared.grace, interrupt, &tick)
        })?;
        drop(stdin);
        drop(gpus);
        Ok(self.local.exit(ending))
    }

    /// What it may touch: its inputs, which are links out of its scratch directory, and that.
    fn limits(&self, reach: &Reach) -> Option<Limits> {
        let limits = self.local.guard.limits()?;
        Some(Limits {
            read: reach.read.clone(),
            named: reach.named.clone(),
            everything: reach.everything,
            write: vec![self.scratch.path().to_owned()],
            ..limits
        })
    }
}

/// Passes a worker's events on; whatever else it prints goes to the log.
fn relay(lines: impl BufRead, log: Log<'_>, events: &(dyn Fn(Event) + Sync)) {
    let Ok(mut log) = log.open() else { return };
    for line in lines.lines().map_while(Result::ok) {
        match serde_json::from_str::<Event>(&line) {
            Ok(event) => {
                if let Event::Message { text } = &event {
                    let _ = writeln!(log, "{text}");
                }
                events(event);
            }
            Err(_) => {
                let _ = writeln!(log, "{line}");
            }
        }
    }
}
