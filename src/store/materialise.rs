//! Materialising: putting an artifact at a path, all of it or none.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::blob::{LARGE, SEALED, copy_hashing, seal};
use super::copy::worth_a_reflink;
use super::ownership::There;
use super::scratch::{beside, remove};
use super::{Result, Store, StoreError};
use crate::hash::tree::Node;
use crate::hash::{Artifact, Digest, Placeholders, Stamp, hash_file};

/// How an artifact is put at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A file of its own that may be edited: a reflink where the file system can, a copy otherwise.
    Copy,
    /// Large files as hard links to what the store has, which nobody may write to, where the file system can; a copy otherwise. (That changes
    /// the blob's ctime, and whoever writes to it all the same shows in its mtime.)
    HardLink,
    /// The same as a copy where nobody looks yet and nothing is but the folder that it comes in: in a scratch directory, whose worker is
    /// not to write to it. It is not remembered.
    Scratch,
    /// Symbolic links into the store, for readers that are trusted not to write. (A hard link would change the blob's
    /// ctime, which proves that it was not tampered with.) An executable file is copied.
    Link,
}

/// Whether what is at a path may be replaced, and whether there is anything.
type May<'m> = &'m dyn Fn() -> Result<There>;

/// A file that was put somewhere.
struct Built {
    /// Its path in the artifact.
    relative: PathBuf,
    digest: Digest,
    /// What the system said of it when nobody else could have reached it yet.
    written: Metadata,
}

impl Store {
    /// Puts an artifact at a path, replacing what is there, whatever it is, in one step; missing folders are created. What is put there
    /// is remembered in the memo. In a project it is for [`super::Ownership`] to say what may be replaced.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Damaged`] if the store cannot supply it (then nothing at the path
    /// has changed), or what the system refuses.
    pub fn materialise(&self, artifact: &Artifact, path: &Path, how: Placement) -> Result<()> {
        self.materialise_if(artifact, path, how, &|| Ok(There::Nothing)).map(drop)
    }

    /// The same if, once the artifact is ready to be moved to its path, what is there may be replaced.
    /// Tells whether a file has taken another's place, and is yet to be written to the disk.
    pub(super) fn materialise_if(
        &self,
        artifact: &Artifact,
        path: &Path,
        how: Placement,
        may: May<'_>,
    ) -> Result<bool> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if how == Placement::Scratch {
            return self.build(artifact, path, how).map(|_| false).inspect_err(|_| drop(remove(path)));
        }
        let there = match fs::metadata(parent) {
            Ok(there) if there.is_dir() => there,
            _ => fs::create_dir_all(parent)
                .and_then(|()| fs::metadata(parent))
                .map_err(StoreError::io("create the folder", parent))?,
        };
        let kept = if artifact.tree { placeholders(path) } else { vec![] };
        // Built where a sweep would find it, if that can be moved from there; beside the path otherwise.
        let staged = self.staging()?.fresh();
        // Bind mounts can make this a mistake that the rename will notice.
        let placed = if there.dev() == self.device()? {
            self.build_and_swap(artifact, &staged, path, how, (may, &kept))
        } else {
            Err(StoreError::io("move", path)(io::ErrorKind::CrossesDevices.into()))
        };
        let (files, left) = match placed {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {
                self.build_and_swap(artifact, &beside(parent)?.fresh(), path, how, (may, &kept))?
            }
            other => other?,
        };
        if matches!(how, Placement::Copy | Placement::HardLink) {
            for Built { relative, digest, written } in &files {
                let at = if artifact.tree { path.join(relative) } else { path.to_owned() };
                self.memo().record(&at, written, *digest);
            }
        }
        Ok(left && !artifact.tree)
    }

    /// Returns the files that were put there, and whether they changed places with what was there.
    fn build_and_swap(
        &self,
        artifact: &Artifact,
        staged: &Path,
        path: &Path,
        how: Placement,
        (may, placeholders): (May<'_>, &[(&str, Vec<u8>)]),
    ) -> Result<(Vec<Built>, bool)> {
        let built = self.build(artifact, staged, how).and_then(|files| {
            for (name, bytes) in placeholders {
                let to = staged.join(name);
                if fs::symlink_metadata(&to).is_err() {
                    fs::write(&to, bytes).map_err(StoreError::io("write", &to))?;
                }
            }
            let left = match may()? {
                There::Nothing if move_to_nothing(staged, path).is_ok() => false,
                There::Ours if exchange(staged, path).is_ok() => true,
                There::Ours => swap(staged, path).map_err(StoreError::io("write", path))?,
                // Something has come since.
                There::Nothing => {
                    may()?;
                    swap(staged, path).map_err(StoreError::io("write", path))?
                }
            };
            Ok((files, left))
        });
        // What did not get there, or what was there before.
        if !matches!(built, Ok((_, false)))
            && let Err(error) = remove(staged)
        {
            tracing::debug!("cannot remove {}: {error}", staged.display());
        }
        built
    }

    /// The file system that the store is on.
    pub(super) fn device(&self) -> Result<u64> {
        if let Some(device) = self.device.get() {
            return Ok(*device);
        }
        let found = fs::metadata(self.root()).map_err(StoreError::io("look at", self.root()))?;
        Ok(*self.device.get_or_init(|| found.dev()))
    }

    fn build(&self, artifact: &Artifact, at: &Path, how: Placement) -> Result<Vec<Built>> {
        let built = |relative: PathBuf, file: &Artifact, written: Option<Metadata>| {
            written.map(|written| Built { relative, digest: file.digest, written })
        };
        if !artifact.tree {
            let written = self.build_file(artifact, at, how)?;
            return Ok(built(PathBuf::new(), artifact, written).into_iter().collect());
        }
        let listing = self.listing(&artifact.digest)?;
        fs::create_dir(at).map_err(StoreError::io("create the folder", at))?;
        let mut files = Vec::with_capacity(listing.entries.len());
        let mut last = PathBuf::new();
        for (relative, node) in listing.entries {
            let path = at.join(&relative);
            if let Some(parent) = relative.parent().filter(|parent| *parent != last) {
                let folder = at.join(parent);
                fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
                last = parent.to_owned();
            }
            match node {
                Node::File { digest, bytes, executable } => {
                    files.push((relative, Artifact { digest, tree: false, bytes, executable }));
                }
                Node::Link { target } => symlink(target, &path).map_err(StoreError::io("create the link", &path))?,
                Node::Folder => fs::create_dir(&path).map_err(StoreError::io("create the folder", &path))?,
            }
        }
        let build = |(relative, file): (PathBuf, Artifact)| {
            let written = self.build_file(&file, &at.join(&relative), how)?;
            Ok(built(relative, &file, written))
        };
        // A few are written before other threads have woken up.
        let files: Result<Vec<Option<Built>>> = files.into_par_iter().with_min_len(32).map(build).collect();
        Ok(files?.into_iter().flatten().collect())
    }

    /// Returns what the system says of a file that is to be remembered.
    fn build_file(&self, file: &Artifact, at: &Path, how: Placement) -> Result<Option<Metadata>> {
        let blob = self.blob_path(&file.digest);
        if how == Placement::Link && !file.executable {
            self.verify_blob(&file.digest)?;
            return symlink(&blob, at).map(|()| None).map_err(StoreError::io("create the link", at));
        }
        if how == Placement::HardLink && !file.executable && file.bytes >= LARGE {
            // Somebody took himself the right to write by another name that is gone by now.
            if fs::symlink_metadata(&blob)
                .is_ok_and(|now| now.is_file() && now.nlink() == 1 && now.mode() & 0o777 != SEALED)
            {
                let _ = seal(&blob);
            }
            self.verify_blob(&file.digest)?;
            let known = self.memo().stamped(&blob).map(|(stamp, _)| stamp);
            let before = fs::symlink_metadata(&blob).map_err(StoreError::io("look at", &blob))?;
            // Rights go with the file: who took them back for himself gets a copy.
            if before.mode() & 0o777 == SEALED {
                match fs::hard_link(&blob, at) {
                    // What was changed since it was verified is not remembered as what it was.
                    Ok(()) => return Ok(Some(before).filter(|before| known == Some(Stamp::of(before)))),
                    // Another file system or another user's file; or it has too many names.
                    Err(error) => tracing::debug!("{} is copied and not linked: {error}", at.display()),
                }
            }
        }
        let mut source = match File::open(&blob) {
            Ok(source) => source,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: file.digest });
            }
            Err(e) => return Err(StoreError::io("read", &blob)(e)),
        };
        // A folder can be opened, too, and not read.
        let there = source.metadata().map_err(StoreError::io("look at", &blob))?;
        if !there.is_file() {
            return Err(self.damaged(&blob, &file.digest));
        }
        let all = if how == Placement::Scratch { 0o555 } else { 0o777 };
        let mode = if file.executable { all } else { all & 0o666 };
        let mut target = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(at)
            .map_err(StoreError::io("create", at))?;
        let digest = self.fill(&blob, there.len(), &mut source, &mut target).map_err(StoreError::io("write", at))?;
        if digest != file.digest {
            return Err(self.damaged(&blob, &file.digest));
        }
        if how == Placement::Scratch {
            // When it was made: programs judge by that what is newer than what.
            there.modified().and_then(|made| target.set_modified(made)).map_err(StoreError::io("write", at))?;
        }
        matches!(how, Placement::Copy | Placement::HardLink)
            .then(|| target.metadata())
            .transpose()
            .map_err(StoreError::io("look at", at))
    }

    /// Fills a new file with a blob's content, so many bytes, and tells what that is.
    fn fill(&self, blob: &Path, length: u64, source: &mut File, target: &mut File) -> io::Result<Digest> {
        if worth_a_reflink(length) && reflink_copy::reflink_file(&*source, &*target).is_ok() {
            // Nobody else has the new file yet, so hashing it is not a race.
            let known = self.memo().trusted(blob).map(|artifact| artifact.digest);
            return known.map_or_else(|| hash_file(target, length, self.interrupt()), Ok);
        }
        copy_hashing(source, length, target, &mut |_| {}, self.interrupt()).map(|(digest, _)| digest)
    }
}

/// What keeps a folder in a repository: it is taken over into the one that takes its place, unless that has its own.
fn placeholders(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    // Behind a link they are the other folder's.
    if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
        return vec![];
    }
    Placeholders::at(folder).names().filter_map(|name| Some((name, fs::read(folder.join(name)).ok()?))).collect()
}

/// Moves what was built to a path where nothing is.
fn move_to_nothing(staged: &Path, path: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE)?)
}

/// Has what was built and what is at its path change places. The file system need not be able to.
fn exchange(staged: &Path, path: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, staged, CWD, path, RenameFlags::EXCHANGE)?)
}

/// Moves what was built to its path. If there was anything that a rename cannot replace, it is then where the new thing was built,
/// and this tells so.
fn swap(staged: &Path, path: &Path) -> io::Result<bool> {
    match fs::rename(staged, path) {
        Ok(()) => return Ok(false),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty
            ) || e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    if exchange(staged, path).is_ok() {
        return Ok(true);
    }
    // The file system cannot exchange two names: the path is missing for a moment.
    let old = staged.with_extension("old");
    fs::rename(path, &old)?;
    fs::rename(staged, path)?;
    fs::rename(&old, staged).map(|()| true)
}
