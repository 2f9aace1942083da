//! The table of a memo: what is known of files, by device and inode. A memo may know of millions, so it holds them one behind the other,
//! and beside them no more than where each is.

use rayon::prelude::*;

use super::digest::Digest;
use super::stamp::{Nanos, Stamp};

/// What is known of one file.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    /// When the reading that gave the digest began.
    pub(super) moment: Nanos,
    pub(super) digest: Digest,
}

/// Files by their ids.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Known>,
    /// Where an entry is, from 1; 0 for nothing. The first place to look is told by the id. Its length is a power of two, and at least half of it
    /// is empty.
    places: Vec<u32>,
}

/// So many places lie side by side, in one line of the processor's cache.
const ROW: usize = 16;

/// Of an entry that is forgotten: no file was read then.
const FORGOTTEN: Nanos = Nanos::MIN;

impl Table {
    /// What is known of a file.
    pub(super) fn get(&self, id: &(u64, u64)) -> Option<&Known> {
        let at = self.entry_at(*id)?;
        self.entries.get(at).filter(|entry| entry.moment != FORGOTTEN)
    }

    /// Learns of a file. What was known of it is forgotten.
    pub(super) fn insert(&mut self, entry: Known) {
        if let Some(known) = self.entry_at(entry.stamp.id).and_then(|at| self.entries.get_mut(at)) {
            *known = entry;
            return;
        }
        // Beyond that nothing is remembered, which costs time.
        if u32::try_from(self.entries.len() + 1).is_err() {
            return;
        }
        if self.places.len() < 2 * (self.entries.len() + 1) {
            self.spread(4 * (self.entries.len() + 1));
        }
        self.entries.push(entry);
        self.place(self.entries.len() - 1, self.entries.len() - 1);
    }

    /// Makes room for so many files.
    pub(super) fn reserve(&mut self, count: usize) {
        self.entries.reserve_exact(count.saturating_sub(self.entries.len()));
        if self.places.len() < 2 * count {
            self.spread(2 * count);
        }
    }

    /// Learns of many files.
    pub(super) fn learn<T: Sync>(&mut self, more: &[T], known: impl Fn(&T) -> Known + Sync + Send) {
        let before = self.entries.len();
        let more = &more[..more.len().min(u32::MAX as usize - before)];
        self.entries.reserve_exact(more.len());
        if self.places.len() < 2 * (before + more.len()) {
            self.spread(2 * (before + more.len()));
        }
        self.entries.par_extend(more.par_iter().map(known));
        let mut end = before;
        for at in before..self.entries.len() {
            end += usize::from(self.place(at, end));
        }
        self.entries.truncate(end);
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, id: &(u64, u64)) {
        if let Some(known) = self.entry_at(*id).and_then(|at| self.entries.get_mut(at)) {
            known.moment = FORGOTTEN;
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many files are known, or were.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All that is known.
    pub(super) fn values(&self) -> impl Iterator<Item = &Known> {
        self.entries.iter().filter(|entry| entry.moment != FORGOTTEN)
    }

    /// Says anew where each entry is, in so many places or more.
    fn spread(&mut self, places: usize) {
        self.places = vec![0; places.next_power_of_two().max(ROW)];
        for at in 0..self.entries.len() {
            self.place(at, at);
        }
    }

    /// Moves an entry to its place among the others: where one of the same file is, or else to `end`, of which it tells.
    fn place(&mut self, at: usize, end: usize) -> bool {
        let entry = self.entries[at];
        let held = |place: &usize| self.places[*place] as usize;
        let fits = |place: &usize| held(place) == 0 || self.entries[held(place) - 1].stamp.id == entry.stamp.id;
        let Some(place) = self.places_of(entry.stamp.id).find(fits) else { return false };
        if let Some(known) = (self.places[place] as usize).checked_sub(1) {
            self.entries[known] = entry;
            return false;
        }
        self.entries[end] = entry;
        self.places[place] = u32::try_from(end + 1).unwrap_or(0);
        true
    }

    fn entry_at(&self, id: (u64, u64)) -> Option<usize> {
        let number = |place: usize| self.places[place] as usize;
        let place = self.places_of(id).find(|place| {
            let number = number(*place);
            number == 0 || self.entries[number - 1].stamp.id == id
        })?;
        number(place).checked_sub(1)
    }

    /// The places where an entry may be, one after the other. Files that were made one after the other mostly have numbers that follow each
    /// other, and places side by side.
    fn places_of(&self, (device, inode): (u64, u64)) -> impl Iterator<Item = usize> + use<> {
        /// The golden ratio in 64 bits: odd, and without a pattern.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = ((inode / ROW as u64) ^ device.rotate_left(40)).wrapping_mul(FACTOR).rotate_left(32);
        let rows = self.places.len() / ROW;
        let low = |number: u64, count: usize| usize::try_from(number & (count as u64).wrapping_sub(1)).unwrap_or(0);
        let (row, column) = (low(mixed, rows), low(inode ^ (mixed >> 40), ROW));
        // The same column of all rows, then the next.
        (0..ROW * rows).map(move |step| {
            let (row, column) = ((row + step) & (rows - 1), (column + step / rows) & (ROW - 1));
            row * ROW + column
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(inode: u64, size: u64) -> Known {
        let stamp = Stamp { id: (1, inode), size, mtime: 0, ctime: 0 };
        Known { stamp, moment: 1, digest: Digest([0; 32]) }
    }

    #[test]
    fn files_are_found_replaced_and_forgotten() {
        let mut table = Table::default();
        assert!(table.get(&(1, 7)).is_none());
        for inode in 0..5_000 {
            table.insert(known(inode * 8192, inode));
        }
        for inode in (0..5_000).step_by(2) {
            table.insert(known(inode * 8192, inode + 1));
        }
        table.remove(&(1, 8192));
        table.reserve(10_000);
        table.learn(&[8192 * 3, 8192 * 3, 8192 * 6_000], |inode| known(*inode, 7));
        for inode in 0..5_000 {
            let found = table.get(&(1, inode * 8192)).map(|known| known.stamp.size);
            let wanted = match inode {
                1 => None,
                3 => Some(7),
                even if even % 2 == 0 => Some(inode + 1),
                _ => Some(inode),
            };
            assert_eq!(found, wanted, "{inode}");
        }
        assert!(table.get(&(2, 8192)).is_none() && table.get(&(1, 3)).is_none());
        assert_eq!((table.values().count(), table.len()), (5_000, 5_001));
        table.insert(known(8192, 9));
        assert_eq!(table.get(&(1, 8192)).map(|known| known.stamp.size), Some(9));
        table.clear();
        assert!(table.get(&(1, 16384)).is_none());
    }
}
