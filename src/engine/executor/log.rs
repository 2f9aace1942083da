//! The log of an execution: kept within bounds, however much a stage says.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FallocateFlags, fallocate, linkat};
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

/// Drops the middle of a log that has grown too long: its beginning stays, and its end. The stage may go on
/// writing meanwhile, for it appends.
pub(crate) fn keep_short(path: &Path) {
    if let Err(error) = shorten(path, MOST, BEGINNING) {
        tracing::debug!("cannot shorten {}: {error}", path.display());
    }
}

/// Drops the middle; tells whether nothing else went. A file system that can take a range out of a file loses nothing of the end. On another the
/// file is cut, and what the stage says between the look at its length and the cut is lost too.
fn shorten(path: &Path, most: u64, beginning: u64) -> io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    let length = metadata.len();
    if length <= most {
        return Ok(true);
    }
    let log = File::options().read(true).write(true).open(path)?;
    let size = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
    // With an earlier note, which may begin where the beginning ends.
    let mut head = vec![0; size(length.min(beginning + 256))?];
    log.read_exact_at(&mut head, 0)?;
    let earlier = earlier(&head);
    // Ranges begin and end with blocks of the file system, so the note is made to end with one.
    let block = metadata.blksize().max(1);
    let (from, to) = (beginning / block * block, (length - 1) / block * block);
    let longest = NOTE[0].len() + 20 + NOTE[1].len() + 1;
    if let Some(room) = size(from)?.checked_sub(longest)
        && from < to
    {
        let (hole, before, line) = place(&head[..room], earlier);
        let note = note(line, before + to.saturating_sub(if earlier.is_some() { from } else { hole as u64 }));
        let width = size(from)?.saturating_sub(hole);
        if note.len() <= width {
            let padded = format!("{:<1$}\n", note.trim_end_matches('\n'), width - 1);
            log.write_all_at(padded.as_bytes(), hole as u64)?;
            if fallocate(&log, FallocateFlags::COLLAPSE_RANGE, from, to - from).is_ok() {
                return Ok(true);
            }
        }
    }
    let (hole, before, line) = place(&head[..head.len().min(size(beginning)?)], earlier);
    let note = note(line, before + (length - hole as u64));
    // In this order, and in place: what the stage appends meanwhile is either dropped, or comes after the note.
    log.write_all_at(note.as_bytes(), hole as u64)?;
    log.set_len((hole + note.len()) as u64)?;
    Ok(false)
}

/// Where the hole begins, how much was dropped before, and what ends the line before the note.
fn place(kept: &[u8], earlier: Option<(usize, u64)>) -> (usize, u64, &'static str) {
    match (earlier, kept.iter().rposition(|byte| *byte == b'\n')) {
        (Some((hole, before)), _) => (hole, before, ""),
        (None, Some(end)) => (end + 1, 0, ""),
        (None, None) => (kept.len(), 0, "\n"),
    }
}

fn note(line: &str, dropped: u64) -> String {
    format!("{line}{}{dropped}{}", NOTE[0], NOTE[1])
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
    fn the_end_of_a_long_log_stays() {
        // On a disk: a file system in memory cannot take a range out of a file.
        let program = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().create(true).append(true).open(&path).unwrap();
        let mut said = 0;
        for _ in 0..3 {
            for _ in 0..20_000 {
                said += 1;
                writeln!(log, "{said}").unwrap();
            }
            let exact = shorten(&path, 10_000, 10_000).unwrap();
            assert!(exact || std::env::var_os("CI").is_none(), "this file system takes no ranges out");
            if !exact {
                return;
            }
            let found = lines(&path);
            let hole = found.iter().position(|line| line.starts_with("kiln:")).unwrap();
            assert_eq!(found.iter().filter(|line| line.starts_with("kiln:")).count(), 1);
            assert_eq!(found[hole - 1], hole.to_string());
            let after: Vec<u32> = found[hole + 2..].iter().map(|line| line.parse().unwrap()).collect();
            assert!(after.windows(2).all(|pair| pair[1] == pair[0] + 1));
            assert_eq!(after.last(), Some(&said));
            let dropped: usize = found[hole][NOTE[0].len()..].split(' ').next().unwrap().parse().unwrap();
            let whole: usize = (1..=said).map(|number| number.to_string().len() + 1).sum();
            let left = std::fs::metadata(&path).unwrap().len() as usize - found[hole].len() - 1;
            assert_eq!(dropped + left, whole);
        }
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
