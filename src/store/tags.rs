//! Names that people give to runs. A run that has one is kept by `gc`.

use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::write_atomically;
use super::run::file_name;
use super::{Result, Store, StoreError};
use crate::record::RunId;

/// The folder of the store that has them, a file each.
const FOLDER: &str = "tags";

/// A name of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The name.
    pub name: String,
    /// The run.
    pub run: RunId,
    /// When it got the name.
    pub tagged: Timestamp,
}

impl Store {
    /// Every tag, by name. A file that is none is passed over.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn tags(&self) -> Result<Vec<Tag>> {
        let folder = self.root().join(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(StoreError::io("list", &folder)(error)),
        };
        let mut tags: Vec<Tag> = Vec::new();
        for entry in entries {
            let path = entry.map_err(StoreError::io("list", &folder))?.path();
            let read = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Tag>(&bytes).ok());
            match read.filter(|tag| self.tag_path(&tag.name) == path) {
                Some(tag) => tags.push(tag),
                None => tracing::debug!("{} is no tag", path.display()),
            }
        }
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tags)
    }

    /// Gives a run a name, which it takes from another run that has it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn tag(&self, name: &str, run: &RunId) -> Result<()> {
        let folder = self.folder(FOLDER)?;
        let (path, tag) =
            (self.tag_path(name), Tag { name: name.to_owned(), run: run.clone(), tagged: Timestamp::now() });
        let text = serde_json::to_string(&tag).map_err(|source| StoreError::Encode { path: path.clone(), source })?;
        write_atomically(&folder, &path, format!("{text}\n").as_bytes(), true)?;
        self.share(&path);
        Ok(())
    }

    /// Takes a name away; tells whether there was such a one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn untag(&self, name: &str) -> Result<bool> {
        let path = self.tag_path(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("remove", &path)(error)),
        }
    }

    fn tag_path(&self, name: &str) -> PathBuf {
        self.root().join(FOLDER).join(format!("{}.json", file_name(name)))
    }
}
