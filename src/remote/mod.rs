//! A remote cache: a store on an object store, or in a folder that several machines see.
//!
//! # What is there
//!
//! Below the prefix: `kiln/format`, the mark; `ac/`, results as they travel ([`crate::store::Parcel`]) by their action's key; `cas/` and
//! `trees/`, contents by their digest; `packs/`, small contents of one result together; `runs/`, `tags/` and `commits/`, records of runs and
//! their names; `jobs/`, messages of runs and their jobs, which are removed. But for these and those names, nothing that is there is ever changed into something else, so nothing here needs conditional writes,
//! the order of a listing or ETags. `docs/remote.md` says what is trusted.
//!
//! # Reading order
//!
//! `connect.rs` makes clients of an address and the environment. `contact.rs` looks whether there is a cache. `ask.rs` asks for results and
//! fetches contents. `outbox.rs` sends results, and `ledger.rs` notes which. `named.rs` finds runs by name. `shared.rs` and `send.rs` are one
//! request each. `objects.rs` stands beside: it reads buckets of other tools. So
//! does `post.rs`: what runs and their jobs elsewhere leave each other.
//!
//! # Threads
//!
//! All that touches the network is done by one thread with an async runtime (`shared.rs`). The functions of [`Remote`] are
//! its synchronous face: they start tasks there and wait for what they send over a channel (`network.rs`). Files of the local store are written by the thread that asked.
//! In a run, a second thread (`outbox.rs`) sends what was executed.
//!
//! # What it may cost
//!
//! A run goes on without it as soon as it is not worth it (`health.rs`): two failures in a row, or next to nothing for seven seconds
//! while somebody waits. So a remote that is down, silent or slow costs a run less than ten seconds, and one warning.

mod ask;
mod connect;
mod contact;
mod gc;
mod health;
mod keys;
mod ledger;
mod mark;
mod named;
mod names;
mod network;
mod news;
mod objects;
mod outbox;
mod post;
mod problem;
mod profile;
mod send;
mod shared;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub use crate::address::{Access, Address, Mistake, PublicKey, Traffic};
pub use connect::BucketSettings;
pub use gc::{Expired, Policy};
pub use keys::{SecretKey, write_secret};
pub use named::{NamedRun, RunName};
pub use objects::{Objects, Wanted};
pub(crate) use post::{Post, Trouble};

use crate::hash::{ActionKey, Digest};
use crate::store::Store;
use ledger::Ledger;
use network::Network;
use outbox::Outbox;
use problem::Problem;
use shared::Shared;

/// What is known of a remote cache before it is asked.
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// What may be done with it.
    pub access: Access,
    /// Whether outputs of stages that nothing needs are left there.
    pub lazy: bool,
    /// Whose results are accepted; anybody's if it is empty.
    pub accept: Vec<PublicKey>,
    /// What signs the results that are sent.
    pub key: Option<SecretKey>,
    /// How long a run waits at its end until all is sent.
    pub wait: Duration,
    /// Whether nothing is sent because this is continuous integration and nobody said that it can be trusted.
    pub in_ci: bool,
}

/// A remote cache.
pub struct Remote {
    shared: Arc<Shared>,
    settings: Settings,
    ledger: Ledger,
    outbox: Outbox,
    network: Network,
    /// What became of the first contact; nothing if it is good.
    contact: OnceLock<Option<Problem>>,
    /// Results that were asked for in this run.
    asked: Mutex<HashSet<ActionKey>>,
    counts: Counts,
    /// By the digest of an output: a result that promises it.
    promises: Mutex<HashMap<Digest, ActionKey>>,
    /// Promises that were not kept.
    broken: Mutex<HashSet<ActionKey>>,
    /// What the user was told of.
    told: Mutex<HashSet<&'static str>>,
}

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    found: AtomicUsize,
    refused: AtomicUsize,
    fetched: AtomicUsize,
    sent: AtomicUsize,
    given_up: AtomicUsize,
}

impl Remote {
    /// A remote cache, for a local store. Nothing is asked of it yet.
    ///
    /// # Errors
    /// What is wrong with the settings of this machine.
    pub fn open(settings: Settings, store: &Store) -> Result<Self, Mistake> {
        Self::open_for(settings, Some(store))
    }

    /// The same, perhaps without a local store: then nothing of it is noted.
    ///
    /// # Errors
    /// As [`Remote::open`].
    pub fn open_for(settings: Settings, store: Option<&Store>) -> Result<Self, Mistake> {
        let ledger =
            store.map_or_else(Ledger::nowhere, |store| Ledger::at(&store.remote_file(&settings.address.short())));
        // A folder that was a cache before is as a server that does not answer.
        let missing = shared::missing_folder(&settings.address).filter(|_| ledger.number().is_some());
        let clients = if missing.is_some() { connect::nowhere() } else { connect::clients(&settings.address)? };
        // What nobody accepts is not sent.
        let is_accepted = |key: &SecretKey| settings.accept.contains(&key.public());
        let signs = settings.accept.is_empty() || settings.key.as_ref().is_some_and(is_accepted);
        let writes = settings.access.writes() && signs;
        let shared = Arc::new(Shared::new(settings.address.clone(), clients, settings.accept.clone(), writes));
        if let Some(problem) = missing {
            shared.health.turn_off(problem);
        }
        let network = Network::start().map_err(|error| {
            Mistake::new(
                format!("cannot start a thread for the remote cache: {error}"),
                "run with `--offline`, or free some memory",
            )
        })?;
        Ok(Self {
            shared,
            settings,
            ledger,
            outbox: Outbox::default(),
            network,
            contact: OnceLock::new(),
            asked: Mutex::default(),
            counts: Counts::default(),
            promises: Mutex::default(),
            broken: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// Whether outputs of stages that nothing needs are left there.
    pub fn is_lazy(&self) -> bool {
        self.settings.lazy
    }

    /// Whether results are taken from it.
    pub fn reads(&self) -> bool {
        self.settings.access.reads()
    }

    /// Whether results are sent to it.
    pub fn writes(&self) -> bool {
        self.shared.writes
    }

    /// Whether it may still be asked in this run.
    pub fn is_off(&self) -> bool {
        self.shared.health.is_off()
    }
}
