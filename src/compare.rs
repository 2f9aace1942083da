//! TODO: compare.
