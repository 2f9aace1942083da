//! Copying an artifact as it lies in a project.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Copies a file or a folder for somebody who is not to write to it, as a reflink where the file system can. A link at the path
/// itself is followed; those in a folder stay links. Files must not be there yet, and come without the right to write.
///
/// # Errors
/// What the system refuses.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    if !metadata.is_dir() {
        return copy_file(from, to, metadata.permissions().mode(), metadata.len());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, mode: u32, length: u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(mode & 0o555).open(to)?;
    if worth_a_reflink(length) {
        return match reflink_copy::reflink_file(&source, &target) {
            Ok(()) => Ok(()),
            Err(_) => io::copy(&mut source, &mut target).map(|_| ()),
        };
    }
    // In one go, and what was added meanwhile.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    source.read_to_end(&mut bytes)?;
    target.write_all(&bytes)
}

/// Whether a file of so many bytes is copied sooner by sharing its blocks than by reading and writing it.
pub(super) fn worth_a_reflink(length: u64) -> bool {
    length > 64 << 10
}
