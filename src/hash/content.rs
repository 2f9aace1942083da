//! Hashing a file's bytes, in parallel where it is large, and opening nothing but regular files. Holes of sparse files are not read, and
//! an interrupt is heard after every piece.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};
use rustix::fs::{OFlags, SeekFrom};

use super::Digest;
use crate::interrupt::Interrupt;

/// How much of a file one thread reads and hashes at a time: small enough to stay in its cache. A power of two, as a
/// subtree of BLAKE3 has to be.
const PIECE: u64 = 256 * 1024;

/// Why a file or a tree has no digest.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The operating system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a regular file nor a folder.
    #[error("{path} is {what}, not a file or a folder")]
    Special {
        /// Where.
        path: PathBuf,
        /// What it is, with an article.
        what: &'static str,
    },
    /// A symbolic link in a tree that is absolute or leads out of it.
    #[error("{path} is a symbolic link that leaves its folder (it points to {target})")]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// More would have to be read than is allowed.
    #[error("more would have to be read than is allowed")]
    TooMuch,
    /// A symbolic link that counts as what it points to, and points to nothing.
    #[error("{path} is a symbolic link to {target}, which does not exist")]
    LinkNowhere {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// A symbolic link that leads to itself, or to a folder that it lies in.
    #[error("{path} is a symbolic link that leads round in a circle (it points to {target})")]
    LinkCircle {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// More folders behind symbolic links than anybody can mean.
    #[error("the symbolic links in {path} lead to more than {most} folders")]
    TooManyLinks {
        /// The folder.
        path: PathBuf,
        /// How many may be.
        most: usize,
    },
    /// A link in a folder leads to what is Kiln's own.
    #[error("{path} leads into Kiln's store, {store}")]
    Store {
        /// What leads there.
        path: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// Somebody writes to it.
    #[error("{path} keeps changing while it is read")]
    Changing {
        /// Where.
        path: PathBuf,
    },
}

impl ContentError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }

    /// An error unless this is a regular file.
    pub(crate) fn unless_regular(metadata: &Metadata, path: &Path) -> Result<(), Self> {
        let kind = metadata.file_type();
        let what = match () {
            () if kind.is_file() => return Ok(()),
            () if kind.is_dir() => "a folder",
            () if kind.is_symlink() => "a symbolic link",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        Err(Self::Special { path: path.to_owned(), what })
    }
}

impl From<ContentError> for io::Error {
    fn from(error: ContentError) -> Self {
        let kind = match &error {
            ContentError::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Opens a regular file for reading; anything else that has come to stand there is an error, not a wait.
pub(crate) fn open_regular(path: &Path) -> Result<(File, Metadata), ContentError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(ContentError::io("open", path))?;
    let metadata = file.metadata().map_err(ContentError::io("examine", path))?;
    ContentError::unless_regular(&metadata, path)?;
    Ok((file, metadata))
}

/// BLAKE3 of the first `size` bytes. The file is read, never mapped: mapping would turn somebody's truncating it
/// into a crash.
///
/// # Errors
/// If it cannot be read or is shorter, or the user asked to stop.
pub(crate) fn hash_file(file: &File, size: u64, interrupt: &Interrupt) -> io::Result<Digest> {
    if size <= PIECE {
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        return Ok(Digest(blake3::hash(&bytes).into()));
    }
    let reading = Reading { file, sparse: has_holes(file, size), interrupt };
    let (left, right) = reading.halves(0, size)?;
    Ok(Digest(hazmat::merge_subtrees_root(&left, &right, Mode::Hash).into()))
}

/// BLAKE3 of a file up to its end. The bytes are shown as they come.
///
/// # Errors
/// If it cannot be read, or the user asked to stop.
pub(crate) fn hash_showing(file: &mut File, show: &mut dyn FnMut(&[u8]), interrupt: &Interrupt) -> io::Result<Digest> {
    let size = file.metadata()?.len();
    let mut buffer = vec![0; usize::try_from(size.saturating_add(1).min(PIECE)).map_err(io::Error::other)?];
    let mut hasher = blake3::Hasher::new();
    loop {
        interrupt.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.finalize().into())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                show(&buffer[..count]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A large file that is being hashed.
struct Reading<'a> {
    file: &'a File,
    /// Whether it is worth asking for holes.
    sparse: bool,
    interrupt: &'a Interrupt,
}

impl Reading<'_> {
    /// The two children of the subtree over `size` bytes from `offset`.
    fn halves(&self, offset: u64, size: u64) -> io::Result<(ChainingValue, ChainingValue)> {
        let left = hazmat::left_subtree_len(size);
        let (a, b) =
            rayon::join(|| self.subtree(offset, left), || self.subtree(offset.saturating_add(left), size - left));
        Ok((a?, b?))
    }

    fn subtree(&self, offset: u64, size: u64) -> io::Result<ChainingValue> {
        self.interrupt.check()?;
        if size > PIECE {
            let (left, right) = self.halves(offset, size)?;
            return Ok(hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
        let size = usize::try_from(size).map_err(io::Error::other)?;
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        if self.sparse && is_hole(self.file, offset, size) {
            return Ok(hasher.update(&ZEROS[..size]).finalize_non_root());
        }
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(hasher.update(&bytes).finalize_non_root())
    }
}

/// What a hole holds.
static ZEROS: [u8; PIECE as usize] = [0; PIECE as usize];

/// Whether a file has holes of which the system can be believed to say the truth. (Not every file system does: some have told
/// of holes where there was data that had not reached the disk yet.)
fn has_holes(file: &File, size: u64) -> bool {
    const TRUSTED: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
    let sparse = file.metadata().is_ok_and(|data| data.blocks() * 512 < size);
    sparse && rustix::fs::fstatfs(file).is_ok_and(|system| TRUSTED.contains(&(system.f_type as u64 & 0xffff_ffff)))
}

/// Whether a part of a file is a hole, all of it, and not cut off meanwhile.
fn is_hole(file: &File, offset: u64, size: usize) -> bool {
    let end = offset + size as u64;
    let next = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(next) => next,
        // There is no more data; the file may have been cut short, too.
        Err(rustix::io::Errno::NXIO) => u64::MAX,
        Err(_) => return false,
    };
    next >= end && file.metadata().is_ok_and(|data| data.len() >= end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    fn hash(file: &File, size: u64) -> io::Result<Digest> {
        hash_file(file, size, &Interrupt::default())
    }

    #[test]
    fn a_file_with_holes_hashes_as_its_bytes_do() {
        let piece = usize::try_from(PIECE).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        let size = piece * 9 + 5;
        let mut bytes = vec![0; size];
        for at in [piece * 2 + 100, piece * 4 - 1, piece * 7] {
            bytes[at..at + 3].copy_from_slice(b"abc");
            file.seek(io::SeekFrom::Start(at as u64)).and_then(|_| file.write_all(b"abc")).unwrap();
        }
        file.set_len(size as u64).unwrap();
        assert_eq!(hash(&file, size as u64).unwrap().0, *blake3::hash(&bytes).as_bytes());
        file.set_len(PIECE * 8).unwrap();
        assert_eq!(hash(&file, size as u64).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn every_size_hashes_as_blake3_does() {
        let piece = usize::try_from(PIECE).unwrap();
        let bytes: Vec<u8> = (0..piece * 5 + 77).map(|i| (i * 31 % 251) as u8).collect();
        for size in [0, 1, 1024, piece - 1, piece, piece + 1, piece * 2, piece * 3 + 5, piece * 4, bytes.len()] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes[..size]).unwrap();
            assert_eq!(hash(&file, size as u64).unwrap().0, *blake3::hash(&bytes[..size]).as_bytes(), "{size}");
        }
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        assert_eq!(hash(&file, 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
