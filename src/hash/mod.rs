//! Hashing: digests, canonical encoding, and files and trees with a memo of what was hashed before.

mod allowance;
mod artifact;
mod canonical;
mod content;
mod digest;
mod grain;
mod leftovers;
mod lines;
mod memo;
mod parts;
pub mod picks;
mod quick;
mod source_stamps;
mod stamp;
mod table;
pub(crate) mod tree;
pub(crate) mod walk;

pub(crate) use allowance::Allowance;
pub use artifact::Artifact;
pub use canonical::canonical_json;
pub(crate) use canonical::{NumberForm, json_by, write_string, write_value};
pub use content::ContentError;
pub(crate) use content::{hash_file, hash_showing, open_regular};
pub use digest::{ActionKey, Digest};
pub(crate) use leftovers::Placeholders;
pub use leftovers::{is_left_in, is_leftover};
pub use memo::Memo;
pub use parts::parts;
pub(crate) use quick::QuickMap;
pub(crate) use source_stamps::SourceStamps;
pub(crate) use stamp::{Stamp, now};
