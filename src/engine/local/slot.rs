//! Slots: a scratch directory and the limits of who works in it, used by one command of a run after another.
//!
//! A directory is used again only when nothing that an earlier command started still runs.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::guard::{Confinement, Guard, Limits};
use super::process;
use super::watchdog::{Entry, Watchdog};
use crate::engine::executor::{HOME, Reach};
use crate::store::{self, Scratch, Store};

/// The slots of a run, and what keeps its commands in bounds.
pub(crate) struct Slots<'a> {
    store: &'a Store,
    /// The program that serves as watchdog: Kiln itself.
    program: &'a Path,
    /// The folder that the scratch directories are in.
    around: PathBuf,
    watchdog: OnceLock<Option<Watchdog>>,
    /// Whether this process learns of what commands leave behind.
    adopts: OnceLock<bool>,
    idle: Mutex<Vec<Slot>>,
    /// Those of commands that are done, to be cleaned.
    used: Mutex<Vec<Slot>>,
    made: AtomicU64,
}

/// A scratch directory and the limits of who works in it.
pub(crate) struct Slot {
    scratch: Scratch,
    number: u64,
    limits: OnceLock<Option<Confinement>>,
    /// What a command says, under a name that its limits cover, as they must for `> /dev/stderr`.
    log: OnceLock<File>,
}

/// The name of a slot's log in its scratch directory.
const LOG: &str = "log";

impl<'a> Slots<'a> {
    pub(crate) fn new(store: &'a Store, program: &'a Path) -> Self {
        Self::around(store, program, &store.scratch_folder())
    }

    /// Slots of scratch directories in a folder.
    pub(crate) fn around(store: &'a Store, program: &'a Path, around: &Path) -> Self {
        Self {
            store,
            program,
            around: around.to_owned(),
            watchdog: OnceLock::new(),
            adopts: OnceLock::new(),
            idle: Mutex::default(),
            used: Mutex::default(),
            made: AtomicU64::new(0),
        }
    }

    /// A slot whose scratch directory holds these folders and nothing else.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn take<'p>(&self, folders: impl IntoIterator<Item = &'p Path>) -> store::Result<Slot> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let used = || self.used.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // To clean one is sooner done than to make one, with its limits, and to remove it in the end.
        let mut slot = match idle().or_else(|| self.clean_one(used()?)) {
            Some(slot) => slot,
            None => self.of(self.store.scratch("command")?),
        };
        slot.scratch.fit(folders)?;
        Ok(slot)
    }

    /// A slot of a scratch directory that holds all that its command needs.
    pub(crate) fn of(&self, scratch: Scratch) -> Slot {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Slot { scratch, number, limits: OnceLock::new(), log: OnceLock::new() }
    }

    /// Kills what the command of a slot left running.
    pub(crate) fn quiet(&self, slot: &Slot) {
        if self.adopts() {
            process::left_behind(&slot.home(), self.watchdog().map(Watchdog::pid));
        }
    }

    /// Keeps a slot whose command is done, to be cleaned when there is time.
    pub(crate) fn give_back(&self, slot: Slot) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }

    /// Cleans the slots that were given back, for other commands.
    pub(crate) fn clean(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let cleaned: Vec<Slot> = used.into_iter().filter_map(|slot| self.clean_one(slot)).collect();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(cleaned);
    }

    /// Cleans a slot; `None` if it had better not be used again.
    fn clean_one(&self, mut slot: Slot) -> Option<Slot> {
        let alone = self.adopts() && !process::left_behind(&slot.home(), self.watchdog().map(Watchdog::pid));
        let silent = slot.log.get().is_some_and(|log| is_unused(log, &slot.log_path()));
        if !silent {
            slot.log.take();
        }
        (alone && matches!(slot.scratch.clear(silent.then_some(LOG)), Ok(true))).then_some(slot)
    }

    /// The watchdog of this process; started when first asked for. Without one, what commands start outlives a Kiln that is killed.
    fn watchdog(&self) -> Option<&Watchdog> {
        let start = || {
            let watchdog = Watchdog::start(self.program, &self.around);
            watchdog.inspect_err(|error| tracing::warn!("cannot start the watchdog: {error}")).ok()
        };
        self.watchdog.get_or_init(start).as_ref()
    }

    /// Whether what commands leave behind becomes this process's own; asked of the system once.
    fn adopts(&self) -> bool {
        *self.adopts.get_or_init(|| process::adopt().is_ok())
    }

    /// Where the watchdog is told of the command in a slot.
    pub(crate) fn entry(&self, slot: &Slot) -> Option<Entry<'_>> {
        // Before the command starts: what it leaves behind is to be this process's from the first on.
        self.adopts();
        self.watchdog().map(|watchdog| watchdog.entry(slot.number))
    }
}

/// Whether a log is as it was made: empty, and under its name and no other.
fn is_unused(log: &File, path: &Path) -> bool {
    let (Ok(log), Ok(there)) = (log.metadata(), std::fs::symlink_metadata(path)) else { return false };
    log.len() == 0 && log.nlink() == 1 && (log.dev(), log.ino()) == (there.dev(), there.ino())
}

impl Slot {
    /// The limits of who works in it; `None` where there is no guard.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn limits(&self, guard: &Guard) -> std::io::Result<Option<&Confinement>> {
        if self.limits.get().is_none() {
            let _ = self.limits.set(self.limits_reaching(guard, &Reach::default())?);
        }
        Ok(self.limits.get().and_then(Option::as_ref))
    }

    /// Limits of who works in it and may reach this besides; `None` where there is no guard.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn limits_reaching(&self, guard: &Guard, reach: &Reach) -> std::io::Result<Option<Confinement>> {
        let Some(limits) = guard.limits() else { return Ok(None) };
        let write = std::iter::once(self.path().to_owned()).chain(reach.write.iter().cloned()).collect();
        guard.confine(&Limits { read: reach.read.clone(), everything: reach.everything, write, ..limits })
    }

    /// The log: empty, for the next command.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(crate) fn log(&self) -> std::io::Result<&File> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let log = File::options().create(true).read(true).append(true).open(self.log_path())?;
        Ok(self.log.get_or_init(|| log))
    }

    /// What a command takes for its home.
    pub(crate) fn home(&self) -> PathBuf {
        self.scratch.path().join(HOME)
    }

    /// Where the log is.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.scratch.path().join(LOG)
    }

    /// The scratch directory.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }
}
