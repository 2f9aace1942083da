//! Capturing: taking what a worker wrote into the store.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::blob::{LARGE, SEALED, copy_hashing, seal};
use super::{Result, Store, StoreError, writers};
use crate::hash::tree::{Listing, Node};
use crate::hash::walk::{Extent, Found, walk};
use crate::hash::{Artifact, ContentError, Digest, Placeholders, Stamp, hash_file, open_regular};
use crate::interrupt::Interrupt;

impl Store {
    /// Takes a file or a folder into the store. Files are moved where that is safe and copied otherwise, so what was at
    /// the path is to be given up. The artifact describes what was stored even if somebody still writes there. If it cannot be taken,
    /// all of it is at the path as before.
    ///
    /// # Errors
    /// A FIFO, socket or device; a symbolic link at the path itself, or one in the folder that leaves it; a missing path;
    /// what the system refuses; or that the user asked to stop.
    pub fn capture(&self, path: &Path) -> Result<Artifact> {
        self.capture_heeding(path, self.interrupt())
    }

    /// The same, though the user asked to stop: for what would be lost.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn capture_to_the_end(&self, path: &Path) -> Result<Artifact> {
        self.capture_heeding(path, &Interrupt::default())
    }

    fn capture_heeding(&self, path: &Path, interrupt: &Interrupt) -> Result<Artifact> {
        let metadata = fs::symlink_metadata(path).map_err(StoreError::io("capture", path))?;
        if !metadata.is_dir() {
            return self.adopt(path, &metadata, interrupt);
        }
        let entries: Vec<(PathBuf, Result<Node>)> = walk(path, Extent::Everything)?
            .into_par_iter()
            .map(|(relative, found)| {
                let node = match found {
                    Found::Link { target } => Ok(Node::Link { target }),
                    Found::Folder => Ok(Node::Folder),
                    Found::File(()) => self.adopt_from(&path.join(&relative), interrupt),
                };
                (relative, node)
            })
            .collect();
        if entries.iter().any(|(_, node)| node.is_err()) {
            for (relative, node) in &entries {
                if let Ok(node) = node {
                    self.give_back(node, &path.join(relative));
                }
            }
        }
        let entries: Result<Vec<_>> = entries.into_iter().map(|(relative, node)| Ok((relative, node?))).collect();
        self.insert_listing(&Listing::new(entries?))
    }

    /// Takes a copy of a file or a folder into the store; what is at the path stays. Some files may have been taken before: `taken` tells of
    /// one what it is in the store, by what is at its path now.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn take_copy(&self, path: &Path, taken: &(dyn Fn(&Metadata) -> Option<Artifact> + Sync)) -> Result<Artifact> {
        self.take_part(path, Extent::Everything, taken)
    }

    /// The same of an output that lies in somebody's folder: without what keeps the folder in a repository, and what programs have left in it.
    ///
    /// # Errors
    /// As [`Self::take_copy`].
    pub fn take_output(&self, path: &Path) -> Result<Artifact> {
        self.take_part(path, Extent::Output(Placeholders::ALL), &|_| None)
    }

    fn take_part(
        &self,
        path: &Path,
        extent: Extent<'_>,
        taken: &(dyn Fn(&Metadata) -> Option<Artifact> + Sync),
    ) -> Result<Artifact> {
        let file = |path: &Path, metadata: &Metadata| {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            match taken(metadata) {
                Some(known) => Ok(Artifact { executable, ..known }),
                None => self.take_file(path, executable),
            }
        };
        let metadata = fs::metadata(path).map_err(StoreError::io("read", path))?;
        if !metadata.is_dir() {
            return file(path, &metadata);
        }
        let entries: Result<Vec<(PathBuf, Node)>> = walk(path, extent)?
            .into_par_iter()
            .map(|(relative, found)| {
                let node = match found {
                    Found::Link { target } => Node::Link { target },
                    Found::Folder => Node::Folder,
                    Found::File(()) => {
                        let from = path.join(&relative);
                        let metadata = fs::metadata(&from).map_err(StoreError::io("read", &from))?;
                        node_of(file(&from, &metadata)?)
                    }
                };
                Ok((relative, node))
            })
            .collect();
        self.insert_listing(&Listing::new(entries?))
    }

    /// Takes copies of files into the store as those of a folder: each by its path there, and where it lies now. `taken` as with
    /// [`Self::take_copy`].
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn take_files(
        &self,
        files: &[(PathBuf, PathBuf)],
        taken: &(dyn Fn(&Metadata) -> Option<Artifact> + Sync),
    ) -> Result<Artifact> {
        let take = |(relative, from): &(PathBuf, PathBuf)| {
            let known = fs::metadata(from).ok().and_then(|metadata| taken(&metadata));
            let artifact = known.map_or_else(|| self.take_file(from, false), Ok)?;
            Ok((relative.clone(), node_of(Artifact { executable: false, ..artifact })))
        };
        let entries: Result<Vec<(PathBuf, Node)>> = files.par_iter().map(take).collect();
        self.insert_listing(&Listing::new(entries?))
    }

    /// Takes a copy of a file into the store.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn take_file(&self, path: &Path, executable: bool) -> Result<Artifact> {
        self.take_showing(path, executable, &mut |_| {})
    }

    /// The same; who wants to know more of the file is shown its bytes while it is read. What was read is known from then on.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn take_showing(&self, path: &Path, executable: bool, show: &mut dyn FnMut(&[u8])) -> Result<Artifact> {
        self.interrupt().check().map_err(StoreError::io("capture", path))?;
        let real = fs::canonicalize(path).map_err(StoreError::io("read", path))?;
        let temporary = self.staging()?.fresh();
        let began = self.memo().begin(&real);
        let (digest, bytes) = self.copy_in(&real, &temporary, path, show, self.interrupt())?;
        if let Some(began) = began {
            self.memo().end(&real, &began, digest);
        }
        self.place(&temporary, &self.blob_path(&digest), &digest)?;
        Ok(Artifact { digest, tree: false, bytes, executable })
    }

    /// Whether a file can get into the store by one name more: it lies on the store's file system, and nobody may write to it.
    pub(crate) fn can_link(&self, file: &Metadata) -> bool {
        file.is_file() && file.mode() & 0o777 == SEALED && self.device().is_ok_and(|device| device == file.dev())
    }

    /// Gives a file one name more, in the store: nothing is copied. `read` is what the system said of it before it was read, if this digest
    /// came of that. Without, the store makes sure of its content before anybody gets it.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn take_link(&self, file: &Path, digest: &Digest, read: Option<&Metadata>) -> Result<()> {
        let blob = self.blob_path(digest);
        let id = |path: &Path| fs::metadata(path).map(|metadata| Stamp::of(&metadata).id).ok();
        if id(&blob).is_none_or(|there| Some(there) != id(file)) {
            let temporary = self.staging()?.fresh();
            let real = fs::canonicalize(file).map_err(StoreError::io("read", file))?;
            fs::hard_link(&real, &temporary).map_err(StoreError::io("link into the store", file))?;
            self.place(&temporary, &blob, digest)?;
        }
        if let Some(read) = read {
            self.memo().record(&blob, read, *digest);
        }
        Ok(())
    }

    fn adopt_from(&self, file: &Path, interrupt: &Interrupt) -> Result<Node> {
        let metadata = fs::symlink_metadata(file).map_err(StoreError::io("capture", file))?;
        let Artifact { digest, bytes, executable, .. } = self.adopt(file, &metadata, interrupt)?;
        Ok(Node::File { digest, bytes, executable })
    }

    fn adopt(&self, path: &Path, metadata: &Metadata, interrupt: &Interrupt) -> Result<Artifact> {
        ContentError::unless_regular(metadata, path)?;
        interrupt.check().map_err(StoreError::io("capture", path))?;
        let temporary = self.staging()?.fresh();
        let adopted = self.adopt_by(path, metadata, &temporary, interrupt);
        if adopted.is_err() {
            // Where it was moved from, if it was.
            let _ = fs::rename(&temporary, path);
        }
        adopted
    }

    fn adopt_by(&self, path: &Path, metadata: &Metadata, temporary: &Path, interrupt: &Interrupt) -> Result<Artifact> {
        let moved = if metadata.nlink() == 1 { self.move_in(path, temporary, interrupt) } else { None };
        let (digest, bytes) = match moved {
            Some(known) => known,
            // Another name of the same file would let its owner change the store; or it could not be moved, or
            // changed while it was read. A copy is nobody else's.
            None if temporary.exists() => {
                let copy = self.staging()?.fresh();
                let known = self.copy_in(temporary, &copy, path, &mut |_| {}, interrupt)?;
                fs::rename(&copy, temporary).map_err(StoreError::io("write", temporary))?;
                known
            }
            None => self.copy_in(path, temporary, path, &mut |_| {}, interrupt)?,
        };
        let written = if bytes >= LARGE { fs::symlink_metadata(temporary).ok() } else { None };
        let blob = self.blob_path(&digest);
        self.place(temporary, &blob, &digest)?;
        if let Some(written) = written {
            self.memo().record(&blob, &written, digest);
        }
        Ok(Artifact { digest, tree: false, bytes, executable: metadata.permissions().mode() & 0o100 != 0 })
    }

    /// Copies a regular file into a sealed new one, hashing what is written. Errors speak of `name`.
    fn copy_in(
        &self,
        from: &Path,
        to: &Path,
        name: &Path,
        show: &mut dyn FnMut(&[u8]),
        interrupt: &Interrupt,
    ) -> Result<(Digest, u64)> {
        let known = copy_in(from, to, name, show, interrupt)?;
        if self.shared {
            seal(to).map_err(StoreError::io("seal", to))?;
        }
        Ok(known)
    }

    /// Moves a file into the staging directory, seals and hashes it. `None` if it has to be copied: from `temporary` if it
    /// is there by now, or else from where it was. So it is if somebody has it open to write to, and could go on when it is in the store.
    fn move_in(&self, path: &Path, temporary: &Path, interrupt: &Interrupt) -> Option<(Digest, u64)> {
        fs::rename(path, temporary).ok()?;
        // By now it could be something else than what was looked at; a link must not be followed.
        fs::symlink_metadata(temporary).ok().filter(Metadata::is_file)?;
        seal(temporary).ok()?;
        let (file, before) = open_regular(temporary).ok()?;
        if writers::has_some(&file) {
            return None;
        }
        let digest = hash_file(&file, before.len(), interrupt).ok()?;
        let after = file.metadata().ok()?;
        (Stamp::of(&before) == Stamp::of(&after) && after.nlink() == 1).then_some((digest, before.len()))
    }
}

fn node_of(artifact: Artifact) -> Node {
    Node::File { digest: artifact.digest, bytes: artifact.bytes, executable: artifact.executable }
}

/// Copies a regular file into a sealed new one, hashing what is written. Errors speak of `name`.
fn copy_in(
    from: &Path,
    to: &Path,
    name: &Path,
    show: &mut dyn FnMut(&[u8]),
    interrupt: &Interrupt,
) -> Result<(Digest, u64)> {
    let metadata = fs::symlink_metadata(from).map_err(StoreError::io("capture", name))?;
    ContentError::unless_regular(&metadata, name)?;
    let (mut source, _) = open_regular(from)?;
    let mut copy = || -> io::Result<(Digest, u64)> {
        let mut target: File = OpenOptions::new().write(true).create_new(true).mode(0o444).open(to)?;
        copy_hashing(&mut source, metadata.len(), &mut target, show, interrupt)
    };
    copy().map_err(|error| {
        let _ = fs::remove_file(to);
        StoreError::io("copy into the store", name)(error)
    })
}
