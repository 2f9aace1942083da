//! Documents that are resolved: what a model file comes to, with all that it extends. Resolving them is most of what a look at an
//! unchanged pipeline of built-in kinds takes, so they are kept with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hash::{self, Stamp};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::kind::{Document, DocumentError, Kind};

/// The documents of a pipeline. One is believed as long as all files that it was made of are what they were.
#[derive(Default)]
pub struct Documents {
    known: Mutex<BTreeMap<Id, Known>>,
    /// Whether some were resolved since they were read.
    grown: AtomicBool,
}

/// The kind, its input, and the file, relative to the root.
type Id = (String, String, PathBuf);

struct Known {
    /// Every file that was read, absolute.
    sources: Vec<(PathBuf, Stamp)>,
    bytes: Vec<u8>,
}

impl Known {
    fn stands(&self) -> bool {
        self.sources.iter().all(|(file, stamp)| fs::metadata(file).is_ok_and(|metadata| Stamp::of(&metadata) == *stamp))
    }
}

impl Documents {
    /// The canonical bytes of a document; `None` if the kind's input is none.
    ///
    /// # Errors
    /// The mistake in it.
    pub(crate) fn resolve(
        &self,
        kind: &dyn Kind,
        input: &str,
        path: &Path,
        root: &Path,
    ) -> Option<Result<Vec<u8>, DocumentError>> {
        let id = (kind.name().to_owned(), input.to_owned(), path.to_owned());
        if let Some(known) = self.lock().get(&id).filter(|known| known.stands()) {
            return Some(Ok(known.bytes.clone()));
        }
        let begun = hash::now();
        let Document { bytes, sources } = match kind.document(input, &root.join(path))? {
            Ok(document) => document,
            Err(error) => return Some(Err(error)),
        };
        // A file that was written only just now may be written once more and look the same.
        let settled = |file: PathBuf| {
            let stamp = Stamp::of(&fs::metadata(&file).ok()?);
            stamp.settled_at(begun).then_some((file, stamp))
        };
        if let Some(sources) = sources.into_iter().map(settled).collect() {
            self.lock().insert(id, Known { sources, bytes: bytes.clone() });
            self.grown.store(true, Ordering::Relaxed);
        }
        Some(Ok(bytes))
    }

    /// Every file that they were made of, absolute, as it was then.
    pub(crate) fn sources(&self) -> Vec<(PathBuf, Stamp)> {
        self.lock().values().flat_map(|known| known.sources.iter().cloned()).collect()
    }

    /// Whether there are some that what was read did not have.
    pub(super) fn have_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// All of them as bytes; `None` if a path is not UTF-8.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Option<()> {
        let known = self.lock();
        put_count(out, known.len());
        for ((kind, input, path), Known { sources, bytes }) in known.iter() {
            put_text(out, kind);
            put_text(out, input);
            put_text(out, path.to_str()?);
            put_count(out, sources.len());
            for (file, stamp) in sources {
                put_text(out, file.to_str()?);
                for number in [stamp.id.0, stamp.id.1, stamp.size] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                for time in [stamp.mtime, stamp.ctime] {
                    out.extend_from_slice(&time.to_le_bytes());
                }
            }
            put_count(out, bytes.len());
            out.extend_from_slice(bytes);
        }
        Some(())
    }

    /// Reads what [`Self::put`] wrote.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let source = |from: &mut Reader<'_>| {
            let file = from.text()?.into();
            let (id, size) = ((from.u64()?, from.u64()?), from.u64()?);
            Some((file, Stamp { id, size, mtime: from.i64()?, ctime: from.i64()? }))
        };
        let one = |from: &mut Reader<'_>| {
            let id = (from.text()?, from.text()?, from.text()?.into());
            let sources = (0..from.count()?).map(|_| source(from)).collect::<Option<_>>()?;
            Some((id, Known { sources, bytes: from.bytes()?.to_vec() }))
        };
        let known = (0..from.count()?).map(|_| one(from)).collect::<Option<_>>()?;
        Some(Self { known: Mutex::new(known), grown: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
