//! Copying an artifact as it lies in a project.

use std::fs::{self, File, OpenOptions};
use std::io;
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
        return copy_file(from, to, metadata.permissions().mode());
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

fn copy_file(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(mode & 0o555).open(to)?;
    if reflink_copy::reflink_file(&source, &target).is_ok() {
        return Ok(());
    }
    io::copy(&mut source, &mut target).map(|_| ())
}
