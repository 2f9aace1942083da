//! The parts of files that hold tensors: of safetensors by their names, of a zip (`.npz`, what `torch.save` writes) by its entries; and the
//! values of pickles.
//!
//! All of it was written by a stage, which may have written anything. A file that cannot be read like this is a file without parts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use serde_json::Value;

use super::pickle::{self, Pickle};

/// A part of a file.
#[derive(Debug)]
pub(super) struct Part {
    /// What it is called in the file.
    pub(super) key: String,
    /// What it is called when it is told.
    pub(super) name: String,
    /// Its type and shape, or how it is compressed.
    pub(super) kind: String,
    /// Where it begins and ends.
    pub(super) from: u64,
    pub(super) to: u64,
}

/// The entry of what `torch.save` writes that says what the others are.
pub(super) const INDEX: &str = "/data.pkl";

/// The entry in which `torch.save` puts a number made of the bytes of all others. Pickles of the same values may have other bytes.
const CHECKSUM: &str = "/.data/serialization_id";

/// A header or a list of entries of more bytes than this is not read.
const MOST: u64 = 64 << 20;

/// A pickle of more bytes than this is not read.
const MOST_VALUES: u64 = 256 << 20;

/// The parts of a file; `None` if it is not known to have any.
pub(super) fn parts(file: &File) -> io::Result<Option<Vec<Part>>> {
    Ok(match zip(file)? {
        Some(entries) => Some(named(file, entries)?),
        None => safetensors(file)?,
    })
}

/// The path of the first value in which two pickles differ, each in a range of a file; `Some(None)` if they hold the same values, `None` if one is no
/// pickle.
pub(super) fn values(one: (&File, u64, u64), other: (&File, u64, u64)) -> io::Result<Option<Option<String>>> {
    let read = |(file, from, to): (&File, u64, u64)| -> io::Result<Option<Vec<u8>>> {
        let length = to.saturating_sub(from);
        if length > MOST_VALUES { Ok(None) } else { bytes(file, from, length) }
    };
    let (Some(one), Some(other)) = (read(one)?, read(other)?) else { return Ok(None) };
    let (Some(one), Some(other)) = (Pickle::read(&one), Pickle::read(&other)) else { return Ok(None) };
    Ok(Some(pickle::difference(&one, &other)))
}

fn bytes(file: &File, from: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Ok(size) = usize::try_from(length) else { return Ok(None) };
    let mut bytes = vec![0; size];
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

fn safetensors(file: &File) -> io::Result<Option<Vec<Part>>> {
    let all = file.metadata()?.len();
    let Some(length) = bytes(file, 0, 8)?.and_then(|bytes| number(&bytes, 0, 8)) else { return Ok(None) };
    if length > MOST || length + 8 > all {
        return Ok(None);
    }
    let Some(header) = bytes(file, 8, length)? else { return Ok(None) };
    let Ok(Value::Object(header)) = serde_json::from_slice::<Value>(&header) else { return Ok(None) };
    let mut parts = Vec::new();
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let offset = |which: usize| tensor["data_offsets"][which].as_u64()?.checked_add(8 + length);
        let (Some(from), Some(to)) = (offset(0), offset(1)) else { return Ok(None) };
        if from > to || to > all {
            return Ok(None);
        }
        let kind = format!("{} {}", tensor["dtype"], tensor["shape"]);
        parts.push(Part { key: name.clone(), name: name.clone(), kind, from, to });
    }
    parts.sort_by_key(|part| part.from);
    Ok((!parts.is_empty()).then_some(parts))
}

/// The entries of a zip file.
fn zip(file: &File) -> io::Result<Option<Vec<Part>>> {
    let all = file.metadata()?.len();
    if bytes(file, 0, 4)?.as_deref() != Some(b"PK\x03\x04") {
        return Ok(None);
    }
    // Where the list of entries is stands at the end, before a comment.
    let tail = all.min(22 + 65_535);
    let Some(end) = bytes(file, all - tail, tail)? else { return Ok(None) };
    let Some(at) = (0..end.len().saturating_sub(21)).rev().find(|at| end[*at..].starts_with(b"PK\x05\x06")) else {
        return Ok(None);
    };
    let (Some(mut size), Some(mut from)) = (number(&end, at + 12, 4), number(&end, at + 16, 4)) else {
        return Ok(None);
    };
    // A file of more than 4 GB has these in another place.
    if (size == LARGE || from == LARGE)
        && let Some(at) = at.checked_sub(20)
        && end[at..].starts_with(b"PK\x06\x07")
        && let Some(place) = number(&end, at + 8, 8)
        && let Some(far) = bytes(file, place, 56)?
    {
        (size, from) = (number(&far, 40, 8).unwrap_or(size), number(&far, 48, 8).unwrap_or(from));
    }
    if size > MOST {
        return Ok(None);
    }
    let Some(list) = bytes(file, from, size)? else { return Ok(None) };
    let mut parts = Vec::new();
    let mut at = 0;
    while list.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x01\x02")) {
        let Some((entry, next)) = entry(&list, at) else { return Ok(None) };
        let Some(local) = bytes(file, entry.from, 30)? else { return Ok(None) };
        let (Some(name), Some(extra)) = (number(&local, 26, 2), number(&local, 28, 2)) else { return Ok(None) };
        let from = entry.from.saturating_add(30 + name + extra);
        let to = from.saturating_add(entry.to);
        if to > all {
            return Ok(None);
        }
        parts.push(Part { from, to, ..entry });
        at = next;
    }
    Ok((!parts.is_empty()).then_some(parts))
}

/// What stands for a number that is too large for its place.
const LARGE: u64 = 0xffff_ffff;

/// An entry of the list at a place, and where the next one is. Its `from` is where it is announced in the file, and its `to` how many
/// bytes it takes there.
fn entry(list: &[u8], at: usize) -> Option<(Part, usize)> {
    let field = |offset: usize, size: usize| number(list, at + offset, size);
    let (method, plain) = (field(10, 2)?, field(24, 4)?);
    let (mut packed, mut from) = (field(20, 4)?, field(42, 4)?);
    let lengths = [28, 30, 32].map(|offset| field(offset, 2).and_then(|length| usize::try_from(length).ok()));
    let [Some(name), Some(extra), Some(comment)] = lengths else { return None };
    let begin = at + 46;
    let key = String::from_utf8_lossy(list.get(begin..begin + name)?).into_owned();
    // Large numbers follow, those that have no room before, in this order.
    let mut more = begin + name;
    let end = more + extra;
    while more + 4 <= end {
        let (id, size) = (number(list, more, 2)?, usize::try_from(number(list, more + 2, 2)?).ok()?);
        if id == 1 {
            let mut place = more + 4;
            let mut next = || {
                let found = number(list, place, 8);
                place += 8;
                found
            };
            if plain == LARGE {
                next();
            }
            if packed == LARGE {
                packed = next()?;
            }
            if from == LARGE {
                from = next()?;
            }
        }
        more += 4 + size;
    }
    let kind = if method == 0 { "stored" } else { "compressed" };
    let part = Part { name: key.clone(), key, kind: kind.to_owned(), from, to: packed };
    Some((part, end + comment))
}

/// A little-endian number at a place.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Gives entries of what `torch.save` wrote the names that the tensors have in the saved object, and those of `.npz` those of its arrays.
fn named(file: &File, mut entries: Vec<Part>) -> io::Result<Vec<Part>> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    entries.retain(|entry| !entry.key.ends_with(CHECKSUM));
    let index = entries.iter().find(|entry| entry.key.ends_with(INDEX) && entry.kind == "stored");
    if let Some(index) = index
        && index.to - index.from <= MOST_VALUES
        && let Some(bytes) = bytes(file, index.from, index.to - index.from)?
        && let Some(pickle) = Pickle::read(&bytes)
    {
        names = pickle.storages();
    }
    for entry in &mut entries {
        // The first part is the name of the file that was written.
        if let Some((_, within)) = entry.key.split_once('/') {
            let tensor = within.strip_prefix("data/").and_then(|number| names.get(number));
            entry.name = tensor.cloned().unwrap_or_else(|| within.to_owned());
        } else if let Some(array) = entry.key.strip_suffix(".npy") {
            array.clone_into(&mut entry.name);
        }
    }
    // What says what the others are differs with them, and comes last.
    entries.sort_by_key(|entry| (entry.key.contains(".data/"), entry.key.ends_with(INDEX), entry.from));
    Ok(entries)
}
