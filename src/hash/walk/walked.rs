//! What a walk found, folder by folder, and the order in which a listing has it.

use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{All, Found};

/// What a walk found. Of some files at a time there is what a look at them gave.
pub(crate) struct Walked<T> {
    /// The root first, and each before those in it.
    pub(super) folders: Vec<Inside<T>>,
    /// The links that were followed.
    pub(super) followed: Vec<PathBuf>,
    /// Whether nothing was left out.
    pub(super) whole: bool,
}

/// What is in one folder.
pub(crate) struct Inside<T> {
    /// The folder, relative to the root.
    pub(super) path: PathBuf,
    /// What looks at its files gave, in the order of their names.
    pub(super) batches: Vec<T>,
    /// How many files a look was at; fewer at the last.
    pub(super) batch: usize,
    /// How many files there are.
    pub(super) files: usize,
    pub(super) links: Vec<Link>,
    pub(super) below: Vec<Below>,
    /// Whether it counts as an empty folder.
    pub(super) empty: bool,
}

/// A link that counts as one.
pub(super) struct Link {
    pub(super) name: OsString,
    pub(super) target: PathBuf,
    /// How many files of its folder come before it.
    pub(super) at: usize,
}

/// A folder in a folder.
pub(super) struct Below {
    pub(super) name: OsString,
    /// Which it is of those that were found.
    pub(super) index: usize,
    /// How many files come before it if it is empty.
    pub(super) at_empty: usize,
    /// How many come before what is in it.
    pub(super) at: usize,
}

/// A part of what was found.
pub(crate) enum Piece<'w, T> {
    /// Some of the files that a look was at.
    Files(&'w T, Range<usize>),
    /// A link, and where it leads.
    Link(PathBuf, &'w Path),
    /// An empty folder.
    Folder(&'w Path),
}

impl<T> Walked<T> {
    /// Whether that is all that there is: nothing was left out, and no link that leaves the folder was followed.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole && self.followed.is_empty()
    }

    /// What the looks gave.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &T> {
        self.folders.iter().flat_map(|inside| &inside.batches)
    }

    /// The links that count as such.
    pub(crate) fn links(&self) -> impl Iterator<Item = PathBuf> {
        self.folders.iter().flat_map(|inside| inside.links.iter().map(|link| inside.path.join(&link.name)))
    }

    /// The folders in the root that count: in which there is something that counts, or which count as empty.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        let mut count = vec![false; self.folders.len()];
        for (at, inside) in self.folders.iter().enumerate().rev() {
            let own = inside.files > 0 || !inside.links.is_empty() || inside.empty;
            count[at] = own || inside.below.iter().any(|below| count[below.index]);
        }
        let counted = self.folders.iter().zip(count).skip(1).filter(|(_, counts)| *counts);
        counted.map(|(inside, _)| inside.path.as_path())
    }

    /// Shows all of it in ascending order of the paths' bytes.
    pub(crate) fn in_order<'w>(&'w self, show: &mut dyn FnMut(Piece<'w, T>)) {
        if !self.folders.is_empty() {
            self.folder_in_order(0, show);
        }
    }

    /// As deep as a path may be long.
    fn folder_in_order<'w>(&'w self, index: usize, show: &mut dyn FnMut(Piece<'w, T>)) {
        enum Other<'w> {
            Link(&'w Link),
            Folder(usize),
        }
        let inside = &self.folders[index];
        let links = inside.links.iter().map(|link| (link.name.as_bytes().to_vec(), link.at, Other::Link(link)));
        let below = inside.below.iter().map(|below| {
            let mut key = below.name.as_bytes().to_vec();
            let empty = self.folders[below.index].empty;
            if !empty {
                // So goes what is in it.
                key.push(b'/');
            }
            (key, if empty { below.at_empty } else { below.at }, Other::Folder(below.index))
        });
        let mut others: Vec<_> = links.chain(below).collect();
        others.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut shown = 0;
        for (_, at, other) in others {
            inside.files_in_order(shown..at, show);
            shown = at;
            match other {
                Other::Link(link) => show(Piece::Link(inside.path.join(&link.name), &link.target)),
                Other::Folder(index) if self.folders[index].empty => show(Piece::Folder(&self.folders[index].path)),
                Other::Folder(index) => self.folder_in_order(index, show),
            }
        }
        inside.files_in_order(shown..inside.files, show);
    }
}

impl<T> Inside<T> {
    fn files_in_order<'w>(&'w self, mut range: Range<usize>, show: &mut dyn FnMut(Piece<'w, T>)) {
        while !range.is_empty() {
            let number = range.start / self.batch;
            let start = number * self.batch;
            let end = range.end.min(start + self.batch);
            show(Piece::Files(&self.batches[number], range.start - start..end - start));
            range.start = end;
        }
    }
}

impl<T> Walked<Vec<(PathBuf, T)>> {
    /// All of it by its paths.
    pub(crate) fn all(self) -> All<T> {
        let mut all = Vec::with_capacity(self.folders.iter().map(|inside| inside.files + inside.links.len() + 1).sum());
        for Inside { path, batches, links, empty, .. } in self.folders {
            all.extend(batches.into_iter().flatten().map(|(path, seen)| (path, Found::File(seen))));
            all.extend(links.into_iter().map(|link| (path.join(link.name), Found::Link { target: link.target })));
            if empty {
                all.push((path, Found::Folder));
            }
        }
        all
    }
}
