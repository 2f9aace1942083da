//! Actions: the manifest of everything that decides an execution's outputs, and how two manifests differ.

mod checkpoint;
mod command;
mod diff;
mod difference;
mod manifest;

pub use checkpoint::Checkpoint;
pub use command::Command;
pub use diff::differences;
pub use difference::{Change, Contents, Difference, Field, Files, Names};
pub(crate) use manifest::key_of;
pub use manifest::{Body, ENVIRONMENT, Input, Manifest, Output};
