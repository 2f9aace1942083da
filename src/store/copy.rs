//! Copying an artifact as it lies in a project.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::blob::copy_hashing;
use crate::interrupt::Interrupt;

/// Copies a file or a folder for somebody who is not to write to it, as a reflink where the file system can. A link at the path
/// itself is followed; those in a folder stay links. Files must not be there yet, and come without the right to write.
///
/// # Errors
/// What the system refuses, or that the user asked to stop.
pub fn copy(from: &Path, to: &Path, interrupt: &Interrupt) -> io::Result<()> {
    interrupt.check()?;
    let metadata = fs::metadata(from)?;
    if !metadata.is_dir() {
        return copy_file(from, to, &metadata, interrupt);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else {
            copy(&entry.path(), &target, interrupt)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, metadata: &fs::Metadata, interrupt: &Interrupt) -> io::Result<()> {
    let (mode, length) = (metadata.permissions().mode(), metadata.len());
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(mode & 0o555).open(to)?;
    if worth_a_reflink(length) {
        return match reflink_copy::reflink_file(&source, &target) {
            Ok(()) => Ok(()),
            // With holes it is copied as what it holds, so that it stays as small as it is.
            Err(_) if metadata.blocks() * 512 < length => {
                copy_hashing(&mut source, length, &mut target, interrupt).map(|_| ())
            }
            Err(_) => copy_bytes(&source, &mut target, interrupt),
        };
    }
    // In one go, and what was added meanwhile.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    source.read_to_end(&mut bytes)?;
    target.write_all(&bytes)
}

/// Copies a large file in the kernel, a part after another.
fn copy_bytes(source: &File, target: &mut File, interrupt: &Interrupt) -> io::Result<()> {
    while io::copy(&mut source.take(PART), target)? > 0 {
        interrupt.check()?;
    }
    Ok(())
}

/// So much is copied between two looks at the interrupt.
const PART: u64 = 64 << 20;

/// Whether a file of so many bytes is copied sooner by sharing its blocks than by reading and writing it.
pub(super) fn worth_a_reflink(length: u64) -> bool {
    length > 64 << 10
}
