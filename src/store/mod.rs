//! The store: content-addressed blobs and trees, action results, run records and logs, all below one folder (`cache/`).
//!
//! `cache/README.md` describes what is on disk. Any number of processes and checkouts may use a store at once, and
//! killing one at any moment leaves it consistent: content is written under a temporary name and renamed, results are
//! appended to a journal last, and every lock is the kernel's.

mod aside;
mod blob;
mod boot;
mod capture;
mod claim;
mod copy;
mod error;
mod files;
mod find;
mod garbage;
mod gc;
mod imported;
mod inventory;
mod layout;
mod lock;
mod materialise;
mod names;
mod of_commits;
mod outline;
mod ownership;
mod page;
mod pages;
mod parcel;
mod project;
mod promised;
mod recognise;
mod recorded;
mod result;
mod results;
mod run;
mod salvage;
mod scratch;
mod sharing;
mod skim;
mod steps;
mod summary;
mod tags;
mod tier;
mod trace;
mod verify;
mod write_back;
mod writers;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

pub(crate) use aside::make_folder;
pub use claim::{Claim, Claimant};
pub(crate) use copy::copy;
pub use error::{RunLookupError, StoreError};
pub use find::{Belongs, Owner};
pub use garbage::{Amount, Garbage, Keep, KeptFor};
pub use lock::{ActionLock, Alone, Hold};
pub use materialise::Placement;
pub(crate) use outline::{PageCache, RecordOutline};
pub use ownership::{Ownership, may_replace};
pub(crate) use pages::PAGE;
pub use parcel::{Object, Pack, Parcel, Signature};
pub use project::Project;
pub(crate) use recognise::is_marked;
pub use recognise::leads_into;
pub use recorded::{Placed, RecordedPlaces};
pub use result::{ActionResult, Maker, Published};
pub use scratch::Scratch;
pub(crate) use scratch::{is_abandoned, remove as remove_all};
pub(crate) use sharing::{share, share_below};
pub(crate) use skim::Skimmed;
pub(crate) use steps::Needed;
pub use summary::RunSummary;
pub use tags::Tag;
pub use tier::{Tier, TierError, Wanted};
pub use trace::{Trace, Traced, UnderWay};
pub use verify::{Damage, Findings, Touched};

use crate::hash::Memo;
use crate::interrupt::Interrupt;
use promised::Promised;
use results::Results;

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Makes sure that a folder is a store or may become one; writes nothing.
///
/// # Errors
/// As [`Store::open`].
pub fn recognise(root: &Path) -> Result<()> {
    layout::find(root).map(drop)
}

/// What may be done with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything. The store is made if there is none.
    Write,
    /// Reading. Nothing is written, not even what was learnt of files; there need not be a store.
    Look,
}

/// An open store. Shared freely between threads.
pub struct Store {
    root: PathBuf,
    access: Access,
    /// Whether a group shares it.
    shared: bool,
    memo: Memo,
    results: Mutex<Results>,
    /// What another store has promised.
    promised: Mutex<Promised>,
    swept: Once,
    /// Where files are written before they get their names; created when first needed.
    staging: OnceLock<Scratch>,
    device: OnceLock<u64>,
}

impl Store {
    /// Opens the store at a folder, creating what is missing. An existing store is not written to.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if the folder holds something else; [`StoreError::Newer`] if a later Kiln made it; otherwise what the
    /// system refuses.
    pub fn open(root: &Path) -> Result<Self> {
        let store = Self::unread(root)?;
        store.learn()?;
        Ok(store)
    }

    /// Opens the store at a folder for reading. If there is none, it is like an empty one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn look(root: &Path) -> Result<Self> {
        let root = layout::find(root)?;
        let memo = Memo::unkept(&root.join(files::MEMO)).knowing(is_marked);
        let store = Self::with(root, Access::Look, memo);
        store.learn()?;
        Ok(store)
    }

    /// Opens a store for what needs neither what is known of files nor results; both are empty.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn unread(root: &Path) -> Result<Self> {
        let root = layout::prepare(root)?;
        aside::straighten(&root)?;
        let memo = Memo::empty(&root.join(files::MEMO)).knowing(is_marked);
        let store = Self::with(root, Access::Write, memo);
        if store.shared {
            store.share_files()?;
        }
        Ok(store)
    }

    fn with(root: PathBuf, access: Access, memo: Memo) -> Self {
        let results = Mutex::new(Results::unread(&root.join(files::RESULTS)));
        let promised = Mutex::new(Promised::unread(&root.join(files::PROMISED)));
        let shared = access == Access::Write && sharing::is_shared(&root);
        Self {
            root,
            access,
            shared,
            memo,
            results,
            promised,
            swept: Once::new(),
            staging: OnceLock::new(),
            device: OnceLock::new(),
        }
    }

    /// Reads what is known of files, and the results.
    fn learn(&self) -> Result<()> {
        self.memo.load();
        self.results().refresh()
    }

    /// Learns what other processes have found out since it was opened.
    pub fn catch_up(&self) {
        self.memo.load();
        self.follow();
    }

    /// What may be done with it.
    pub fn access(&self) -> Access {
        self.access
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
