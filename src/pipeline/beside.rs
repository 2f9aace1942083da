//! What is kept beside a pipeline, in sections. Each is read and proven when it is asked for: together they may be large, and by threads of
//! their own they are read at once, into memory that is used again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::journal::wire::{Reader, put_count};

/// Bytes in front of the table: the mark, the key, the digest of the table and its length.
const FRONT: usize = 8 + 32 + 32 + 4;

/// Bytes of an entry of the table: the length of a section, and its digest.
const ENTRY: usize = 4 + 32;

/// What was kept beside a pipeline.
pub(crate) struct Beside {
    file: File,
    sections: Vec<Section>,
}

struct Section {
    at: u64,
    length: usize,
    digest: [u8; 32],
}

impl Beside {
    /// One that begins with this mark and this key. `None` if there is none, or if its table is not what was written.
    pub(super) fn open(path: &Path, mark: &[u8; 8], key: &[u8; 32]) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut front = [0; FRONT];
        file.read_exact_at(&mut front, 0).ok()?;
        let mut rest = Reader(front.strip_prefix(mark)?.strip_prefix(key)?);
        let (digest, length) = (rest.array()?, rest.number()?);
        let table = Section { at: FRONT as u64, length, digest };
        if table.end() > file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = Vec::new();
        let mut entries = Reader(table.read(&file, &mut bytes)?);
        let mut at = table.end();
        let mut section = || {
            let section = Section { at, length: entries.number()?, digest: entries.array()? };
            at = section.end();
            Some(section)
        };
        let sections = (0..length / ENTRY).map(|_| section()).collect::<Option<_>>()?;
        Some(Self { file, sections })
    }

    /// How many sections there are.
    pub(crate) fn count(&self) -> usize {
        self.sections.len()
    }

    /// Reads a section into a buffer. `None` if it is not there, or not what was written.
    pub(crate) fn read<'b>(&self, section: usize, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        self.sections.get(section)?.read(&self.file, buffer)
    }
}

impl Section {
    fn end(&self) -> u64 {
        self.at + self.length as u64
    }

    fn read<'b>(&self, file: &File, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        buffer.resize(self.length, 0);
        file.read_exact_at(buffer, self.at).ok()?;
        (*blake3::hash(buffer).as_bytes() == self.digest).then_some(buffer)
    }
}

/// What stands in front of some sections, behind the mark and the key: the table and its digest.
pub(super) fn table(sections: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::with_capacity(sections.len() * ENTRY);
    for section in sections {
        put_count(&mut table, section.len());
        table.extend_from_slice(blake3::hash(section).as_bytes());
    }
    let mut out = blake3::hash(&table).as_bytes().to_vec();
    put_count(&mut out, table.len());
    out.extend(table);
    out
}
