//! The executor of this machine: stages are processes here, and are kept in bounds.
//!
//! In reading order: `mod` is the executor; `kind` runs a built-in kind in a worker, whose side is `worker`; `command` runs a command in a `slot`,
//! which serves one after another, `mounts` shows it what lies elsewhere, `observe` tells what it reads; `spawn` starts a process and `process` waits for it; `terminal` is that of a command which a user talks to; `guard` keeps it in bounds, `watchdog` kills
//! what is left when Kiln dies; `gpu` are the devices, `memory` whether it ran out.

mod command;
mod gpu;
mod guard;
mod kind;
mod memory;
mod mounts;
mod observe;
mod process;
mod slot;
mod spawn;
mod terminal;
pub(super) mod watchdog;
pub(super) mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::executor::failure::NoResult;
use super::executor::{Attempt, Executor, Exit, Listener, Prepared, Seen, Share, Work, script};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pipeline::{Body, Stage};
use crate::store::{self, Scratch, Store};
use guard::Guard;
pub(super) use memory::Memory;
use process::Ending;
use slot::{Slot, Slots};

/// This machine.
pub(crate) struct Local<'a> {
    store: &'a Store,
    guard: Guard,
    slots: Slots<'a>,
    /// The program that runs built-in kinds: Kiln itself.
    program: &'a Path,
    cpus: usize,
    gpus: gpu::Gpus,
    memory: memory::Watched,
    /// How commands can be shown what lies elsewhere, if they can; found out when first needed.
    way: OnceLock<Option<mounts::Way>>,
    /// Whether the user was told that a stage asks for GPUs that there are not.
    told_of_gpus: AtomicBool,
    /// Whether the user was told that a pipe can fail unnoticed.
    told_of_pipes: AtomicBool,
}

impl<'a> Local<'a> {
    /// An executor of stages of a project, who may keep so many processors busy. `program` is Kiln itself.
    pub(crate) fn new(store: &'a Store, project: &Path, program: &'a Path, cpus: usize) -> Self {
        Self {
            store,
            guard: Guard::new(project, store.root()),
            slots: Slots::new(store, program),
            program,
            cpus,
            gpus: gpu::Gpus::find(),
            memory: memory::Watched::default(),
            way: OnceLock::new(),
            told_of_gpus: AtomicBool::new(false),
            told_of_pipes: AtomicBool::new(false),
        }
    }

    /// The same for a single stage that is laid out in a folder of another folder already.
    pub(crate) fn of_one(store: &'a Store, project: &Path, program: &'a Path, around: &Path) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self { slots: Slots::around(store, program, around), ..Self::new(store, project, program, cpus) }
    }

    /// Runs a stage that lies in a folder. What it leaves running is killed; what it wrote stays.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(crate) fn run_in(
        &self,
        folder: &Path,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<Exit, NoResult> {
        self.memory.begin();
        let scratch = Scratch::at(folder)?;
        match &prepared.work {
            Work::Kind(_) => KindAttempt { local: self, scratch }.run(prepared, listener, interrupt),
            Work::Command(_) => {
                let attempt = CommandAttempt { local: self, slot: self.slots.of(scratch) };
                let exit = attempt.run(prepared, listener, interrupt);
                self.slots.quiet(&attempt.slot);
                exit
            }
        }
    }

    /// Whether what a stage does not declare is out of its reach.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard.is_there()
    }

    /// Why there is no guard, if there is none.
    pub(crate) fn lacks_guard(&self) -> Option<&str> {
        self.guard.prepare()
    }

    /// How a process has ended, with what its status does not tell.
    fn exit(&self, ending: Ending) -> Exit {
        let out_of_memory = matches!(ending, Ending::Exited(status) if self.memory.ran_out_for(status));
        Exit {
            end: ending.end(),
            out_of_memory,
            queued: Duration::ZERO,
            digests: BTreeMap::new(),
            seen: Seen::default(),
            advice: vec![],
        }
    }
}

impl Executor for Local<'_> {
    fn capacity(&self) -> Share {
        Share { cpus: self.cpus, gpus: self.gpus.count(), jobs: 0 }
    }

    fn remarks(&self, stage: &Stage) -> Vec<String> {
        let once = |told: &AtomicBool| !told.swap(true, Ordering::Relaxed);
        let guard = self.guard.prepare().map(str::to_owned);
        let pipes = script::lacking(stage).filter(|_| once(&self.told_of_pipes)).map(str::to_owned);
        let gpus = self.gpus.lacking(stage).filter(|_| once(&self.told_of_gpus));
        [guard, pipes, gpus].into_iter().flatten().collect()
    }

    fn attempt<'e>(&'e self, stage: &Stage, folders: &BTreeSet<PathBuf>) -> store::Result<Box<dyn Attempt + 'e>> {
        self.memory.begin();
        Ok(match &stage.body {
            Body::Uses { .. } => Box::new(KindAttempt { local: self, scratch: self.store.scratch(&stage.name.stage)? }),
            Body::Run(_) => {
                let slot = self.slots.take(folders.iter().map(PathBuf::as_path))?;
                Box::new(CommandAttempt { local: self, slot })
            }
        })
    }

    fn tidy(&self) {
        self.slots.clean();
    }
}

/// An attempt at a built-in kind: a scratch directory of its own.
struct KindAttempt<'a> {
    local: &'a Local<'a>,
    scratch: Scratch,
}

/// An attempt at a command: in a slot.
struct CommandAttempt<'a> {
    local: &'a Local<'a>,
    slot: Slot,
}

fn cannot_start(program: &OsStr, error: &io::Error) -> Failure {
    Failure::NotStarted {
        program: program.to_string_lossy().into_owned(),
        why: match error.kind() {
            io::ErrorKind::ArgumentListTooLong => {
                "its arguments and environment are too long: Linux takes at most 128 KiB for one of them; a value in `with` can \
                 be read from the file that KILN_PARAMS names, however long it is"
                    .into()
            }
            _ => error.to_string(),
        },
        missing: error.kind() == io::ErrorKind::NotFound,
    }
}
