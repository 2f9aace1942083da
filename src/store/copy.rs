//! Copying an artifact as it lies in a project.

use std::fs;
use std::io;
use std::path::Path;

/// Copies a file or a folder, as a reflink where the file system can. A link at the path itself is followed; those in a folder
/// stay links.
///
/// # Errors
/// What the system refuses.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::metadata(from)?.is_dir() {
        return reflink_copy::reflink_or_copy(from, to).map(|_| ());
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
