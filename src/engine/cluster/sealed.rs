//! What an attempt has whose job shares no file system with Kiln: the seal of its letters, and where they are.

use std::io;

use serde::{Deserialize, Serialize};

use super::attempt_folder::{AttemptFolder, read, write};

const SEALED: &str = "sealed.json";

/// The seal of an attempt.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    /// As text.
    pub(super) seal: String,
    /// The remote cache that its letters are on.
    pub(super) address: String,
}

impl Sealed {
    /// That of an attempt; `None` if its job sees the folder.
    pub(super) fn of(folder: &AttemptFolder) -> Option<Self> {
        read(&folder.path().join(SEALED)).ok().flatten()
    }

    /// Notes it. It is for nobody else to read.
    pub(super) fn put_into(&self, folder: &AttemptFolder) -> io::Result<()> {
        write(&folder.path().join(SEALED), self)
    }
}
