//! What the store kept of the stages of past runs.

use serde_json::Value;

use crate::action::{Files, Manifest};
use crate::compare::Evidence;
use crate::engine::decide::documents;
use crate::hash::{ActionKey, Digest};
use crate::kind::Catalog;
use crate::store::Store;

/// A store as evidence.
pub struct StoreEvidence<'a> {
    /// The store.
    pub store: &'a Store,
    /// The kinds of the stages.
    pub catalog: Catalog,
}

impl Evidence for StoreEvidence<'_> {
    fn manifest(&self, key: &ActionKey) -> Option<Manifest> {
        self.store.manifest(key)
    }

    fn document(&self, digest: &Digest) -> Option<Value> {
        documents::stored(self.store, digest)
    }

    fn files(&self, old: &Digest, new: &Digest) -> Option<Files> {
        Some(documents::changed_files(&self.store.kept_listing(old)?, &self.store.kept_listing(new)?))
    }

    fn is_document(&self, uses: &str, input: &str) -> bool {
        self.catalog.get(uses).is_some_and(|kind| documents::is_document(kind.as_ref(), input))
    }
}
