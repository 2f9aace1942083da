//! Trees: the canonical listing of a folder, of which its digest is taken.
//!
//! A listing is `kiln tree 1\0`, then entries in ascending order of their paths' bytes. A path is relative to the
//! tree, its parts joined by `/`:
//!
//! | entry | bytes |
//! | --- | --- |
//! | file | `f <digest> <size> <path>\0` |
//! | executable file | `x <digest> <size> <path>\0` |
//! | symbolic link | `l <path>\0<target>\0` |
//! | empty folder | `d <path>\0` |

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use super::walk::link_stays;
use super::{Artifact, Digest};

const HEADER: &[u8] = b"kiln tree 1\0";

/// Keeps a tree's digest apart from that of a file which happens to hold the same bytes.
const DOMAIN: &str = "kiln 2026-07 tree listing";

/// What a tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Sorted by the bytes of their paths, each path once.
    pub(crate) entries: Vec<(PathBuf, Node)>,
}

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File { digest: Digest, bytes: u64, executable: bool },
    Link { target: PathBuf },
    Folder,
}

impl Node {
    /// The size of a file.
    pub(super) fn bytes(&self) -> u64 {
        if let Self::File { bytes, .. } = self { *bytes } else { 0 }
    }
}

impl Listing {
    /// Sorts the entries.
    pub(crate) fn new(mut entries: Vec<(PathBuf, Node)>) -> Self {
        let order = |a: &(PathBuf, Node), b: &(PathBuf, Node)| bytes_of(&a.0).cmp(bytes_of(&b.0));
        // A walk gives them almost in order, which this sort makes use of.
        entries.sort_by(order);
        Self { entries }
    }

    /// The canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        self.entries.iter().for_each(|(path, node)| encode(bytes_of(path), node, &mut out));
        out
    }

    /// Reads canonical bytes; `None` if they are not that. What is read is safe to create below any folder.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.strip_prefix(HEADER)?.split(|b| *b == 0);
        let mut entries = Vec::new();
        loop {
            let field = fields.next()?;
            if field.is_empty() {
                // Splitting leaves an empty field after the last separator, and only there.
                if fields.next().is_some() {
                    return None;
                }
                break;
            }
            let (kind, rest) = field.split_at_checked(2)?;
            let (path, node) = match kind {
                b"f " | b"x " => {
                    let mut parts = rest.splitn(3, |b| *b == b' ');
                    let digest = str::from_utf8(parts.next()?).ok()?.parse().ok()?;
                    let size = str::from_utf8(parts.next()?).ok()?.parse().ok()?;
                    (path_of(parts.next()?), Node::File { digest, bytes: size, executable: kind == b"x " })
                }
                b"l " => (path_of(rest), Node::Link { target: path_of(fields.next()?) }),
                b"d " => (path_of(rest), Node::Folder),
                _ => return None,
            };
            let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
            let inside = match &node {
                Node::Link { target } => link_stays(&path, target),
                _ => true,
            };
            let ascending = entries.last().is_none_or(|(last, _): &(PathBuf, _)| bytes_of(last) < bytes_of(&path));
            if path.as_os_str().is_empty() || !plain || !inside || !ascending {
                return None;
            }
            entries.push((path, node));
        }
        Some(Self { entries })
    }

    /// The tree's artifact.
    pub(crate) fn own_artifact(&self) -> Artifact {
        let mut hasher = hasher();
        let encoded = |entries: &[(PathBuf, Node)]| {
            let mut part = Vec::new();
            entries.iter().for_each(|(path, node)| encode(bytes_of(path), node, &mut part));
            part
        };
        for some in self.entries.chunks(TOGETHER) {
            let parts: Vec<Vec<u8>> = some.par_chunks(PART).map(encoded).collect();
            for part in &parts {
                hasher.update(part);
            }
        }
        self.named(Digest(hasher.finalize().into()))
    }

    /// The tree's artifact, given its canonical bytes.
    pub(crate) fn artifact(&self, encoded: &[u8]) -> Artifact {
        self.named(digest_of(encoded))
    }

    fn named(&self, digest: Digest) -> Artifact {
        let bytes = self.entries.iter().map(|(_, node)| node.bytes()).sum();
        Artifact { digest, tree: true, bytes, executable: false }
    }
}

/// So many entries are encoded by one thread.
const PART: usize = 1_000;

/// So many are encoded before they are hashed: a listing of millions is nowhere as a whole.
const TOGETHER: usize = 64 * PART;

/// A hasher of the canonical bytes of a tree, which has the first of them.
pub(super) fn hasher() -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
    hasher.update(HEADER);
    hasher
}

/// Adds the canonical bytes of an entry.
pub(super) fn encode(path: &[u8], node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::File { digest, bytes, executable } => {
            out.extend_from_slice(if *executable { b"x " } else { b"f " });
            let hex: [[u8; 2]; 32] = digest.0.map(|byte| HEX[usize::from(byte)]);
            out.extend_from_slice(hex.as_flattened());
            out.push(b' ');
            write_number(*bytes, out);
            out.push(b' ');
            out.extend_from_slice(path);
        }
        Node::Link { target } => {
            out.extend_from_slice(b"l ");
            out.extend_from_slice(path);
            out.push(0);
            out.extend_from_slice(bytes_of(target));
        }
        Node::Folder => {
            out.extend_from_slice(b"d ");
            out.extend_from_slice(path);
        }
    }
    out.push(0);
}

/// The two digits of each byte.
static HEX: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 15]];
        byte += 1;
    }
    table
};

/// Adds the decimal digits of a number.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// The digest of a tree, from the canonical bytes of its listing.
pub(crate) fn digest_of(encoded: &[u8]) -> Digest {
    Digest(blake3::derive_key(DOMAIN, encoded))
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(OsStr::from_bytes(bytes).as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unsafe_listings_are_refused() {
        for entries in
            ["d ../a\0", "d /a\0", "d b\0d a\0", "d a\0d a\0", "l a\0/etc\0", "q a\0", "d a", "d \0", "f 12 a\0"]
        {
            assert_eq!(Listing::decode(format!("kiln tree 1\0{entries}").as_bytes()), None, "{entries:?}");
        }
        assert_eq!(Listing::decode(b"kiln tree 1\0"), Some(Listing::new(vec![])));
        assert_eq!(Listing::decode(b""), None);
    }

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            (any::<[u8; 32]>(), any::<u32>(), any::<bool>()).prop_map(|(digest, bytes, executable)| Node::File {
                digest: Digest(digest),
                bytes: bytes.into(),
                executable
            }),
            "[a-z]{1,3}".prop_map(|target| Node::Link { target: target.into() }),
            Just(Node::Folder),
        ]
    }

    proptest! {
        #[test]
        fn listings_read_back(entries in prop::collection::btree_map("[^/\0.]{1,3}(/[^/\0.]{1,3})?", node(), 0..12)) {
            let listing = Listing::new(entries.into_iter().map(|(path, node)| (path.into(), node)).collect());
            prop_assert_eq!(listing.own_artifact(), listing.artifact(&listing.encode()));
            prop_assert_eq!(Listing::decode(&listing.encode()), Some(listing));
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Listing::decode(&bytes);
            let _ = Listing::decode(&[HEADER, &bytes].concat());
        }
    }
}
