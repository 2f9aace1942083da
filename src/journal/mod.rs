//! Journals: append-only files of checksummed frames that several processes share and no crash can spoil.
//!
//! A frame is a prefix of 20 bytes, a head and a body:
//!
//! | bytes | |
//! | --- | --- |
//! | 0..4 | the mark `ff 6b 6c 01` |
//! | 4..8 | length of the head, little-endian |
//! | 8..12 | length of the body, little-endian |
//! | 12..20 | the first 8 bytes of BLAKE3 over bytes 0..12 and the head |
//!
//! Reading a journal verifies every head and skips the bodies; whoever needs a body verifies it himself. A frame that is
//! damaged is passed over by looking for the next one. A torn tail is left alone by readers, who may be
//! seeing another process write, and cut off by the next writer, who holds the lock.

mod window;
pub(crate) mod wire;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use window::Window;

const MARK: [u8; 4] = [0xff, b'k', b'l', 1];
const PREFIX: usize = 20;

/// A head of so many bytes is hashed by several threads.
const LONG: usize = 1 << 20;

/// What reading a journal comes upon.
pub(crate) enum Entry<'a> {
    /// The file was replaced or cut: forget everything read so far.
    Restart,
    /// The next frame.
    Frame(Frame<'a>),
}

/// A frame with a sound head.
pub(crate) struct Frame<'a> {
    /// What it says.
    pub(crate) head: &'a [u8],
    /// Where its body is.
    pub(crate) body: Span,
    /// Its length in the file, prefix, head and body.
    pub(crate) length: u64,
}

/// Where a body lies in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// Offset in bytes.
    pub(crate) at: u64,
    /// Length in bytes.
    pub(crate) length: u32,
}

/// An open file, and which it is: device and inode.
struct Opened {
    file: File,
    id: (u64, u64),
}

impl Opened {
    fn new(file: File) -> io::Result<Self> {
        let id = id(&file.metadata()?);
        Ok(Self { file, id })
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// An open journal.
pub(crate) struct Journal {
    path: PathBuf,
    /// What is read; `None` as long as there is no such file.
    file: Option<Opened>,
    /// What is locked and written, from the first time on.
    writer: Option<Opened>,
    /// One past the last sound frame.
    end: u64,
    /// The length of the file when it was last read.
    seen: u64,
}

impl Journal {
    /// A journal at a path; nothing is read or created yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, writer: None, end: 0, seen: 0 }
    }

    /// The length of the file when it was last read.
    pub(crate) fn length(&self) -> u64 {
        self.seen
    }

    /// Reads the frames that were added since the last call, by whichever process.
    pub(crate) fn read_new(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<()> {
        let on_disk = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if self.file.take().is_some() {
                    self.restart(visit);
                }
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        self.catch_up(&on_disk, visit)
    }

    fn catch_up(&mut self, on_disk: &Metadata, visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<()> {
        if let Some(opened) = &self.file {
            if opened.id != id(on_disk) {
                self.file = None;
                self.restart(visit);
            } else if on_disk.len() == self.seen {
                return Ok(());
            }
        }
        if self.file.is_none() {
            self.file = Some(Opened::new(File::open(&self.path)?)?);
        }
        self.scan(visit)
    }

    fn restart(&mut self, visit: &mut dyn FnMut(Entry<'_>)) {
        (self.end, self.seen) = (0, 0);
        visit(Entry::Restart);
    }

    fn scan(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<()> {
        let Some(Opened { file, .. }) = &self.file else { return Ok(()) };
        let length = file.metadata()?.len();
        if length < self.end {
            (self.end, self.seen) = (0, 0);
            visit(Entry::Restart);
        }
        self.seen = length;
        let mut window = Window::new(file, length);
        let mut at = self.end;
        while at < length {
            if let Some(frame) = frame_at(&mut window, at)? {
                at += frame.length;
                self.end = at;
                visit(Entry::Frame(frame));
            } else if let Some(next) = window.find(&MARK, at + 1)? {
                at = next;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The bytes of a body, as they are.
    pub(crate) fn body(&self, span: Span) -> io::Result<Vec<u8>> {
        let file = &self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.file;
        let mut bytes = vec![0; span.length as usize];
        file.read_exact_at(&mut bytes, span.at)?;
        Ok(bytes)
    }

    /// Waits for the lock that every writer takes, creating the file if need be, and reads what is new. The kernel
    /// lets go of the lock when its process dies.
    pub(crate) fn lock(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<Locked<'_>> {
        loop {
            let writer = match self.writer.take() {
                Some(writer) => writer,
                None => {
                    let options = OpenOptions::new().append(true).create(true).mode(0o666).open(&self.path)?;
                    Opened::new(options)?
                }
            };
            flock(&writer.file, FlockOperation::LockExclusive)?;
            // While we waited, another process may have put a compacted file in its place.
            match std::fs::metadata(&self.path) {
                Ok(on_disk) if id(&on_disk) == writer.id => {
                    self.writer = Some(writer);
                    let locked = Locked { journal: self };
                    locked.journal.catch_up(&on_disk, visit)?;
                    return Ok(locked);
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// A journal that nobody else writes.
pub(crate) struct Locked<'a> {
    journal: &'a mut Journal,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Said, and not left to closing: the file stays open, and a child that is being started may have it for a moment.
        if let Some(writer) = &self.journal.writer {
            let _ = flock(&writer.file, FlockOperation::Unlock);
        }
    }
}

impl Locked<'_> {
    fn file(&self) -> io::Result<&File> {
        self.journal.writer.as_ref().map(|writer| &writer.file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The journal, to read from.
    pub(crate) fn journal(&self) -> &Journal {
        self.journal
    }

    /// Adds a frame behind the last sound one and visits it. What a torn write left there is cut off.
    pub(crate) fn append(&mut self, head: &[u8], body: &[u8], visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<()> {
        let end = self.journal.end;
        if self.journal.seen != end {
            self.file()?.set_len(end)?;
            self.journal.seen = end;
        }
        let frame = frame(head, body)?;
        if let Err(error) = self.file()?.write_all(&frame) {
            // A full disk: take back what did fit. If that fails too, the next writer does it.
            let _ = self.file()?.set_len(end);
            return Err(error);
        }
        let length = frame.len() as u64;
        (self.journal.end, self.journal.seen) = (end + length, end + length);
        let body = Span { at: end + (PREFIX + head.len()) as u64, length: body.len() as u32 };
        visit(Entry::Frame(Frame { head, body, length }));
        Ok(())
    }

    /// Waits until everything appended is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// Puts a file with exactly these frames, their bodies taken from this one, in the journal's place and reads it.
    pub(crate) fn rewrite<'f>(
        self,
        frames: impl Iterator<Item = (&'f [u8], Span)>,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> io::Result<()> {
        let folder = self.journal.path.parent().unwrap_or(Path::new("."));
        let mut fresh = io::BufWriter::new(tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?);
        for (head, body) in frames {
            fresh.write_all(&frame(head, &self.journal.body(body)?)?)?;
        }
        let fresh = fresh.into_inner().map_err(io::IntoInnerError::into_error)?;
        fresh.as_file().set_permissions(self.file()?.metadata()?.permissions())?;
        fresh.as_file().sync_data()?;
        fresh.persist(&self.journal.path).map_err(|e| e.error)?;
        self.journal.read_new(visit)
    }
}

fn frame(head: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
    let length = |part: &[u8]| u32::try_from(part.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    let mut out = Vec::with_capacity(PREFIX + head.len() + body.len());
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&length(head)?.to_le_bytes());
    out.extend_from_slice(&length(body)?.to_le_bytes());
    let check = check(&out, head);
    out.extend_from_slice(&check);
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    Ok(out)
}

fn check(prefix: &[u8], head: &[u8]) -> [u8; 8] {
    // In one piece, if it is as short as most are: that is hashed in half the time.
    let mut piece = [0; 512];
    let length = prefix.len() + head.len();
    let hash = match piece.get_mut(..length) {
        Some(piece) => {
            piece[..prefix.len()].copy_from_slice(prefix);
            piece[prefix.len()..].copy_from_slice(head);
            blake3::hash(piece)
        }
        None if head.len() < LONG => blake3::Hasher::new().update(prefix).update(head).finalize(),
        None => blake3::Hasher::new().update(prefix).update_rayon(head).finalize(),
    };
    let mut check = [0; 8];
    check.copy_from_slice(&hash.as_bytes()[..8]);
    check
}

/// The frame that begins at an offset, if a whole and sound one does.
fn frame_at<'w>(window: &'w mut Window<'_>, at: u64) -> io::Result<Option<Frame<'w>>> {
    let Some(prefix) = window.get(at, PREFIX)? else { return Ok(None) };
    let number = |range: std::ops::Range<usize>| prefix[range].try_into().map_or(0, u32::from_le_bytes);
    let (head, body) = (number(4..8), number(8..12));
    if prefix[..4] != MARK {
        return Ok(None);
    }
    let whole = PREFIX + head as usize;
    let length = whole as u64 + u64::from(body);
    if !window.holds(at, length) {
        return Ok(None);
    }
    let Some(bytes) = window.get(at, whole)? else { return Ok(None) };
    if bytes[12..PREFIX] != check(&bytes[..12], &bytes[PREFIX..]) {
        return Ok(None);
    }
    Ok(Some(Frame { head: &bytes[PREFIX..], body: Span { at: at + whole as u64, length: body }, length }))
}

#[cfg(test)]
mod tests;
