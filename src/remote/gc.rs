//! Collecting garbage in a remote cache: results that have not been used for long, and contents that no result names.
//!
//! A run that has a tag stays, with its record and the results that it is of. The age of any other result is that of its last use: who takes
//! one that is older than a month puts it there again. A content is deleted only if it is older than a day, so that one that is being sent
//! for a result to come stays. Should one be deleted all the same while somebody relies on it, that costs an execution. Nothing is expected
//! of the order of a listing.
//!
//! A bucket may hold more than fits into memory. So it is gone through shard by shard, several at once, and nothing is kept of an object
//! that stays but eight bytes of its name. Two contents that share these cost one that is kept.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as Name;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::names::{BLOBS, COMMITS, JOBS, LISTINGS, Names, PACKS, RESULTS, RUNS, TAGS};
use super::problem::{Kind, Problem};
use super::shared::{SMALL_AT_ONCE, Shared};
use super::{Mistake, Remote};
use crate::address::Place;
use crate::hash::Digest;
use crate::record::RunRecord;
use crate::store::{Object, Parcel};

/// So many shards are gone through at once.
const SHARDS_AT_ONCE: usize = 8;

/// So many results of a shard are read at once.
const READ_AT_ONCE: usize = 8;

/// Servers with the protocol of S3 delete so many with one request.
const BATCH: usize = 1000;

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Results that were used in so long.
    pub unused: Duration,
    /// Contents that are younger, whatever names them.
    pub grace: Duration,
}

/// What a remote cache has, and what of it nobody needs.
#[derive(Clone, Debug, Default)]
pub struct Expired {
    /// How many results there are.
    pub results: usize,
    /// How many other objects.
    pub objects: usize,
    /// How large all are, in bytes.
    pub bytes: u64,
    /// Results that were not used for long, or are none.
    pub old: usize,
    /// Objects that no other result names, and what writes that were cut short left in a folder.
    pub unnamed: usize,
    /// How large these are together.
    pub freed_bytes: u64,
    /// The names of the results.
    doomed_results: Vec<Name>,
    /// The names of the objects.
    doomed_objects: Vec<Name>,
    /// The files that writes left.
    left: Vec<PathBuf>,
}

impl Remote {
    /// Finds what nobody needs. Deletes nothing.
    ///
    /// # Errors
    /// If it cannot be listed, or a result cannot be read.
    pub fn expired(&self, policy: Policy) -> Result<Expired, Mistake> {
        self.check()?;
        let shared = Arc::clone(&self.shared);
        let mut expired = self.answered(self.wait_long(async move { expired(&shared, policy).await }))?;
        if let Place::Folder(root) = &self.address().place {
            expired.left(root, policy.grace);
        }
        Ok(expired)
    }

    /// Deletes it: results first, so that none lacks its contents. What is gone already is gone.
    ///
    /// # Errors
    /// If something cannot be deleted; the rest stays, and is found again.
    pub fn delete(&self, expired: &Expired) -> Result<(), Mistake> {
        for names in [&expired.doomed_results, &expired.doomed_objects] {
            let (shared, names) = (Arc::clone(&self.shared), names.clone());
            self.answered(self.wait_long(async move { delete(&shared, names).await }))?;
        }
        for path in &expired.left {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("cannot delete {}: {error}", path.display());
                    return Err(Mistake::new(message, "whoever shares the folder needs the right to write to it"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn answered<T>(&self, answer: Option<Result<T, Problem>>) -> Result<T, Mistake> {
        answer
            .unwrap_or_else(|| Err(Problem::silent("the server does not answer")))
            .map_err(|problem| self.mistake(&problem))
    }
}

impl Expired {
    /// Adds the files that writes into a shared folder left when they were cut short. A listing does not show them.
    fn left(&mut self, root: &Path, grace: Duration) {
        let mut folders: Vec<PathBuf> = [RESULTS, BLOBS, LISTINGS, PACKS, RUNS, TAGS, COMMITS, "kiln"]
            .iter()
            .map(|folder| root.join(folder))
            .collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                let old = metadata
                    .modified()
                    .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= grace));
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if metadata.is_file() && old && is_unfinished(&entry.file_name().to_string_lossy()) {
                    self.unnamed += 1;
                    self.freed_bytes += metadata.len();
                    self.left.push(entry.path());
                }
            }
        }
    }
}

/// Whether a file is what a write begins with: a name of Kiln's, `#` and a number.
fn is_unfinished(name: &str) -> bool {
    name.split_once('#').is_some_and(|(front, number)| {
        let ours = front.bytes().all(|byte| byte.is_ascii_hexdigit()) || front == "format";
        ours && !front.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The names of contents that stay, as far as they are kept.
#[derive(Default)]
struct Named(Vec<u64>);

impl Named {
    fn name(folder: &str, digest: &Digest) -> u64 {
        let mut front = [0; 8];
        front.copy_from_slice(&digest.0[..8]);
        u64::from_le_bytes(front) ^ folder.bytes().fold(0, |sum, byte| sum << 8 | u64::from(byte))
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    fn has(&self, folder: &str, digest: &Digest) -> bool {
        self.0.binary_search(&Self::name(folder, digest)).is_ok()
    }
}

/// What was found in a part of the cache.
#[derive(Default)]
struct Part {
    count: usize,
    bytes: u64,
    doomed: Vec<Name>,
    freed_bytes: u64,
    named: Vec<u64>,
}

impl Part {
    fn doom(&mut self, meta: &ObjectMeta) {
        self.freed_bytes += meta.size;
        self.doomed.push(meta.location.clone());
    }
}

async fn expired(shared: &Arc<Shared>, policy: Policy) -> Result<Expired, Problem> {
    let mut expired = Expired::default();
    let mut named = Named::default();
    let kept = kept(shared).await?;
    let parts = shards(shared, RESULTS).await?;
    let mut parts =
        stream::iter(parts).map(|shard| results(shared, shard, &kept, policy)).buffer_unordered(SHARDS_AT_ONCE);
    while let Some(part) = parts.try_next().await? {
        expired.results += part.count;
        expired.old += part.doomed.len();
        expired.bytes += part.bytes;
        expired.freed_bytes += part.freed_bytes;
        expired.doomed_results.extend(part.doomed);
        named.0.extend(part.named);
    }
    named.sort();
    collect(shared, &[BLOBS, LISTINGS, PACKS], &named, policy.grace, &mut expired).await?;
    // Of a run without a tag nothing stays that is old.
    named = Named(kept.records.iter().map(|record| Named::name(RUNS, record)).collect());
    named.sort();
    collect(shared, &[RUNS, COMMITS], &named, policy.unused, &mut expired).await?;
    let messages = messages(shared, policy).await?;
    expired.objects += messages.count;
    expired.unnamed += messages.doomed.len();
    expired.bytes += messages.bytes;
    expired.freed_bytes += messages.freed_bytes;
    expired.doomed_objects.extend(messages.doomed);
    Ok(expired)
}

/// Adds what some folders have that nothing names, and that is of some age.
async fn collect(
    shared: &Arc<Shared>,
    folders: &[&str],
    named: &Named,
    age: Duration,
    expired: &mut Expired,
) -> Result<(), Problem> {
    for folder in folders {
        let parts = shards(shared, folder).await?;
        let mut parts = stream::iter(parts)
            .map(|shard| contents(shared, folder, shard, named, age))
            .buffer_unordered(SHARDS_AT_ONCE);
        while let Some(part) = parts.try_next().await? {
            expired.objects += part.count;
            expired.unnamed += part.doomed.len();
            expired.bytes += part.bytes;
            expired.freed_bytes += part.freed_bytes;
            expired.doomed_objects.extend(part.doomed);
        }
    }
    Ok(())
}

/// What runs with a tag need.
#[derive(Default)]
struct Kept {
    records: HashSet<Digest>,
    results: HashSet<Name>,
}

async fn kept(shared: &Arc<Shared>) -> Result<Kept, Problem> {
    let mut kept = Kept::default();
    // Whoever signed it: it costs room at most.
    for (tag, _) in shared.tags().await? {
        if !kept.records.insert(tag.record()) {
            continue;
        }
        let Some(bytes) = shared.record(&tag.record()).await? else { continue };
        let record: Option<RunRecord> = serde_json::from_slice(&bytes).ok();
        let keys = record.into_iter().flat_map(|record| record.stages).filter_map(|stage| stage.key);
        kept.results.extend(keys.map(|key| shared.names.result(&key)));
    }
    Ok(kept)
}

/// What jobs left that nobody came back for.
async fn messages(shared: &Shared, policy: Policy) -> Result<Part, Problem> {
    let mut part = Part::default();
    let folder = shared.names.folder(JOBS);
    let mut listed = shared.clients.large.list(Some(&folder));
    while let Some(meta) = listed.try_next().await.map_err(|error| shared.problem(&error))? {
        part.count += 1;
        part.bytes += meta.size;
        if is_old(&meta, policy.unused) {
            part.doom(&meta);
        }
    }
    Ok(part)
}

/// The shards that there are of a folder.
async fn shards(shared: &Shared, folder: &str) -> Result<Vec<Name>, Problem> {
    let listed = shared.clients.large.list_with_delimiter(Some(&shared.names.folder(folder))).await;
    let listed = listed.map_err(|error| shared.problem(&error))?;
    shared.health.answered();
    Ok(listed.common_prefixes)
}

/// The results of a shard: which are old, and what the others name.
async fn results(shared: &Arc<Shared>, shard: Name, kept: &Kept, policy: Policy) -> Result<Part, Problem> {
    let part = &std::sync::Mutex::new(Part::default());
    let lock = || part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared
        .clients
        .large
        .list(Some(&shard))
        .map_err(|error| shared.problem(&error))
        .try_for_each_concurrent(READ_AT_ONCE, |meta| async move {
            shared.health.answered();
            {
                let mut part = lock();
                part.count += 1;
                part.bytes += meta.size;
                if is_old(&meta, policy.unused) && !kept.results.contains(&meta.location) {
                    part.doom(&meta);
                    return Ok(());
                }
            }
            let _permit = shared.small.acquire().await;
            // One that cannot be read now may be needed: then nothing is known to be unnamed.
            let Some((bytes, _)) = shared.get_with(&*shared.clients.large, &meta.location).await? else {
                return Ok(());
            };
            let mut part = lock();
            match Parcel::decode(&bytes) {
                Some(parcel) => part.named.extend(names_of(&parcel)),
                None => part.doom(&meta),
            }
            Ok(())
        })
        .await?;
    Ok(std::mem::take(&mut *lock()))
}

/// What a result names.
fn names_of(parcel: &Parcel) -> impl Iterator<Item = u64> + use<'_> {
    let folder = |object: &Object| if object.listing { LISTINGS } else { BLOBS };
    let packs = parcel.packs.iter().map(|pack| Named::name(PACKS, &pack.name()));
    packs.chain(parcel.alone.iter().map(move |object| Named::name(folder(object), &object.digest)))
}

/// The contents of a shard that nothing names, and that are of some age.
async fn contents(shared: &Shared, folder: &str, shard: Name, named: &Named, age: Duration) -> Result<Part, Problem> {
    let mut part = Part::default();
    let mut listed = shared.clients.large.list(Some(&shard));
    while let Some(meta) = listed.try_next().await.map_err(|error| shared.problem(&error))? {
        shared.health.answered();
        part.count += 1;
        part.bytes += meta.size;
        // What has no digest for a name is somebody's.
        let Some(digest) = Names::digest(&meta.location) else { continue };
        if !named.has(folder, &digest) && is_old(&meta, age) {
            part.doom(&meta);
        }
    }
    Ok(part)
}

fn is_old(meta: &ObjectMeta, age: Duration) -> bool {
    let seconds = jiff::Timestamp::now().as_second() - meta.last_modified.timestamp();
    u64::try_from(seconds).unwrap_or(0) >= age.as_secs()
}

async fn delete(shared: &Arc<Shared>, names: Vec<Name>) -> Result<(), Problem> {
    if matches!(shared.address.place, Place::S3(_)) {
        for batch in names.chunks(BATCH) {
            let batch = stream::iter(batch.to_vec()).map(Ok).boxed();
            let mut deleted = shared.clients.large.delete_stream(batch);
            while let Some(ended) = deleted.next().await {
                gone(shared, ended.map(drop))?;
            }
        }
        return Ok(());
    }
    let delete = |name: Name| async move { gone(shared, shared.clients.small.delete(&name).await) };
    stream::iter(names.into_iter().map(Ok)).try_for_each_concurrent(SMALL_AT_ONCE, delete).await
}

/// What came of deleting something. That it is not there is as good.
fn gone(shared: &Shared, ended: object_store::Result<()>) -> Result<(), Problem> {
    match ended.map_err(|error| shared.problem(&error)) {
        Err(problem) if problem.kind != Kind::Missing => Err(problem),
        _ => {
            shared.health.answered();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_unfinished;

    #[test]
    fn only_files_that_writes_of_kilns_begin_with_are_unfinished() {
        for name in ["0a1b#1", "format#12", "ff#0"] {
            assert!(is_unfinished(name), "{name}");
        }
        for name in ["0a1b", "#1", "notes#1", "0a#", "0a#x", "0a#1#2"] {
            assert!(!is_unfinished(name), "{name}");
        }
    }
}
