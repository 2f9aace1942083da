//! Running a command: in a slot, under its limits, known to the watchdog.

use std::cell::Cell;
use std::io::{self, Seek as _};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Pid;

use super::mounts;
use super::observe::Observer;
use super::process::{self, Ending, Waited};
use super::spawn::{self, Started};
use super::terminal;
use super::watchdog::Entry;
use super::{CommandAttempt, cannot_start};
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{Attempt, Exit, Listener, Prepared, Program, Reach, Seen, Work, log};
use crate::failure::Failure;
use crate::interrupt::Interrupt;

impl Attempt for CommandAttempt<'_> {
    fn folder(&self) -> &Path {
        self.slot.path()
    }

    fn is_guarded(&self) -> bool {
        self.local.guard.is_there()
    }

    fn can_show(&self) -> bool {
        let found = || self.slot.log().ok().and_then(|log| mounts::way(self.slot.path(), log));
        self.local.way.get_or_init(found).is_some()
    }

    fn can_observe(&self) -> bool {
        cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
    }

    fn run(&self, prepared: &Prepared<'_>, listener: &Listener<'_>, interrupt: &Interrupt) -> Result<Exit, NoResult> {
        let Work::Command(program) = &prepared.work else {
            return Err(Failure::Other { why: "a built-in kind is no command".into() }.into());
        };
        let gpus = self.local.gpus.lend(prepared.gpus);
        let gpu_variables = if prepared.takes_any_gpu { gpus.variables() } else { vec![] };
        let (ending, seen) = if prepared.observed.is_empty() {
            (self.wait_for(program, gpu_variables, prepared, listener, interrupt, None)?, Seen::default())
        } else {
            self.observe(program, gpu_variables, prepared, listener, interrupt)?
        };
        drop(gpus);
        Ok(Exit { seen, ..self.local.exit(ending) })
    }

    fn end(self: Box<Self>) {
        self.local.slots.give_back(self.slot);
    }
}

impl CommandAttempt<'_> {
    /// The same, with what it reads.
    fn observe(
        &self,
        program: &Program,
        gpus: Vec<(std::ffi::OsString, std::ffi::OsString)>,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<(Ending, Seen), NoResult> {
        let mut observer = Observer::new()?;
        let answerer = observer.answerer()?;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let answers = scope.spawn(|| answerer.answer(&prepared.observed, &over));
            let ending = self.wait_for(program, gpus, prepared, listener, interrupt, Some(&mut observer));
            over.store(true, Ordering::Relaxed);
            // It hears of a command that was never started by the end of this.
            drop(observer);
            let seen = answers.join().unwrap_or_default();
            Ok((ending?, seen))
        })
    }

    /// Starts a command and waits until it ends.
    fn wait_for(
        &self,
        program: &Program,
        gpus: Vec<(std::ffi::OsString, std::ffi::OsString)>,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
        mut observer: Option<&mut Observer>,
    ) -> Result<Ending, NoResult> {
        let (slot, guard) = (&self.slot, &self.local.guard);
        let (log, shown) = (slot.log()?, prepared.log);
        let cannot_guard = |error: io::Error| Failure::NotGuarded { why: error.to_string() };
        let own;
        let Reach { read, write, everything, .. } = &prepared.reach;
        let limits = if read.is_empty() && write.is_empty() && !everything {
            slot.limits(guard).map_err(cannot_guard)?
        } else {
            own = slot.limits_reaching(guard, &prepared.reach).map_err(cannot_guard)?;
            own.as_ref()
        };
        let (kiln, entry) = (rustix::process::getpid(), self.local.slots.entry(slot));
        let mut mounts = match self.local.way.get() {
            Some(Some(way)) if !prepared.shown.is_empty() => Some(mounts::Mounts::new(*way, &prepared.shown)?),
            _ => None,
        };
        let mut enter = || {
            entry.map_or(Ok(()), |entry| entry.enter())?;
            mounts.as_mut().map_or(Ok(()), mounts::Mounts::enter)?;
            process::bind(kiln, limits)?;
            observer.as_deref().map_or(Ok(()), Observer::enter)
        };
        let started = spawn::spawn(program, &gpus, log, &mut enter);
        if let Some(observer) = &mut observer {
            observer.started();
        }
        let started = started.map_err(|error| {
            let shown = mounts.as_ref().and_then(mounts::Mounts::failed).and_then(|number| prepared.shown.get(number));
            match shown {
                Some(shown) => Failure::Unreadable { why: format!("cannot show {}: {error}", shown.source.display()) },
                None => cannot_start(&program.program, &error),
            }
        })?;
        let pid = started.pid();
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
            if program.on_terminal {
                terminal::stop_along(pid);
            }
            (listener.goes_on)()
        };
        let ending = process::wait(&mut child, prepared.timeout, prepared.grace, interrupt, &tick);
        if program.on_terminal {
            terminal::take_back();
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
