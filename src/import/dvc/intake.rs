//! Reading files once: the MD5 that DVC knows a file by is taken together with the digest that Kiln knows it by. What may become an output of
//! a result gets into the store on the way: as one name more of the file in DVC's cache if that can be, as a copy otherwise.

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
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// It is a source: it is looked at.
    Source,
    /// It is an output: the store gets it. The file of DVC's cache is named that should be the same, if there is one; it may be the very file.
    Output(Option<&'a Path>),
}

/// Opens the store when the first file is read; `None` if it cannot be opened.
pub type Opening<'s> = dyn Fn() -> Option<&'s Store> + Sync + 's;

/// Reads files, for a store if there is one.
pub(super) struct Intake<'s> {
    open: Option<&'s Opening<'s>>,
    /// Files that the store has, by device and inode.
    taken: Mutex<HashMap<(u64, u64), Known>>,
}

/// What is known of a file that the store has.
struct Known {
    stamp: Stamp,
    artifact: Artifact,
    md5: String,
    folded: bool,
}

impl<'s> Intake<'s> {
    pub(super) fn new(open: Option<&'s Opening<'s>>) -> Self {
        Self { open, taken: Mutex::default() }
    }

    /// The MD5 of a file, with line ends folded as before DVC 3.
    pub(super) fn md5(&self, path: &Path, folded: bool, of: Of<'_>) -> io::Result<String> {
        let Some(store) = self.open.and_then(|open| open()) else { return digest::of_file(path, folded) };
        let before = fs::metadata(path)?;
        let Of::Output(object) = of else {
            let (read, md5) = beside(before.len(), folded, |show| store.memo().read_showing(path, show));
            return read.map(|_| md5);
        };
        if !before.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        if let Some(md5) = self.known(&before, folded) {
            // Another name of a file that was read.
            return Ok(md5);
        }
        if let Some(object) = object
            && let Ok(there) = fs::metadata(object)
            && there.len() == before.len()
            && store.can_link(&there)
        {
            return self.linked(store, path, &before, folded, object, &there);
        }
        let (artifact, md5) = beside(before.len(), folded, |show| store.take_showing(path, false, show));
        self.keep(path, &before, artifact.map_err(io::Error::other)?, &md5, folded);
        Ok(md5)
    }

    /// Reads a file. If it is what an object of DVC's cache is, the store gets that.
    fn linked(
        &self,
        store: &Store,
        path: &Path,
        before: &Metadata,
        folded: bool,
        object: &Path,
        there: &Metadata,
    ) -> io::Result<String> {
        let (read, md5) = beside(before.len(), folded, |show| store.memo().read_showing(path, show));
        let digest = read?;
        let artifact = Artifact { digest, tree: false, bytes: before.len(), executable: false };
        let same_file = Stamp::of(before).id == Stamp::of(there).id;
        // With line ends folded, files that differ have the same name.
        let same = same_file || (!folded && object_is(object, &md5));
        let unchanged = fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == Stamp::of(before));
        if !(same && unchanged) {
            // It is no output, or will be copied.
            return Ok(md5);
        }
        match store.take_link(object, &digest, same_file.then_some(before)) {
            Ok(()) => {
                // Its new name has changed when it was changed.
                let now = if same_file { fs::metadata(path)? } else { before.clone() };
                self.keep(path, &now, artifact, &md5, folded);
            }
            Err(error) => tracing::debug!("cannot link {}: {error}", object.display()),
        }
        Ok(md5)
    }

    /// The MD5 of a file that was taken under another name.
    fn known(&self, now: &Metadata, folded: bool) -> Option<String> {
        let stamp = Stamp::of(now);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken
            .get(&stamp.id)
            .filter(|known| known.stamp == stamp && known.folded == folded)
            .map(|known| known.md5.clone())
    }

    /// Keeps what was taken of a file if it is still what it was.
    fn keep(&self, path: &Path, was: &Metadata, artifact: Artifact, md5: &str, folded: bool) {
        let stamp = Stamp::of(was);
        if fs::metadata(path).is_ok_and(|now| Stamp::of(&now) == stamp) {
            let known = Known { stamp, artifact, md5: md5.to_owned(), folded };
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(stamp.id, known);
        }
    }

    /// What the files are that the store has.
    pub(super) fn taken(self) -> Taken {
        Taken(self.taken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a file of DVC's cache has the name of an MD5.
fn object_is(object: &Path, md5: &str) -> bool {
    let mut names = object.iter().rev().filter_map(|name| name.to_str());
    let (last, first) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    md5.strip_prefix(first) == Some(last)
}

/// So large a file has its MD5 taken by a thread of its own, beside the other digest: together they take twice as long.
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

/// Files that the store has.
pub(super) struct Taken(HashMap<(u64, u64), Known>);

impl Taken {
    /// What a file is in the store, if it is what was taken.
    pub(super) fn find(&self, metadata: &Metadata) -> Option<Artifact> {
        let stamp = Stamp::of(metadata);
        self.0.get(&stamp.id).filter(|known| known.stamp == stamp).map(|known| known.artifact.clone())
    }
}
