//! A kept file of sections. Each is read and held against its digest when it is asked for, so several threads can read some at the same
//! time, each into a buffer that it uses again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::journal::wire::{Reader, put_count};

/// Bytes in front of the table: the mark, the key, the digest of the table and its length.
const FRONT: usize = 8 + 32 + 32 + 4;

/// Bytes of an entry of the table: the length of a section, and its digest.
const ENTRY: usize = 4 + 32;

/// The sections of a file.
pub(crate) struct Sections {
    file: File,
    all: Vec<Section>,
}

struct Section {
    at: u64,
    length: usize,
    digest: [u8; 32],
}

impl Sections {
    /// Those of a file that begins with this mark and this key. `None` if there is none, or if its table is not what was written.
    pub(super) fn open(path: &Path, mark: &[u8; 8], key: &[u8; 32]) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut front = [0; FRONT];
        file.read_exact_at(&mut front, 0).ok()?;
        let mut rest = Reader(front.strip_prefix(mark)?.strip_prefix(key)?);
        let (digest, length) = (rest.array()?, rest.number()?);
        let table = Section { at: FRONT as u64, length, digest };
        // A length that was damaged is not to be allocated.
        if table.end() > file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = Vec::new();
        let mut entries = Reader(table.read(&file, &mut bytes)?);
        let mut at = table.end();
        let mut all = Vec::with_capacity(length / ENTRY);
        while !entries.0.is_empty() {
            let section = Section { at, length: entries.number()?, digest: entries.array()? };
            at = section.end();
            all.push(section);
        }
        Some(Self { file, all })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Reads one into a buffer. `None` if it is not there, or not what was written.
    pub(crate) fn read<'b>(&self, section: usize, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        self.all.get(section)?.read(&self.file, buffer)
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

/// What stands in front of some sections, behind the mark and the key: the digest of the table, its length, the table.
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

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &[u8; 8] = b"a mark \n";

    #[test]
    fn what_is_read_is_what_was_written_whatever_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let written = [b"the head".to_vec(), vec![], b"a section".to_vec()];
        let whole = [MARK.as_slice(), &[7; 32], &table(&written), &written.concat()].concat();
        let read = |bytes: &[u8], key: u8| -> Option<Vec<Option<Vec<u8>>>> {
            std::fs::write(&path, bytes).unwrap();
            let sections = Sections::open(&path, MARK, &[key; 32])?;
            Some((0..sections.count()).map(|n| sections.read(n, &mut Vec::new()).map(<[u8]>::to_vec)).collect())
        };
        let all: Vec<_> = written.iter().cloned().map(Some).collect();
        assert_eq!(read(&whole, 7), Some(all.clone()));
        assert_eq!(read(&whole, 8), None, "another key");

        let believed = |found: Option<Vec<Option<Vec<u8>>>>| {
            let Some(found) = found else { return 0 };
            assert_eq!(found.len(), all.len());
            let wrong = found.iter().zip(&all).filter(|(found, right)| found.is_some() && found != right).count();
            assert_eq!(wrong, 0, "{found:?}");
            found.iter().flatten().count()
        };
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x81;
            assert!(believed(read(&damaged, 7)) < all.len(), "byte {at}");
            assert!(believed(read(&whole[..at], 7)) < all.len(), "cut at {at}");
        }
    }
}
