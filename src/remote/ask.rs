//! Asking a remote cache for results, and fetching what they promise.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Remote;
use super::health::RATE;
use super::shared::{Answer, CONTENTS_AT_ONCE, Content, PART, SMALL_AT_ONCE, members};
use crate::hash::{ActionKey, Artifact, Digest};
use crate::store::{Object, Parcel, Store, Tier, TierError, Wanted};

/// Fetching a result may take so much longer than making it took.
const GRACE: Duration = Duration::from_secs(8);

/// After so long it is looked how long the rest will take.
const FIRST_LOOK: Duration = Duration::from_secs(2);

impl Remote {
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
        let until = Until { remote: self, began: Instant::now(), most };
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

    /// Copies contents into a store. Gives up when it takes longer than the time that is given, or is bound to.
    fn give_until(&self, wanted: &[Wanted], to: &Store, until: Option<&Until<'_>>) -> Result<Vec<Wanted>, TierError> {
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
        let (began, health) = (Instant::now(), &self.shared.health);
        let (bytes, before) = (wanted.iter().map(Wanted::bytes).sum(), health.bytes().0);
        let enough = || {
            let Some(until) = until else { return false };
            let took = began.elapsed();
            let enough = until.is_over() || until.will_be(bytes, health.bytes().0 - before, took);
            if enough {
                self.counts.given_up.fetch_add(1, Ordering::Relaxed);
                health.lost(took);
            }
            enough
        };
        self.each(jobs, CONTENTS_AT_ONCE, &enough, work, |(at, content)| {
            given[at] = match (content, &wanted[at]) {
                (Content::Bytes(bytes), Wanted::Object(object)) => {
                    to.receive_right(object, &bytes)?;
                    true
                }
                (Content::Bytes(bytes), Wanted::Pack(pack)) => {
                    let members: Vec<_> = members(pack, &bytes).into_iter().flatten().collect();
                    let received = |(member, bytes): &(&Object, &[u8])| to.receive_right(member, bytes);
                    members.par_iter().with_min_len(16).try_for_each(received)?;
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

    fn silent(&self) -> TierError {
        TierError(
            self.shared.health.why().map_or_else(|| "the remote cache does not answer".to_owned(), |why| why.text),
        )
    }
}

impl Tier for Remote {
    fn holds(&self, wanted: &[Wanted]) -> Result<Vec<bool>, TierError> {
        let mut holds = vec![false; wanted.len()];
        let shared = Arc::clone(&self.shared);
        let work = move |(at, wanted): (usize, Wanted)| {
            let shared = Arc::clone(&shared);
            async move { (at, shared.is_there(&*shared.clients.small, &wanted).await.unwrap_or(false)) }
        };
        let items = wanted.iter().cloned().enumerate().collect();
        let all = self.each(items, SMALL_AT_ONCE, &|| false, work, |(at, there)| {
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
        self.each(keys.to_vec(), SMALL_AT_ONCE, &|| false, work, |answer| {
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

/// A remote that gives only for some time.
struct Until<'a> {
    remote: &'a Remote,
    began: Instant,
    most: Duration,
}

impl Until<'_> {
    /// Whether the time is over.
    fn is_over(&self) -> bool {
        self.began.elapsed() > self.most
    }

    /// Whether the rest will take far longer, as fast as it has come so far. A server that gives next to nothing is somebody else's
    /// matter.
    fn will_be(&self, bytes: u64, came: u64, took: Duration) -> bool {
        if took < FIRST_LOOK || came < took.as_secs() * RATE {
            return false;
        }
        let rest = took.as_secs_f64() * (bytes.saturating_sub(came) as f64 / came as f64);
        self.began.elapsed().as_secs_f64() + rest > 2.0 * self.most.as_secs_f64()
    }
}

impl Tier for Until<'_> {
    fn holds(&self, wanted: &[Wanted]) -> Result<Vec<bool>, TierError> {
        self.remote.holds(wanted)
    }

    fn give(&self, wanted: &[Wanted], to: &Store) -> Result<Vec<Wanted>, TierError> {
        self.remote.give_until(wanted, to, Some(self))
    }

    fn results(&self, keys: &[ActionKey]) -> Result<Vec<Parcel>, TierError> {
        self.remote.results(keys)
    }

    fn take(&self, keys: &[ActionKey], from: &Store) -> Result<Vec<ActionKey>, TierError> {
        self.remote.take(keys, from)
    }
}
