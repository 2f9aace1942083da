//! Promised results: those that another store has, with their contents or most of them, and that this one can have from there.
//!
//! They lie in a journal of their own, `promised.log`, so that a result in `actions.log` has its content here. Nothing is lost with it: the
//! other store is asked again.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Access, Parcel, Result, Store, StoreError};
use crate::hash::ActionKey;
use crate::journal::{Entry, Journal, Span};

/// The journal, and where each key's last parcel is in it. It is read when first needed.
pub(super) struct Promised {
    path: PathBuf,
    journal: Journal,
    spans: HashMap<ActionKey, Span>,
    /// Those of a store that may not be written.
    unwritten: HashMap<ActionKey, Parcel>,
    read: bool,
}

impl Promised {
    pub(super) fn unread(path: &Path) -> Self {
        let (spans, unwritten) = (HashMap::new(), HashMap::new());
        Self { path: path.to_owned(), journal: Journal::new(path), spans, unwritten, read: false }
    }

    fn read(&mut self) -> Result<()> {
        let spans = &mut self.spans;
        self.read = true;
        self.journal.read_new(&mut |entry| visit(spans, &entry)).map_err(StoreError::io("read", &self.path))
    }

    fn get(&mut self, key: &ActionKey) -> Option<Parcel> {
        if let Some(parcel) = self.unwritten.get(key) {
            return Some(parcel.clone());
        }
        if !self.read
            && let Err(error) = self.read()
        {
            tracing::warn!("{error}");
        }
        let span = self.spans.get(key)?;
        let parcel = Parcel::decode(&self.journal.body(*span).ok()?)?;
        (parcel.key == *key).then_some(parcel)
    }

    fn add(&mut self, parcels: Vec<Parcel>) -> Result<()> {
        let failed = || StoreError::io("write", &self.path);
        let spans = &mut self.spans;
        self.read = true;
        let mut locked = self.journal.lock(&mut |entry| visit(spans, &entry)).map_err(failed())?;
        for parcel in parcels {
            locked.append(&parcel.key.0, &parcel.encode(None), &mut |entry| visit(spans, &entry)).map_err(failed())?;
        }
        Ok(())
    }
}

fn visit(spans: &mut HashMap<ActionKey, Span>, entry: &Entry<'_>) {
    match entry {
        Entry::Restart => spans.clear(),
        Entry::Frame(frame) => {
            if let Ok(key) = frame.head.try_into() {
                spans.insert(ActionKey(key), frame.body);
            }
        }
    }
}

impl Store {
    /// What another store has promised for an action.
    pub fn promised(&self, key: &ActionKey) -> Option<Parcel> {
        self.promises().get(key)
    }

    /// Whether there are any promises that were kept.
    pub(crate) fn has_promises(&self) -> bool {
        fs::metadata(self.root().join(super::files::PROMISED)).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Keeps promises. What travels within them is not kept with them.
    pub(super) fn promise(&self, parcels: Vec<Parcel>) -> Result<()> {
        let parcels = parcels.into_iter().map(|parcel| Parcel { within: vec![], ..parcel });
        let mut promises = self.promises();
        if self.access() == Access::Look {
            promises.unwritten.extend(parcels.map(|parcel| (parcel.key, parcel)));
            return Ok(());
        }
        promises.add(parcels.collect())
    }

    /// Forgets all promises.
    pub(super) fn forget_promises(&self) -> Result<()> {
        let path = self.root().join(super::files::PROMISED);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    fn promises(&self) -> std::sync::MutexGuard<'_, Promised> {
        self.promised.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
