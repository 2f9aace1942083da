//! Copying an input as it lies in a project.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::blob::copy_hashing;
use crate::hash::ContentError;
use crate::hash::walk::{Extent, Found, walk};
use crate::interrupt::Interrupt;

/// Copies a file or a folder for somebody who is not to write to it, as a reflink where the file system can. Links count as they do in
/// the digest of the same extent. Files must not be there yet, and come without the right to write. Everything keeps the time when it was
/// changed, by which programs judge what is newer than what.
///
/// # Errors
/// What is no artifact, what the system refuses, with the path of what could not be copied; or that the user asked to stop.
pub(crate) fn copy(from: &Path, to: &Path, extent: Extent<'_>, interrupt: &Interrupt) -> Result<(), ContentError> {
    interrupt.check().map_err(ContentError::io("copy", from))?;
    let metadata = fs::metadata(from).map_err(ContentError::io("copy", from))?;
    if !metadata.is_dir() {
        return copy_file(from, to, &metadata, interrupt).map_err(ContentError::io("copy", from));
    }
    let mut folders = BTreeSet::new();
    let mut folder = |inside: &Path| -> Result<(), ContentError> {
        if folders.contains(inside) {
            return Ok(());
        }
        folders.extend(inside.ancestors().map(Path::to_owned));
        fs::create_dir_all(to.join(inside)).map_err(ContentError::io("create the folder", &to.join(inside)))
    };
    folder(Path::new(""))?;
    for (inside, found) in walk(from, extent)? {
        interrupt.check().map_err(ContentError::io("copy", from))?;
        let (path, target) = (from.join(&inside), to.join(&inside));
        folder(if matches!(found, Found::Folder) { &inside } else { inside.parent().unwrap_or(Path::new("")) })?;
        let copied = match found {
            Found::File(()) => fs::metadata(&path).and_then(|metadata| copy_file(&path, &target, &metadata, interrupt)),
            Found::Link { target: text } => std::os::unix::fs::symlink(text, target),
            Found::Folder => Ok(()),
        };
        copied.map_err(ContentError::io("copy", &path))?;
    }
    // What was put into a folder has changed it, and what is in it comes behind it in this order.
    for inside in folders.iter().rev() {
        let (path, target) = (from.join(inside), to.join(inside));
        let set = || File::open(target)?.set_modified(fs::metadata(&path)?.modified()?);
        set().map_err(ContentError::io("copy", &path))?;
    }
    Ok(())
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
            copy_hashing(&mut source, length, &mut target, &mut |_| {}, interrupt)?;
        } else {
            copy_bytes(&source, &mut target, interrupt)?;
        }
    } else {
        // In one go, and what was added meanwhile. (A file alone would be asked for its length once more.)
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + PROBE);
        source.take(u64::MAX).read_to_end(&mut bytes)?;
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

/// So much room more than it has bytes makes that a file is read at once.
const PROBE: usize = 64;

/// So much is copied between two looks at the interrupt.
const PART: u64 = 64 << 20;

/// Whether a file of so many bytes is copied sooner by sharing its blocks than by reading and writing it.
pub(super) fn worth_a_reflink(length: u64) -> bool {
    length > 64 << 10
}
