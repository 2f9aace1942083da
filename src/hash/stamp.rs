//! What `stat` says of a file: enough to know that its content has not changed, or to have to read it.

use std::ffi::CStr;
use std::fs::Metadata;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, StatxFlags};

/// Nanoseconds since 1970; good until 2262.
pub(crate) type Nanos = i64;

/// How coarse the kernel's clock for time stamps may be: two ticks at 100 Hz, the slowest in use.
pub(crate) const GRAIN: Nanos = 20_000_000;

/// The grain of file systems that keep whole seconds only (FAT keeps even ones).
const COARSE_GRAIN: Nanos = 2_000_000_000;

/// The identity and state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Device and inode.
    pub(crate) id: (u64, u64),
    /// Size in bytes.
    pub(crate) size: u64,
    /// When the content was last changed, or what a user set that to.
    pub(crate) mtime: Nanos,
    /// When anything about the file was last changed; nobody can set it.
    pub(crate) ctime: Nanos,
}

/// A file in a folder: its stamp, and its type with the rights.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) stamp: Stamp,
    pub(super) mode: u32,
}

impl Seen {
    /// Looks at what a name names in a folder. A link is followed if that is asked for.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn at(folder: BorrowedFd<'_>, name: &CStr, follow: bool) -> io::Result<Self> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let found = rustix::fs::statx(folder, name, flags, StatxFlags::BASIC_STATS)?;
        Ok(Self { stamp: Stamp::of_statx(&found), mode: found.stx_mode.into() })
    }

    /// What kind of thing it is.
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }
}

impl Stamp {
    /// The stamp of a file.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, part: i64| seconds.saturating_mul(1_000_000_000).saturating_add(part);
        Self {
            id: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            mtime: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of a file, from the system call itself.
    pub(crate) fn of_statx(found: &rustix::fs::Statx) -> Self {
        let nanos = |time: &rustix::fs::StatxTimestamp| {
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
        };
        Self {
            id: (rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino),
            size: found.stx_size,
            mtime: nanos(&found.stx_mtime),
            ctime: nanos(&found.stx_ctime),
        }
    }

    /// The coarsest step that this file's times may have been rounded to.
    pub(crate) fn grain(&self) -> Nanos {
        let whole = |time: Nanos| time % 1_000_000_000 == 0;
        if whole(self.mtime) && whole(self.ctime) { COARSE_GRAIN } else { GRAIN }
    }

    /// Whether a change after `moment` must show in the stamp. One within the clock's grain of the last change need
    /// not: it could leave the same size and the same times (git calls such an entry racy).
    pub(crate) fn settled_at(&self, moment: Nanos) -> bool {
        self.settles() <= moment
    }

    /// The first moment of which [`Self::settled_at`] holds.
    pub(crate) fn settles(&self) -> Nanos {
        self.mtime.max(self.ctime).saturating_add(self.grain()).saturating_add(1)
    }
}

/// The wall clock now.
pub(crate) fn now() -> Nanos {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(mtime: Nanos, ctime: Nanos) -> Stamp {
        Stamp { id: (1, 2), size: 3, mtime, ctime }
    }

    #[test]
    fn a_change_within_the_grain_is_not_settled() {
        let t = 1_700_000_000_123_456_789;
        assert!(!stamp(t, t).settled_at(t));
        assert!(!stamp(t, t).settled_at(t + GRAIN));
        assert!(stamp(t, t).settled_at(t + GRAIN + 1));
        assert!(!stamp(0, t).settled_at(t + 1), "an old mtime does not hide a young ctime");
        assert!(!stamp(t + 1_000_000_000, t).settled_at(t + GRAIN + 1), "nor an old ctime a young mtime");
    }

    #[test]
    fn whole_seconds_mean_a_coarse_clock() {
        let t = 1_700_000_000_000_000_000;
        assert!(!stamp(t, t).settled_at(t + 1_999_999_999));
        assert!(stamp(t, t).settled_at(t + 2_000_000_001));
    }
}
