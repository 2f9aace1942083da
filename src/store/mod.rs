//! The store: content-addressed blobs and trees, action results, run records and logs, all below one folder (`cache/`).
//!
//! `cache/README.md` describes what is on disk. Any number of processes and checkouts may use a store at once, and
//! killing one at any moment leaves it consistent: content is written under a temporary name and renamed, results are
//! appended to a journal last, and every lock is the kernel's.

mod blob;
mod capture;
mod copy;
mod error;
mod find;
mod garbage;
mod gc;
mod inventory;
mod layout;
mod lock;
mod materialise;
mod outline;
mod page;
mod pages;
mod project;
mod recorded;
mod result;
mod results;
mod run;
mod salvage;
mod scratch;
mod skim;
mod steps;
mod trace;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

pub(crate) use copy::copy;
pub use error::{RunLookupError, StoreError};
pub use find::{Belongs, Owner};
pub use garbage::{Amount, Garbage, Keep, KeptFor};
pub use lock::{ActionLock, Alone, Hold};
pub use materialise::Place;
pub(crate) use outline::{Album, Outline};
pub(crate) use pages::PAGE;
pub use project::Project;
pub use recorded::Written;
pub use result::{ActionResult, Published};
pub use run::RunSummary;
pub use scratch::Scratch;
pub(crate) use scratch::{is_abandoned, remove as remove_all};
pub(crate) use skim::Skimmed;
pub use trace::{Trace, Traced, UnderWay};
pub use verify::{Damage, Findings, Touched};

use crate::hash::Memo;
use crate::interrupt::Interrupt;
use results::Results;

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An open store. Shared freely between threads.
pub struct Store {
    root: PathBuf,
    memo: Memo,
    results: Mutex<Results>,
    swept: Once,
    /// Where files are written before they get their names; created when first needed.
    staging: OnceLock<Scratch>,
    device: OnceLock<u64>,
}

impl Store {
    /// Opens the store at a folder, creating what is missing. An existing store is not written to.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a later Kiln made it; otherwise what the system refuses.
    pub fn open(root: &Path) -> Result<Self> {
        let root = layout::prepare(root)?;
        let memo = Memo::open(&root.join(layout::MEMO));
        let results = Mutex::new(Results::open(&root.join(layout::RESULTS))?);
        Ok(Self { root, memo, results, swept: Once::new(), staging: OnceLock::new(), device: OnceLock::new() })
    }

    /// Opens a store for what needs neither what is known of files nor results; both are empty.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn unread(root: &Path) -> Result<Self> {
        let root = layout::prepare(root)?;
        let memo = Memo::empty(&root.join(layout::MEMO));
        let results = Mutex::new(Results::unread(&root.join(layout::RESULTS)));
        Ok(Self { root, memo, results, swept: Once::new(), staging: OnceLock::new(), device: OnceLock::new() })
    }

    /// The store's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is known of files on this machine. The store records in it what it materialises.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Gives up what takes long, such as hashing and copying large files, once the user asks to stop.
    pub fn heed(&self, interrupt: &Interrupt) {
        self.memo.heed(interrupt);
    }

    /// The interrupt that is heeded.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        self.memo.interrupt()
    }

    fn results(&self) -> std::sync::MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
