//! Actions: the manifest of everything that decides an execution's outputs, and how two manifests differ.

mod manifest;
mod reason;

pub(crate) use manifest::key_of;
pub use manifest::{Body, Input, Manifest, Output};
pub use reason::{Change, Difference, differences};
