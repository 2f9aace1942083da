//! Reading files once: the MD5 that DVC knows a file by is taken together with the digest that Kiln knows it by, and what may become an
//! output of a result is copied into the store on the way.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::digest::{self, Taking};
use crate::hash::{Artifact, Stamp};
use crate::store::Store;

/// What becomes of a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// It is a source: it is looked at.
    Source,
    /// It is an output: the store takes a copy.
    Output,
}

/// Opens the store when the first file is read; `None` if it cannot be opened.
pub type Opening<'s> = dyn Fn() -> Option<&'s Store> + Sync + 's;

/// Reads files, for a store if there is one.
pub(super) struct Intake<'s> {
    open: Option<&'s Opening<'s>>,
    /// Files of which the store has a copy, by device and inode.
    taken: Mutex<HashMap<(u64, u64), (Stamp, Artifact)>>,
}

impl<'s> Intake<'s> {
    pub(super) fn new(open: Option<&'s Opening<'s>>) -> Self {
        Self { open, taken: Mutex::default() }
    }

    /// The MD5 of a file, with line ends folded as before DVC 3.
    pub(super) fn md5(&self, path: &Path, folded: bool, of: Of) -> io::Result<String> {
        let Some(store) = self.open.and_then(|open| open()) else { return digest::of_file(path, folded) };
        let size = fs::metadata(path)?.len();
        if of == Of::Source {
            let (read, md5) = beside(size, folded, |show| store.memo().read_showing(path, show));
            return read.map(|()| md5);
        }
        let before = fs::metadata(path)?;
        if !before.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let (artifact, md5) = beside(size, folded, |show| store.take_showing(path, false, show));
        let artifact = artifact.map_err(io::Error::other)?;
        let stamp = Stamp::of(&before);
        if fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == stamp) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(stamp.id, (stamp, artifact));
        }
        Ok(md5)
    }

    /// What the files are that the store has a copy of.
    pub(super) fn taken(self) -> Taken {
        Taken(self.taken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// So large a file has its MD5 taken by a thread of its own, beside the copy and the other digest: together they take twice as long.
const LARGE: u64 = 16 << 20;

/// So many pieces wait for that thread at most.
const WAITING: usize = 8;

/// Does what shows the bytes of a file, and takes their MD5.
fn beside<T>(size: u64, folded: bool, read: impl FnOnce(&mut dyn FnMut(&[u8])) -> T) -> (T, String) {
    let mut md5 = Taking::new(folded);
    if size < LARGE {
        let done = read(&mut |bytes| md5.update(bytes));
        return (done, md5.finish());
    }
    let (send, pieces) = mpsc::sync_channel::<Vec<u8>>(WAITING);
    thread::scope(|scope| {
        let taking = scope.spawn(move || {
            pieces.into_iter().for_each(|piece| md5.update(&piece));
            md5.finish()
        });
        // The other side ends after this one alone.
        let done = read(&mut |bytes| drop(send.send(bytes.to_vec())));
        drop(send);
        (done, taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Files of which the store has a copy.
pub(super) struct Taken(HashMap<(u64, u64), (Stamp, Artifact)>);

impl Taken {
    /// What a file is in the store, if it is what was taken.
    pub(super) fn find(&self, metadata: &Metadata) -> Option<Artifact> {
        let stamp = Stamp::of(metadata);
        self.0.get(&stamp.id).filter(|(known, _)| *known == stamp).map(|(_, artifact)| artifact.clone())
    }
}
