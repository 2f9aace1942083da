//! TODO: ops.
