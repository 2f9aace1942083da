//! Action results: one journal for all of them, read once, and followed as other processes append to it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::blob::LARGE;
use super::boot::BOOT;
use super::result::{Origin, decode, each_output, encode, key_of};
use super::{Access, ActionResult, Published, Result, Store, StoreError};
use crate::action::{self, Manifest};
use crate::hash::{ActionKey, Artifact, Digest, QuickMap, Stamp};
use crate::journal::{Entry, Journal, Span};
use crate::name_map::NameMap;

/// Results that took longer, in seconds, are on the disk before they are published: waiting for a disk is then no loss,
/// and losing them to a power cut would be. Shorter ones are checked after one.
pub(super) const LASTING: f64 = 1.0;

/// A journal shorter than this many bytes is never compacted.
const SMALL: u64 = 4 << 20;

/// The journal and an index of it.
pub(super) struct Results {
    path: PathBuf,
    journal: Journal,
    index: Index,
}

/// Where each key's last result is. Heads are kept as they are in the file, and decoded when asked for.
#[derive(Default)]
struct Index {
    slots: QuickMap<ActionKey, Slot>,
    heads: Vec<u8>,
    /// Bytes of the file that the slots stand for.
    live: u64,
    /// Bytes of the file that are sound frames.
    sound: u64,
}

struct Slot {
    head: (usize, usize),
    body: Span,
    length: u64,
}

impl Index {
    fn visit(&mut self, entry: Entry<'_>) {
        let frame = match entry {
            Entry::Restart => return *self = Self::default(),
            Entry::Frame(frame) => frame,
        };
        self.sound += frame.length;
        let Some(key) = key_of(frame.head) else { return };
        let start = self.heads.len();
        self.heads.extend_from_slice(frame.head);
        let slot = Slot { head: (start, self.heads.len()), body: frame.body, length: frame.length };
        self.live += slot.length;
        if let Some(replaced) = self.slots.insert(key, slot) {
            self.live -= replaced.length;
        }
    }

    fn head(&self, key: &ActionKey) -> Option<&[u8]> {
        let slot = self.slots.get(key)?;
        self.heads.get(slot.head.0..slot.head.1)
    }

    fn get(&self, key: &ActionKey) -> Option<(Origin, ActionResult)> {
        decode(self.head(key)?)
    }
}

impl Results {
    /// The journal at a path, of which nothing is known yet.
    pub(super) fn unread(path: &Path) -> Self {
        Self { path: path.to_owned(), journal: Journal::new(path), index: Index::default() }
    }

    /// Reads what is new in the journal; there need not be one.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let index = &mut self.index;
        self.journal.read_new(&mut |entry| index.visit(entry)).map_err(StoreError::io("read", &self.path))
    }

    /// Makes sure that a key is looked for in all that has been published.
    fn seek(&mut self, key: &ActionKey) {
        if !self.index.slots.contains_key(key)
            && let Err(error) = self.refresh()
        {
            tracing::warn!("{error}");
        }
    }

    fn manifest(&mut self, key: &ActionKey) -> Option<Manifest> {
        self.seek(key);
        let slot = self.index.slots.get(key)?;
        let text = String::from_utf8(self.journal.body(slot.body).ok()?).ok()?;
        // The journal does not check bodies; this one checks itself.
        if action::key_of(&text) != *key {
            return None;
        }
        serde_json::from_str(&text).ok()
    }

    fn publish(
        &mut self,
        key: &ActionKey,
        text: &str,
        origin: Origin,
        result: &ActionResult,
        replace: bool,
    ) -> Result<Published> {
        let failed = || StoreError::io("write", &self.path);
        let index = &mut self.index;
        let mut locked = self.journal.lock(&mut |entry| index.visit(entry)).map_err(failed())?;
        if !replace && let Some((_, existing)) = index.get(key) {
            let same = existing.outputs == result.outputs;
            return Ok(if same { Published::Same } else { Published::Conflict(Box::new(existing)) });
        }
        let head = encode(key, origin, result);
        locked.append(&head, text.as_bytes(), &mut |entry| index.visit(entry)).map_err(failed())?;
        if origin.durable {
            locked.sync().map_err(failed())?;
        }
        let length = locked.journal().length();
        if length > SMALL && length > 2 * index.live {
            let old = std::mem::take(index);
            let frames =
                old.slots.values().filter_map(|slot| Some((old.heads.get(slot.head.0..slot.head.1)?, slot.body)));
            locked.rewrite(frames, &mut |entry| index.visit(entry)).map_err(failed())?;
        }
        Ok(Published::New)
    }
}

/// What is wrong with the journal of results.
#[derive(Debug, Default)]
pub(super) struct JournalDamage {
    /// Bytes that belong to no sound frame.
    pub(super) bytes: u64,
    /// Actions whose result cannot be read, or whose manifest is not what their key says.
    pub(super) actions: Vec<ActionKey>,
}

impl Store {
    /// Catches up with what other processes did to the journal of results, its being replaced included.
    pub(crate) fn follow(&self) {
        if let Err(error) = self.results().refresh() {
            tracing::warn!("{error}");
        }
    }

    /// A text that changes whenever what is believed of results may change: with every result that is published or withdrawn, and
    /// when the machine is started again. `None` if there are none.
    pub(crate) fn state(&self) -> Option<String> {
        let metadata = fs::metadata(self.root().join(super::files::RESULTS)).ok()?;
        let stamp = Stamp::of(&metadata);
        Some(format!("{:x} {:?} {} {}", *BOOT, stamp.id, stamp.size, stamp.mtime))
    }

    /// Every result that is known, by its key.
    pub(super) fn all_results(&self) -> Vec<(ActionKey, ActionResult)> {
        let results = self.results();
        let keys = results.index.slots.keys();
        keys.filter_map(|key| Some((*key, results.index.get(key)?.1))).collect()
    }

    /// The digest of every output of every result, with its size and the result's key, in order.
    pub(super) fn outputs_of_results(&self) -> Vec<(Digest, u64, ActionKey)> {
        let results = self.results();
        let mut found = Vec::with_capacity(results.index.slots.len());
        for key in results.index.slots.keys() {
            let head = results.index.head(key).unwrap_or_default();
            each_output(head, |digest, bytes| found.push((digest, bytes, *key)));
        }
        drop(results);
        found.sort_unstable();
        found
    }

    /// The outputs of a result that is known, whether or not it is believed.
    pub(super) fn outputs_of(&self, key: &ActionKey) -> NameMap<Artifact> {
        self.results().index.get(key).map(|(_, result)| result.outputs).unwrap_or_default()
    }

    /// How many bytes of the journal of results would go if it were written anew.
    pub(super) fn dead_bytes(&self) -> u64 {
        let results = self.results();
        results.journal.length().saturating_sub(results.index.live)
    }

    /// How many bytes of the journal of results stand for these.
    pub(super) fn bytes_of(&self, keys: &HashSet<ActionKey>) -> u64 {
        let results = self.results();
        keys.iter().filter_map(|key| results.index.slots.get(key)).map(|slot| slot.length).sum()
    }

    /// Writes the journal of results anew with those that are to be kept. In one step: a crash leaves the old or the new.
    pub(super) fn retain_results(&self, keep: &dyn Fn(&ActionKey) -> bool) -> Result<()> {
        let mut results = self.results();
        let Results { path, journal, index } = &mut *results;
        let failed = || StoreError::io("write", path);
        let locked = journal.lock(&mut |entry| index.visit(entry)).map_err(failed())?;
        let old = std::mem::take(index);
        let frames = old.slots.iter().filter(|(key, _)| keep(key));
        let frames = frames.filter_map(|(_, slot)| Some((old.heads.get(slot.head.0..slot.head.1)?, slot.body)));
        let written = locked.rewrite(frames, &mut |entry| index.visit(entry)).map_err(failed());
        if written.is_err() {
            *index = old;
        }
        written
    }

    /// Checks the journal of results from end to end, while nobody appends to it.
    pub(super) fn check_results(&self) -> Result<JournalDamage> {
        let mut results = self.results();
        let Results { path, journal, index } = &mut *results;
        let failed = || StoreError::io("read", path);
        *journal = Journal::new(path);
        *index = Index::default();
        let locked = journal.lock(&mut |entry| index.visit(entry)).map_err(failed())?;
        let bytes = locked.journal().length().saturating_sub(index.sound);
        let sound = |key: &ActionKey, slot: &Slot| {
            let text = locked.journal().body(slot.body).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            index.get(key).is_some() && text.is_some_and(|text| action::key_of(&text) == *key)
        };
        let actions = index.slots.iter().filter(|(key, slot)| !sound(key, slot)).map(|(key, _)| *key).collect();
        Ok(JournalDamage { bytes, actions })
    }

    /// The result of an action, if it is known: published by any process. Whether its outputs are still in the store is
    /// [`Store::has`]'s to say.
    pub fn result(&self, key: &ActionKey) -> Option<ActionResult> {
        // Decoded once others can look.
        let head = {
            let mut results = self.results();
            results.seek(key);
            results.index.head(key)?.to_vec()
        };
        let (origin, result) = decode(&head)?;
        if origin.durable || origin.boot == *BOOT {
            return Some(result);
        }
        // Published before a reboot and not known to have reached the disk: believe it only if all of it is there. What is large was
        // remembered when it came in, and may have got lost since.
        let large = result.outputs.values().any(|artifact| artifact.bytes >= LARGE);
        if !result.outputs.values().all(|artifact| self.is_sound(artifact, large)) {
            return None;
        }
        if large {
            self.know_to_last(key, &result);
        }
        Some(result)
    }

    /// Notes that a result is on the disk: its content was read there after a reboot, and that took long enough to be done once only.
    fn know_to_last(&self, key: &ActionKey, result: &ActionResult) {
        let mut results = self.results();
        if self.access() == Access::Look {
            return;
        }
        let Some(manifest) = results.manifest(key) else { return };
        let origin = Origin { boot: *BOOT, durable: true };
        if let Err(error) = results.publish(key, &manifest.text(), origin, result, true) {
            tracing::debug!("{error}");
        }
    }

    /// Whether an action has a result, as far as the journal has been read.
    pub(crate) fn knows(&self, key: &ActionKey) -> bool {
        self.results().index.slots.contains_key(key)
    }

    /// Whether any action has.
    pub(crate) fn knows_any(&self) -> bool {
        !self.results().index.slots.is_empty()
    }

    /// The manifest of an action whose result is known.
    pub fn manifest(&self, key: &ActionKey) -> Option<Manifest> {
        self.results().manifest(key)
    }

    /// Makes a result known under its key, unless there is one. Its outputs have to be in the store.
    ///
    /// # Errors
    /// If it cannot be written; then nothing has changed.
    pub fn publish(&self, key: &ActionKey, manifest: &Manifest, result: &ActionResult) -> Result<Published> {
        self.append(key, manifest, result, false, result.seconds >= LASTING)
    }

    /// The same for a result that can be had again elsewhere: it waits for no disk, and is checked after a power cut.
    pub(super) fn publish_unsynced(&self, key: &ActionKey, manifest: &Manifest, result: &ActionResult) -> Result<()> {
        self.append(key, manifest, result, false, false).map(drop)
    }

    /// Makes a result known under its key, in the place of any other.
    ///
    /// # Errors
    /// If it cannot be written; then nothing has changed.
    pub fn replace(&self, key: &ActionKey, manifest: &Manifest, result: &ActionResult) -> Result<()> {
        self.append(key, manifest, result, true, result.seconds >= LASTING).map(|_| ())
    }

    fn append(
        &self,
        key: &ActionKey,
        manifest: &Manifest,
        result: &ActionResult,
        replace: bool,
        durable: bool,
    ) -> Result<Published> {
        let text = manifest.text();
        debug_assert_eq!(*key, action::key_of(&text), "a result is published under its manifest's key");
        if durable {
            for artifact in result.outputs.values() {
                self.sync(artifact)?;
            }
        }
        let origin = Origin { boot: *BOOT, durable };
        self.results().publish(key, &text, origin, result, replace)
    }

    /// Waits until an artifact is on the disk.
    fn sync(&self, artifact: &Artifact) -> Result<()> {
        if artifact.tree {
            // Many files: the whole file system at once is quicker than each by itself.
            let root = File::open(self.root()).map_err(StoreError::io("open", self.root()))?;
            return rustix::fs::syncfs(root).map_err(StoreError::errno("sync", self.root()));
        }
        let path = self.blob_path(&artifact.digest);
        let shard = path.parent().unwrap_or(&path);
        for path in [&path, shard, shard.parent().unwrap_or(shard)] {
            File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    fn result(outputs: impl IntoIterator<Item = Artifact>) -> ActionResult {
        ActionResult {
            outputs: outputs.into_iter().enumerate().map(|(i, a)| (i.to_string(), a)).collect(),
            metrics: BTreeMap::new(),
            unread: false,
            warnings: vec![],
            complaints: vec![],
            seconds: 0.5,
            resumed: None,
            adopted: None,
            named: false,
            created: Timestamp::UNIX_EPOCH,
            host: String::new(),
            maker: None,
        }
    }

    fn action(n: usize) -> (ActionKey, Manifest) {
        let manifest = Manifest::uses("test", "", n.into());
        (manifest.key(), manifest)
    }

    #[test]
    fn a_result_from_before_a_reboot_is_believed_only_with_its_content() {
        let (_folder, store) = store();
        let artifact = store.insert_bytes(b"hello").unwrap();
        let (key, manifest) = action(0);
        let before = Origin { boot: BOOT.wrapping_add(1), durable: false };
        store.results().publish(&key, &manifest.text(), before, &result([artifact.clone()]), false).unwrap();
        assert!(store.result(&key).is_some());

        // What a crash of the machine can leave: the right size and nothing in it.
        let blob = store.blob_path(&artifact.digest);
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, [0; 5]).unwrap();
        assert_eq!(store.result(&key), None);

        let durable = Origin { durable: true, ..before };
        store.results().publish(&key, &manifest.text(), durable, &result([artifact]), true).unwrap();
        assert!(store.result(&key).is_some(), "what was synced needs no check");
    }

    #[test]
    fn large_content_is_read_once_after_a_reboot_whatever_is_remembered() {
        let (folder, store) = store();
        let file = folder.path().join("output");
        fs::write(&file, vec![7; 2 << 20]).unwrap();
        let artifact = store.capture(&file).unwrap();
        let blob = store.blob_path(&artifact.digest);
        let (key, manifest) = action(0);
        let before = Origin { boot: BOOT.wrapping_add(1), durable: false };
        store.results().publish(&key, &manifest.text(), before, &result([artifact.clone()]), false).unwrap();
        assert!(store.result(&key).is_some());
        assert!(store.results().index.get(&key).unwrap().0.durable, "that is not done again");
        assert!(Store::open(folder.path()).unwrap().results().index.get(&key).unwrap().0.durable);
        // What was learnt before the machine was started is not believed.
        store.memo().forget_older(&blob, crate::hash::now() + 3_600_000_000_000);
        assert!(store.memo().trusted(&blob).is_none());
    }

    #[test]
    fn a_mostly_dead_journal_is_compacted_and_others_follow() {
        let (folder, store) = store();
        let other = Store::open(folder.path()).unwrap();
        let (key, manifest) = action(0);
        let mut wide = result([]);
        wide.host = "x".repeat(100_000);
        let (last, last_manifest) = action(1);
        store.publish(&last, &last_manifest, &result([])).unwrap();
        assert!(other.result(&last).is_some());
        for n in 0..60 {
            wide.seconds = f64::from(n) / 1000.0;
            store.replace(&key, &manifest, &wide).unwrap();
        }
        let length = fs::metadata(folder.path().join(super::super::files::RESULTS)).unwrap().len();
        assert!(length < SMALL, "{length}");
        for store in [&store, &other, &Store::open(folder.path()).unwrap()] {
            assert_eq!(store.result(&key).unwrap().host.len(), 100_000);
            assert_eq!(store.manifest(&key), Some(manifest.clone()));
            assert_eq!(store.manifest(&last), Some(last_manifest.clone()));
        }
        assert_eq!(Store::open(folder.path()).unwrap().result(&key), Some(wide));
    }
}
