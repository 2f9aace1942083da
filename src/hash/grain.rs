//! How finely a file system tells one change of a file from the next.
//!
//! Linux stamps files with a clock that moves some hundred times a second. From 6.13 on some file systems give a file that was looked
//! at since it was last changed a finer stamp at its next change (multigrain timestamps), so that no change after a look goes
//! unseen.

use std::fs::{File, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often it is tried to see two changes within one step of the clock.
const TRIES: usize = 8;

/// The device that a folder is on, if every change of a file there that comes after a look at it shows in its stamp.
pub(super) fn device_of_fine_stamps(folder: &Path) -> Option<u64> {
    let mut file = tempfile::tempfile_in(folder).ok()?;
    (0..TRIES).find_map(|_| changes_show(&mut file)).filter(|shown| *shown)?;
    Some(file.metadata().ok()?.dev())
}

/// Changes a file twice within a step of the clock, with a look between, and tells whether the second change shows; `None` if the clock
/// moved on meanwhile or the file cannot be written.
fn changes_show(file: &mut File) -> Option<bool> {
    let stamp = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
    let before = clock();
    file.write_all(b"1").ok()?;
    let first = stamp(&file.metadata().ok()?);
    file.write_all(b"2").ok()?;
    let second = stamp(&file.metadata().ok()?);
    (clock() == before).then_some(first != second)
}

/// The clock that stamps are taken from.
fn clock() -> Timespec {
    clock_gettime(ClockId::RealtimeCoarse)
}
