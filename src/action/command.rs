//! A command of the user's: part of what decides the outputs of a stage.

use serde::{Deserialize, Serialize};

/// A user's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Program and arguments, started without a shell.
    Argv(Vec<String>),
    /// A script for a shell. Interpolated values are not spliced in: each became an environment variable in
    /// the environment of its stage, and the script holds `"$NAME"` in its place, so that a value cannot become code.
    Shell(String),
}
