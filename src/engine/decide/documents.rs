//! What stages were handed, kept beside results: resolved documents, and the listings of source folders. So a later `why` can say
//! which field changed, and which file.

use std::fs::File;
use std::io::Read as _;

use serde_json::Value;

use super::decision::{Deciding, Decision};
use super::sources::extent;
use crate::action::{Contents, Files};
use crate::hash::Digest;
use crate::hash::tree::Listing;
use crate::kind::Kind;
use crate::pipeline::{Body, From, Input, Source, Stage, View, read_written};
use crate::store::{Store, StoreError};

/// Larger files, in bytes, are not looked into.
const LARGEST: u64 = 1 << 20;

/// Keeps the documents that a stage was handed, and the listings of its source folders.
///
/// # Errors
/// If they cannot be written.
pub(crate) fn keep(deciding: &Deciding<'_>, stage: &Stage, decision: &Decision) -> Result<(), StoreError> {
    let store = deciding.store;
    decision.documents.values().try_for_each(|bytes| store.insert_bytes(bytes).map(drop))?;
    for item in stage.inputs.values().flatten() {
        let Some(source) = item.source() else { continue };
        if let Some(View::Written(text)) = source.view.map(|view| &**view) {
            store.insert_bytes(text.as_bytes())?;
        }
        let Ok(artifact) = deciding.sources.get(source) else { continue };
        if !artifact.tree || store.has_listing(&artifact.digest) {
            continue;
        }
        // A folder that has changed since it was looked at is the next run's business.
        if let Ok(listing) = deciding.memo.source_listing(&deciding.pipeline.root.join(source.path), extent(source)) {
            store.keep_listing(&listing, &artifact.digest)?;
        }
    }
    Ok(())
}

/// The document with a digest, if the stage is handed it now.
pub(crate) fn own(decision: &Decision, digest: &Digest) -> Option<Value> {
    let bytes = decision.documents.iter().find(|((name, position), _)| {
        decision.manifest.inputs.get(name).and_then(|items| items.get(*position)).is_some_and(|i| i.digest == *digest)
    })?;
    serde_json::from_slice(bytes.1).ok()
}

/// The values of a file of parameters with a digest, if the stage takes them now.
pub(crate) fn picked(stage: &Stage, digest: &Digest) -> Option<Value> {
    let mut texts = stage.inputs.values().flatten().filter_map(|item| match item.view.as_deref() {
        Some(View::Written(text)) => Some(text),
        _ => None,
    });
    let is = |text: &&String| Digest(blake3::hash(text.as_bytes()).into()) == *digest;
    texts.find(is).and_then(|text| read_written(text))
}

/// The JSON file with a digest, if the store has it: a document, values of a file of parameters, or an output such as metrics.
pub(crate) fn stored(store: &Store, digest: &Digest) -> Option<Value> {
    let mut file = File::open(store.blob_path(digest)).ok()?;
    if file.metadata().ok()?.len() > LARGEST || !may_be_json(&mut file) {
        return None;
    }
    let bytes = store.read(digest).ok()?;
    let value: Option<Value> = serde_json::from_slice(&bytes).ok();
    let value =
        value.or_else(|| read_written(std::str::from_utf8(&bytes).ok().filter(|text| text.starts_with('{'))?))?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// Whether a file begins as an object or an array does. Most files that a stage takes do not, and need not be read.
fn may_be_json(file: &mut File) -> bool {
    let mut head = [0; 64];
    let read = file.read(&mut head).unwrap_or(0);
    head[..read].iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| matches!(byte, b'{' | b'['))
}

/// Whether a kind takes a document for an input.
pub(crate) fn is_document(kind: &dyn Kind, input: &str) -> bool {
    // Only of documents is there anything to say where no file is.
    kind.document(input, std::path::Path::new("")).is_some()
}

/// What a stage is handed now, and what it was handed before.
pub(crate) struct Handed<'a> {
    pub(crate) deciding: &'a Deciding<'a>,
    pub(crate) stage: &'a Stage,
    pub(crate) decision: &'a Decision,
}

impl Contents for Handed<'_> {
    fn document(&self, digest: &Digest) -> Option<Value> {
        let own = own(self.decision, digest).or_else(|| picked(self.stage, digest));
        own.or_else(|| stored(self.deciding.store, digest))
    }

    fn files(&self, old: &Digest, new: &Digest) -> Option<Files> {
        let listing = |digest: &Digest| {
            let stored = self.deciding.store.kept_listing(digest);
            stored.or_else(|| source_listing(self.deciding, self.stage, digest))
        };
        Some(changed_files(&listing(old)?, &listing(new)?))
    }

    fn is_document(&self, input: &str) -> bool {
        is_own_document(self.stage, input)
    }
}

/// Whether an input of a stage is a document that someone wrote.
pub(crate) fn is_own_document(stage: &Stage, input: &str) -> bool {
    let from_source = |item: &crate::pipeline::Input| matches!(item.from, From::Source(_));
    let sources = stage.inputs.get(input).is_some_and(|items| items.iter().all(from_source));
    matches!(&stage.body, Body::Uses { kind, .. } if sources && is_document(kind.as_ref(), input))
}

/// The listing of a source folder of a stage, as it is now.
pub(crate) fn source_listing(deciding: &Deciding<'_>, stage: &Stage, digest: &Digest) -> Option<Listing> {
    let is = |source: &Source<'_>| deciding.sources.get(*source).is_ok_and(|a| a.tree && a.digest == *digest);
    let source = stage.inputs.values().flatten().filter_map(Input::source).find(is)?;
    deciding.memo.source_listing(&deciding.pipeline.root.join(source.path), extent(source)).ok()
}

/// How two folders differ.
pub(crate) fn changed_files(old: &Listing, new: &Listing) -> Files {
    let mut files = Files::default();
    let (mut before, mut after) = (old.entries.iter().peekable(), new.entries.iter().peekable());
    loop {
        // Both are sorted by the bytes of their paths.
        let order = match (before.peek(), after.peek()) {
            (None, None) => return files,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()),
        };
        let (names, path) = match order {
            std::cmp::Ordering::Less => (&mut files.removed, before.next().map(|(path, _)| path)),
            std::cmp::Ordering::Greater => (&mut files.added, after.next().map(|(path, _)| path)),
            std::cmp::Ordering::Equal => {
                let (old, new) = (before.next(), after.next());
                if old == new {
                    continue;
                }
                (&mut files.changed, new.map(|(path, _)| path))
            }
        };
        if let Some(path) = path {
            names.push(|| path.display().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tree::Node;

    #[test]
    fn folders_are_compared_file_by_file() {
        let listing = |files: &[(&str, u8)]| {
            let file = |byte| Node::File { digest: Digest([byte; 32]), bytes: 1, executable: false };
            Listing::new(files.iter().map(|(path, byte)| ((*path).into(), file(*byte))).collect())
        };
        let old = listing(&[("a/x", 1), ("a-b", 1), ("c", 1), ("e", 1)]);
        let files = changed_files(&old, &listing(&[("a/x", 2), ("a-b", 1), ("d", 1), ("e", 1)]));
        assert_eq!(
            (&files.changed.first[..], &files.added.first[..]),
            (&["a/x".to_owned()][..], &["d".to_owned()][..])
        );
        assert_eq!((files.removed.count, files.removed.first), (1, vec!["c".to_owned()]));
        let many: Vec<(String, u8)> = (0..2000).map(|i| (format!("{i:04}.png"), 1)).collect();
        let many: Vec<(&str, u8)> = many.iter().map(|(path, byte)| (path.as_str(), *byte)).collect();
        let files = changed_files(&listing(&[]), &listing(&many));
        assert_eq!((files.added.count, files.added.first.len()), (2000, 10));
    }
}
