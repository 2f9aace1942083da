//! What programs leave in a folder beside the files of a person: compiled modules, notebooks' checkpoints, editors' copies, indexes of
//! file managers. It comes and goes without anybody having changed anything, so it is no part of an input folder.
//!
//! The names are listed in docs/commands.md.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Folders.
const FOLDERS: [&[u8]; 6] =
    [b"__pycache__", b".ipynb_checkpoints", b".mypy_cache", b".pytest_cache", b".ruff_cache", b".hypothesis"];

/// Files.
const FILES: [&[u8]; 3] = [b".DS_Store", b"Thumbs.db", b"desktop.ini"];

/// Files that keep an empty folder in a repository, or its contents out of it. They are no part of the output that is put into that folder.
const PLACEHOLDERS: [&str; 3] = [".gitkeep", ".keep", ".gitignore"];

/// Some of these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placeholders(u8);

impl Placeholders {
    /// All of them.
    pub(crate) const ALL: Self = Self((1 << PLACEHOLDERS.len()) - 1);

    /// Those that lie in a folder.
    pub(crate) fn at(folder: &Path) -> Self {
        let is_there = |name: &&str| fs::symlink_metadata(folder.join(name)).is_ok_and(|found| found.is_file());
        let there = PLACEHOLDERS.iter().enumerate().filter(|(_, name)| is_there(name));
        Self(there.map(|(bit, _)| 1 << bit).sum())
    }

    /// All parts of them but the empty one, the whole first.
    pub(super) fn parts(self) -> impl Iterator<Item = Self> {
        (1..=self.0).rev().filter(move |part| part & !self.0 == 0).map(Self)
    }

    /// Their names.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let all = PLACEHOLDERS.into_iter().enumerate();
        all.filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name)
    }

    /// Whether what lies at a path relative to a folder is one of them.
    pub(crate) fn has(self, relative: &Path) -> bool {
        self.names().any(|name| relative.as_os_str() == name)
    }
}

/// Whether what lies at a path in a folder is left over.
pub fn is_leftover(path: &Path, is_folder: bool) -> bool {
    let beside = |name: &OsStr| fs::symlink_metadata(path.with_file_name(name)).is_ok();
    path.file_name().is_some_and(|name| is_called_so(name, is_folder, beside))
}

/// Whether what lies at a path relative to a folder is left over there, or lies in a folder that is. Unlike [`is_leftover`] this goes by the
/// files: in a folder of compiled modules somebody may have put something else.
pub fn is_left_in(folder: &Path, relative: &Path) -> bool {
    let above = relative.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    let mut left = above.filter_map(Path::file_name).filter(|name| is_called_so(name, true, |_| false)).peekable();
    if left.peek().is_none() {
        return is_leftover(&folder.join(relative), false);
    }
    let name = relative.file_name().unwrap_or_default().as_bytes();
    left.any(|folder| is_made_for(name, folder.as_bytes()))
}

/// Whether a file is one that programs keep in such a folder.
fn is_made_for(name: &[u8], folder: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    match folder {
        // With what Python writes before it renames it, and Numba's.
        b"__pycache__" => [&b".pyc"[..], b".pyo", b".nbi", b".nbc"].iter().any(|part| has(part)),
        b".ipynb_checkpoints" => has(b"-checkpoint"),
        _ => true,
    }
}

/// Whether what has a name is left over. `beside` tells whether there is a file with a name in the same folder.
pub(super) fn is_called_so(name: &OsStr, is_folder: bool, beside: impl Fn(&OsStr) -> bool) -> bool {
    let name = name.as_bytes();
    if is_folder {
        return FOLDERS.contains(&name);
    }
    FILES.contains(&name)
        || name.ends_with(b"~")
        || is_of_an_editor(name)
        // What a network file system keeps of a file that was removed while it was open.
        || (name.starts_with(b".nfs") && name.len() == 28)
        || name.starts_with(b".fuse_hidden")
        || source_of(name).is_some_and(|source| beside(OsStr::from_bytes(source)))
}

/// `.train.py.swp` of Vim, `.#train.py` and `#train.py#` of Emacs, `.~lock.table.ods#` and `~$table.xlsx` of office programs.
fn is_of_an_editor(name: &[u8]) -> bool {
    let swap =
        name.starts_with(b".") && name.len() > 5 && matches!(name[name.len() - 4..], [b'.', b's', b'w', b'a'..=b'p']);
    let between = name.len() > 2 && name.starts_with(b"#") && name.ends_with(b"#");
    let lock = name.starts_with(b".~lock.") && name.ends_with(b"#");
    swap || between || lock || name.starts_with(b".#") || name.starts_with(b"~$")
}

/// The file that another was made of, without which it may be somebody's own: `train.py` of `train.pyc`, `photo.jpg` of `._photo.jpg`.
fn source_of(name: &[u8]) -> Option<&[u8]> {
    match name {
        [source @ .., b'c' | b'o'] if source.ends_with(b".py") => Some(source),
        [b'.', b'_', source @ ..] => Some(source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_is_known_by_its_name() {
        let beside = |name: &OsStr| ["train.py", "photo.jpg"].iter().any(|known| name == *known);
        let is = |name: &str, is_folder| is_called_so(OsStr::new(name), is_folder, beside);
        for name in ["__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"] {
            assert!(is(name, true) && !is(name, false), "{name}");
        }
        for name in [
            ".DS_Store",
            "Thumbs.db",
            "train.py~",
            ".train.py.swp",
            ".train.py.swo",
            ".#train.py",
            "#train.py#",
            "train.pyc",
            "train.pyo",
            "._photo.jpg",
            ".~lock.a.ods#",
            "~$a.xlsx",
            ".nfs0000000000a1b2c300000001",
        ] {
            assert!(is(name, false) && !is(name, true), "{name}");
        }
        for name in
            ["train.py", "other.pyc", "._x", ".swp", ".env", "a.swp", "#a", "db", "c.nfs", "o.pyo", ".gitignore"]
        {
            assert!(!is(name, false) && !is(name, true), "{name}");
        }
    }
}
