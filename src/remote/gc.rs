//! Collecting garbage in a remote cache: results that have not been used for long, and contents that no result names.
//!
//! The age of a result is that of its last use: who takes one that is older than a month puts it there again. A content is deleted only if
//! it is older than a day, so that one that is being sent for a result to come stays. Should one be deleted all the same while somebody
//! relies on it, that costs an execution. Nothing is expected of the order of a listing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectMeta;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Name;

use super::names::{BLOBS, LISTINGS, Names, PACKS, RESULTS};
use super::problem::{Kind, Problem};
use super::shared::{SMALL_AT_ONCE, Shared};
use super::{Mistake, Remote};
use crate::hash::Digest;
use crate::store::{Object, Parcel};

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
    /// Objects that no other result names.
    pub unnamed: usize,
    /// How large these are together.
    pub freed_bytes: u64,
    /// Their names: results first.
    names: Vec<Name>,
}

impl Remote {
    /// Finds what nobody needs. Deletes nothing.
    ///
    /// # Errors
    /// If it cannot be listed, or a result cannot be read.
    pub fn expired(&self, policy: Policy) -> Result<Expired, Mistake> {
        self.check()?;
        let shared = Arc::clone(&self.shared);
        match self.wait_for(async move { expired(&shared, policy).await }) {
            Some(Ok(expired)) => Ok(expired),
            Some(Err(problem)) => Err(self.mistake(&problem)),
            None => Err(self.mistake(&Problem::silent("the server does not answer"))),
        }
    }

    /// Deletes it. What is gone already is gone.
    ///
    /// # Errors
    /// If something cannot be deleted; the rest stays, and is found again.
    pub fn delete(&self, expired: &Expired) -> Result<(), Mistake> {
        // A result never lacks its contents.
        let (results, others): (Vec<Name>, Vec<Name>) =
            expired.names.iter().cloned().partition(|name| name.as_ref().split('/').any(|part| part == RESULTS));
        for names in [results, others] {
            let shared = Arc::clone(&self.shared);
            let ended = self.wait_for(async move {
                let delete = |name: Name| {
                    let shared = Arc::clone(&shared);
                    async move {
                        match shared.clients.small.delete(&name).await {
                            Ok(()) => shared.health.answered(),
                            Err(error) => {
                                let problem = shared.problem(&error);
                                if problem.kind != Kind::Missing {
                                    return Err(problem);
                                }
                            }
                        }
                        Ok(())
                    }
                };
                stream::iter(names.into_iter().map(Ok)).try_for_each_concurrent(SMALL_AT_ONCE, delete).await
            });
            match ended {
                Some(Ok(())) => {}
                Some(Err(problem)) => return Err(self.mistake(&problem)),
                None => return Err(self.mistake(&Problem::silent("the server does not answer"))),
            }
        }
        Ok(())
    }
}

async fn list(shared: &Shared, folder: &str) -> Result<Vec<ObjectMeta>, Problem> {
    let mut listed = shared.clients.large.list(Some(&shared.names.folder(folder)));
    let mut found = Vec::new();
    while let Some(meta) = listed.try_next().await.map_err(|error| shared.problem(&error))? {
        shared.health.answered();
        found.push(meta);
    }
    Ok(found)
}

async fn expired(shared: &Arc<Shared>, policy: Policy) -> Result<Expired, Problem> {
    let now = jiff::Timestamp::now().as_second();
    let is_old = |meta: &ObjectMeta, age: Duration| {
        let seconds = u64::try_from(now - meta.last_modified.timestamp()).unwrap_or(0);
        seconds >= age.as_secs()
    };
    let mut expired = Expired::default();
    // Contents before results: one that comes meanwhile is not in the list.
    let mut objects = Vec::new();
    for folder in [BLOBS, LISTINGS, PACKS] {
        objects.extend(list(shared, folder).await?.into_iter().map(|meta| (folder, meta)));
    }
    let results = list(shared, RESULTS).await?;
    (expired.results, expired.objects) = (results.len(), objects.len());
    expired.bytes = results.iter().chain(objects.iter().map(|(_, meta)| meta)).map(|meta| meta.size).sum();
    let (old, kept): (Vec<ObjectMeta>, Vec<ObjectMeta>) =
        results.into_iter().partition(|meta| is_old(meta, policy.unused));
    let mut named: HashSet<(&str, Digest)> = HashSet::new();
    let mut read = stream::iter(kept)
        .map(|meta| {
            let shared = Arc::clone(shared);
            async move { (shared.get(&meta.location).await, meta) }
        })
        .buffer_unordered(SMALL_AT_ONCE);
    let mut doomed = old;
    while let Some((got, meta)) = read.next().await {
        // One that cannot be read now may be needed: then nothing is known to be unnamed.
        let Some((bytes, _)) = got? else { continue };
        let Some(parcel) = Parcel::decode(&bytes) else {
            doomed.push(meta);
            continue;
        };
        named.extend(parcel.packs.iter().map(|pack| (PACKS, pack.name())));
        let folder = |object: &Object| if object.listing { LISTINGS } else { BLOBS };
        named.extend(parcel.alone.iter().map(|object| (folder(object), object.digest)));
    }
    expired.old = doomed.len();
    expired.names = doomed.iter().map(|meta| meta.location.clone()).collect();
    expired.freed_bytes = doomed.iter().map(|meta| meta.size).sum();
    for (folder, meta) in objects {
        // What has no digest for a name is somebody's.
        let Some(digest) = Names::digest(&meta.location) else { continue };
        if !named.contains(&(folder, digest)) && is_old(&meta, policy.grace) {
            expired.unnamed += 1;
            expired.freed_bytes += meta.size;
            expired.names.push(meta.location);
        }
    }
    Ok(expired)
}
