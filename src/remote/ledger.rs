//! What is known, in a local store, of what a remote cache has: results that were sent, and results that are still to be sent.
//!
//! A journal for each remote, `remotes/<16 digits>.log`, whose frames have no bodies. A head is a letter and 32 bytes: `q` a key
//! that is to be sent, `s` one that is there, `f` one that is not, `i` the number of the remote. Once the number is another, nothing
//! counts as sent.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::hash::ActionKey;
use crate::journal::{Entry, Journal};

/// A ledger that is this long, in bytes, and mostly superseded is written anew.
const SMALL: u64 = 1 << 20;

/// A ledger.
pub(super) struct Ledger(Mutex<Inner>);

struct Inner {
    journal: Journal,
    state: State,
    read: bool,
    /// Whether what is noted is written.
    kept: bool,
}

#[derive(Default)]
struct State {
    /// By key: whether it is sent. Those that are not are to be.
    keys: HashMap<ActionKey, bool>,
    number: Option<[u8; 32]>,
    frames: u64,
}

impl State {
    fn visit(&mut self, entry: &Entry<'_>) {
        let frame = match entry {
            Entry::Restart => return *self = Self::default(),
            Entry::Frame(frame) => frame,
        };
        self.frames += 1;
        let Some((letter, rest)) = frame.head.split_first() else { return };
        let Ok(rest) = <[u8; 32]>::try_from(rest) else { return };
        match letter {
            b'q' => {
                self.keys.entry(ActionKey(rest)).or_insert(false);
            }
            b's' => {
                self.keys.insert(ActionKey(rest), true);
            }
            b'f' => {
                self.keys.remove(&ActionKey(rest));
            }
            b'i' => {
                if self.number.is_some_and(|number| number != rest) {
                    self.keys.retain(|_, sent| !*sent);
                }
                self.number = Some(rest);
            }
            _ => {}
        }
    }
}

impl Ledger {
    /// The ledger at a path; it is read when first needed.
    pub(super) fn at(path: &Path) -> Self {
        Self(Mutex::new(Inner { journal: Journal::new(path), state: State::default(), read: false, kept: true }))
    }

    /// A ledger in which nothing is noted.
    pub(super) fn nowhere() -> Self {
        Self(Mutex::new(Inner {
            journal: Journal::new(Path::new("")),
            state: State::default(),
            read: true,
            kept: false,
        }))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.read {
            let Inner { journal, state, read, .. } = &mut *inner;
            *read = true;
            if let Err(error) = journal.read_new(&mut |entry| state.visit(&entry)) {
                tracing::warn!("cannot read what was sent to the remote cache: {error}");
            }
        }
        look(&mut inner)
    }

    /// The number of the remote when it was last seen.
    pub(super) fn number(&self) -> Option<[u8; 32]> {
        self.with(|inner| inner.state.number)
    }

    /// The keys that are still to be sent.
    pub(super) fn queued(&self) -> Vec<ActionKey> {
        self.with(|inner| inner.state.keys.iter().filter(|(_, sent)| !**sent).map(|(key, _)| *key).collect())
    }

    /// Whether a result is known to be there.
    pub(super) fn is_sent(&self, key: &ActionKey) -> bool {
        self.with(|inner| inner.state.keys.get(key) == Some(&true))
    }

    /// Notes keys that are to be sent.
    pub(super) fn queue(&self, keys: &[ActionKey]) {
        self.note(b'q', keys.iter().map(|key| key.0));
    }

    /// Notes keys that are there.
    pub(super) fn sent(&self, keys: &[ActionKey]) {
        self.note(b's', keys.iter().map(|key| key.0));
    }

    /// Notes keys that are not there, and not to be sent.
    pub(super) fn forget(&self, keys: &[ActionKey]) {
        self.note(b'f', keys.iter().map(|key| key.0));
    }

    /// Notes the number of the remote.
    pub(super) fn seen(&self, number: [u8; 32]) {
        if self.number() != Some(number) {
            self.note(b'i', [number].into_iter());
        }
    }

    fn note(&self, letter: u8, values: impl Iterator<Item = [u8; 32]>) {
        let note = |inner: &mut Inner| {
            let Inner { journal, state, kept, .. } = inner;
            if !*kept {
                return Ok(());
            }
            let mut locked = journal.lock(&mut |entry| state.visit(&entry))?;
            for value in values {
                let mut head = [letter; 33];
                head[1..].copy_from_slice(&value);
                let known = state.keys.get(&ActionKey(value)).copied();
                if (letter, known) == (b's', Some(true)) || (letter == b'q' && known.is_some()) {
                    continue;
                }
                locked.append(&head, &[], &mut |entry| state.visit(&entry))?;
            }
            if locked.journal().length() > SMALL && state.frames > 2 * state.keys.len() as u64 {
                let old = std::mem::take(state);
                let number = old.number.map(|number| (b'i', number));
                let keys = old.keys.iter().map(|(key, sent)| (if *sent { b's' } else { b'q' }, key.0));
                let heads: Vec<[u8; 33]> = number
                    .into_iter()
                    .chain(keys)
                    .map(|(letter, value)| {
                        let mut head = [letter; 33];
                        head[1..].copy_from_slice(&value);
                        head
                    })
                    .collect();
                let frames = heads.iter().map(|head| (&head[..], crate::journal::Span::default()));
                locked.rewrite(frames, &mut |entry| state.visit(&entry))?;
            }
            Ok::<(), std::io::Error>(())
        };
        // What is not noted is sent once more, or by `kiln push`.
        if let Err(error) = self.with(note) {
            tracing::warn!("cannot note what was sent to the remote cache: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_known_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let key = |n: u8| ActionKey([n; 32]);
        let ledger = Ledger::at(&path);
        assert_eq!((ledger.queued(), ledger.number()), (vec![], None));
        ledger.seen([1; 32]);
        ledger.queue(&[key(1), key(2)]);
        ledger.sent(&[key(1), key(3)]);
        ledger.forget(&[key(3)]);
        ledger.queue(&[key(1)]);
        for ledger in [ledger, Ledger::at(&path)] {
            assert_eq!((ledger.queued(), ledger.number()), (vec![key(2)], Some([1; 32])));
            assert_eq!([1, 2, 3].map(|n| ledger.is_sent(&key(n))), [true, false, false]);
        }
        let ledger = Ledger::at(&path);
        ledger.seen([2; 32]);
        assert!(!ledger.is_sent(&key(1)), "another remote has nothing of it");
        assert_eq!(ledger.queued(), [key(2)]);
    }

    #[test]
    fn a_long_ledger_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let ledger = Ledger::at(&path);
        ledger.seen([9; 32]);
        let keys: Vec<ActionKey> =
            (0..3000u32).map(|n| ActionKey(*blake3::hash(&n.to_le_bytes()).as_bytes())).collect();
        for _ in 0..5 {
            ledger.forget(&keys);
            ledger.sent(&keys);
        }
        assert!(std::fs::metadata(&path).unwrap().len() < SMALL + 400_000);
        let again = Ledger::at(&path);
        assert!(keys.iter().all(|key| again.is_sent(key)) && again.number() == Some([9; 32]));
    }
}
