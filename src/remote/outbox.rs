//! What is to be sent: results wait here for the thread that sends them, at most so many at once, while the run goes on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Remote;
use super::health::{Patience, SENDING};
use super::network::TICK;
use super::problem::Kind;
use super::shared::{SMALL_AT_ONCE, Source};
use crate::hash::ActionKey;
use crate::store::{Object, Store, Wanted};

/// What waits to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Results that were posted and not sent.
    left: AtomicUsize,
    full: AtomicBool,
    /// Why something was not sent, once no more is being sent.
    trouble: Mutex<Option<String>>,
    /// Results that are not sent because nothing is sent from here.
    withheld: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    keys: VecDeque<ActionKey>,
    /// No more will come; what is not sent at the moment, if there is one, is left.
    closed: Option<Option<Instant>>,
}

impl Outbox {
    /// Results that are not sent yet.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Whether the remote had no room for something.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Why something was not sent, once no more is being sent.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// There will be more again.
    fn open(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = None;
    }

    /// No more will be posted. Who sends ends when all is sent, or at a moment.
    pub(super) fn close(&self, deadline: Option<Instant>) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = Some(deadline);
        self.changed.notify_all();
    }

    fn post(&self, keys: &[ActionKey]) {
        self.left.fetch_add(keys.len(), Ordering::Relaxed);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).keys.extend(keys);
        self.changed.notify_all();
    }

    /// The next to send; waits a moment for one. The second value tells whether more may come.
    fn next(&self, wait: bool) -> (Option<ActionKey>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.keys.is_empty() && queue.closed.is_none() && wait {
            queue = self.changed.wait_timeout(queue, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        let late = matches!(queue.closed, Some(Some(deadline)) if Instant::now() > deadline);
        if late || self.is_full() {
            queue.keys.clear();
            return (None, !late && queue.closed.is_none());
        }
        (queue.keys.pop_front(), queue.closed.is_none() || !queue.keys.is_empty())
    }

    fn is_late(&self) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(queue.closed, Some(Some(deadline)) if Instant::now() > deadline)
    }
}

const IN_CI: &str = "CI is set, and nothing says that the branch is protected";
const IN_CI_HINT: &str = "KILN_REMOTE_ACCESS=both or `--remote-access both` sends them, where the job can be trusted";
const SIGN_HINT: &str = "`accept` in the pipeline file lists the public keys; `kiln remote keygen` makes a pair";

impl Remote {
    /// Notes that a result is to be sent, and sends it when its turn comes.
    pub fn send(&self, key: &ActionKey) {
        if !self.writes() {
            self.outbox.withheld.fetch_add(1, Ordering::Relaxed);
        } else if !self.ledger.is_sent(key) {
            self.ledger.queue(&[*key]);
            self.post(&[*key]);
        }
    }

    /// That results of this run were not sent because it runs in continuous integration, if it is so.
    pub fn withheld(&self) -> Option<String> {
        let count = self.outbox.withheld.load(Ordering::Relaxed);
        (count > 0 && self.settings.in_ci).then(|| {
            let (s, are) = if count == 1 { ("", "is") } else { ("s", "are") };
            format!("{count} result{s} {are} not sent to {}: {IN_CI}\nhint: {IN_CI_HINT}", self.address())
        })
    }

    /// Why nothing may be sent there from here, and what allows it; `None` if it may.
    pub fn why_silent(&self) -> Option<(&'static str, &'static str)> {
        if self.writes() {
            None
        } else if self.settings.access.writes() {
            Some(match self.settings.key {
                None => ("only signed results are accepted there, and KILN_SIGNING_KEY names no key", SIGN_HINT),
                Some(_) => ("the key that KILN_SIGNING_KEY names is none of those that are accepted there", SIGN_HINT),
            })
        } else if self.settings.in_ci {
            Some((IN_CI, IN_CI_HINT))
        } else {
            Some(("access is `read`", "`--remote-access both` allows it"))
        }
    }

    /// How many results earlier runs left to be sent.
    pub fn left_over(&self) -> usize {
        if self.writes() { self.ledger.queued().len() } else { 0 }
    }

    /// Sends those, too.
    pub fn send_left_over(&self) {
        if self.writes() {
            self.post(&self.ledger.queued());
        }
    }

    /// The results that are still to be sent.
    pub fn queued(&self) -> Vec<ActionKey> {
        self.ledger.queued()
    }

    /// Forgets that results were sent.
    pub fn forget(&self, keys: &[ActionKey]) {
        self.ledger.forget(keys);
    }

    /// Whether a result is known to be there.
    pub fn has_sent(&self, key: &ActionKey) -> bool {
        self.ledger.is_sent(key)
    }

    pub(super) fn post(&self, keys: &[ActionKey]) {
        self.outbox.post(keys);
    }

    /// Results will be sent again, after an earlier run.
    pub fn open_again(&self) {
        self.outbox.open();
    }

    /// No more results will be sent in this run. Who sends has so long to end.
    pub fn close(&self, limit: Option<Duration>) {
        self.outbox.close(limit.map(|limit| Instant::now() + limit));
    }

    /// How long a run waits at its end until all is sent.
    pub fn limit(&self) -> Duration {
        self.settings.wait
    }

    /// Sends what is posted until [`Remote::close`] was called and all is sent, or its limit is reached. For a thread of its own.
    pub fn send_all(&self, from: &Store) {
        let trouble = self.send_posted(from);
        *self.outbox.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Returns why something was not sent, if it is not the lack of time.
    fn send_posted(&self, from: &Store) -> Option<String> {
        let (sender, done) = mpsc::channel();
        let mut flying = 0;
        let mut trouble = None;
        let mut patience = Patience::of(&self.shared.health, SENDING);
        loop {
            let (key, more) = if flying < SMALL_AT_ONCE { self.outbox.next(flying == 0) } else { (None, true) };
            if let Some(key) = key {
                if self.is_off() || self.contact().is_some() {
                    continue;
                }
                let Some((parcel, sources, is_adopted)) = self.load(&key, from) else {
                    // Collected as garbage meanwhile, or damaged: there is nothing to send.
                    self.ledger.forget(&[key]);
                    self.outbox.left.fetch_sub(1, Ordering::Relaxed);
                    continue;
                };
                if flying == 0 {
                    patience = Patience::of(&self.shared.health, SENDING);
                }
                let (shared, sender) = (Arc::clone(&self.shared), sender.clone());
                self.network.handle.spawn(async move {
                    drop(sender.send((key, shared.send(key, parcel, sources, is_adopted).await)))
                });
                flying += 1;
                continue;
            }
            if flying == 0 {
                if more {
                    continue;
                }
                return trouble;
            }
            match done.recv_timeout(TICK) {
                Ok(first) => {
                    let ended: Vec<_> = std::iter::once(first).chain(done.try_iter()).collect();
                    flying -= ended.len();
                    let sent: Vec<ActionKey> =
                        ended.iter().filter(|(_, end)| end.is_ok()).map(|(key, _)| *key).collect();
                    self.ledger.sent(&sent);
                    self.counts.sent.fetch_add(sent.len(), Ordering::Relaxed);
                    self.outbox.left.fetch_sub(sent.len(), Ordering::Relaxed);
                    for problem in ended.into_iter().filter_map(|(_, end)| end.err()) {
                        tracing::debug!("cannot send a result: {}", problem.text);
                        if problem.kind == Kind::Full {
                            self.outbox.full.store(true, Ordering::Relaxed);
                        }
                        trouble = Some(problem.text);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.outbox.is_late() || !patience.holds(&self.shared.health) {
                        return trouble;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return trouble,
            }
        }
    }

    /// What is to be sent of a result: its bytes, and where its contents lie; and whether it was adopted and not executed.
    fn load(&self, key: &ActionKey, from: &Store) -> Option<(Vec<u8>, Vec<Source>, bool)> {
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
        Some((bytes, sources, result.adopted.is_some()))
    }
}
