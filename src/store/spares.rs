//! Small files that Kiln wrote into a scratch directory for a command to read, and writes anew for the next command.
//!
//! To rename a small file and to fill it takes less time than to remove it and to make another one. Some file systems (ext4 without a
//! journal) moreover step over the numbers of files that were removed in the last minutes, one by one.
//!
//! A file is written anew only if it is what was handed out, under that name and no other, and nobody else has it open. Where the file
//! system cannot tell the latter, none is.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::blob::{SEALED, worth_a_reflink};
use super::writers;

/// So many are kept open.
const MANY: usize = 32;

/// Such files of one scratch directory.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Spare>>);

#[derive(Debug)]
struct Spare {
    /// Open to write.
    file: File,
    path: PathBuf,
    length: usize,
    /// What the system said of it when it was handed out, until it comes back.
    handed_out: Option<Shape>,
}

/// What does not stay the same if anything is done to a file, be it that its content stays.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    id: (u64, u64),
    rights: (u32, u32, u32),
    names: u64,
    size: u64,
    changed: (i64, i64),
}

impl Shape {
    fn of(file: &Metadata) -> Self {
        Self {
            id: (file.dev(), file.ino()),
            rights: (file.mode(), file.uid(), file.gid()),
            names: file.nlink(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Spares {
    /// Whether a file of so many bytes and these rights is small and plain.
    pub(super) fn takes(length: u64, mode: u32) -> bool {
        // What is open to be written to cannot be started.
        !worth_a_reflink(length) && mode == SEALED
    }

    /// Writes a file that nobody may write to, with the time when its content was changed. There must be nothing at its path but a spare.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8], modified: SystemTime) -> io::Result<()> {
        let mut spare = match self.take(path, bytes.len()).and_then(|spare| spare.moved_to(path)) {
            Some(spare) => spare,
            None => {
                let file = OpenOptions::new().write(true).create_new(true).mode(SEALED).open(path)?;
                Spare { file, path: path.to_owned(), length: 0, handed_out: None }
            }
        };
        spare.file.write_all_at(bytes, 0)?;
        if bytes.len() < spare.length {
            spare.file.set_len(bytes.len() as u64)?;
        }
        spare.length = bytes.len();
        spare.file.set_modified(modified)?;
        let mut all = self.lock();
        if all.len() < MANY {
            spare.handed_out = Some(Shape::of(&spare.file.metadata()?));
            all.push(spare);
        }
        Ok(())
    }

    /// Takes the spare that lies at a path, or else the one that is nearest to a length and not longer, or else any.
    fn take(&self, path: &Path, length: usize) -> Option<Spare> {
        let mut all = self.lock();
        loop {
            let free = all.iter().enumerate().filter(|(_, spare)| spare.handed_out.is_none());
            let at = free.max_by_key(|(_, s)| (s.path == path, s.length <= length, s.length))?.0;
            let spare = all.swap_remove(at);
            if writers::is_alone(&spare.file) {
                return Some(spare);
            }
            spare.remove();
        }
    }

    /// Takes back what was handed out, and tells where it lies. What anything was done to is no spare any more.
    pub(super) fn take_back(&self) -> Vec<PathBuf> {
        let mut all = self.lock();
        all.retain_mut(|spare| {
            let handed_out = spare.handed_out.take();
            handed_out.is_some() && fs::symlink_metadata(&spare.path).ok().map(|now| Shape::of(&now)) == handed_out
        });
        all.iter().map(|spare| spare.path.clone()).collect()
    }

    /// Removes the spares whose paths are such. What cannot be removed is met by whoever wants its place.
    pub(crate) fn remove(&self, such: impl Fn(&Path) -> bool) {
        let mut all = self.lock();
        let gone = all.extract_if(.., |spare| spare.handed_out.is_none() && such(&spare.path));
        gone.for_each(Spare::remove);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    /// Gives it another place.
    fn moved_to(mut self, path: &Path) -> Option<Self> {
        if self.path != path {
            let moved = fs::rename(&self.path, path);
            moved.inspect_err(|error| tracing::debug!("cannot move {}: {error}", self.path.display())).ok()?;
            path.clone_into(&mut self.path);
        }
        Some(self)
    }

    /// Removes it. It is closed first: a network's file system renames what is removed while it is open.
    fn remove(self) {
        let Self { file, path, .. } = self;
        drop(file);
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!("cannot remove {}: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    fn number(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_file_is_written_anew_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let (spares, then) = (Spares::default(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        spares.write(&a, b"something long", then).unwrap();
        let first = number(&a);
        assert_eq!(spares.take_back(), [a.as_path()]);
        spares.write(&b, b"short", then).unwrap();
        assert_eq!((number(&b), a.exists()), (first, false));
        assert_eq!(fs::read(&b).unwrap(), b"short");
        let metadata = fs::metadata(&b).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.modified().unwrap()), (SEALED, then));
        // What is handed out is nobody else's.
        spares.write(&a, b"another", then).unwrap();
        assert_ne!(number(&a), first);
    }

    #[test]
    fn a_file_to_which_anything_was_done_is_none() {
        let done: [fn(&Path); 5] = [
            |path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(),
            |path| fs::hard_link(path, path.with_extension("too")).unwrap(),
            |path| fs::remove_file(path).unwrap(),
            |path| {
                fs::remove_file(path).unwrap();
                fs::write(path, "a").unwrap();
            },
            |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
                fs::write(path, "longer").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(SEALED)).unwrap();
            },
        ];
        for what in done {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            let spares = Spares::default();
            spares.write(&path, b"a", SystemTime::now()).unwrap();
            what(&path);
            assert_eq!(spares.take_back(), [] as [&Path; 0]);
        }
    }

    #[test]
    fn a_file_that_somebody_has_open_is_not_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let spares = Spares::default();
        spares.write(&path, b"a", SystemTime::now()).unwrap();
        let reader = File::open(&path).unwrap();
        let first = number(&path);
        spares.take_back();
        spares.write(&path, b"b", SystemTime::now()).unwrap();
        assert_ne!(number(&path), first);
        let mut byte = [0];
        reader.read_at(&mut byte, 0).unwrap();
        assert_eq!(byte, *b"a");
    }

    #[test]
    fn room_is_made_for_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let spares = Spares::default();
        spares.write(&a, b"a", SystemTime::now()).unwrap();
        spares.write(&b, b"b", SystemTime::now()).unwrap();
        spares.remove(|_| true);
        assert!(a.exists() && b.exists(), "they are handed out");
        spares.take_back();
        spares.remove(|path| path == a);
        assert_eq!((a.exists(), b.exists()), (false, true));
    }
}
