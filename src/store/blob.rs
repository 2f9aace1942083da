//! Blobs and listings: writing them once under their digests, finding them, reading them back verified.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek as _, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::boot::BEGAN;
use super::{Access, Result, Store, StoreError};
use crate::hash::tree::{self, Listing, Node};
use crate::hash::{Artifact, Digest};
use crate::interrupt::Interrupt;

/// How much is copied and hashed at a time.
const CHUNK: usize = 256 * 1024;

/// What may be done with a blob: it is read.
pub(super) const SEALED: u32 = 0o444;

/// Of so many bytes on, a blob is remembered when it comes into the store, and an output may be a hard link to it.
pub(super) const LARGE: u64 = 1 << 20;

impl Store {
    /// Stores bytes as a file.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn insert_bytes(&self, bytes: &[u8]) -> Result<Artifact> {
        let digest = Digest(blake3::hash(bytes).into());
        let artifact = Artifact { digest, tree: false, bytes: bytes.len() as u64, executable: false };
        self.insert_object(&self.blob_path(&digest), bytes, &digest)?;
        Ok(artifact)
    }

    /// Stores the listing of a tree whose files are stored.
    pub(super) fn insert_listing(&self, listing: &Listing) -> Result<Artifact> {
        let bytes = listing.encode();
        let artifact = listing.artifact(&bytes);
        self.insert_object(&self.tree_path(&artifact.digest), &bytes, &artifact.digest)?;
        Ok(artifact)
    }

    /// Keeps the listing of a folder whose files are not stored, if it has this digest.
    pub(crate) fn keep_listing(&self, listing: &Listing, digest: &Digest) -> Result<()> {
        let bytes = listing.encode();
        if tree::digest_of(&bytes) != *digest {
            return Ok(());
        }
        self.insert_object(&self.tree_path(digest), &bytes, digest)
    }

    /// Whether there is a listing.
    pub(crate) fn has_listing(&self, digest: &Digest) -> bool {
        self.tree_path(digest).exists()
    }

    /// A listing, if there is a sound one; its files may not be stored.
    pub(crate) fn kept_listing(&self, digest: &Digest) -> Option<Listing> {
        self.has_listing(digest).then(|| self.listing(digest).ok())?
    }

    pub(super) fn insert_object(&self, path: &Path, bytes: &[u8], digest: &Digest) -> Result<()> {
        let temporary = self.staging()?.fresh();
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&temporary)?;
            file.write_all(bytes)?;
            if self.shared { seal(&temporary) } else { Ok(()) }
        };
        write().map_err(StoreError::io("write", &temporary))?;
        self.place(&temporary, path, digest)
    }

    /// Gives a finished file of the staging directory its name. A sound file that has it already stays, and keeps what
    /// is known of its stamp; any other is replaced: so making an artifact again mends a damaged one.
    pub(super) fn place(&self, temporary: &Path, path: &Path, digest: &Digest) -> Result<()> {
        let is_blob = path == self.blob_path(digest);
        if is_blob && matches!(self.memo().artifact(path), Ok(Some(known)) if known.digest == *digest) {
            return fs::remove_file(temporary).map_err(StoreError::io("remove", temporary));
        }
        let renamed = || fs::rename(temporary, path).map_err(StoreError::io("write", path));
        match fs::rename(temporary, path).map_err(|e| e.kind()) {
            Ok(()) => Ok(()),
            Err(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.make_folder(path.parent().unwrap_or(path))?;
                renamed()
            }
            Err(io::ErrorKind::IsADirectory) => {
                self.clear_of_folder(path)?;
                renamed()
            }
            Err(_) => renamed(),
        }
    }

    /// Whether an artifact is in the store, all of it, as far as presence and sizes tell.
    pub fn has(&self, artifact: &Artifact) -> bool {
        if !artifact.tree {
            return self.has_blob(&artifact.digest, artifact.bytes);
        }
        let Ok(listing) = self.listing(&artifact.digest) else { return false };
        listing.entries.iter().all(|(_, node)| match node {
            Node::File { digest, bytes, .. } => self.has_blob(digest, *bytes),
            Node::Link { .. } | Node::Folder => true,
        })
    }

    pub(super) fn has_blob(&self, digest: &Digest, bytes: u64) -> bool {
        fs::symlink_metadata(self.blob_path(digest)).is_ok_and(|m| m.is_file() && m.len() == bytes)
    }

    /// Whether the content of an artifact is what its digest says. What is damaged is put aside. With `anew`, what was learnt before the
    /// machine was started does not count.
    pub(super) fn is_sound(&self, artifact: &Artifact, anew: bool) -> bool {
        let is_sound = |digest: &Digest| {
            if anew {
                self.memo().forget_older(&self.blob_path(digest), *BEGAN);
            }
            self.verify_blob(digest).is_ok()
        };
        if !artifact.tree {
            return is_sound(&artifact.digest);
        }
        let Ok(listing) = self.listing(&artifact.digest) else { return false };
        listing.entries.iter().all(|(_, node)| match node {
            Node::File { digest, .. } => is_sound(digest),
            Node::Link { .. } | Node::Folder => true,
        })
    }

    /// Where a stored file lies that nobody may write to, if it is whole.
    pub(crate) fn sealed(&self, digest: &Digest) -> Option<std::path::PathBuf> {
        self.verify_blob(digest).ok().map(|()| self.blob_path(digest))
    }

    /// Makes sure that a blob is what its name says: by its stamp if that is known, by reading it otherwise.
    pub(super) fn verify_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        match self.memo().artifact(&path).map_err(StoreError::io("read", &path))? {
            None => Err(StoreError::Missing { digest: *digest }),
            Some(found) if found.digest == *digest && !found.tree => Ok(()),
            Some(_) => Err(self.damaged(&path, digest)),
        }
    }

    /// The bytes of a stored file, verified.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Damaged`], or what the system refuses.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        self.read_object(&self.blob_path(digest), digest, |bytes| Digest(blake3::hash(bytes).into()))
    }

    /// What a stored tree holds, verified.
    pub(crate) fn listing(&self, digest: &Digest) -> Result<Listing> {
        let path = self.tree_path(digest);
        let bytes = self.read_object(&path, digest, tree::digest_of)?;
        Listing::decode(&bytes).ok_or_else(|| self.damaged(&path, digest))
    }

    fn read_object(&self, path: &Path, digest: &Digest, digest_of: impl Fn(&[u8]) -> Digest) -> Result<Vec<u8>> {
        match fs::read(path) {
            Ok(bytes) if digest_of(&bytes) == *digest => Ok(bytes),
            Ok(_) => Err(self.damaged(path, digest)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing { digest: *digest }),
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => Err(self.damaged(path, digest)),
            Err(e) => Err(StoreError::io("read", path)(e)),
        }
    }

    /// Puts a damaged object aside, so that nobody takes it for a sound one.
    pub(super) fn damaged(&self, path: &Path, digest: &Digest) -> StoreError {
        if self.access() == Access::Look {
            return StoreError::Damaged { digest: *digest };
        }
        match self.put_aside(path, &format!("{digest}-{}", std::process::id())) {
            Ok(aside) => tracing::warn!("{} is damaged; moved to {}", path.display(), aside.display()),
            Err(error) => tracing::warn!("{} is damaged and stays where it is: {error}", path.display()),
        }
        StoreError::Damaged { digest: *digest }
    }
}

/// Copies bytes, about so many, to a new file and tells their digest and number. Zeros at least a whole chunk long become a hole. Who wants
/// to know more of them is shown them on the way.
pub(super) fn copy_hashing(
    from: &mut File,
    length: u64,
    to: &mut File,
    show: &mut dyn FnMut(&[u8]),
    interrupt: &Interrupt,
) -> io::Result<(Digest, u64)> {
    // Most files are small, and clearing a large buffer takes longer than copying one.
    let length = usize::try_from(length).unwrap_or(CHUNK);
    let mut buffer = vec![0; length.saturating_add(1).min(CHUNK)];
    let mut hasher = blake3::Hasher::new();
    let (mut total, mut hole) = (0, false);
    loop {
        interrupt.check()?;
        let count = match from.read(&mut buffer) {
            Ok(0) => {
                if hole {
                    // No file is made longer than what was written to it: a file system that journals sizes behind the data then
                    // leaves one that is too short after a power cut, and not one of the right length with zeros in it.
                    to.write_all_at(&[0], total - 1)?;
                }
                return Ok((Digest(hasher.finalize().into()), total));
            }
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(&buffer[..count]);
        show(&buffer[..count]);
        hole = count == CHUNK && is_zero(&buffer);
        if hole {
            to.seek_relative(CHUNK as i64)?;
        } else {
            to.write_all(&buffer[..count])?;
        }
        total += count as u64;
    }
}

/// Whether all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| *first == 0)
        && bytes.chunks(1024).all(|chunk| chunk.iter().fold(0, |a, b| a | b) == 0)
}

/// Takes away the right to write.
pub(super) fn seal(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(SEALED))
}
