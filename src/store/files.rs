//! What every store has at its root, its mark, and how a file gets there whole.

use std::fs;
use std::io;
use std::path::Path;

use super::{Result, StoreError, names};

/// The format that this Kiln reads and writes.
pub(super) const FORMAT: u32 = 1;

pub(super) const MEMO: &str = "memo.log";
pub(super) const RESULTS: &str = "actions.log";
pub(super) const PROMISED: &str = "promised.log";
pub(super) const VERSION: &str = "version";

/// What keeps a store out of a repository.
pub(super) const IGNORE: &str = ".gitignore";
pub(super) const IGNORED: &str =
    "# A store of Kiln's. What is in it can be made again, and belongs in no repository.\n*\n!README.md\n";

/// The folder of attempts that are made elsewhere.
pub(super) const JOBS: &str = "jobs";
/// The folder of the claims to projects.
pub(super) const CLAIMS: &str = "claims";
/// The folder of what was put aside.
pub(super) const QUARANTINE: &str = "quarantine";
/// The folder of what stages that failed left.
pub(super) const SALVAGED: &str = "salvaged";

/// The folders of a store.
pub(super) const FOLDERS: [&str; 11] =
    ["objects", "trees", "runs", "logs", "pipelines", "remotes", "tmp", JOBS, CLAIMS, QUARANTINE, SALVAGED];

/// The text is checked, so that a flipped bit does not make a store look like a newer one.
pub(super) fn version_text(format: u32) -> String {
    let text = format!("kiln store {format}");
    format!("{text} {}\n", &blake3::hash(text.as_bytes()).to_hex()[..8])
}

/// The format that a mark names, if it is sound.
pub(super) fn format_of(bytes: &[u8]) -> Option<u32> {
    let text = str::from_utf8(bytes).ok()?;
    let format = text.strip_prefix("kiln store ")?.split(' ').next()?.parse().ok()?;
    (version_text(format).trim_end() == text.trim_end()).then_some(format)
}

/// Writes a file under a temporary name in a folder of the same file system, waits for the disk if it is to outlast a power cut, and
/// renames it.
pub(super) fn write_atomically(folder: &Path, path: &Path, bytes: &[u8], lasting: bool) -> Result<()> {
    write_parts_atomically(folder, path, &[bytes], lasting)
}

/// The same for bytes that lie in several places.
pub(super) fn write_parts_atomically(folder: &Path, path: &Path, parts: &[&[u8]], lasting: bool) -> Result<()> {
    let write = || {
        let mut file =
            tempfile::Builder::new().prefix(names::UNFINISHED).permissions(permissions()).tempfile_in(folder)?;
        parts.iter().try_for_each(|part| io::Write::write_all(&mut file, part))?;
        if lasting {
            file.as_file().sync_data()?;
        }
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(StoreError::io("write", path))
}

/// What an ordinary new file gets; the user's umask is taken off.
fn permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}
