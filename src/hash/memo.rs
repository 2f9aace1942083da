//! The memo: digests of files by what `stat` says of them, so that unchanged files are not read again.
//!
//! A file is known by device and inode, and its digest holds while size, mtime and ctime stay the same. Where stamps are coarse
//! (see [`super::grain`]), a file that was changed no longer than the clock's grain before it was read could be changed
//! again without a trace, so what was learnt of it then is not trusted; it is read again later.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rayon::prelude::*;
use rustix::fs::FileType;

use super::grain;
use super::stamp::{self, Nanos, Seen};
use super::table::{Known, Table};
use super::tree::{Listing, Node};
use super::walk::{self, Extent, Found};
use super::{Artifact, ContentError, Digest, Stamp, hash_file, hash_showing, open_regular};
use crate::interrupt::Interrupt;
use crate::journal::wire::Reader;
use crate::journal::{Entry, Journal, Span};

/// How often a file that changes while it is read is tried again.
const TRIES: usize = 3;

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

/// How many bytes may be read of what is not known. Looking at a file of a folder counts as well.
pub(crate) struct Allowance(Option<AtomicU64>);

/// What looking at a file of a folder counts as.
const A_LOOK: u64 = 256;

impl Allowance {
    /// So many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        Self(Some(AtomicU64::new(bytes)))
    }

    /// As many as it takes.
    pub(crate) fn boundless() -> Self {
        Self(None)
    }

    fn take(&self, bytes: u64) -> Result<(), ContentError> {
        let Some(left) = &self.0 else { return Ok(()) };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| ContentError::TooMuch)
    }
}

/// Digests of files, remembered across processes.
pub struct Memo {
    path: PathBuf,
    known: RwLock<Table>,
    /// What was learnt since the memo was opened, with a path for those that are to be read again.
    fresh: Mutex<Vec<((u64, u64), PathBuf)>>,
    /// The device with the memo's file, if stamps are fine there; found out when first needed.
    fine: OnceLock<Option<u64>>,
    /// Ends the reading of files.
    interrupt: OnceLock<Interrupt>,
    /// Whether what is learnt is kept for later processes.
    kept: bool,
    /// Tells whether a folder is a store. No link of an input folder may lead there.
    is_store: Option<fn(&Path) -> bool>,
}

impl Memo {
    /// The memo kept in a file. A missing, damaged or unreadable one is empty: it costs time and nothing else.
    pub fn open(path: &Path) -> Self {
        let memo = Self::empty(path);
        memo.load();
        memo
    }

    /// The memo kept in a file, without what is in the file.
    pub(crate) fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            known: RwLock::default(),
            fresh: Mutex::default(),
            fine: OnceLock::new(),
            interrupt: OnceLock::new(),
            kept: true,
            is_store: None,
        }
    }

    /// The same, with how stores are known.
    pub(crate) fn knowing(self, is_store: fn(&Path) -> bool) -> Self {
        Self { is_store: Some(is_store), ..self }
    }

    /// The same for a process that may write nothing: nothing is kept, and nothing is tried out to learn how fine stamps are.
    pub(crate) fn unkept(path: &Path) -> Self {
        Self { fine: OnceLock::from(None), kept: false, ..Self::empty(path) }
    }

    /// The folder that its file lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Whether what is learnt is kept for later processes.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Gives up reading files once the user asks to stop.
    pub(crate) fn heed(&self, interrupt: &Interrupt) {
        let _ = self.interrupt.set(interrupt.clone());
    }

    /// The interrupt that is heeded; one that never comes if there is none.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        static NEVER: LazyLock<Interrupt> = LazyLock::new(Interrupt::default);
        self.interrupt.get().unwrap_or(&NEVER)
    }

    /// Learns what is in the file.
    pub(crate) fn load(&self) {
        let path = &self.path;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = Journal::new(path).read_new(&mut |entry| learn(&mut known, entry)) {
            tracing::debug!("cannot read {}: {error}", path.display());
        }
    }

    /// The artifact at a path, `None` if there is nothing. Links on the way and at the path itself are followed; links
    /// inside a folder have to stay in it.
    ///
    /// # Errors
    /// A FIFO, socket or device, a link that leaves its folder, a file that keeps changing, or what the system
    /// refuses. The error names the path.
    pub fn artifact(&self, path: &Path) -> io::Result<Option<Artifact>> {
        Ok(self.look(path, Extent::Everything, &Allowance::boundless())?)
    }

    /// The same if no more has to be read than is allowed; takes off the allowance what it reads. `None` if it would be more.
    pub(crate) fn artifact_within(&self, path: &Path, allowance: &Allowance) -> Option<io::Result<Option<Artifact>>> {
        match self.look(path, Extent::Everything, allowance) {
            Err(ContentError::TooMuch) => None,
            found => Some(found.map_err(io::Error::from)),
        }
    }

    /// The same of an input: of a folder without what programs leave in it, and with what links in it lead to that leave it.
    ///
    /// # Errors
    /// As [`Self::artifact`], and a link that leads nowhere or round in a circle.
    pub fn source(&self, path: &Path) -> io::Result<Option<Artifact>> {
        self.source_in(path, Extent::Source)
    }

    /// The same of as much of it as an extent says.
    pub(crate) fn source_in(&self, path: &Path, extent: Extent<'_>) -> io::Result<Option<Artifact>> {
        Ok(self.look(path, extent, &Allowance::boundless())?)
    }

    /// What an input folder holds.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub(crate) fn source_listing(&self, folder: &Path, extent: Extent<'_>) -> io::Result<Listing> {
        Ok(self.listing_within(folder, extent, &Allowance::boundless())?)
    }

    /// Whether an output is in place, unchanged. What programs have left in a folder since does not count.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn holds(&self, path: &Path, output: &Artifact) -> io::Result<bool> {
        Ok(self.is_at(path, output, &Allowance::boundless())?)
    }

    /// The same if no more has to be read than is allowed; takes off the allowance what it reads. `None` if it would be more.
    pub(crate) fn holds_within(
        &self,
        path: &Path,
        output: &Artifact,
        allowance: &Allowance,
    ) -> Option<io::Result<bool>> {
        match self.is_at(path, output, allowance) {
            Err(ContentError::TooMuch) => None,
            found => Some(found.map_err(io::Error::from)),
        }
    }

    fn is_at(&self, path: &Path, output: &Artifact, allowance: &Allowance) -> Result<bool, ContentError> {
        let is = |extent| Ok(self.look(path, extent, allowance)?.as_ref() == Some(output));
        Ok(is(Extent::Everything)? || (output.tree && is(Extent::Source)?))
    }

    fn look(&self, path: &Path, extent: Extent<'_>, allowance: &Allowance) -> Result<Option<Artifact>, ContentError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(ContentError::io("examine", path)(e)),
        };
        let found =
            if metadata.is_dir() { self.tree(path, extent, allowance) } else { self.file(path, &metadata, allowance) };
        found.map(Some)
    }

    /// The artifact of a regular file if `stat` alone can tell it; never reads. A link is not followed.
    pub fn trusted(&self, path: &Path) -> Option<Artifact> {
        self.stamped(path).map(|(_, artifact)| artifact)
    }

    /// The same with the stamp that tells it.
    pub(crate) fn stamped(&self, path: &Path) -> Option<(Stamp, Artifact)> {
        let metadata = fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        let stamp = Stamp::of(&metadata);
        self.recall(&stamp).map(|digest| (stamp, file_artifact(digest, &metadata)))
    }

    /// The artifacts of files of a folder, as far as what was seen of them can tell.
    pub(super) fn recalled(&self, files: &[Option<Seen>]) -> Vec<Option<Artifact>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let recall = |seen: &Option<Seen>| {
            let seen = seen.as_ref().filter(|seen| seen.kind() == FileType::RegularFile)?;
            let digest = recall(&known, &seen.stamp)?;
            Some(Artifact { digest, tree: false, bytes: seen.stamp.size, executable: seen.mode & 0o100 != 0 })
        };
        files.iter().map(recall).collect()
    }

    /// Forgets what is known of a source: it is read when it is next looked at.
    pub(crate) fn forget(&self, source: &Path) {
        let mut files = vec![source.to_owned()];
        // What cannot be walked through is told when it is looked at.
        if let Ok(walked) = walk::walk(source, Extent::Source) {
            files.extend(walked.into_iter().map(|(path, _)| source.join(path)));
        }
        let found = files.iter().filter_map(|path| fs::metadata(path).ok());
        let ids: Vec<_> = found.map(|metadata| Stamp::of(&metadata).id).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            known.remove(&id);
        }
    }

    /// Takes it that a file with this stamp, which is settled, has this content.
    pub(crate) fn believe(&self, stamp: &Stamp, artifact: &Artifact) {
        let entry = Known { stamp: *stamp, moment: stamp::now(), digest: artifact.digest };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(entry);
    }

    /// Remembers a file that was just written with known content, and looked at before anybody else could reach it.
    pub fn record(&self, path: &Path, written: &Metadata, digest: Digest) {
        let moment = stamp::now();
        let before = Stamp::of(written);
        if let Ok(metadata) = fs::symlink_metadata(path)
            && metadata.is_file()
        {
            // Giving it its name has changed its ctime.
            let stamp = Stamp::of(&metadata);
            let same_mode = metadata.mode() == written.mode();
            if same_mode && (stamp.id, stamp.size, stamp.mtime) == (before.id, before.size, before.mtime) {
                self.keep(path, Known { stamp, moment, digest });
            }
        }
    }

    /// Before somebody else reads a file to its end: what [`Self::end`] wants to know. `None` if there is none.
    pub(crate) fn begin(&self, path: &Path) -> Option<(Stamp, Nanos)> {
        let moment = stamp::now();
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some((Stamp::of(&metadata), moment))
    }

    /// Remembers a file that was read to its end, if it did not change meanwhile.
    pub(crate) fn end(&self, path: &Path, began: &(Stamp, Nanos), digest: Digest) {
        let (stamp, moment) = *began;
        if fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == stamp) {
            self.keep(path, Known { stamp, moment, digest });
        }
    }

    /// Reads a regular file to its end, whatever is known of it, and shows its bytes to whoever wants to know more of it.
    ///
    /// # Errors
    /// If it is none or cannot be read, or the user asked to stop.
    pub fn read_showing(&self, path: &Path, show: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let moment = stamp::now();
        let (mut file, before) = open_regular(path)?;
        let stamp = Stamp::of(&before);
        let digest = hash_showing(&mut file, show, self.interrupt())?;
        if Stamp::of(&file.metadata()?) == stamp {
            self.keep(path, Known { stamp, moment, digest });
        }
        Ok(())
    }

    /// Writes what was learnt since the memo was opened, for later processes. Where much was written within the clock's grain, it
    /// is read once more, if that is quickly done, or the next process would have to.
    ///
    /// # Errors
    /// If the file cannot be written. Nothing but time is lost.
    pub fn save(&self) -> io::Result<()> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        if fresh.is_empty() || !self.kept {
            return Ok(());
        }
        self.settle(&fresh);
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clear();

        let mut head = Vec::new();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let mut ids: Vec<_> = fresh.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids.dedup();
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
        locked.append(&head, b"", &mut |_| {})?;
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
            locked.rewrite(std::iter::once((all.as_slice(), Span::default())), &mut |_| {})?;
        }
        Ok(())
    }

    fn recall(&self, stamp: &Stamp) -> Option<Digest> {
        recall(&self.known.read().unwrap_or_else(PoisonError::into_inner), stamp)
    }

    fn keep(&self, path: &Path, mut entry: Known) {
        if !entry.settled() && self.is_fine(entry.stamp.id.0) {
            entry.settle();
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(entry);
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).push((entry.stamp.id, path.to_owned()));
    }

    /// Whether every change of a file from now on would show in its stamp.
    pub(super) fn is_telling(&self, stamp: &Stamp) -> bool {
        stamp.settled_at(stamp::now()) || self.is_fine(stamp.id.0)
    }

    /// Whether every change of a file on a device shows that comes after a look at it.
    fn is_fine(&self, device: u64) -> bool {
        let fine = self.fine.get_or_init(|| grain::device_of_fine_stamps(self.path.parent().unwrap_or(Path::new("."))));
        *fine == Some(device)
    }

    fn file(&self, path: &Path, metadata: &Metadata, allowance: &Allowance) -> Result<Artifact, ContentError> {
        ContentError::unless_regular(metadata, path)?;
        if let Some(digest) = self.recall(&Stamp::of(metadata)) {
            return Ok(file_artifact(digest, metadata));
        }
        allowance.take(metadata.len())?;
        for _ in 0..TRIES {
            let moment = stamp::now();
            let (file, before) = open_regular(path)?;
            let stamp = Stamp::of(&before);
            let digest = match hash_file(&file, stamp.size, self.interrupt()) {
                Ok(digest) => digest,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(e) => return Err(ContentError::io("read", path)(e)),
            };
            let after = file.metadata().map_err(ContentError::io("examine", path))?;
            if Stamp::of(&after) == stamp {
                self.keep(path, Known { stamp, moment, digest });
                return Ok(file_artifact(digest, &before));
            }
        }
        Err(ContentError::Changing { path: path.to_owned() })
    }

    fn tree(&self, root: &Path, extent: Extent<'_>, allowance: &Allowance) -> Result<Artifact, ContentError> {
        Ok(self.listing_within(root, extent, allowance)?.own_artifact())
    }

    /// What is in a folder.
    pub(crate) fn listing(&self, root: &Path) -> Result<Listing, ContentError> {
        self.listing_within(root, Extent::Everything, &Allowance::boundless())
    }

    fn listing_within(&self, root: &Path, extent: Extent<'_>, allowance: &Allowance) -> Result<Listing, ContentError> {
        let own = self.path.parent();
        let is_store = |folder: &Path| own == Some(folder) || self.is_store.is_some_and(|is_store| is_store(folder));
        let looks = |folder: BorrowedFd<'_>, files: Vec<PathBuf>| self.nodes(root, folder, files, extent, allowance);
        let entries = walk::walk_outside(root, extent, &is_store, &looks)?.into_iter().map(|(path, found)| {
            let node = match found {
                Found::Link { target } => Node::Link { target },
                Found::Folder => Node::Folder,
                Found::File(node) => node,
            };
            (path, node)
        });
        Ok(Listing::new(entries.collect()))
    }

    /// Looks at files of a folder that lies in another, and reads those that are not known.
    fn nodes(
        &self,
        root: &Path,
        folder: BorrowedFd<'_>,
        files: Vec<PathBuf>,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Vec<(PathBuf, Node)>, ContentError> {
        allowance.take(A_LOOK * files.len() as u64)?;
        let follow = extent != Extent::Everything;
        let seen: Vec<Option<Seen>> = files.iter().map(|path| Seen::at(folder, path, follow).ok()).collect();
        let known = self.recalled(&seen);
        let node = |(path, known): (PathBuf, Option<Artifact>)| {
            let artifact = match known {
                Some(known) => known,
                None => {
                    let absolute = root.join(&path);
                    let metadata = if follow { fs::metadata(&absolute) } else { fs::symlink_metadata(&absolute) };
                    self.file(&absolute, &metadata.map_err(ContentError::io("examine", &absolute))?, allowance)?
                }
            };
            let Artifact { digest, bytes, executable, .. } = artifact;
            Ok((path, Node::File { digest, bytes, executable }))
        };
        if known.iter().all(Option::is_some) {
            return files.into_iter().zip(known).map(node).collect();
        }
        files.into_par_iter().zip(known).map(node).collect()
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
    fn settled(&self) -> bool {
        self.stamp.settled_at(self.moment)
    }

    /// Says that a change since the stamp was taken would show.
    fn settle(&mut self) {
        self.moment = self.stamp.settles();
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Stamp { id, size, mtime, ctime } = self.stamp;
        for number in [id.0, id.1, size, mtime.cast_unsigned(), ctime.cast_unsigned(), self.moment.cast_unsigned()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.digest.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let id = (from.u64()?, from.u64()?);
        let stamp = Stamp { id, size: from.u64()?, mtime: from.i64()?, ctime: from.i64()? };
        Some(Self { stamp, moment: from.i64()?, digest: Digest(from.array()?) })
    }
}

fn recall(known: &Table, stamp: &Stamp) -> Option<Digest> {
    known.get(&stamp.id).filter(|entry| entry.stamp == *stamp && entry.settled()).map(|entry| entry.digest)
}

fn learn(known: &mut Table, entry: Entry<'_>) {
    match entry {
        Entry::Restart => known.clear(),
        Entry::Frame(frame) => {
            known.reserve(frame.head.len() / ENTRY);
            frame.head.chunks_exact(ENTRY).filter_map(Known::decode).for_each(|entry| known.insert(entry));
        }
    }
}

fn file_artifact(digest: Digest, metadata: &Metadata) -> Artifact {
    Artifact { digest, tree: false, bytes: metadata.len(), executable: metadata.mode() & 0o100 != 0 }
}
