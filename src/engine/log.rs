//! The log of an execution: kept within bounds, however much a stage says.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A log may grow to this size in bytes before its middle is dropped.
const MOST: u64 = 64 << 20;

/// So much of the beginning stays, in bytes.
const BEGINNING: u64 = 1 << 20;

/// Drops the middle of a log that has grown too long: its beginning stays, and what is said from now on. The stage may go on
/// writing meanwhile, for it appends.
pub(super) fn keep_short(path: &Path) {
    if let Err(error) = shorten(path, MOST, BEGINNING) {
        tracing::debug!("cannot shorten {}: {error}", path.display());
    }
}

fn shorten(path: &Path, most: u64, beginning: u64) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    if length <= most {
        return Ok(());
    }
    let mut log = File::options().append(true).open(path)?;
    log.set_len(beginning)?;
    writeln!(log, "\nkiln: the log grew too long; about {} bytes of it were dropped here", length - beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_beginning_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().create(true).append(true).open(&path).unwrap();
        log.write_all(&[b'a'; 100]).unwrap();
        shorten(&path, 100, 10).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100, "not too long yet");
        log.write_all(b"b").unwrap();
        shorten(&path, 100, 10).unwrap();
        log.write_all(b"the end").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2]), ("a".repeat(10).as_str(), "the end"));
        assert!(lines[1].contains("91 bytes"), "{}", lines[1]);
    }
}
