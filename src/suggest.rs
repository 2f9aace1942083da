//! The name that was probably meant: the same for the engine and for the built-in kinds.

pub(crate) use common::suggest::{composed_otherwise, did_you_mean, list, list_all, nearest};
