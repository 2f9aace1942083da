//! Resolved documents beside results: kept when a stage is executed, so that a later `why` can say which field changed.

use serde_json::Value;

use super::decide::Decision;
use crate::hash::Digest;
use crate::store::{Store, StoreError};

/// Larger files, in bytes, are not looked into.
const LARGEST: u64 = 1 << 20;

/// Keeps the documents that a stage was handed.
///
/// # Errors
/// If they cannot be written.
pub(super) fn keep(store: &Store, decision: &Decision) -> Result<(), StoreError> {
    decision.documents.values().try_for_each(|bytes| store.insert_bytes(bytes).map(drop))
}

/// The document with a digest, if the stage is handed it now.
pub(super) fn own(decision: &Decision, digest: &Digest) -> Option<Value> {
    let bytes = decision.documents.iter().find(|((name, position), _)| {
        decision.manifest.inputs.get(name).and_then(|items| items.get(*position)).is_some_and(|i| i.digest == *digest)
    })?;
    serde_json::from_slice(bytes.1).ok()
}

/// The JSON file with a digest, if the store has it: a document, or an output such as metrics.
pub fn stored(store: &Store, digest: &Digest) -> Option<Value> {
    let length = std::fs::metadata(store.blob_path(digest)).ok()?.len();
    if length > LARGEST {
        return None;
    }
    let value: Value = serde_json::from_slice(&store.read(digest).ok()?).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}
