//! Scratch directories: where a stage works, and where the store writes what is not finished yet.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RawDir, fstat, openat, unlinkat};

use super::lock::{is_still, lock};
use super::{Result, Store, StoreError, names};

/// Room for so many bytes of a folder's list at a time.
const LISTED: usize = 4096;

/// A fresh directory on the store's file system, removed when dropped. A lock on the directory itself says that its
/// process lives; those of dead processes are swept away by the next Kiln that needs one.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Folders that are to be in it, relative and with all above them.
    folders: BTreeSet<PathBuf>,
    /// What others may do with a folder that was made here.
    mode: u32,
    /// Whether it stays when this is dropped.
    stays: bool,
    _lock: File,
    next: AtomicU64,
}

impl Scratch {
    fn new(parent: &Path, hint: &str) -> Result<Self> {
        let (path, lock) = create(parent, hint)?;
        let mode = lock.metadata().map_err(StoreError::io("look at", &path))?.permissions().mode();
        Ok(Self { path, folders: BTreeSet::new(), mode, stays: false, _lock: lock, next: AtomicU64::new(0) })
    }

    /// A directory that is there already, with what is in it, and stays. It is locked where the file system has locks.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let _ = lock(&file, FlockOperation::NonBlockingLockExclusive);
        let mode = file.metadata().map_err(StoreError::io("look at", path))?.permissions().mode();
        let (path, folders) = (path.to_owned(), BTreeSet::new());
        Ok(Self { path, folders, mode, stays: true, _lock: file, next: AtomicU64::new(0) })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name in the directory that was not given out before.
    pub(super) fn fresh(&self) -> PathBuf {
        self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Empties all but its folders and one file, for the next who needs a directory: removing and making directories is slow on some file
    /// systems (milliseconds each, where freed blocks are discarded at once). `false` if the folders are not as they were
    /// made, and it had better be dropped.
    ///
    /// Only for a directory that no process works in any more.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn clear(&self, but: Option<&str>) -> io::Result<bool> {
        let kept = but.map(Path::new);
        let mut open = vec![PathBuf::new()];
        let mut met = 0;
        // This is done after every command, so it makes few system calls.
        let mut room = [MaybeUninit::uninit(); LISTED];
        while let Some(folder) = open.pop() {
            let path = self.path.join(&folder);
            let opened = openat(CWD, &path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            if fstat(&opened)?.st_mode != self.mode {
                return Ok(false);
            }
            let mut listed = RawDir::new(&opened, &mut room);
            while let Some(entry) = listed.next() {
                let entry = entry?;
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let relative = folder.join(OsStr::from_bytes(name.to_bytes()));
                let is_folder = match entry.file_type() {
                    FileType::Unknown => fs::symlink_metadata(self.path.join(&relative))?.is_dir(),
                    kind => kind.is_dir(),
                };
                if is_folder && self.folders.contains(&relative) {
                    met += 1;
                    open.push(relative);
                } else if is_folder {
                    remove(&self.path.join(&relative))?;
                } else if kept != Some(&relative) {
                    unlinkat(&opened, name, AtFlags::empty())?;
                }
            }
        }
        Ok(met == self.folders.len())
    }

    /// Makes the folders of an empty directory these, given by relative paths, and those above them.
    ///
    /// # Errors
    /// If one cannot be made or removed.
    pub fn fit<'p>(&mut self, folders: impl IntoIterator<Item = &'p Path>) -> Result<()> {
        let wanted: BTreeSet<&Path> =
            folders.into_iter().flat_map(Path::ancestors).filter(|folder| !folder.as_os_str().is_empty()).collect();
        // What lies in a folder comes after it.
        let superfluous: Vec<PathBuf> =
            self.folders.iter().rev().filter(|folder| !wanted.contains(folder.as_path())).cloned().collect();
        for folder in superfluous {
            let path = self.path.join(&folder);
            fs::remove_dir(&path).map_err(StoreError::io("remove the folder", &path))?;
            self.folders.remove(&folder);
        }
        for folder in wanted {
            if !self.folders.contains(folder) {
                let path = self.path.join(folder);
                fs::create_dir(&path).map_err(StoreError::io("create the folder", &path))?;
                self.folders.insert(folder.to_owned());
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = remove(&self.path) {
            tracing::debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Store {
    /// A fresh, empty directory. The hint (a stage's name) shows in its name, for people who look.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn scratch(&self, hint: &str) -> Result<Scratch> {
        self.swept.call_once(|| self.sweep());
        let parent = self.folder(FOLDER)?;
        Scratch::new(&parent, hint)
    }

    /// Where scratch directories are.
    pub(crate) fn scratch_folder(&self) -> PathBuf {
        self.root().join(FOLDER)
    }

    /// Where this process writes what is not finished yet.
    pub(super) fn staging(&self) -> Result<&Scratch> {
        if self.staging.get().is_none() {
            // Two threads may both get here; the loser's directory is removed again.
            let _ = self.staging.set(self.scratch("staging")?);
        }
        self.staging
            .get()
            .ok_or_else(|| StoreError::io("create", &self.scratch_folder())(io::Error::other("no staging directory")))
    }

    /// Removes the scratch directories of dead processes.
    pub(super) fn sweep(&self) {
        sweep(&self.scratch_folder(), names::is_scratch);
    }
}

/// A directory on the file system of a folder, in it, for what is to be moved to a place there. Those that dead processes left are removed.
pub(super) fn beside(folder: &Path) -> Result<Scratch> {
    sweep(folder, names::is_beside);
    Scratch::new(folder, names::BESIDE)
}

/// Removes the directories of dead processes in a folder, by their names.
fn sweep(folder: &Path, is_scratch: fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_scratch(names::of(&path))
            && let Ok(file) = File::open(&path)
            && lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && is_still(&file, &path)
            && let Err(error) = remove(&path)
        {
            // Where a cache is shared, that of another user is his to remove.
            tracing::debug!("cannot remove {}: {error}", path.display());
        }
    }
}

/// The folder of a store that they are in.
const FOLDER: &str = "tmp";

/// Whether the process that made a scratch directory is gone, and perhaps the directory too.
pub(crate) fn is_abandoned(path: &Path) -> bool {
    match File::open(path) {
        Ok(folder) => lock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

/// Creates a directory and locks it.
fn create(parent: &Path, hint: &str) -> Result<(PathBuf, File)> {
    loop {
        let path = fresh_name(parent, hint);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(StoreError::io("create the folder", &path)(e)),
        }
        // Before the lock is taken a sweep may take the directory for a dead one's; then there is another.
        let Ok(file) = File::open(&path) else { continue };
        lock(&file, FlockOperation::LockExclusive).map_err(StoreError::errno("lock", &path))?;
        if is_still(&file, &path) {
            return Ok((path, file));
        }
    }
}

/// A name that nobody else comes upon: a RandomState is seeded from the system's random numbers.
pub(super) fn fresh_name(parent: &Path, hint: &str) -> PathBuf {
    let hint: String =
        hint.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(names::HINT).collect();
    let random = RandomState::new().hash_one(std::process::id());
    parent.join(format!("{hint}-{random:0digits$x}", digits = names::RANDOM))
}

/// Removes a file or a directory with all that is in it, also where a stage took away the right to.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            unlock(path)?;
            fs::remove_dir_all(path)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner every right to all folders below.
fn unlock(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}
