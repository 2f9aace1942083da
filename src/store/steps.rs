//! Results that are states of steps on the way to others: which of them are worth keeping, and how one is dropped.
//!
//! The last state of a chain is worth keeping, for a longer execution goes on from it, and so are those that a rule of their stage names.
//! A state that is dropped stays known by its numbers; its content goes, but for what other results need.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::{ActionResult, Result, Store, StoreError};
use crate::action::{Checkpoint, Manifest};
use crate::hash::tree::Node;
use crate::hash::{ActionKey, Artifact, Digest};

/// The contents that results need, beside those of one chain of states.
#[derive(Default)]
pub(crate) struct Needed {
    /// The results that were looked at; one that was replaced since is another.
    seen: HashSet<(ActionKey, Timestamp)>,
    digests: HashSet<Digest>,
}

impl Store {
    /// The states of all chains that are in the store, with their keys.
    pub(crate) fn states(&self) -> Vec<(ActionKey, Checkpoint)> {
        self.follow();
        let results = self.all_results().into_iter();
        // One that was dropped has no content.
        let there = results.filter(|(_, result)| result.outputs.contains_key(Checkpoint::STATE));
        there.filter_map(|(key, _)| Some((key, Checkpoint::read(self.manifest(&key)?)?))).collect()
    }

    /// The states that are to be kept with the kept results: of each chain the last, and those that a rule names. Only what no run
    /// record names can be one.
    pub(super) fn kept_states<'r>(
        &self,
        kept: &HashSet<ActionKey>,
        unnamed: impl Iterator<Item = &'r (ActionKey, ActionResult)>,
    ) -> HashSet<ActionKey> {
        let mut last: HashMap<(Digest, String), (u64, ActionKey)> = HashMap::new();
        let mut named: Vec<(Digest, ActionKey)> = Vec::new();
        for (key, result) in unnamed {
            // One that was dropped has no content.
            if !result.outputs.contains_key(Checkpoint::STATE) {
                continue;
            }
            let Some(state) = self.manifest(key).and_then(Checkpoint::read) else { continue };
            let (chain, found) = (state.chain(), (state.step(), *key));
            let family = Checkpoint::family(state.manifest().clone());
            if result.named {
                named.push((family, *key));
            }
            last.entry((family, chain)).and_modify(|last| *last = found.max(*last)).or_insert(found);
        }
        if last.is_empty() {
            return HashSet::new();
        }
        let families: HashSet<Digest> =
            kept.iter().filter_map(|key| self.manifest(key)).map(Checkpoint::family).collect();
        let last = last.into_iter().map(|((family, _), (_, key))| (family, key));
        last.chain(named).filter(|(family, _)| families.contains(family)).map(|(_, key)| key).collect()
    }

    /// Drops states: their results keep the numbers, and what nobody else needs of their content is deleted. `own` are the keys of their
    /// chain, and `kept` are those of its states that stay. Returns how many bytes were deleted.
    ///
    /// Another process may be about to publish a result that has the same content. Then that result lacks it, and is
    /// made again when it is asked for.
    ///
    /// # Errors
    /// What the system refuses; the states are dropped all the same.
    pub(crate) fn drop_states(
        &self,
        dropped: &[(Manifest, ActionResult)],
        kept: &[ActionResult],
        own: &HashSet<ActionKey>,
        needed: &mut Needed,
    ) -> Result<u64> {
        let contents: Vec<Artifact> = dropped.iter().flat_map(|(_, result)| result.outputs.values().cloned()).collect();
        for (manifest, result) in dropped {
            let bare = ActionResult { outputs: Default::default(), named: false, ..result.clone() };
            self.replace(&manifest.key(), manifest, &bare)?;
        }
        needed.follow(self, own);
        let mut own = Needed::default();
        kept.iter().flat_map(|result| result.outputs.values()).for_each(|artifact| own.add(self, artifact));
        let free = |digest: &Digest| !needed.digests.contains(digest) && !own.digests.contains(digest);
        let mut bytes = 0;
        for artifact in &contents {
            // What is in a tree is found by its listing, which therefore goes last.
            if artifact.tree
                && let Ok(listing) = self.listing(&artifact.digest)
            {
                for (_, node) in listing.entries {
                    if let Node::File { digest, .. } = node
                        && free(&digest)
                    {
                        bytes += remove(&self.blob_path(&digest))?;
                    }
                }
            }
            if free(&artifact.digest) {
                let path =
                    if artifact.tree { self.tree_path(&artifact.digest) } else { self.blob_path(&artifact.digest) };
                bytes += remove(&path)?;
            }
        }
        Ok(bytes)
    }
}

impl Store {
    /// How many bytes artifacts take together: what several have counts once.
    pub(crate) fn bytes_together<'a>(&self, artifacts: impl Iterator<Item = &'a Artifact>) -> u64 {
        let mut blobs: HashMap<Digest, u64> = HashMap::new();
        for artifact in artifacts {
            match self.listing(&artifact.digest) {
                Ok(listing) if artifact.tree => {
                    blobs.extend(listing.entries.iter().filter_map(|(_, node)| match node {
                        Node::File { digest, bytes, .. } => Some((*digest, *bytes)),
                        Node::Link { .. } | Node::Folder => None,
                    }))
                }
                _ => drop(blobs.insert(artifact.digest, artifact.bytes)),
            }
        }
        blobs.values().sum()
    }
}

impl Needed {
    /// Looks at the results that were published since the last time, but for those of a chain.
    fn follow(&mut self, store: &Store, but: &HashSet<ActionKey>) {
        store.follow();
        for (key, result) in store.all_results() {
            if !but.contains(&key) && self.seen.insert((key, result.created)) {
                result.outputs.values().for_each(|artifact| self.add(store, artifact));
            }
        }
    }

    fn add(&mut self, store: &Store, artifact: &Artifact) {
        if !self.digests.insert(artifact.digest) || !artifact.tree {
            return;
        }
        let Ok(listing) = store.listing(&artifact.digest) else { return };
        self.digests.extend(listing.entries.into_iter().filter_map(|(_, node)| match node {
            Node::File { digest, .. } => Some(digest),
            Node::Link { .. } | Node::Folder => None,
        }));
    }
}

/// Removes a file, and tells how large it was.
fn remove(path: &Path) -> Result<u64> {
    let bytes = fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    match fs::remove_file(path) {
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(StoreError::io("remove", path)(e)),
    }
}
