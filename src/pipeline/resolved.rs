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
    /// Whether what some came to may have changed while it was asked for: stages may have been handed one and the other.
    unsteady: AtomicBool,
}

/// The kind, its input, and the file, relative to the root.
type Id = (String, String, PathBuf);

struct Known {
    /// Every file that was read, absolute.
    sources: Vec<(PathBuf, Stamp)>,
    bytes: Vec<u8>,
    /// Whether it was found to stand since it was read.
    handed: bool,
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
        if let Some(known) = self.lock().get_mut(&id) {
            if known.stands() {
                known.handed = true;
                return Some(Ok(known.bytes.clone()));
            }
            if known.handed {
                self.unsteady.store(true, Ordering::Relaxed);
            }
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
        match sources.into_iter().map(settled).collect() {
            Some(sources) => {
                self.lock().insert(id, Known { sources, bytes: bytes.clone(), handed: true });
                self.grown.store(true, Ordering::Relaxed);
            }
            None => self.unsteady.store(true, Ordering::Relaxed),
        }
        Some(Ok(bytes))
    }

    /// Every file that they were made of, absolute, as it was then. `None` if what one came to may have changed since the first was asked for.
    pub(crate) fn sources(&self) -> Option<Vec<(PathBuf, Stamp)>> {
        let sources = || self.lock().values().flat_map(|known| known.sources.iter().cloned()).collect();
        (!self.unsteady.load(Ordering::Relaxed)).then(sources)
    }

    /// Whether there are some that what was read did not have.
    pub(super) fn have_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// All of them as bytes; `None` if a path is not UTF-8.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Option<()> {
        let known = self.lock();
        put_count(out, known.len());
        for ((kind, input, path), Known { sources, bytes, .. }) in known.iter() {
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
            Some((id, Known { sources, bytes: from.bytes()?.to_vec(), handed: false }))
        };
        let known = (0..from.count()?).map(|_| one(from)).collect::<Option<_>>()?;
        Some(Self { known: Mutex::new(known), ..Self::default() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::kind::{Event, Job, OutputPort, ParamError, Port};

    /// Takes a document that is made of the file itself and of `base` beside it.
    #[derive(Default)]
    struct Joins(AtomicUsize);

    impl Kind for Joins {
        fn name(&self) -> &str {
            "joins"
        }
        fn summary(&self) -> &str {
            ""
        }
        fn inputs(&self) -> &[Port] {
            &[]
        }
        fn outputs(&self) -> &[OutputPort] {
            &[]
        }
        fn check(&self, with: &Value) -> Result<Value, ParamError> {
            Ok(with.clone())
        }
        fn fingerprint(&self) -> &str {
            ""
        }
        fn document(&self, _input: &str, path: &Path) -> Option<Result<Document, DocumentError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let sources = vec![path.to_owned(), path.with_file_name("base")];
            let bytes = sources.iter().flat_map(|file| fs::read(file).unwrap()).collect();
            Some(Ok(Document { bytes, sources }))
        }
        fn fixed(&self, _params: &Value) -> Option<BTreeMap<String, crate::hash::Digest>> {
            None
        }
        fn run(&self, _job: &Job, _events: &(dyn Fn(Event) + Sync)) -> anyhow::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_document_is_believed_while_all_that_it_is_made_of_stays() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let settle = || std::thread::sleep(Duration::from_millis(60));
        let kind = Joins::default();
        let resolve = |documents: &Documents| {
            let found = documents.resolve(&kind, "model", Path::new("own"), folder.path());
            String::from_utf8(found.unwrap().unwrap()).unwrap()
        };
        let kept = |documents: &Documents| {
            let mut bytes = Vec::new();
            documents.put(&mut bytes).unwrap();
            Documents::read(&mut Reader(&bytes)).unwrap()
        };
        write("own", "a");
        write("base", "b");
        settle();
        let documents = Documents::default();
        assert_eq!((resolve(&documents), resolve(&documents)), ("ab".into(), "ab".into()));
        assert_eq!((kind.0.load(Ordering::Relaxed), documents.sources().unwrap().len()), (1, 2));

        // Changed between two runs: it is resolved anew, and what it came to is known.
        let next = kept(&documents);
        write("base", "c");
        settle();
        assert_eq!((resolve(&next), next.have_grown()), ("ac".into(), true));
        assert!(next.sources().is_some());
        // Changed while a run goes on: one stage may have the old one, and another the new one.
        write("base", "d");
        settle();
        assert_eq!(resolve(&next), "ad");
        assert!(next.sources().is_none());
        // Changed only just now: it may be changed once more and look the same.
        let next = kept(&next);
        write("base", "e");
        let later = std::time::SystemTime::now() + Duration::from_secs(3600);
        fs::File::options().write(true).open(folder.path().join("base")).unwrap().set_modified(later).unwrap();
        assert_eq!(resolve(&next), "ae");
        assert!(next.sources().is_none());
    }
}
