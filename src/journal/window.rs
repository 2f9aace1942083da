//! A window onto a file that is read front to back: any range of it, through one large buffer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at a time: no more memory is used than stays at hand.
const CHUNK: usize = 1 << 17;

/// The longest single range that is served: no head is longer.
const LONGEST: usize = 1 << 28;

/// The buffer, and what part of the file it holds.
pub(super) struct Window<'f> {
    file: &'f File,
    length: u64,
    start: u64,
    /// As much room as was needed so far.
    bytes: Vec<u8>,
    /// So many of them were read.
    read: usize,
}

impl<'f> Window<'f> {
    /// A window onto the first `length` bytes.
    pub(super) fn new(file: &'f File, length: u64) -> Self {
        Self { file, length, start: 0, bytes: Vec::new(), read: 0 }
    }

    /// Whether the file goes on for so many bytes from an offset.
    pub(super) fn holds(&self, at: u64, count: u64) -> bool {
        at.checked_add(count).is_some_and(|end| end <= self.length)
    }

    /// The bytes of a range; `None` if the file ends before.
    pub(super) fn get(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if count > LONGEST || !self.holds(at, count as u64) {
            return Ok(None);
        }
        let inside = at >= self.start && at + count as u64 <= self.start + self.read as u64;
        if !inside {
            let rest = usize::try_from(self.length - at).unwrap_or(usize::MAX);
            let wanted = count.max(CHUNK).min(rest);
            if self.bytes.len() < wanted {
                self.bytes = vec![0; wanted];
            }
            (self.start, self.read) = (at, wanted);
            if let Err(error) = self.file.read_exact_at(&mut self.bytes[..wanted], at) {
                self.read = 0;
                // Cut meanwhile by a writer who found the tail torn.
                return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
            }
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from + count))
    }

    /// The first place at or behind an offset where a pattern stands.
    pub(super) fn find(&mut self, pattern: &[u8], mut at: u64) -> io::Result<Option<u64>> {
        while at < self.length {
            let count = usize::try_from(self.length - at).unwrap_or(usize::MAX).min(CHUNK);
            let Some(bytes) = self.get(at, count)? else { return Ok(None) };
            if let Some(found) = bytes.windows(pattern.len()).position(|w| w == pattern) {
                return Ok(Some(at + found as u64));
            }
            if count <= pattern.len() {
                return Ok(None);
            }
            // The pattern may lie across two pieces.
            at += (count + 1 - pattern.len()) as u64;
        }
        Ok(None)
    }
}
