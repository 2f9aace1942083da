//! The log of an execution: kept within bounds, however much a stage says.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;

use crate::store::{self, Store, StoreError};

/// A log may grow to this size in bytes before its middle is dropped.
const MOST: u64 = 64 << 20;

/// So much of the beginning stays, in bytes.
const BEGINNING: u64 = 1 << 20;

/// What stands where something was dropped, around the number of bytes. What a stage says is not cut at the ends of lines.
const NOTE: [&str; 2] = [
    "kiln: the log grew too long; about ",
    " bytes of it were dropped here, perhaps with the beginning of the next line\n",
];

/// How the line begins that stands before what a later attempt says.
const ATTEMPT: &str = "kiln: attempt ";

/// So much of a log is looked through at its beginning, and at its end.
const LOOKED_THROUGH: u64 = 1 << 20;

/// Where what a stage says goes. The file is made when there is something in it.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a> {
    pub(crate) path: &'a Path,
    pub(crate) store: &'a Store,
}

impl Log<'_> {
    /// The file, to write at its end.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn open(&self) -> store::Result<File> {
        let open = || File::options().create(true).read(true).append(true).open(self.path);
        let opened = match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.store.make_folder(self.path.parent().unwrap_or(self.path))?;
                open()
            }
            other => other,
        };
        opened.map_err(StoreError::io("open", self.path))
    }

    /// Writes a line at its end. Whoever says something of a stage has done so, whether it can be written down or not.
    pub(crate) fn say(&self, text: &str) {
        let _ = self.open().map(|mut log| writeln!(log, "{text}"));
    }

    /// Writes which attempt it goes on with.
    pub(crate) fn begin_attempt(&self, number: u32, of: u32) {
        let begin = || -> io::Result<()> {
            let mut log = self.open().map_err(io::Error::other)?;
            let length = log.metadata()?.len();
            let mut last = [b'\n'];
            if length > 0 {
                log.read_exact_at(&mut last, length - 1)?;
            }
            let line = if last[0] == b'\n' { "" } else { "\n" };
            // At once: nobody is to read half of it.
            log.write_all(format!("{line}{ATTEMPT}{number} of {of}\n").as_bytes())
        };
        if let Err(error) = begin() {
            tracing::debug!("cannot write to {}: {error}", self.path.display());
        }
    }

    /// Makes an open file the log; tells whether it is now.
    pub(crate) fn become_of(&self, file: &File) -> bool {
        let file = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = || linkat(CWD, file.as_str(), CWD, self.path, AtFlags::SYMLINK_FOLLOW);
        match link() {
            Err(Errno::NOENT) => {
                self.path.parent().is_some_and(|folder| self.store.make_folder(folder).is_ok() && link().is_ok())
            }
            linked => linked.is_ok(),
        }
    }

    /// How long it is by now, in bytes.
    pub(crate) fn length(&self) -> u64 {
        std::fs::metadata(self.path).map_or(0, |log| log.len())
    }
}

/// The log from a place on, of a long one the beginning and the end; `None` if there is nothing.
pub(crate) fn excerpt(path: &Path, from: u64) -> Option<String> {
    let log = File::open(path).ok()?;
    let length = log.metadata().ok()?.len();
    let read = |from: u64, to: u64| {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).ok()?];
        log.read_exact_at(&mut bytes, from).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let end = length.min(from + LOOKED_THROUGH);
    let mut text = read(from, end)?;
    if end < length {
        text.push('\n');
        text.push_str(&read(end.max(length - LOOKED_THROUGH), length)?);
    }
    (!text.is_empty()).then_some(text)
}

/// What the last attempt said, of the lines of a log.
pub(crate) fn last_attempt<'l, 'a>(lines: &'l [&'a str]) -> &'l [&'a str] {
    let begins = |line: &&str| {
        let numbers = line.strip_prefix(ATTEMPT).and_then(|rest| rest.split_once(" of "));
        numbers.is_some_and(|(number, of)| number.parse::<u32>().is_ok() && of.parse::<u32>().is_ok())
    };
    lines.iter().rposition(begins).map_or(lines, |at| &lines[at + 1..])
}

/// Drops the middle of a log that has grown too long: its beginning stays, and what is said from now on. The stage may go on
/// writing meanwhile, for it appends.
pub(crate) fn keep_short(path: &Path) {
    if let Err(error) = shorten(path, MOST, BEGINNING) {
        tracing::debug!("cannot shorten {}: {error}", path.display());
    }
}

fn shorten(path: &Path, most: u64, beginning: u64) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    if length <= most {
        return Ok(());
    }
    let log = File::options().read(true).write(true).open(path)?;
    let size = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
    // With an earlier note, which may begin where the beginning ends.
    let mut head = vec![0; size(length.min(beginning + 256))?];
    log.read_exact_at(&mut head, 0)?;
    let kept = &head[..head.len().min(size(beginning)?)];
    let (hole, before, line) = match (earlier(&head), kept.iter().rposition(|byte| *byte == b'\n')) {
        (Some((hole, before)), _) => (hole, before, ""),
        (None, Some(end)) => (end + 1, 0, ""),
        (None, None) => (kept.len(), 0, "\n"),
    };
    let hole = hole as u64;
    let note = format!("{line}{}{}{}", NOTE[0], before + (length - hole), NOTE[1]);
    // In this order, and in place: what the stage appends meanwhile is either dropped, or comes after the note.
    log.write_all_at(note.as_bytes(), hole)?;
    log.set_len(hole + note.len() as u64)
}

/// The place of an earlier note in the head of a log, and the number in it.
fn earlier(head: &[u8]) -> Option<(usize, u64)> {
    let begin = NOTE[0].as_bytes();
    let at = head.windows(begin.len()).position(|window| window == begin)?;
    let rest = &head[at + begin.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    (at == 0 || head[at - 1] == b'\n').then_some((at, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().create(true).append(true).open(&path).unwrap();
        for number in 0..100 {
            writeln!(log, "{number}").unwrap();
        }
        let length = std::fs::metadata(&path).unwrap().len();
        shorten(&path, length, 160).unwrap();
        assert_eq!(lines(&path).len(), 100, "not too long yet");
        shorten(&path, length - 1, 160).unwrap();
        for number in 100..200 {
            writeln!(log, "{number}").unwrap();
        }
        let found = lines(&path);
        let hole = found.iter().position(|line| line.starts_with("kiln:")).unwrap();
        assert_eq!(hole, 56, "whole lines of the first 160 bytes: {found:?}");
        assert_eq!((found[hole - 1].as_str(), found[hole + 1].as_str()), ("55", "100"));
        assert!(found[hole].contains("about 132 bytes"), "{}", found[hole]);

        // A second time the hole is where it was, and the number is that of both.
        shorten(&path, 10, 160 + 40).unwrap();
        writeln!(log, "the end").unwrap();
        let found = lines(&path);
        assert_eq!(found.iter().filter(|line| line.starts_with("kiln:")).count(), 1);
        assert_eq!((found[hole - 1].as_str(), found[hole + 1].as_str()), ("55", "the end"));
        assert!(!found[hole].contains("about 132 bytes"), "{}", found[hole]);
    }

    #[test]
    fn a_log_of_one_line_can_be_shortened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, [b'a'; 300]).unwrap();
        shorten(&path, 200, 100).unwrap();
        let found = lines(&path);
        assert_eq!(found[0].len(), 100);
        assert!(found[1].contains("about 200 bytes"), "{found:?}");
    }
}
