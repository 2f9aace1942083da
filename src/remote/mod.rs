//! A remote cache: a store on an object store, or in a folder that several machines see.
//!
//! # What is there
//!
//! Below the prefix: `kiln/format`, the mark; `ac/`, results as they travel ([`crate::store::Parcel`]) by their action's key; `cas/` and
//! `trees/`, contents by their digest; `packs/`, small contents of one result together. Nothing that is there is ever changed into
//! something else, so nothing here needs conditional writes, the order of a listing or ETags. `docs/remote.md` says what is trusted.
//!
//! # Threads
//!
//! All that touches the network is done by one thread with an async runtime (`shared.rs`). The functions here are its synchronous face:
//! they start tasks there and wait for what they send over a channel. Files of the local store are written by the thread that asked.
//! In a run, a second thread (`outbox.rs`) sends what was executed.
//!
//! # What it may cost
//!
//! A run goes on without it as soon as it is not worth it (`health.rs`): two failures in a row, or next to nothing for seven seconds
//! while somebody waits. So a remote that is down, silent or slow costs a run less than ten seconds, and one warning.

mod connect;
mod gc;
mod health;
mod keys;
mod ledger;
mod mark;
mod names;
mod outbox;
mod problem;
mod profile;
mod shared;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use object_store::ObjectStoreExt as _;

pub use crate::address::{Access, Address, Mistake, PublicKey, Traffic};
pub use gc::{Expired, Policy};
pub use keys::{SecretKey, write_secret};

use crate::hash::{ActionKey, Artifact, Digest};
use crate::store::{Object, Parcel, Store, Tier, TierError, Wanted};
use health::Patience;
use ledger::Ledger;
use mark::Mark;
use outbox::Outbox;
use problem::{Kind, Problem};
use shared::{Answer, CONTENTS_AT_ONCE, Content, PART, SMALL_AT_ONCE, Shared, Source, members};

/// How often somebody who waits looks up.
const TICK: Duration = Duration::from_millis(100);

/// Fetching a result may take so much longer than making it took.
const GRACE: Duration = Duration::from_secs(8);

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
}

/// The network's thread, and what ends it when it is dropped.
type Network = (tokio::sync::oneshot::Sender<()>, JoinHandle<()>);

/// A remote cache.
pub struct Remote {
    shared: Arc<Shared>,
    settings: Settings,
    ledger: Ledger,
    outbox: Outbox,
    handle: tokio::runtime::Handle,
    network: Option<Network>,
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
        let clients = connect::clients(&settings.address)?;
        let writes = settings.access.writes() && (settings.accept.is_empty() || settings.key.is_some());
        let shared = Arc::new(Shared::new(settings.address.clone(), clients, settings.accept.clone(), writes));
        let ledger =
            store.map_or_else(Ledger::nowhere, |store| Ledger::at(&store.remote_file(&settings.address.short())));
        let (handle, network) = start().map_err(|error| {
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
            handle,
            network: Some(network),
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

    /// Makes sure that there is a cache, if this store has not seen one there yet. What is known is not asked for again: then a run
    /// that needs nothing asks nothing.
    ///
    /// # Errors
    /// If there is none, or access is refused. A remote that does not answer is no mistake of anybody's.
    pub fn check_first(&self) -> Result<(), Mistake> {
        if self.ledger.number().is_some() {
            return Ok(());
        }
        match self.contact() {
            Some(problem) if problem.kind != Kind::Silent => Err(self.mistake(problem)),
            _ => Ok(()),
        }
    }

    /// Makes sure that there is a cache.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn check(&self) -> Result<(), Mistake> {
        self.contact().map_or(Ok(()), |problem| Err(self.mistake(problem)))
    }

    fn mistake(&self, problem: &Problem) -> Mistake {
        let hint = problem.hint.clone().unwrap_or_else(|| {
            "look whether the server runs and can be reached from here; `--offline` runs without it".to_owned()
        });
        Mistake::new(format!("cannot use the remote cache {}: {}", self.address(), problem.text), hint)
    }

    /// The first contact, made once: whether the mark is there. What is wrong turns the remote off.
    fn contact(&self) -> Option<&Problem> {
        let look = || {
            let shared = Arc::clone(&self.shared);
            let found = self.wait_for(async move { shared.get(&shared.names.mark()).await });
            let problem = match found.unwrap_or_else(|| Err(Problem::silent("the server does not answer"))) {
                Err(problem) => problem,
                Ok(None) => self.no_mark(),
                Ok(Some((bytes, _))) => match mark::read(&bytes) {
                    Mark::Good(number) => {
                        self.ledger.seen(number);
                        return None;
                    }
                    Mark::Newer(format) => Problem {
                        kind: Kind::Refused,
                        text: format!("a later Kiln made it, in format {format}"),
                        hint: Some("use that Kiln, or another prefix".to_owned()),
                    },
                    Mark::Other => Problem {
                        kind: Kind::Refused,
                        text: "its mark `kiln/format` is damaged, or no mark of Kiln's".to_owned(),
                        hint: Some(
                            "if the cache is Kiln's, `kiln remote init --force` writes the mark anew".to_owned(),
                        ),
                    },
                },
            };
            Some(problem)
        };
        self.contact.get_or_init(|| look().inspect(|problem| self.shared.health.turn_off(problem.clone()))).as_ref()
    }

    fn no_mark(&self) -> Problem {
        Problem {
            kind: Kind::Missing,
            text: "there is no cache of Kiln's (no bucket, or no mark `kiln/format` in it)".to_owned(),
            hint: Some(format!("`kiln remote init {}` makes one", self.address())),
        }
    }

    /// Makes a cache there. `false` if there is one already.
    ///
    /// # Errors
    /// If there is something else, or nothing can be written.
    pub fn init(&self, force: bool) -> Result<bool, Mistake> {
        let shared = Arc::clone(&self.shared);
        let (text, number) = mark::new()
            .map_err(|error| Mistake::new(format!("cannot make a number for the cache: {error}"), "try again"))?;
        let made = self.wait_for(async move {
            let name = shared.names.mark();
            let found = shared.get(&name).await?;
            if let Some((bytes, _)) = &found
                && !force
            {
                return Ok(matches!(mark::read(bytes), Mark::Good(_)).then_some(false));
            }
            let put = shared.clients.small.put(&name, text.into_bytes().into()).await;
            put.map_err(|error| shared.problem(&error))?;
            Ok(Some(true))
        });
        match made {
            Some(Ok(Some(made))) => {
                if made {
                    self.ledger.seen(number);
                }
                Ok(made)
            }
            Some(Ok(None)) => Err(Mistake::new(
                format!("{} has a `kiln/format` that is none of this Kiln's", self.address()),
                "choose another prefix, or write the mark anew with `--force`",
            )),
            Some(Err(problem)) => Err(self.mistake(&problem)),
            None => Err(self.mistake(&Problem::silent("the server does not answer"))),
        }
    }

    /// Tries whether objects can be written, read, listed and deleted there; returns what was tried and how long it took.
    ///
    /// # Errors
    /// At the first thing that cannot.
    pub fn try_out(&self) -> Result<Vec<(&'static str, Duration)>, Mistake> {
        self.check()?;
        let bytes: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        let name = self.shared.names.trial(u64::from(std::process::id()));
        let mut done = Vec::new();
        let writes = self.settings.access.writes();
        for what in ["write", "read", "list", "delete"] {
            if !writes && what != "list" {
                continue;
            }
            let (shared, name, bytes) = (Arc::clone(&self.shared), name.clone(), bytes.clone());
            let began = Instant::now();
            let ended = self.wait_for(async move {
                let store = &shared.clients.small;
                let tried: Result<bool, object_store::Error> = match what {
                    "write" => store.put(&name, bytes.into()).await.map(|_| true),
                    "read" => match store.get(&name).await {
                        Ok(got) => got.bytes().await.map(|got| got == bytes),
                        Err(error) => Err(error),
                    },
                    "list" => {
                        use futures_util::TryStreamExt as _;
                        store
                            .list(Some(&shared.names.folder("kiln")))
                            .try_collect::<Vec<_>>()
                            .await
                            .map(|all| !all.is_empty())
                    }
                    _ => store.delete(&name).await.map(|()| true),
                };
                tried.map_err(|error| shared.problem(&error))
            });
            match ended {
                Some(Ok(true)) => done.push((what, began.elapsed())),
                Some(Ok(false)) => {
                    return Err(Mistake::new(
                        format!(
                            "{} does not {what} as it should: what was written is not what came back",
                            self.address()
                        ),
                        "a cache there would cost time and give nothing; look at the server",
                    ));
                }
                Some(Err(problem)) => {
                    let mistake = self.mistake(&problem);
                    return Err(Mistake { message: format!("{} (tried to {what})", mistake.message), ..mistake });
                }
                None => return Err(self.mistake(&Problem::silent("the server does not answer"))),
            }
        }
        Ok(done)
    }

    /// Asks for the results of actions that were not asked for yet, and takes those that are there into a store. Returns how many.
    pub fn ask(&self, keys: &[ActionKey], store: &Store) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<ActionKey> = keys.iter().filter(|key| !asked.contains(key)).copied().collect();
        if new.is_empty() || !self.reads() || self.is_off() || self.contact().is_some() {
            return 0;
        }
        let Ok(found) = self.results(&new) else { return 0 };
        let there: HashSet<ActionKey> = found.iter().map(|parcel| parcel.key).collect();
        if self.writes() {
            // It was sent once and is gone.
            let gone = new.iter().filter(|key| !there.contains(key) && self.ledger.is_sent(key));
            self.ledger.forget(&gone.copied().collect::<Vec<_>>());
        }
        asked.extend(new);
        drop(asked);
        let count = found.len();
        let keys: Vec<ActionKey> = found.iter().map(|parcel| parcel.key).collect();
        if let Err(error) = store.accept(found) {
            tracing::warn!("cannot take results of the remote cache: {error}");
            return 0;
        }
        if self.writes() {
            self.ledger.sent(&keys);
        }
        count
    }

    /// Fetches contents of promised results into a store, or of all their outputs; the keys of those of which not all could be
    /// had. `seconds` is what making them took: fetching that takes much longer is given up, and the remote is left alone.
    pub fn bring(&self, parcels: &[(&Parcel, Option<&[Artifact]>)], store: &Store, seconds: f64) -> Vec<ActionKey> {
        let all = || parcels.iter().map(|(parcel, _)| parcel.key).collect::<Vec<_>>();
        if self.is_off() || !self.reads() || self.contact().is_some() {
            self.broken().extend(all());
            return all();
        }
        let most = GRACE + Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let until = Until { remote: self, deadline: Instant::now() + most };
        match store.fetch(&until, parcels) {
            Ok(failed) => {
                // What it promised is not there: it is to be sent again once it was made again.
                self.ledger.forget(&failed);
                self.broken().extend(&failed);
                failed
            }
            Err(error) => {
                tracing::warn!("{error}");
                self.broken().extend(all());
                all()
            }
        }
    }

    /// Notes which result promises a content.
    pub(crate) fn note_promise(&self, parcel: &Parcel) {
        let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        promises.extend(parcel.result.outputs.values().map(|output| (output.digest, parcel.key)));
    }

    /// The result that promises a content, if one was noted.
    pub(crate) fn who_promised(&self, digest: &Digest) -> Option<ActionKey> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied()
    }

    /// Whether a promise was found not to be kept.
    pub fn is_broken(&self, key: &ActionKey) -> bool {
        self.broken().contains(key)
    }

    fn broken(&self) -> std::sync::MutexGuard<'_, HashSet<ActionKey>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went to and fro so far.
    pub fn traffic(&self) -> Traffic {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (received_bytes, sent_bytes) = self.shared.health.bytes();
        Traffic {
            url: self.address().to_string(),
            asked: count(&self.counts.asked),
            found: count(&self.counts.found),
            refused: count(&self.counts.refused),
            fetched: count(&self.counts.fetched),
            received_bytes,
            sent: count(&self.counts.sent),
            sent_bytes,
            left: self.outbox.left(),
        }
    }

    /// What the user should know and was not told yet.
    pub fn news(&self) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        let url = self.address();
        if let Some(Problem { text, hint, .. }) = self.shared.health.why()
            && told.insert("off")
        {
            let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            news.push(format!("warning: the remote cache {url} is left alone for this run: {text}{hint}"));
        }
        let refused = self.counts.refused.load(Ordering::Relaxed);
        if refused > 0 && told.insert("refused") {
            news.push(format!(
                "warning: the remote cache {url} has results that no accepted key signed; they are not used\n\
                 hint: `remote: {{accept: [...]}}` in the pipeline file lists the keys that are accepted"
            ));
        }
        if self.shared.health.lies() > 0 && told.insert("lies") {
            news.push(format!(
                "warning: what the remote cache {url} sent is not what was stored there; it is made anew"
            ));
        }
        if self.settings.access.writes() && !self.writes() && told.insert("unsigned") {
            news.push(format!(
                "results are not sent to {url}: only signed ones are accepted there, and KILN_SIGNING_KEY names no key"
            ));
        }
        if self.outbox.is_full() && told.insert("full") {
            news.push(format!(
                "warning: the remote cache {url} has no room; results are not sent any more in this run"
            ));
        }
        news
    }

    /// Does something on the network's thread and waits for it; `None` once that is not worth it any more.
    fn wait_for<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = mpsc::channel();
        self.handle.spawn(async move { drop(sender.send(work.await)) });
        let mut patience = Patience::new(&self.shared.health);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(found) => return Some(found),
                Err(RecvTimeoutError::Timeout) if patience.holds(&self.shared.health) => {}
                Err(_) => return None,
            }
        }
    }

    /// Does something for each of many things, so many at once, and hands over what comes of them, as long as that is worth it. `false`
    /// if not all came.
    fn each<I: Send + 'static, T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        items: Vec<I>,
        at_once: usize,
        deadline: Option<Instant>,
        work: impl Fn(I) -> F + Send + 'static,
        mut take: impl FnMut(T) -> Result<(), TierError>,
    ) -> Result<bool, TierError> {
        let count = items.len();
        let (sender, receiver) = mpsc::channel();
        self.handle.spawn(async move {
            let mut done = stream::iter(items).map(work).buffer_unordered(at_once);
            while let Some(found) = done.next().await {
                if sender.send(found).is_err() {
                    return;
                }
            }
        });
        let health = &self.shared.health;
        let mut patience = Patience::new(health);
        let mut came = 0;
        while came < count {
            match receiver.recv_timeout(TICK) {
                Ok(found) => {
                    came += 1;
                    take(found)?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                        health.turn_off(Problem::silent("fetching takes longer than making it anew would"));
                    }
                    if !patience.holds(health) {
                        return Ok(false);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn give_until(&self, wanted: &[Wanted], to: &Store, deadline: Option<Instant>) -> Result<Vec<Wanted>, TierError> {
        let mut jobs = Vec::with_capacity(wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let large = matches!(wanted, Wanted::Object(object) if !object.listing && object.bytes > PART);
            jobs.push((at, wanted.clone(), if large { Some(to.unfinished()?) } else { None }));
        }
        let shared = Arc::clone(&self.shared);
        let mut given = vec![false; wanted.len()];
        let work = move |(at, wanted, file): (usize, Wanted, Option<PathBuf>)| {
            let shared = Arc::clone(&shared);
            async move { (at, shared.content(wanted, file).await) }
        };
        self.each(jobs, CONTENTS_AT_ONCE, deadline, work, |(at, content)| {
            given[at] = match (content, &wanted[at]) {
                (Content::Bytes(bytes), Wanted::Object(object)) => to.receive(object, &bytes)?,
                (Content::Bytes(bytes), Wanted::Pack(pack)) => {
                    for (member, bytes) in members(pack, &bytes).into_iter().flatten() {
                        to.receive(member, bytes)?;
                    }
                    true
                }
                (Content::File(path), Wanted::Object(object)) => {
                    to.receive_file(&path, &object.digest)?;
                    true
                }
                _ => false,
            };
            self.counts.fetched.fetch_add(usize::from(given[at]), Ordering::Relaxed);
            Ok(())
        })?;
        Ok(wanted.iter().zip(&given).filter(|(_, given)| !**given).map(|(wanted, _)| wanted.clone()).collect())
    }

    /// What is to be sent of a result: its bytes, and where its contents lie.
    fn load(&self, key: &ActionKey, from: &Store) -> Option<(Vec<u8>, Vec<Source>)> {
        // The state of a step that was dropped has nothing to be sent.
        let result = from.result(key).filter(|result| !result.outputs.is_empty())?;
        let parcel = from.parcel(key, &from.manifest(key)?, &result).ok()?;
        let file = |object: &Object| from.object_path(object);
        let sources =
            parcel.alone.iter().map(|object| Source { wanted: Wanted::Object(*object), files: vec![file(object)] });
        let packs = parcel
            .packs
            .iter()
            .map(|pack| Source { wanted: Wanted::Pack(pack.clone()), files: pack.members.iter().map(file).collect() });
        let sources = sources.chain(packs).collect();
        let sign = self.settings.key.as_ref().map(|key| move |text: &[u8]| key.sign(text));
        let bytes = match &sign {
            Some(sign) => parcel.encode(Some(sign)),
            None => parcel.encode(None),
        };
        Some((bytes, sources))
    }
}

impl Tier for Remote {
    fn holds(&self, wanted: &[Wanted]) -> Result<Vec<bool>, TierError> {
        let mut holds = vec![false; wanted.len()];
        let shared = Arc::clone(&self.shared);
        let work = move |(at, wanted): (usize, Wanted)| {
            let shared = Arc::clone(&shared);
            async move { (at, shared.is_there(&wanted).await.unwrap_or(false)) }
        };
        let items = wanted.iter().cloned().enumerate().collect();
        let all = self.each(items, SMALL_AT_ONCE, None, work, |(at, there)| {
            holds[at] = there;
            Ok(())
        })?;
        if all { Ok(holds) } else { Err(self.silent()) }
    }

    fn give(&self, wanted: &[Wanted], to: &Store) -> Result<Vec<Wanted>, TierError> {
        self.give_until(wanted, to, None)
    }

    fn results(&self, keys: &[ActionKey]) -> Result<Vec<Parcel>, TierError> {
        let shared = Arc::clone(&self.shared);
        let mut found = Vec::new();
        let work = move |key: ActionKey| {
            let shared = Arc::clone(&shared);
            async move { shared.result(key).await }
        };
        self.each(keys.to_vec(), SMALL_AT_ONCE, None, work, |answer| {
            self.counts.asked.fetch_add(1, Ordering::Relaxed);
            match answer {
                Answer::Found(parcel) => {
                    self.counts.found.fetch_add(1, Ordering::Relaxed);
                    found.push(*parcel);
                }
                Answer::Unsigned => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                }
                Answer::None => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn take(&self, keys: &[ActionKey], from: &Store) -> Result<Vec<ActionKey>, TierError> {
        self.ledger.queue(keys);
        self.post(keys);
        self.outbox.close(None);
        self.send_all(from);
        if self.is_off() && keys.iter().any(|key| !self.ledger.is_sent(key)) {
            return Err(self.silent());
        }
        Ok(keys.iter().filter(|key| !self.ledger.is_sent(key)).copied().collect())
    }
}

impl Remote {
    fn silent(&self) -> TierError {
        TierError(
            self.shared.health.why().map_or_else(|| "the remote cache does not answer".to_owned(), |why| why.text),
        )
    }
}

/// A remote that gives only until a moment.
struct Until<'a> {
    remote: &'a Remote,
    deadline: Instant,
}

impl Tier for Until<'_> {
    fn holds(&self, wanted: &[Wanted]) -> Result<Vec<bool>, TierError> {
        self.remote.holds(wanted)
    }

    fn give(&self, wanted: &[Wanted], to: &Store) -> Result<Vec<Wanted>, TierError> {
        self.remote.give_until(wanted, to, Some(self.deadline))
    }

    fn results(&self, keys: &[ActionKey]) -> Result<Vec<Parcel>, TierError> {
        self.remote.results(keys)
    }

    fn take(&self, keys: &[ActionKey], from: &Store) -> Result<Vec<ActionKey>, TierError> {
        self.remote.take(keys, from)
    }
}

/// Starts the network's thread.
fn start() -> std::io::Result<(tokio::runtime::Handle, Network)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("remote".to_owned()).spawn(move || {
        let _ = runtime.block_on(receiver);
        // What is still under way is given up: a name lookup may block for long.
        runtime.shutdown_background();
    })?;
    Ok((handle, (sender, thread)))
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.network.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}
