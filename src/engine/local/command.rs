//! Running a command: in a slot, under its limits, known to the watchdog.

use std::cell::Cell;
use std::io::{self, Seek as _};
use std::path::Path;
use std::process::ExitStatus;

use rustix::process::Pid;

use super::process::{self, Ending, Waited};
use super::spawn::{self, Started};
use super::watchdog::Entry;
use super::{CommandAttempt, cannot_start};
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{Attempt, Exit, Listener, Prepared, Program, Work, log};
use crate::failure::Failure;
use crate::interrupt::Interrupt;

impl Attempt for CommandAttempt<'_> {
    fn folder(&self) -> &Path {
        self.slot.path()
    }

    fn is_guarded(&self) -> bool {
        self.local.guard.is_there()
    }

    fn run(&self, prepared: &Prepared<'_>, listener: &Listener<'_>, interrupt: &Interrupt) -> Result<Exit, NoResult> {
        let Work::Command(program) = &prepared.work else {
            return Err(Failure::Other { why: "a built-in kind is no command".into() }.into());
        };
        let gpus = self.local.gpus.lend(prepared.gpus);
        let gpu_variables = if prepared.takes_any_gpu { gpus.variables() } else { vec![] };
        let ending = self.wait_for(program, gpu_variables, prepared, listener, interrupt)?;
        drop(gpus);
        Ok(self.local.exit(ending))
    }

    fn end(self: Box<Self>) {
        self.local.slots.give_back(self.slot);
    }
}

impl CommandAttempt<'_> {
    /// Starts a command and waits until it ends.
    fn wait_for(
        &self,
        program: &Program,
        gpus: Vec<(std::ffi::OsString, std::ffi::OsString)>,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<Ending, NoResult> {
        let (slot, guard) = (&self.slot, &self.local.guard);
        let (log, shown) = (slot.log()?, prepared.log);
        let cannot_guard = |error: io::Error| Failure::NotGuarded { why: error.to_string() };
        let own;
        let limits = if prepared.reach.read.is_empty() {
            slot.limits(guard).map_err(cannot_guard)?
        } else {
            own = slot.limits_reading(guard, prepared.reach.read.clone()).map_err(cannot_guard)?;
            own.as_ref()
        };
        let (kiln, entry) = (rustix::process::getpid(), self.local.slots.entry(slot));
        let mut enter = || {
            entry.map_or(Ok(()), |entry| entry.enter())?;
            process::bind(kiln, limits)
        };
        let started = spawn::spawn(program, &gpus, log, &mut enter);
        let started = started.map_err(|error| cannot_start(&program.program, &error))?;
        let mut child = Watched { started, entry };
        let linked = Cell::new(false);
        let spoken = || log.metadata().is_ok_and(|log| log.len() > 0);
        let tick = || {
            // What goes on for longer can be read meanwhile.
            linked.set(linked.get() || (spoken() && shown.become_of(log)));
            if linked.get() {
                log::keep_short(shown.path);
            } else {
                log::keep_short(&slot.log_path());
            }
            (listener.goes_on)()
        };
        let ending = process::wait(&mut child, prepared.timeout, prepared.grace, interrupt, &tick);
        if program.on_terminal {
            spawn::take_terminal_back();
        }
        let ending = ending?;
        if spoken() && !linked.get() && !shown.become_of(log) {
            // An earlier attempt said something, the command took the log away, or the file system has no links.
            let mut log = log;
            log.rewind()?;
            io::copy(&mut log, &mut shown.open()?)?;
        }
        Ok(ending)
    }
}

/// A command that the watchdog knows of.
struct Watched<'a> {
    started: Started,
    entry: Option<Entry<'a>>,
}

impl Waited for Watched<'_> {
    fn pid(&self) -> Pid {
        self.started.pid()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(entry) = &self.entry {
            entry.leave();
        }
        self.started.reap()
    }
}
