//! Actions: the manifest of everything that decides an execution's outputs, and how two manifests differ.

mod document;
mod manifest;
mod reason;

pub use document::{Field, fields};
pub(crate) use manifest::key_of;
pub use manifest::{Body, Input, Manifest, Output};
pub use reason::{Change, Difference, differences};
