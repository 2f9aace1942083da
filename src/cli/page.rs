//! Writing pages: each in one step, and in the place of nothing but a page of Kiln's.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kiln::report::is_page;
use kiln::store::{self, Store, StoreError};

use super::render::stand;

/// Where a page is to go, and whether whatever is there may be replaced.
pub(crate) struct Target<'a> {
    file: PathBuf,
    /// The file as the user knows it.
    shown: PathBuf,
    store: &'a Store,
    overwrite: bool,
}

impl<'a> Target<'a> {
    /// A path as it was given.
    pub(crate) fn here(file: &Path, store: &'a Store, overwrite: bool) -> Self {
        Self { file: file.to_owned(), shown: file.to_owned(), store, overwrite }
    }

    /// A path in the project.
    pub(crate) fn within(folder: &Path, file: &Path, store: &'a Store, overwrite: bool) -> Self {
        Self { file: folder.join(file), shown: stand::path(file), store, overwrite }
    }

    /// The file as the user knows it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Makes sure that a page may be put there. Before it is rendered: that may take a while.
    ///
    /// # Errors
    /// If something else is there, or the path leads into a store.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let path = || self.shown.clone();
        if store::leads_into(&self.file, self.store.root()) {
            return Err(StoreError::IntoStore { path: path() });
        }
        if self.overwrite {
            return Ok(());
        }
        let what = "it is no page of Kiln's, or it was changed since";
        store::may_replace(&self.file, &is_page, what).map_err(|what| StoreError::InTheWay { path: path(), what })
    }

    /// Writes the page in one step, so that a reader never sees half of it.
    ///
    /// # Errors
    /// If it may not be put there, or cannot be written.
    pub(crate) fn write(&self, html: &str) -> anyhow::Result<()> {
        let file = &self.file;
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            let folder = match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            fs::create_dir_all(folder)?;
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            let mut new = tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(folder)?;
            new.write_all(html.as_bytes())?;
            Ok(new)
        };
        let cannot = || format!("cannot write {}", self.shown.display());
        let new = write().with_context(cannot)?;
        self.check()?;
        new.persist(file).map_err(|e| e.error).with_context(cannot)?;
        Ok(())
    }
}
