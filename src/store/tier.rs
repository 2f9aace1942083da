//! Tiers: what stores have in common, wherever they are. A store answers four questions, each asked for many things at once, and what one
//! has another takes. The folder `cache/` is one; a bucket is another (`remote/`).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::blob::seal;
use super::{ActionResult, Object, Pack, Parcel, Result, Store, StoreError};
use crate::hash::tree::Node;
use crate::hash::{ActionKey, Artifact, Digest};

/// Something that one store asks another for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A content that travels by itself.
    Object(Object),
    /// Several that travel together.
    Pack(Pack),
}

impl Wanted {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Object(object) => object.bytes,
            Self::Pack(pack) => pack.bytes(),
        }
    }
}

/// Why a tier did not answer, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TierError(pub String);

impl From<StoreError> for TierError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// A store, wherever it is.
pub trait Tier: Sync {
    /// Whether each of these is there.
    ///
    /// # Errors
    /// If the tier cannot tell.
    fn holds(&self, wanted: &[Wanted]) -> std::result::Result<Vec<bool>, TierError>;

    /// Copies these into a store, and returns those that it could not: what is not there, or not what its name says.
    ///
    /// # Errors
    /// If the tier does not answer, or the store takes nothing.
    fn give(&self, wanted: &[Wanted], to: &Store) -> std::result::Result<Vec<Wanted>, TierError>;

    /// The results of those of these actions that have one.
    ///
    /// # Errors
    /// If the tier does not answer.
    fn results(&self, keys: &[ActionKey]) -> std::result::Result<Vec<Parcel>, TierError>;

    /// Takes the results of these actions from a store, their contents first. Returns those that it did not take.
    ///
    /// # Errors
    /// If the tier does not answer.
    fn take(&self, keys: &[ActionKey], from: &Store) -> std::result::Result<Vec<ActionKey>, TierError>;
}

impl Tier for Store {
    fn holds(&self, wanted: &[Wanted]) -> std::result::Result<Vec<bool>, TierError> {
        let holds = |wanted: &Wanted| match wanted {
            Wanted::Object(object) => self.has_object(object),
            Wanted::Pack(pack) => pack.members.iter().all(|member| self.has_object(member)),
        };
        Ok(wanted.iter().map(holds).collect())
    }

    fn give(&self, wanted: &[Wanted], to: &Store) -> std::result::Result<Vec<Wanted>, TierError> {
        let mut left = Vec::new();
        for wanted in wanted {
            let objects = match wanted {
                Wanted::Object(object) => std::slice::from_ref(object),
                Wanted::Pack(pack) => &pack.members,
            };
            for object in objects {
                match self.object_bytes(object) {
                    Ok(bytes) => to.receive(object, &bytes).map(drop)?,
                    Err(_) => {
                        left.push(wanted.clone());
                        break;
                    }
                }
            }
        }
        Ok(left)
    }

    fn results(&self, keys: &[ActionKey]) -> std::result::Result<Vec<Parcel>, TierError> {
        let parcel = |key: &ActionKey| self.parcel(key, &self.manifest(key)?, &self.result(key)?).ok();
        Ok(keys.iter().filter_map(parcel).collect::<Vec<_>>())
    }

    fn take(&self, keys: &[ActionKey], from: &Store) -> std::result::Result<Vec<ActionKey>, TierError> {
        let parcels = Tier::results(from, keys)?;
        self.accept(parcels.clone())?;
        let failed = self.fetch(from, &parcels.iter().map(|parcel| (parcel, None)).collect::<Vec<_>>())?;
        let known: Vec<ActionKey> = parcels.iter().map(|parcel| parcel.key).collect();
        Ok(keys.iter().filter(|key| !known.contains(key) || failed.contains(key)).copied().collect())
    }
}

/// What a store lacks of some results.
#[derive(Default)]
struct Lack {
    wanted: Vec<Wanted>,
    /// Contents that were looked for, or come with a pack that is wanted.
    seen: HashSet<(bool, Digest)>,
    packs: HashSet<Digest>,
}

impl Store {
    fn has_object(&self, object: &Object) -> bool {
        if object.listing { self.has_listing(&object.digest) } else { self.has_blob(&object.digest, object.bytes) }
    }

    /// Takes a content in, if it is what it should be; `false` if it is not.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn receive(&self, object: &Object, bytes: &[u8]) -> Result<bool> {
        if object.is(bytes) { self.receive_right(object, bytes).map(|()| true) } else { Ok(false) }
    }

    /// Takes in a content that is known to be what it should be.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn receive_right(&self, object: &Object, bytes: &[u8]) -> Result<()> {
        self.insert_object(&self.object_path(object), bytes, &object.digest)
    }

    /// Where a content lies.
    pub(crate) fn object_path(&self, object: &Object) -> PathBuf {
        if object.listing { self.tree_path(&object.digest) } else { self.blob_path(&object.digest) }
    }

    /// The file that says what is known of a remote cache; its folder is made if it can be.
    pub(crate) fn remote_file(&self, name: &str) -> PathBuf {
        if self.access() == super::Access::Write
            && let Err(error) = self.folder("remotes")
        {
            tracing::warn!("{error}");
        }
        self.root().join("remotes").join(format!("{name}.log"))
    }

    /// A file of the store's own in which a large content can be written before it gets its name.
    ///
    /// # Errors
    /// If there can be none.
    pub(crate) fn unfinished(&self) -> Result<PathBuf> {
        Ok(self.staging()?.fresh())
    }

    /// Takes in a file that [`Store::unfinished`] named, whose content is known to be a blob.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub(crate) fn receive_file(&self, path: &Path, digest: &Digest) -> Result<()> {
        seal(path).map_err(StoreError::io("seal", path))?;
        let written = fs::metadata(path).map_err(StoreError::io("look at", path))?;
        let blob = self.blob_path(digest);
        self.place(path, &blob, digest)?;
        self.memo().record(&blob, &written, *digest);
        Ok(())
    }

    /// Takes in results of another store: those whose contents are all here by now are published, the others are promised.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn accept(&self, parcels: Vec<Parcel>) -> Result<()> {
        let mut open = Vec::new();
        for parcel in parcels {
            if self.access() == super::Access::Write {
                for (object, bytes) in &parcel.within {
                    if !self.has_object(object) {
                        self.receive(object, bytes)?;
                    }
                }
                if self.is_whole(&parcel.result) {
                    self.publish_received(&parcel)?;
                    continue;
                }
            }
            open.push(parcel);
        }
        if open.is_empty() { Ok(()) } else { self.promise(open) }
    }

    /// Fetches from a tier what lacks of results, or of some artifacts of theirs, and publishes those that are whole then. Returns
    /// the keys of those of which not all could be had.
    ///
    /// # Errors
    /// If the tier does not answer, or something cannot be written.
    pub(crate) fn fetch(
        &self,
        tier: &dyn Tier,
        parcels: &[(&Parcel, Option<&[Artifact]>)],
    ) -> std::result::Result<Vec<ActionKey>, TierError> {
        // Listings first, which say what else is needed.
        let mut all = false;
        for _ in 0..3 {
            let mut lack = Lack::default();
            for (parcel, only) in parcels {
                self.lacking(parcel, *only, &mut lack);
            }
            all = lack.wanted.is_empty();
            if all || !tier.give(&lack.wanted, self)?.is_empty() {
                break;
            }
        }
        let mut failed = Vec::new();
        for (parcel, only) in parcels {
            let lacks = |parcel| {
                let mut lack = Lack::default();
                self.lacking(parcel, *only, &mut lack);
                !lack.wanted.is_empty()
            };
            if !all && lacks(parcel) {
                failed.push(parcel.key);
            } else if (all && only.is_none()) || self.is_whole(&parcel.result) {
                self.publish_received(parcel)?;
            }
        }
        Ok(failed)
    }

    /// What a result needs that is not here, as far as is known; each once.
    fn lacking(&self, parcel: &Parcel, only: Option<&[Artifact]>, lack: &mut Lack) {
        let members = parcel.packs.iter().enumerate().flat_map(|(at, pack)| pack.members.iter().map(move |m| (m, at)));
        let packed: HashMap<(bool, Digest), usize> =
            members.map(|(member, at)| ((member.listing, member.digest), at)).collect();
        let mut want = |object: Object| {
            if !lack.seen.insert((object.listing, object.digest)) || self.has_object(&object) {
                return;
            }
            match packed.get(&(object.listing, object.digest)) {
                None => lack.wanted.push(Wanted::Object(object)),
                Some(at) => {
                    let pack = &parcel.packs[*at];
                    if lack.packs.insert(pack.name()) {
                        lack.wanted.push(Wanted::Pack(pack.clone()));
                    }
                    // The others come with it.
                    lack.seen.extend(pack.members.iter().map(|member| (member.listing, member.digest)));
                }
            }
        };
        let artifacts =
            parcel.result.outputs.values().filter(|artifact| only.is_none_or(|only| only.contains(artifact)));
        for artifact in artifacts {
            let Artifact { digest, tree, bytes, .. } = *artifact;
            if !tree {
                want(Object { listing: false, digest, bytes });
                continue;
            }
            match self.kept_listing(&digest) {
                // Its size is not known.
                None => want(Object { listing: true, digest, bytes: 0 }),
                Some(listing) => {
                    for (_, node) in &listing.entries {
                        if let Node::File { digest, bytes, .. } = node {
                            want(Object { listing: false, digest: *digest, bytes: *bytes });
                        }
                    }
                }
            }
        }
    }

    /// Whether all contents of a result are here, as far as presence and sizes tell.
    pub(crate) fn is_whole(&self, result: &ActionResult) -> bool {
        result.outputs.values().all(|artifact| self.has(artifact))
    }

    fn publish_received(&self, parcel: &Parcel) -> Result<()> {
        match parcel.manifest() {
            Some(manifest) if manifest.key() == parcel.key => {
                self.publish_unsynced(&parcel.key, &manifest, &parcel.result)
            }
            // A manifest of a later Kiln's, whose fields this one does not know.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::action::Manifest;

    #[test]
    fn what_one_store_has_another_takes() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (Store::open(here.path()).unwrap(), Store::open(there.path()).unwrap());
        let files = tempfile::tempdir().unwrap();
        let folder = files.path().join("tree");
        fs::create_dir(&folder).unwrap();
        for n in 0..300 {
            fs::write(folder.join(n.to_string()), vec![b'x'; 1000 + n]).unwrap();
        }
        fs::write(folder.join("large"), vec![1; 200_000]).unwrap();
        let outputs = BTreeMap::from([
            ("tree".to_owned(), here.capture(&folder).unwrap()),
            ("small".to_owned(), here.insert_bytes(b"small").unwrap()),
        ]);
        let manifest = Manifest::uses("test", "", 1.into());
        let (key, result) = (manifest.key(), ActionResult::of(outputs));
        here.publish(&key, &manifest, &result).unwrap();
        let other = Manifest::uses("test", "", 2.into()).key();

        assert_eq!(there.take(&[key, other], &here).unwrap(), [other]);
        assert_eq!(there.result(&key), Some(result.clone()));
        assert_eq!(there.manifest(&key), Some(manifest));
        assert!(there.is_whole(&result) && Tier::results(&there, &[other]).unwrap().is_empty());
        let wanted: Vec<Wanted> =
            Tier::results(&there, &[key]).unwrap()[0].packs.iter().cloned().map(Wanted::Pack).collect();
        assert!(!wanted.is_empty() && there.holds(&wanted).unwrap().iter().all(|holds| *holds));

        // A content that is gone is what cannot be given.
        let lost = &result.outputs["small"];
        fs::remove_file(there.blob_path(&lost.digest)).unwrap();
        let object = Wanted::Object(Object { listing: false, digest: lost.digest, bytes: lost.bytes });
        assert_eq!(there.holds(std::slice::from_ref(&object)).unwrap(), [false]);
        assert_eq!(there.give(std::slice::from_ref(&object), &here).unwrap(), [object]);
    }

    #[test]
    fn a_result_whose_content_is_not_here_is_promised_and_not_published() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, root) = (Store::open(here.path()).unwrap(), there);
        let there = Store::open(root.path()).unwrap();
        let outputs = BTreeMap::from([("model".to_owned(), here.insert_bytes(&[7; 100_000]).unwrap())]);
        let manifest = Manifest::uses("test", "", 1.into());
        let (key, result) = (manifest.key(), ActionResult::of(outputs));
        here.publish(&key, &manifest, &result).unwrap();
        let parcels = Tier::results(&here, &[key]).unwrap();
        there.accept(parcels).unwrap();
        assert_eq!((there.result(&key), there.promised(&key).unwrap().result), (None, result.clone()));

        let again = Store::open(root.path()).unwrap();
        let parcel = again.promised(&key).unwrap();
        assert_eq!(again.fetch(&here, &[(&parcel, None)]).unwrap(), []);
        assert_eq!(again.result(&key), Some(result));
        again.forget_promises().unwrap();
        assert!(Store::open(root.path()).unwrap().promised(&key).is_none());
    }
}
