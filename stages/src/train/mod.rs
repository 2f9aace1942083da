//! TODO: train.

use crate::kind::Kind;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[];
