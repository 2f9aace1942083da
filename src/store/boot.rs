//! This boot of this machine: what is in its memory and not on a disk is lost when it ends.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::LazyLock;

/// Names it. Where the system does not tell, each process has its own, and checks what others published.
pub(super) static BOOT: LazyLock<u64> = LazyLock::new(|| {
    let text: io::Result<String> = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map_or_else(
        |_| RandomState::new().hash_one(0),
        |text| blake3::hash(text.as_bytes()).as_bytes()[..8].try_into().map_or(0, u64::from_le_bytes),
    )
});

/// When it began, in nanoseconds since 1970. Where the system does not tell, when this was first asked.
pub(super) static BEGAN: LazyLock<i64> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    seconds.map_or_else(crate::hash::now, |seconds| seconds.saturating_mul(1_000_000_000))
});
