//! MD5 as DVC takes it: of files, of texts with their line ends folded (before DVC 3), and of folders.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use rayon::prelude::*;

use super::ignore::Ignore;

/// How much is read at a time: line ends are folded within it.
const CHUNK: usize = 1 << 20;

/// How much of a file decides whether it is a text.
const BLOCK: usize = 512;

/// What DVC calls the content of a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    /// Hexadecimal; of a folder it ends with `.dir`.
    pub(super) md5: String,
    /// Whether line ends of texts are folded, as before DVC 3.
    pub(super) folded: bool,
}

impl Hash {
    pub(super) fn is_folder(&self) -> bool {
        self.md5.ends_with(".dir")
    }
}

/// A file of a folder, by its path there.
pub(super) struct Member {
    pub(super) relative: String,
    pub(super) md5: String,
}

/// The MD5 of a file's bytes.
pub(super) fn of_file(path: &Path, folded: bool) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut md5 = Taking::new(folded);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(md5.finish()),
            Ok(count) => md5.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The MD5 that a text has with the line ends of Windows: Git may have turned them on the way. `None` of what is no text.
pub(super) fn of_windows(path: &Path) -> io::Result<Option<String>> {
    let bytes = fs::read(path)?;
    if !looks_like_text(&bytes[..bytes.len().min(BLOCK)]) {
        return Ok(None);
    }
    let mut turned = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for (i, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' && (i == 0 || bytes[i - 1] != b'\r') {
            turned.push(b'\r');
        }
        turned.push(*byte);
    }
    Ok(Some(of_bytes(&turned)))
}

/// The MD5 of bytes that come one after another.
pub(super) struct Taking {
    hasher: Md5,
    folded: bool,
    /// Whether they are a text; known from the first of them.
    is_text: Option<bool>,
    /// What waits for the rest of its chunk.
    waiting: Vec<u8>,
}

impl Taking {
    pub(super) fn new(folded: bool) -> Self {
        Self { hasher: Md5::new(), folded, is_text: None, waiting: Vec::new() }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        if !self.folded || self.is_text == Some(false) {
            return self.hasher.update(bytes);
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == CHUNK {
                self.chunk();
            }
        }
    }

    fn chunk(&mut self) {
        let chunk = std::mem::take(&mut self.waiting);
        if *self.is_text.get_or_insert_with(|| looks_like_text(&chunk[..chunk.len().min(BLOCK)])) {
            self.hasher.update(fold(&chunk));
        } else {
            self.hasher.update(&chunk);
        }
    }

    pub(super) fn finish(mut self) -> String {
        if !self.waiting.is_empty() {
            self.chunk();
        }
        hex(&self.hasher.finalize())
    }
}

fn looks_like_text(block: &[u8]) -> bool {
    let is_text = |byte: &&u8| matches!(byte, 32..=127 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08);
    let other = block.len() - block.iter().filter(is_text).count();
    !block.contains(&0) && other * 10 <= block.len() * 3
}

fn fold(chunk: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunk.len());
    for (i, byte) in chunk.iter().enumerate() {
        if !(*byte == b'\r' && chunk.get(i + 1) == Some(&b'\n')) {
            out.push(*byte);
        }
    }
    out
}

/// Takes the MD5 of a file.
pub(super) type Md5Of<'a> = &'a (dyn Fn(&Path) -> io::Result<String> + Sync);

/// The files of a folder that DVC counts, sorted.
pub(super) fn members(root: &Path, folder: &str, md5_of: Md5Of<'_>) -> io::Result<Vec<Member>> {
    let place = root.join(folder);
    let mut members: Vec<Member> = files(root, folder)?
        .into_par_iter()
        .map(|relative| Ok(Member { md5: md5_of(&place.join(&relative))?, relative }))
        .collect::<io::Result<_>>()?;
    members.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(members)
}

/// The files of a folder that DVC counts, by their paths in it. Links are followed.
pub(super) fn files(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    walk(root, folder, &Ignore::down_to(root, above), &mut files)?;
    let prefix = format!("{folder}/");
    Ok(files.into_iter().map(|path| path.strip_prefix(&prefix).map_or(path.clone(), str::to_owned)).collect())
}

fn walk(root: &Path, folder: &str, ignore: &Ignore, files: &mut Vec<String>) -> io::Result<()> {
    let ignore = ignore.and_of(root, folder);
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the name {} is not UTF-8", PathBuf::from(name).display()),
            )
        })?;
        let path = format!("{folder}/{name}");
        // Links are followed.
        let is_folder = fs::metadata(root.join(&path))?.is_dir();
        if ignore.passes_over(&path, is_folder) {
            continue;
        }
        if is_folder { walk(root, &path, &ignore, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The bytes of the object that stands for a folder.
pub(super) fn listing(members: &[Member]) -> String {
    let mut out = String::from("[");
    for (i, member) in members.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{{\"md5\": \"{}\", \"relpath\": {}}}", member.md5, ascii(&member.relative));
    }
    out.push(']');
    out
}

/// A JSON string in ASCII, as Python writes it.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The MD5 of some bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// What lies at a path of the project is called by DVC; `None` if nothing does.
pub(super) fn of_path(root: &Path, path: &str, folded: bool, md5_of: Md5Of<'_>) -> io::Result<Option<Hash>> {
    let full = root.join(path);
    let metadata = match fs::metadata(&full) {
        Ok(metadata) => metadata,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(e),
    };
    let md5 = if metadata.is_dir() {
        of_bytes(listing(&members(root, path, md5_of)?).as_bytes()) + ".dir"
    } else {
        md5_of(&full)?
    };
    Ok(Some(Hash { md5, folded }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_have_the_names_that_dvc_gives_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("d/a")).unwrap();
        for (path, text) in [("d/a-b", "1\r\n"), ("d/a/b c", "2"), ("d/ü", "3"), ("bin", "\0\r\n")] {
            fs::write(root.join(path), text).unwrap();
        }
        assert_eq!(of_file(&root.join("d/a/b c"), false).unwrap(), "c81e728d9d4c2f636f067f89cc14862c");
        // As `printf '1\n' | md5sum` has it.
        assert_eq!(of_file(&root.join("d/a-b"), true).unwrap(), "b026324c6904b2a9cb4b88d6d61c81d1");
        assert_eq!(of_file(&root.join("bin"), true).unwrap(), of_file(&root.join("bin"), false).unwrap());
        let plain: Md5Of<'_> = &|path| of_file(path, false);
        let members = members(root, "d", plain).unwrap();
        let names: Vec<&str> = members.iter().map(|member| member.relative.as_str()).collect();
        assert_eq!(names, ["a-b", "a/b c", "ü"]);
        // Line ends are folded within chunks, however the bytes come.
        let text = "a\r\n".repeat(700_000);
        fs::write(root.join("long"), &text).unwrap();
        let mut bit = Taking::new(true);
        text.as_bytes().chunks(1000).for_each(|bytes| bit.update(bytes));
        assert_eq!(bit.finish(), of_file(&root.join("long"), true).unwrap());
        assert!(listing(&members).ends_with("\"relpath\": \"\\u00fc\"}]"));
        assert_eq!(of_path(root, "gone", false, plain).unwrap(), None);
    }
}
