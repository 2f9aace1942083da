//! TODO: visualise.

use crate::kind::Kind;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[];
