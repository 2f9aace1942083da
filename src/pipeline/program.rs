//! What tells this very program from any other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::hash::Stamp;

/// More parts than this no program has, and no notes are longer.
const PARTS: u16 = 256;
const NOTES: u64 = 1 << 16;

/// The part of a program that holds notes, and the note with its build id.
const NOTE: u32 = 4;
const BUILD_ID: u32 = 3;

/// A text that only this program has. The linker leaves a digest in it, its build id: copies and hard links have the same. Without one
/// it is known by its stamp.
///
/// # Errors
/// If the system does not tell.
pub(super) fn identity() -> io::Result<String> {
    let file = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))?;
    let metadata = file.metadata()?;
    Ok(match build_id(&file) {
        Some(id) => format!("{} {id:?}", metadata.len()),
        None => format!("{:?}", Stamp::of(&metadata)),
    })
}

/// The build id of a 64-bit ELF program of this machine's byte order; `None` if it has none, or is another.
fn build_id(file: &File) -> Option<Vec<u8>> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    if !head.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let (at, size, count) = (u64::from_ne_bytes(part(&head, 32)?), u16_at(&head, 54)?, u16_at(&head, 56)?.min(PARTS));
    let mut table = vec![0; usize::from(size) * usize::from(count)];
    file.read_exact_at(&mut table, at).ok()?;
    let mut notes = table.chunks_exact(usize::from(size).max(1)).filter(|entry| u32_at(entry, 0) == Some(NOTE));
    notes.find_map(|entry| {
        let (at, length) = (u64::from_ne_bytes(part(entry, 8)?), u64::from_ne_bytes(part(entry, 32)?));
        let mut notes = vec![0; usize::try_from(length.min(NOTES)).ok()?];
        file.read_exact_at(&mut notes, at).ok()?;
        find(&notes)
    })
}

/// The build id among some notes.
fn find(mut notes: &[u8]) -> Option<Vec<u8>> {
    let padded = |length: u32| usize::try_from(length).ok()?.checked_next_multiple_of(4);
    loop {
        let (name, length, kind) = (u32_at(notes, 0)?, u32_at(notes, 4)?, u32_at(notes, 8)?);
        let content = notes.get(12..)?.get(padded(name)?..)?;
        if kind == BUILD_ID && name == 4 && notes.get(12..16) == Some(b"GNU\0") {
            return content.get(..usize::try_from(length).ok()?).filter(|id| !id.is_empty()).map(<[u8]>::to_vec);
        }
        notes = content.get(padded(length)?..)?;
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    part(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    part(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], content: &[u8], kind: u32) -> Vec<u8> {
        let mut out = vec![];
        for number in [name.len() as u32, content.len() as u32, kind] {
            out.extend(number.to_ne_bytes());
        }
        for part in [name, content] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn a_build_id_is_found_among_other_notes() {
        let other = note(b"GNU\0", &[7; 16], 1);
        let notes =
            [other.clone(), note(b"Kilnish\0", &[1; 20], BUILD_ID), note(b"GNU\0", &[2; 20], BUILD_ID)].concat();
        assert_eq!(find(&notes), Some(vec![2; 20]));
        assert_eq!(find(&other), None);
        (0..notes.len()).for_each(|end| assert_eq!(find(&notes[..end]), None));
        assert_eq!(find(&[0xff; 64]), None);
        assert!(build_id(&File::open("/dev/null").unwrap()).is_none());
    }
}
