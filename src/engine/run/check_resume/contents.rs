//! Where two files, or two folders, differ.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::tensors::{self, Part};

/// A file that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path in the folder; empty where there is only a file.
    pub file: PathBuf,
    /// Its parts that differ, tensors mostly: some of them.
    pub parts: Vec<String>,
    /// How many parts differ.
    pub differing: usize,
    /// How many parts it has; 0 if it is not known to have any.
    pub of: usize,
    /// What else is to be said.
    pub note: Option<String>,
}

/// So many parts are named.
const NAMED: usize = 8;

/// So much is read at a time.
const PIECE: usize = 1 << 20;

/// Compares two files or folders. With `bytes`, files with the same values in other bytes differ.
///
/// # Errors
/// If they cannot be read.
pub(super) fn differences(one: &Path, other: &Path, bytes: bool) -> io::Result<Vec<FileDifference>> {
    let (mut ones, mut others) = (BTreeSet::new(), BTreeSet::new());
    list(one, Path::new(""), &mut ones)?;
    list(other, Path::new(""), &mut others)?;
    let mut found = Vec::new();
    for file in ones.union(&others) {
        let there = (ones.contains(file), others.contains(file));
        let whole =
            |note: String| FileDifference { file: file.clone(), parts: vec![], differing: 0, of: 0, note: Some(note) };
        match there {
            (true, true) => found.extend(difference(&join(one, file), &join(other, file), file, bytes)?),
            (true, false) => found.push(whole("it is there in a single go only".into())),
            _ => found.push(whole("it is there in two halves only".into())),
        }
    }
    Ok(found)
}

fn join(folder: &Path, inside: &Path) -> PathBuf {
    if inside.as_os_str().is_empty() { folder.to_owned() } else { folder.join(inside) }
}

/// All that is no folder, by paths relative to `root`. Links are not followed.
fn list(root: &Path, inside: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let path = join(root, inside);
    if !fs::symlink_metadata(&path)?.is_dir() {
        found.insert(inside.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&path)? {
        list(root, &inside.join(entry?.file_name()), found)?;
    }
    Ok(())
}

fn difference(one: &Path, other: &Path, file: &Path, bytes: bool) -> io::Result<Option<FileDifference>> {
    let (first, second) = match (open(one)?, open(other)?) {
        (Some(first), Some(second)) => (first, second),
        // Links that lead elsewhere.
        _ => {
            let same = fs::read_link(one).ok() == fs::read_link(other).ok();
            let note = Some("it is a link or no file".to_owned());
            return Ok((!same).then(|| FileDifference { file: file.into(), parts: vec![], differing: 0, of: 0, note }));
        }
    };
    let lengths = (first.metadata()?.len(), second.metadata()?.len());
    let at = first_byte(&first, &second, (0, lengths.0), (0, lengths.1))?;
    let Some(at) = at else { return Ok(None) };
    let told = |parts: Vec<String>, differing: usize, of: usize, note: Option<String>| FileDifference {
        file: file.to_owned(),
        parts,
        differing,
        of,
        note,
    };
    if let (Some(ones), Some(others)) = (tensors::parts(&first)?, tensors::parts(&second)?) {
        let of = ones.len().max(others.len());
        let differing = differing(&first, &second, &ones, &others)?;
        if differing.is_empty() {
            let note = "the parts are the same, and what is between them differs".to_owned();
            return Ok(bytes.then(|| told(vec![], 0, of, Some(note))));
        }
        let named = differing.iter().take(NAMED).cloned().collect();
        return Ok(Some(told(named, differing.len(), of, None)));
    }
    match tensors::values((&first, 0, lengths.0), (&second, 0, lengths.1))? {
        Some(None) => {
            let note = "the values are the same: a pickle also depends on which of its objects are one and the same";
            Ok(bytes.then(|| told(vec![], 0, 0, Some(note.into()))))
        }
        Some(Some(path)) => Ok(Some(told(vec![path], 1, 0, None))),
        None => {
            let sizes = if lengths.0 == lengths.1 {
                String::new()
            } else {
                format!(", and one has {} bytes, the other {}", lengths.0, lengths.1)
            };
            Ok(Some(told(vec![], 0, 0, Some(format!("from byte {at} on{sizes}")))))
        }
    }
}

/// Opens a file; `None` for anything else.
fn open(path: &Path) -> io::Result<Option<File>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => File::open(path).map(Some),
        Ok(_) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The names of parts that differ, in the order of the first file.
fn differing(one: &File, other: &File, ones: &[Part], others: &[Part]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for part in ones {
        let same = match others.iter().find(|other| other.key == part.key) {
            Some(found) if found.kind != part.kind => false,
            Some(found) => first_byte(one, other, (part.from, part.to), (found.from, found.to))?.is_none(),
            None => false,
        };
        if same {
            continue;
        }
        let index = others.iter().find(|other| other.key == part.key && part.key.ends_with(tensors::INDEX));
        let values = match index {
            Some(found) => tensors::values((one, part.from, part.to), (other, found.from, found.to))?,
            None => None,
        };
        match values {
            Some(None) => {}
            Some(Some(value)) => found.push(value),
            None => found.push(part.name.clone()),
        }
    }
    let more = others.iter().filter(|other| ones.iter().all(|part| part.key != other.key));
    found.extend(more.map(|part| part.name.clone()));
    Ok(found)
}

/// The first byte, from 0, in which ranges of two files differ.
fn first_byte(one: &File, other: &File, ones: (u64, u64), others: (u64, u64)) -> io::Result<Option<u64>> {
    let lengths = (ones.1.saturating_sub(ones.0), others.1.saturating_sub(others.0));
    let common = lengths.0.min(lengths.1);
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    let mut done = 0;
    while done < common {
        let piece = usize::try_from(common - done).map_or(PIECE, |left| left.min(PIECE));
        one.read_exact_at(&mut a[..piece], ones.0 + done)?;
        other.read_exact_at(&mut b[..piece], others.0 + done)?;
        if a[..piece] != b[..piece] {
            let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(0);
            return Ok(Some(done + at as u64));
        }
        done += piece as u64;
    }
    Ok((lengths.0 != lengths.1).then_some(common))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(one: &[u8], other: &[u8], bytes: bool) -> Vec<FileDifference> {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().join("a"), folder.path().join("b")];
        fs::write(&places[0], one).unwrap();
        fs::write(&places[1], other).unwrap();
        differences(&places[0], &places[1], bytes).unwrap()
    }

    /// A file of safetensors with two vectors of bytes.
    fn safetensors(weight: &[u8], bias: &[u8]) -> Vec<u8> {
        let (weights, end) = (weight.len(), weight.len() + bias.len());
        let header = format!(
            "{{\"__metadata__\":{{\"format\":\"pt\"}},\"net.weight\":{{\"dtype\":\"U8\",\"shape\":[{weights}],\"data_offsets\":[0,{weights}]}},\
             \"net.bias\":{{\"dtype\":\"U8\",\"shape\":[{}],\"data_offsets\":[{weights},{end}]}}}}",
            bias.len()
        );
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), weight, bias].concat()
    }

    #[test]
    fn tensors_that_differ_are_named() {
        let found = compared(&safetensors(b"abc", b"x"), &safetensors(b"abc", b"y"), false);
        assert_eq!((found[0].parts.as_slice(), found[0].differing, found[0].of), (&["net.bias".to_owned()][..], 1, 2));
        let found = compared(&safetensors(b"abc", b"x"), &safetensors(b"ab", b"cx"), false);
        assert_eq!(found[0].differing, 2, "of another shape: {found:?}");
        assert_eq!(compared(&safetensors(b"abc", b"x"), &safetensors(b"abc", b"x"), true), []);
    }

    #[test]
    fn other_files_differ_from_a_byte_on_and_what_is_cut_short_is_no_fault() {
        let note = |one: &[u8], other: &[u8]| compared(one, other, false).remove(0).note.unwrap();
        assert_eq!(note(b"some text", b"some test"), "from byte 7 on");
        assert_eq!(note(b"some", b"some text"), "from byte 4 on, and one has 4 bytes, the other 9");
        let whole = safetensors(b"abcdef", b"x");
        for length in 0..whole.len() {
            compared(&whole[..length], &whole, false);
        }
        for bytes in [&b"PK\x03\x04PK\x05\x06"[..], b"\x80\x04", b"\x80\x04(((", b"\xff\xff\xff\xff\xff\xff\xff\xff{}"]
        {
            assert!(note(bytes, b"other").starts_with("from byte 0 on"));
        }
    }

    #[test]
    fn folders_are_compared_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        for (which, text) in [("a", "1"), ("b", "2")] {
            fs::create_dir_all(folder.path().join(which).join("deep")).unwrap();
            fs::write(folder.path().join(which).join("deep/same"), "same").unwrap();
            fs::write(folder.path().join(which).join("deep/other"), text).unwrap();
            fs::write(folder.path().join(which).join(format!("only-{which}")), text).unwrap();
        }
        let found = differences(&folder.path().join("a"), &folder.path().join("b"), false).unwrap();
        let told: Vec<_> =
            found.iter().map(|file| (file.file.to_str().unwrap(), file.note.as_deref().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("deep/other", "from byte 0 on"),
                ("only-a", "it is there in a single go only"),
                ("only-b", "it is there in two halves only")
            ]
        );
    }
}
