//! A result as it travels between stores: portable bytes that say everything of an execution but where they lie.
//!
//! | bytes | |
//! | --- | --- |
//! | 0..7 | `kilnres` |
//! | 7 | the version, 1 |
//! | 8..40 | BLAKE3 of all bytes from 136 on |
//! | 40..72 | the public key that signed it, or zeros |
//! | 72..136 | the signature, or zeros |
//! | then | the action's key, the result's fields, the manifest's text, the small contents, the packs, the other contents |
//!
//! Nothing in it depends on a machine's boot or on what is on a disk already. Who reads one trusts nothing: the digest has to be right,
//! the manifest has to have the key, and a small content has to be what its digest says.

use std::collections::HashSet;

use super::result::{fields, put_fields};
use super::{ActionResult, Result, Store};
use crate::action::{self, Manifest};
use crate::hash::tree::{self, Node};
use crate::hash::{ActionKey, Artifact, Digest};
use crate::journal::wire::{Reader, put_count, put_text};

/// How the bytes begin: a mark and the version.
const MARK: [u8; 8] = *b"kilnres\x01";

/// Where the signed part begins.
const HEAD: usize = 8 + 32 + 32 + 64;

/// What a signature is over: this and the digest.
const SIGNED: &[u8] = b"kiln 2026-11 action result\0";

/// Content up to this many bytes in all travels within the result.
const WITHIN: u64 = 16 << 10;

/// A content that is larger, in bytes, travels by itself.
pub(crate) const SMALL: u64 = 64 << 10;

/// About so many bytes are in a pack.
const PACK: u64 = 4 << 20;

/// A content of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Whether it is the listing of a tree.
    pub listing: bool,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Object {
    /// Whether some bytes are this content.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        let found = if self.listing { tree::digest_of(bytes) } else { Digest(blake3::hash(bytes).into()) };
        found == self.digest
    }
}

/// Small contents that travel together, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// What is in it, in order.
    pub members: Vec<Object>,
}

impl Pack {
    /// Its name: the digest of its members' digests. So it is known whether a pack is there without reading what it holds.
    pub fn name(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("kiln 2026-11 pack of contents");
        for member in &self.members {
            hasher.update(&[u8::from(member.listing)]).update(&member.digest.0).update(&member.bytes.to_le_bytes());
        }
        Digest(hasher.finalize().into())
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.bytes).sum()
    }
}

/// Who vouches for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The public key.
    pub signer: [u8; 32],
    /// The signature.
    pub bytes: [u8; 64],
}

/// Signs a text.
pub type Sign<'s> = &'s dyn Fn(&[u8]) -> Signature;

/// A result with its manifest and the contents that travel with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The action's key.
    pub key: ActionKey,
    /// The key's preimage.
    pub manifest: String,
    /// The result.
    pub result: ActionResult,
    /// Contents that travel within it.
    pub within: Vec<(Object, Vec<u8>)>,
    /// Contents that travel in packs.
    pub packs: Vec<Pack>,
    /// Contents that travel by themselves.
    pub alone: Vec<Object>,
    /// Who vouches for it, if somebody does. It is for who reads it to check.
    pub signature: Option<Signature>,
}

impl Parcel {
    /// The bytes. `sign` is asked for a signature of a text.
    pub fn encode(&self, sign: Option<Sign<'_>>) -> Vec<u8> {
        let mut out = vec![0; HEAD];
        out.extend_from_slice(&self.key.0);
        put_fields(&mut out, 0, &self.result);
        put_text(&mut out, &self.manifest);
        put_count(&mut out, self.within.len());
        for (object, bytes) in &self.within {
            put_object(&mut out, object);
            put_count(&mut out, bytes.len());
            out.extend_from_slice(bytes);
        }
        put_count(&mut out, self.packs.len());
        for pack in &self.packs {
            put_count(&mut out, pack.members.len());
            pack.members.iter().for_each(|member| put_object(&mut out, member));
        }
        put_count(&mut out, self.alone.len());
        self.alone.iter().for_each(|object| put_object(&mut out, object));
        let digest = blake3::hash(&out[HEAD..]);
        out[..8].copy_from_slice(&MARK);
        out[8..40].copy_from_slice(digest.as_bytes());
        if let Some(signature) = sign.map(|sign| sign(&signed(digest.as_bytes()))).or(self.signature) {
            out[40..72].copy_from_slice(&signature.signer);
            out[72..HEAD].copy_from_slice(&signature.bytes);
        }
        out
    }

    /// Reads what [`Parcel::encode`] wrote; `None` if it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let (mark, digest) = (from.array::<8>()?, from.array::<32>()?);
        let (signer, signature) = (from.array::<32>()?, from.array::<64>()?);
        if mark != MARK || digest != *blake3::hash(from.0).as_bytes() {
            return None;
        }
        let key = ActionKey(from.array()?);
        let (flags, result) = fields(&mut from)?;
        // What belongs to a machine does not travel.
        if flags & 1 != 0 {
            return None;
        }
        let manifest = from.text()?;
        if action::key_of(&manifest) != key {
            return None;
        }
        let mut within = Vec::new();
        for _ in 0..from.count()? {
            let (object, bytes) = (object(&mut from)?, from.bytes()?);
            if !object.is(bytes) {
                return None;
            }
            within.push((object, bytes.to_vec()));
        }
        let mut packs = Vec::new();
        for _ in 0..from.count()? {
            let members = (0..from.count()?).map(|_| object(&mut from)).collect::<Option<Vec<_>>>()?;
            members.iter().try_fold(0u64, |sum, member| sum.checked_add(member.bytes))?;
            packs.push(Pack { members });
        }
        let alone = (0..from.count()?).map(|_| object(&mut from)).collect::<Option<_>>()?;
        let signature = (signer != [0; 32]).then_some(Signature { signer, bytes: signature });
        from.0.is_empty().then_some(Self { key, manifest, result, within, packs, alone, signature })
    }

    /// What a signature of some bytes of a parcel has to be over; `None` if they are none.
    pub fn signed_text(bytes: &[u8]) -> Option<Vec<u8>> {
        bytes.get(8..40).map(signed)
    }

    /// The manifest.
    pub fn manifest(&self) -> Option<Manifest> {
        serde_json::from_str(&self.manifest).ok()
    }
}

fn signed(digest: &[u8]) -> Vec<u8> {
    [SIGNED, digest].concat()
}

fn put_object(out: &mut Vec<u8>, object: &Object) {
    out.push(u8::from(object.listing));
    out.extend_from_slice(&object.digest.0);
    out.extend_from_slice(&object.bytes.to_le_bytes());
}

fn object(from: &mut Reader<'_>) -> Option<Object> {
    let listing = match from.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Object { listing, digest: Digest(from.array()?), bytes: from.u64()? })
}

impl Store {
    /// A result as it travels.
    ///
    /// # Errors
    /// If a content is damaged or gone.
    pub(crate) fn parcel(&self, key: &ActionKey, manifest: &Manifest, result: &ActionResult) -> Result<Parcel> {
        let mut objects = Vec::new();
        for artifact in result.outputs.values() {
            self.objects_of(artifact, &mut objects)?;
        }
        let mut seen = HashSet::new();
        objects.retain(|object| seen.insert(*object));
        let (mut small, alone): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(|o| o.bytes <= SMALL);
        small.sort_unstable_by_key(|object| (object.digest, object.listing));
        let (mut within, mut packs) = (Vec::new(), Vec::new());
        if small.iter().map(|object| object.bytes).sum::<u64>() <= WITHIN {
            for object in small {
                within.push((object, self.object_bytes(&object)?));
            }
        } else {
            packs = packed(&small);
        }
        let result = ActionResult { warnings: vec![], ..result.clone() };
        Ok(Parcel { key: *key, manifest: manifest.text(), result, within, packs, alone, signature: None })
    }

    fn objects_of(&self, artifact: &Artifact, objects: &mut Vec<Object>) -> Result<()> {
        if !artifact.tree {
            objects.push(Object { listing: false, digest: artifact.digest, bytes: artifact.bytes });
            return Ok(());
        }
        let listing = self.listing(&artifact.digest)?;
        let bytes = listing.encode().len() as u64;
        objects.push(Object { listing: true, digest: artifact.digest, bytes });
        objects.extend(listing.entries.iter().filter_map(|(_, node)| match node {
            Node::File { digest, bytes, .. } => Some(Object { listing: false, digest: *digest, bytes: *bytes }),
            Node::Link { .. } | Node::Folder => None,
        }));
        Ok(())
    }

    /// The bytes of a content, verified.
    pub(crate) fn object_bytes(&self, object: &Object) -> Result<Vec<u8>> {
        if object.listing {
            self.listing(&object.digest).map(|listing| listing.encode())
        } else {
            self.read(&object.digest)
        }
    }
}

/// Packs of contents in the order of their digests. Which pack one is in depends on the front of its digest and on the size of all:
/// after the change of one of many files, most packs are as before.
fn packed(objects: &[Object]) -> Vec<Pack> {
    let bytes: u64 = objects.iter().map(|object| object.bytes).sum();
    let bits = bytes.div_ceil(PACK).next_power_of_two().ilog2().min(16);
    let front =
        |object: &Object| u32::from(u16::from_be_bytes([object.digest.0[0], object.digest.0[1]])) >> (16 - bits);
    objects.chunk_by(|a, b| front(a) == front(b)).map(|members| Pack { members: members.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::results;
    use super::*;
    use proptest::prelude::*;

    fn parcels() -> impl Strategy<Value = Parcel> {
        let object = || {
            (any::<bool>(), any::<[u8; 32]>(), 0u64..1 << 40).prop_map(|(listing, digest, bytes)| Object {
                listing,
                digest: Digest(digest),
                bytes,
            })
        };
        let within = prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
            let digest = Digest(blake3::hash(&bytes).into());
            (Object { listing: false, digest, bytes: bytes.len() as u64 }, bytes)
        });
        let signature = (1u8.., any::<[u8; 32]>()).prop_map(|(first, rest)| Signature {
            signer: [first; 32],
            bytes: [rest, rest].concat().try_into().unwrap(),
        });
        let packs = prop::collection::vec(prop::collection::vec(object(), 0..4), 0..3);
        let alone = prop::collection::vec(object(), 0..3);
        (results(), ".{0,9}", prop::collection::vec(within, 0..3), (packs, alone), prop::option::of(signature))
            .prop_map(|(result, manifest, within, (packs, alone), signature)| Parcel {
                key: action::key_of(&manifest),
                manifest,
                result,
                within,
                packs: packs.into_iter().map(|members| Pack { members }).collect(),
                alone,
                signature,
            })
    }

    proptest! {
        #[test]
        fn parcels_read_back(parcel in parcels()) {
            let bytes = parcel.encode(None);
            prop_assert_eq!(Parcel::decode(&bytes), Some(parcel));
            for end in 0..bytes.len() {
                prop_assert_eq!(Parcel::decode(&bytes[..end]), None);
            }
        }

        #[test]
        fn a_flipped_bit_is_noticed(parcel in parcels(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = parcel.encode(None);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            // The signature is not under the digest; who needs one checks it.
            let found = Parcel::decode(&bytes).map(|found| Parcel { signature: parcel.signature, ..found });
            prop_assert!(found.is_none() || (40..HEAD).contains(&at) && found == Some(parcel));
        }

        #[test]
        fn no_bytes_make_decoding_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Parcel::decode(&body), None);
            // With a digest that is right, so that the body is looked at.
            let mut bytes = [&MARK[..], blake3::hash(&body).as_bytes(), &[0; 96]].concat();
            bytes.extend_from_slice(&body);
            let _ = Parcel::decode(&bytes);
        }
    }

    #[test]
    fn one_changed_file_of_many_changes_a_pack_or_two() {
        let object = |n: u32| Object {
            listing: false,
            digest: Digest(*blake3::hash(&n.to_le_bytes()).as_bytes()),
            bytes: 10_000,
        };
        let packs = |numbers: std::ops::Range<u32>| {
            let mut objects: Vec<Object> = numbers.map(object).collect();
            objects.sort_unstable_by_key(|object| (object.digest, object.listing));
            packed(&objects)
        };
        let (before, after) = (packs(0..20_000), packs(1..20_001));
        let names: HashSet<Digest> = before.iter().map(Pack::name).collect();
        assert_eq!(before.len(), 64);
        assert!(after.iter().filter(|pack| !names.contains(&pack.name())).count() <= 2);
        assert_eq!(packs(0..3).len(), 1);
    }
}
