//! The names of the files in a folder, one behind the other in one piece of memory: there may be millions.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Names of files of one folder.
#[derive(Default)]
pub(super) struct Names {
    /// Each with a zero at its end.
    bytes: Vec<u8>,
    each: Vec<Name>,
}

/// Where a name is.
#[derive(Clone, Copy)]
struct Name {
    /// Its first bytes, which mostly tell which of two comes first.
    first: u64,
    start: usize,
}

/// Some files of a folder, in the order of their names.
#[derive(Clone, Copy)]
pub(crate) struct Files<'n> {
    /// The folder, relative to the root of the walk.
    pub(crate) folder: &'n Path,
    bytes: &'n [u8],
    each: &'n [Name],
}

impl Names {
    pub(super) fn push(&mut self, name: &CStr) {
        let text = name.to_bytes();
        let mut first = [0; 8];
        let length = text.len().min(8);
        first[..length].copy_from_slice(&text[..length]);
        self.each.push(Name { first: u64::from_be_bytes(first), start: self.bytes.len() });
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    /// Puts them in the order of their bytes. Mostly it is the order in which they were made, and so that in which the system and the memo
    /// have them.
    pub(super) fn sort(&mut self) {
        let bytes = &self.bytes;
        self.each.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then_with(|| name_at(bytes, a.start).cmp(name_at(bytes, b.start)))
        });
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    /// How many of them come before a name. They have to be in order.
    pub(super) fn before(&self, name: &[u8]) -> usize {
        self.each.partition_point(|known| name_at(&self.bytes, known.start).to_bytes() < name)
    }

    /// All of them, so many at a time.
    pub(super) fn batches<'n>(&'n self, folder: &'n Path, size: usize) -> Vec<Files<'n>> {
        self.each.chunks(size).map(|each| Files { folder, bytes: &self.bytes, each }).collect()
    }
}

impl<'n> Files<'n> {
    pub(crate) fn len(self) -> usize {
        self.each.len()
    }

    /// Their names.
    pub(crate) fn names(self) -> impl ExactSizeIterator<Item = &'n CStr> {
        self.each.iter().map(move |name| name_at(self.bytes, name.start))
    }

    /// Their paths, relative to the root of the walk.
    pub(crate) fn paths(self) -> impl ExactSizeIterator<Item = PathBuf> {
        self.names().map(move |name| self.folder.join(OsStr::from_bytes(name.to_bytes())))
    }
}

fn name_at(bytes: &[u8], start: usize) -> &CStr {
    CStr::from_bytes_until_nul(&bytes[start..]).unwrap_or_default()
}
