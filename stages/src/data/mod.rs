//! Data: bytes into the project, bytes into image sets, and what is done to image sets before a network sees them.

pub mod describe;
pub mod fetch;
pub mod import;
pub mod normalise;
pub mod split;

use crate::kind::Kind;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&fetch::KIND, &import::KIND, &describe::KIND, &normalise::KIND, &split::KIND];
