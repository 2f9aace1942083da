//! Hashing: digests, canonical encoding, and files and trees with a memo of what was hashed before.

mod digest;

pub use digest::{ActionKey, Digest};
