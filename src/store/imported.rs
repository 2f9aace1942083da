//! What imports wrote, so that the next one can tell edits of the file from changes of what it was made of.

use std::fs;
use std::path::PathBuf;

use super::files::write_atomically;
use super::{Result, Store};

/// The folder of the store that has them.
const FOLDER: &str = "imports";

impl Store {
    /// Keeps a text that an import wrote, under a name that is made of its digest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_import(&self, name: &str, text: &str) -> Result<()> {
        let folder = self.folder(FOLDER)?;
        let path = self.import_path(name);
        write_atomically(&folder, &path, text.as_bytes(), true)?;
        self.share(&path);
        Ok(())
    }

    /// A text that was kept; whether it is what was written is for whoever knows the digest to say.
    pub fn kept_import(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.import_path(name)).ok()
    }

    fn import_path(&self, name: &str) -> PathBuf {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        self.root().join(FOLDER).join(format!("{plain}.yaml"))
    }
}
