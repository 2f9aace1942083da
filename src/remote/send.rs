//! Sending: a result and its contents, those first.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as Name;
use object_store::{MultipartUpload, ObjectStoreExt as _};

use super::problem::{Kind, Problem};
use super::shared::{KIB_AT_ONCE, PART, Shared, Source, is_right};
use crate::hash::{ActionKey, Digest};
use crate::store::{Object, Wanted};

/// So many parts of a large content are sent at once.
const PARTS_AT_ONCE: usize = 3;

impl Shared {
    /// Sends a result: its contents first. One that was only adopted does not take the place of another.
    pub(super) async fn send(
        &self,
        key: ActionKey,
        parcel: Vec<u8>,
        sources: Vec<Source>,
        is_adopted: bool,
    ) -> Result<(), Problem> {
        if is_adopted && self.get(&self.names.result(&key)).await?.is_some() {
            return Ok(());
        }
        stream::iter(sources.into_iter().map(Ok))
            .try_for_each_concurrent(4, |source| self.send_content(source))
            .await?;
        let _permit = self.small.acquire().await;
        let _busy = self.health.under_way();
        let length = parcel.len() as u64;
        self.put(&self.names.result(&key), parcel.into()).await?;
        self.health.sent(length);
        // Else it may have been written into nothing, and would pass for sent.
        self.is_in_place().await
    }

    pub(super) async fn put(&self, name: &Name, bytes: bytes::Bytes) -> Result<(), Problem> {
        if self.health.is_off() {
            return Err(self.health.why().unwrap_or_else(|| Problem::silent("it is left alone")));
        }
        self.is_in_place().await?;
        // Written over whatever is there: that is right however often it happens, with every server.
        let put = self.write(&*self.clients.large, name, bytes.into()).await;
        put.map_err(|error| self.problem(&error))?;
        self.health.answered();
        Ok(())
    }

    /// Sends a content that is not there yet.
    pub(super) async fn send_content(&self, source: Source) -> Result<(), Problem> {
        let Source { wanted, files } = source;
        let _permit = self.contents.acquire().await;
        let _busy = self.health.under_way();
        // Nobody waits: the client that has more patience asks.
        if self.is_there(&*self.clients.large, &wanted).await? {
            return Ok(());
        }
        let name = self.names.wanted(&wanted);
        if wanted.bytes() > PART
            && let (Wanted::Object(object), [file]) = (&wanted, files.as_slice())
        {
            self.send_parts(&name, object, file).await?;
            self.contents_sent.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let _flying = self.flying.acquire_many(kib(wanted.bytes())).await;
        let mut bytes = Vec::with_capacity(usize::try_from(wanted.bytes()).unwrap_or(0));
        for file in &files {
            File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|_| damaged())?;
        }
        if !is_right(&wanted, &bytes) {
            return Err(damaged());
        }
        let length = bytes.len() as u64;
        self.put(&name, bytes.into()).await?;
        self.health.sent(length);
        self.contents_sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn send_parts(&self, name: &Name, object: &Object, path: &Path) -> Result<(), Problem> {
        let _permit = self.large.acquire().await;
        self.is_in_place().await?;
        let mut upload = self.clients.large.put_multipart(name).await.map_err(|error| self.problem(&error))?;
        // Others may put something beside it while this takes its time.
        self.share(name);
        let sent = self.parts(upload.as_mut(), object, path).await;
        let ended = match sent {
            Ok(()) => upload.complete().await.map(drop).map_err(|error| self.problem(&error)),
            Err(problem) => Err(problem),
        };
        let Err(problem) = ended else {
            self.share(name);
            return Ok(());
        };
        let _ = upload.abort().await;
        // Somebody else may have sent the same meanwhile, and with some servers that ends this one.
        match self.clients.small.head(name).await {
            Ok(meta) if meta.size == object.bytes && problem.kind != Kind::Missing => Ok(()),
            _ => Err(problem),
        }
    }

    async fn parts(&self, upload: &mut dyn MultipartUpload, object: &Object, path: &Path) -> Result<(), Problem> {
        let mut file = File::open(path).map_err(|_| damaged())?;
        let mut hasher = blake3::Hasher::new();
        let mut flying = stream::FuturesUnordered::new();
        let mut left = object.bytes;
        while left > 0 || !flying.is_empty() {
            if left > 0 && flying.len() < PARTS_AT_ONCE {
                if self.health.is_off() {
                    return Err(self.health.why().unwrap_or_else(|| Problem::silent("it is left alone")));
                }
                let length = left.min(PART);
                let mut part = vec![0; usize::try_from(length).unwrap_or(0)];
                file.read_exact(&mut part).map_err(|_| damaged())?;
                hasher.update(&part);
                left -= length;
                let sent = upload.put_part(part.into());
                flying.push(async move {
                    let _flying = self.flying.acquire_many(kib(length)).await;
                    sent.await.map(|()| length)
                });
            } else if let Some(sent) = flying.next().await {
                let length = sent.map_err(|error| self.problem(&error))?;
                self.health.answered();
                self.health.sent(length);
            }
        }
        if Digest(hasher.finalize().into()) == object.digest { Ok(()) } else { Err(damaged()) }
    }
}

/// What is said of a content that cannot be sent.
fn damaged() -> Problem {
    let what = "a content of the local cache is damaged or gone; `kiln verify` says which";
    Problem { kind: Kind::Missing, ..Problem::silent(what) }
}

/// So many bytes in KiB, which is never more than may be sent at once.
fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(KIB_AT_ONCE)
}
