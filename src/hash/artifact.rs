//! An artifact's identity: what the bytes behind an output or an input are.

use serde::{Deserialize, Serialize};

use super::Digest;

/// A file or a tree, named by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// BLAKE3 of the file's bytes, or of the tree's listing.
    pub digest: Digest,
    /// Whether it is a tree.
    pub tree: bool,
    /// The file's size in bytes; for a tree, the sum over its files.
    pub bytes: u64,
    /// Whether the owner may execute the file. Always false for a tree: its listing holds the bit of each file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}
