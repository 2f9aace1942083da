//! Copying an input as it lies in a project.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::blob::copy_hashing;
use crate::hash::tree::Extent;
use crate::hash::{ContentError, is_leftover};
use crate::interrupt::Interrupt;

/// Copies a file or a folder for somebody who is not to write to it, as a reflink where the file system can. A link at the path
/// itself is followed; those in a folder stay links. Files must not be there yet, and come without the right to write. Everything
/// keeps the time when it was changed, by which programs judge what is newer than what.
///
/// # Errors
/// What the system refuses, with the path of what could not be copied; or that the user asked to stop.
pub(crate) fn copy(from: &Path, to: &Path, extent: Extent, interrupt: &Interrupt) -> Result<(), ContentError> {
    interrupt.check().map_err(ContentError::io("copy", from))?;
    let metadata = fs::metadata(from).map_err(ContentError::io("copy", from))?;
    if !metadata.is_dir() {
        return copy_file(from, to, &metadata, interrupt).map_err(ContentError::io("copy", from));
    }
    fs::create_dir_all(to).map_err(ContentError::io("create the folder", to))?;
    for entry in fs::read_dir(from).map_err(ContentError::io("list", from))? {
        let entry = entry.map_err(ContentError::io("list", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(ContentError::io("examine", &path))?;
        if extent == Extent::Source && is_leftover(&path, kind.is_dir()) {
            continue;
        }
        if kind.is_symlink() {
            let link = fs::read_link(&path).and_then(|link| std::os::unix::fs::symlink(link, target));
            link.map_err(ContentError::io("copy", &path))?;
        } else {
            copy(&path, &target, extent, interrupt)?;
        }
    }
    // What was put into it has changed it.
    let set = File::open(to).and_then(|folder| folder.set_modified(metadata.modified()?));
    set.map_err(ContentError::io("copy", from))
}

fn copy_file(from: &Path, to: &Path, metadata: &Metadata, interrupt: &Interrupt) -> io::Result<()> {
    let (mode, length) = (metadata.permissions().mode(), metadata.len());
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(mode & 0o555).open(to)?;
    if worth_a_reflink(length) {
        if reflink_copy::reflink_file(&source, &target).is_ok() {
            // It shares the blocks.
        } else if metadata.blocks() * 512 < length {
            // With holes it is copied as what it holds, so that it stays as small as it is.
            copy_hashing(&mut source, length, &mut target, interrupt)?;
        } else {
            copy_bytes(&source, &mut target, interrupt)?;
        }
    } else {
        // In one go, and what was added meanwhile.
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        source.read_to_end(&mut bytes)?;
        target.write_all(&bytes)?;
    }
    target.set_modified(metadata.modified()?)
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
