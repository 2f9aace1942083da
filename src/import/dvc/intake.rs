//! Reading files once: the MD5 that DVC knows a file by is taken together with the digest that Kiln knows it by, and what may become an
//! output of a result is copied into the store on the way.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

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
        let mut md5 = Taking::new(folded);
        if of == Of::Source {
            store.memo().read_showing(path, &mut |bytes| md5.update(bytes))?;
            return Ok(md5.finish());
        }
        let before = fs::metadata(path)?;
        if !before.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let artifact = store.take_showing(path, false, &mut |bytes| md5.update(bytes)).map_err(io::Error::other)?;
        let stamp = Stamp::of(&before);
        if fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == stamp) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(stamp.id, (stamp, artifact));
        }
        Ok(md5.finish())
    }

    /// What the files are that the store has a copy of.
    pub(super) fn taken(self) -> Taken {
        Taken(self.taken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
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
