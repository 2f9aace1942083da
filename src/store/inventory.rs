//! What is on the disk: every object by its name, and the files of a folder with their sizes and ages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use super::{Result, Store, StoreError};
use crate::hash::Digest;

/// The folder of blobs.
pub(super) const BLOBS: &str = "objects";
/// The folder of the listings of trees.
pub(super) const TREES: &str = "trees";

/// A file beside the objects: a log, a record, something put aside.
pub(super) struct OnDisk {
    pub(super) path: PathBuf,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// How long it has not been written to; nothing if the clock was set back.
    pub(super) age: Duration,
}

impl Store {
    /// The names of all blobs, or of all listings, with their sizes in bytes. What has no digest for a name is left out.
    pub(super) fn objects(&self, folder: &str) -> Result<Vec<(Digest, u64)>> {
        let root = self.root().join(folder);
        let shards: Vec<PathBuf> = list(&root)?.into_iter().map(|entry| entry.path()).collect();
        let found: Result<Vec<Vec<(Digest, u64)>>> = shards.into_par_iter().map(|shard| objects_in(&shard)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// The files of a folder of the store.
    pub(super) fn files(&self, folder: &Path) -> Result<Vec<OnDisk>> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for entry in list(&self.root().join(folder))? {
            // Somebody may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                let age = metadata.modified().ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default();
                files.push(OnDisk { path: entry.path(), bytes: metadata.len(), age });
            }
        }
        Ok(files)
    }

    /// The folders in a folder of the store.
    pub(super) fn folders(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let entries = list(&self.root().join(folder))?.into_iter();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        Ok(folders.map(|entry| entry.path()).collect())
    }
}

fn objects_in(shard: &Path) -> Result<Vec<(Digest, u64)>> {
    let front = shard.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut objects = Vec::new();
    for entry in list(shard)? {
        let name = entry.file_name();
        let digest = name.to_str().and_then(|rest| format!("{front}{rest}").parse().ok());
        if let (Some(digest), Ok(metadata)) = (digest, entry.metadata())
            && metadata.is_file()
        {
            objects.push((digest, metadata.len()));
        }
    }
    Ok(objects)
}

/// What is in a folder; nothing if there is no such folder.
fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(StoreError::io("list", folder)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(vec![]),
        Err(e) => Err(StoreError::io("list", folder)(e)),
    }
}
