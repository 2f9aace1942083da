//! What is kept of a memo for later processes: its file.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use rayon::prelude::*;

use super::{Fresh, Memo};
use crate::hash::allowance::Allowance;
use crate::hash::stamp::{self, Nanos};
use crate::hash::table::{Known, Table};
use crate::hash::{Digest, Stamp};
use crate::journal::{Entry, Journal, Span};

/// Entries older than this are dropped when the file is compacted: most are of files that are gone.
const KEPT: Nanos = 90 * 24 * 3_600_000_000_000;

/// How much `save` reads again at most to spare the next process doing so.
const SETTLED_AT_ONCE: u64 = 64 << 20;

/// Fewer bytes are hashed in less time than the clock takes to move on.
const WORTH_A_WAIT: u64 = 4 << 20;

/// Whenever the file has grown by so many bytes, it is checked whether much of it is out of date.
const CHECKED: u64 = 1 << 20;

/// Bytes of an entry in the file: device, inode, size, mtime, ctime, moment, digest.
const ENTRY: usize = 6 * 8 + 32;

/// So many entries are written together. There may be more than a frame can hold, and a reader has room for one frame only.
const FRAME: usize = 100_000;

/// Room is made beforehand for what a file of so many bytes may hold.
const MOST: usize = 1 << 30;

impl Memo {
    /// Learns what is in the file.
    pub(crate) fn load(&self) {
        let path = &self.path;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let length = fs::metadata(path).map_or(0, |file| file.len());
        known.reserve(usize::try_from(length).unwrap_or(0).min(MOST) / ENTRY);
        if let Err(error) = Journal::new(path).read_new(&mut |entry| learn(&mut known, entry)) {
            tracing::debug!("cannot read {}: {error}", path.display());
        }
    }

    /// Writes what was learnt since the memo was opened, for later processes. Where much was written within the clock's grain, it
    /// is read once more, if that is quickly done, or the next process would have to.
    ///
    /// # Errors
    /// If the file cannot be written. Nothing but time is lost.
    pub fn save(&self) -> io::Result<()> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        if fresh.ids.is_empty() || !self.kept {
            return Ok(());
        }
        self.settle(&fresh.racy);
        *self.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Fresh::default();

        let mut head = Vec::new();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let mut ids = fresh.ids;
            ids.sort_unstable();
            ids.dedup();
            head.reserve_exact(ids.len() * ENTRY);
            for entry in ids.iter().filter_map(|id| known.get(id)).filter(|entry| entry.settled()) {
                entry.encode(&mut head);
            }
        }
        if head.is_empty() {
            return Ok(());
        }
        let mut journal = Journal::new(&self.path);
        let mut locked = journal.lock(&mut |_| {})?;
        let before = locked.journal().length();
        for frame in head.chunks(FRAME * ENTRY) {
            locked.append(frame, b"", &mut |_| {})?;
        }
        // Now and then, for it takes reading all of it.
        if before / CHECKED < locked.journal().length() / CHECKED {
            let mut live = Table::default();
            Journal::new(&self.path).read_new(&mut |entry| learn(&mut live, entry))?;
            if locked.journal().length() < 3 * (live.len() * ENTRY) as u64 {
                return Ok(());
            }
            let since = stamp::now() - KEPT;
            let mut all = Vec::new();
            live.values().filter(|entry| entry.moment > since).for_each(|entry| entry.encode(&mut all));
            locked.rewrite(all.chunks(FRAME * ENTRY).map(|frame| (frame, Span::default())), &mut |_| {})?;
        }
        Ok(())
    }

    /// Reads again, once the clock has moved on, the files whose entries could not be trusted otherwise; unless they are so
    /// small that reading them is left to the next process rather than wait for the clock.
    fn settle(&self, fresh: &[((u64, u64), PathBuf)]) {
        let mut racy = Vec::new();
        let mut left = SETTLED_AT_ONCE;
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            for (id, path) in fresh {
                if let Some(entry) = known.get(id)
                    && !entry.settled()
                    && entry.stamp.grain() == stamp::GRAIN
                    && entry.stamp.size <= left
                {
                    left -= entry.stamp.size;
                    racy.push((path, entry.stamp));
                }
            }
        }
        if SETTLED_AT_ONCE - left < WORTH_A_WAIT {
            return;
        }
        let latest = racy.iter().map(|(_, stamp)| stamp.mtime.max(stamp.ctime)).max().unwrap_or(0);
        let wait = (latest + stamp::GRAIN + 1 - stamp::now()).clamp(0, stamp::GRAIN + 1);
        std::thread::sleep(Duration::from_nanos(wait.unsigned_abs()));
        racy.par_iter().for_each(|(path, _)| {
            // It may be gone or another by now; then there is nothing to remember.
            if let Ok(metadata) = fs::metadata(path)
                && metadata.is_file()
            {
                let _ = self.file(path, &metadata, &Allowance::boundless());
            }
        });
    }
}

impl Known {
    pub(super) fn settled(&self) -> bool {
        self.stamp.settled_at(self.moment)
    }

    /// Says that a change since the stamp was taken would show.
    pub(super) fn settle(&mut self) {
        self.moment = self.stamp.settles();
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Stamp { id, size, mtime, ctime } = self.stamp;
        for number in [id.0, id.1, size, mtime.cast_unsigned(), ctime.cast_unsigned(), self.moment.cast_unsigned()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.digest.0);
    }

    fn decode(bytes: &[u8; ENTRY]) -> Self {
        let (numbers, digest) = bytes.split_at(ENTRY - 32);
        let (numbers, _) = numbers.as_chunks();
        let number = |at: usize| u64::from_le_bytes(numbers[at]);
        let time = |at: usize| number(at).cast_signed();
        let stamp = Stamp { id: (number(0), number(1)), size: number(2), mtime: time(3), ctime: time(4) };
        Self { stamp, moment: time(5), digest: Digest(digest.try_into().unwrap_or_default()) }
    }
}

fn learn(known: &mut Table, entry: Entry<'_>) {
    match entry {
        Entry::Restart => known.clear(),
        Entry::Frame(frame) => known.learn(frame.head.as_chunks::<ENTRY>().0, Known::decode),
    }
}
