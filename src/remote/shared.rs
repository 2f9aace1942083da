//! What the tasks on the network's thread have in common, and what they do: get and put one thing each, and look at what comes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use object_store::path::Path as Name;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::sync::Semaphore;

use super::connect::Clients;
use super::health::Health;
use super::keys::vouches;
use super::names::Names;
use super::problem::{Kind, Problem};
use crate::address::{Address, Place, PublicKey};
use crate::hash::{ActionKey, Digest};
use crate::store::{Object, Pack, Parcel, Wanted, share_below};

/// So many small things are under way at once.
pub(super) const SMALL_AT_ONCE: usize = 32;
/// So many contents are.
pub(super) const CONTENTS_AT_ONCE: usize = 24;
/// So many large contents are sent at once.
const LARGE_AT_ONCE: usize = 3;
/// So many KiB are being sent at once. A request has to end within a minute: so lines of half a megabyte a second will do.
pub(super) const KIB_AT_ONCE: u32 = 24 << 10;
/// What is larger, in bytes, is sent in parts of so many.
pub(super) const PART: u64 = 8 << 20;

/// A result is not asked for again by each user in so many days: then it is put there again, so that its age says when it was last used.
const FRESH_DAYS: i64 = 30;

/// That a folder is not there, if it is so.
pub(super) fn missing_folder(address: &Address) -> Option<Problem> {
    let Place::Folder(path) = &address.place else { return None };
    let error = fs::metadata(path).err()?;
    Some(Problem {
        hint: Some("mount it where it is expected; `--offline` runs without it".to_owned()),
        ..Problem::silent(format!("cannot find the folder {}: {error}", path.display()))
    })
}

pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) clients: Clients,
    pub(super) names: Names,
    pub(super) health: Health,
    pub(super) accept: Vec<PublicKey>,
    /// Whether results may be sent.
    pub(super) writes: bool,
    /// Contents that were sent.
    pub(super) contents_sent: AtomicUsize,
    pub(super) small: Semaphore,
    pub(super) contents: Semaphore,
    pub(super) large: Semaphore,
    /// Parts of large contents that are being received.
    pub(super) flying: Semaphore,
    /// Contents that are there and not what they should be: they are sent again.
    bad: Mutex<HashSet<Name>>,
}

/// What came of asking for a result.
pub(super) enum Answer {
    /// It is there and good.
    Found(Box<Parcel>),
    /// It is not there, or not a result.
    None,
    /// It is there, and nobody whose results are accepted signed it.
    Unsigned,
}

/// What came of asking for a content.
pub(super) enum Content {
    /// Its bytes, which are right.
    Bytes(bytes::Bytes),
    /// A file that holds them.
    File(PathBuf),
    /// It is not there, or not what its name says.
    None,
}

/// Where the bytes of a content lie that is to be sent.
pub(super) struct Source {
    pub(super) wanted: Wanted,
    /// The file of each member of a pack, in order; of anything else, one.
    pub(super) files: Vec<PathBuf>,
}

impl Shared {
    pub(super) fn new(address: Address, clients: Clients, accept: Vec<PublicKey>, writes: bool) -> Self {
        Self {
            names: Names(address.prefix.clone()),
            address,
            clients,
            health: Health::new(),
            accept,
            writes,
            contents_sent: AtomicUsize::new(0),
            small: Semaphore::new(SMALL_AT_ONCE),
            contents: Semaphore::new(CONTENTS_AT_ONCE),
            large: Semaphore::new(LARGE_AT_ONCE),
            flying: Semaphore::new(KIB_AT_ONCE as usize),
            bad: Mutex::new(HashSet::new()),
        }
    }

    /// What an error means; the health of the remote hears of it.
    pub(super) fn problem(&self, error: &object_store::Error) -> Problem {
        let problem = Problem::of(error, &self.address);
        self.health.failed(&problem);
        problem
    }

    /// Whether a folder still has its mark. A file system that is no longer mounted leaves an empty folder behind, and what is written
    /// there is lost.
    pub(super) async fn is_in_place(&self) -> Result<(), Problem> {
        let Place::Folder(folder) = &self.address.place else { return Ok(()) };
        let mark = folder.join(self.names.mark().as_ref());
        // A file system that hangs must not keep this thread.
        let why = match tokio::task::spawn_blocking(move || fs::metadata(mark)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                "the folder is gone, or its mark `kiln/format`".to_owned()
            }
            Ok(Err(error)) => format!("cannot look at its mark `kiln/format`: {error}"),
            Err(error) => error.to_string(),
        };
        let problem = Problem {
            hint: Some("look whether it is mounted; `kiln push` sends what is left".to_owned()),
            ..Problem::silent(why)
        };
        self.health.turn_off(problem.clone());
        Err(problem)
    }

    /// Puts an object there with a client of either kind, whatever lies there. In a folder it is the group's that shares the folder.
    pub(super) async fn write(
        &self,
        store: &dyn ObjectStore,
        name: &Name,
        object: PutPayload,
    ) -> object_store::Result<()> {
        store.put(name, object).await?;
        self.share(name);
        Ok(())
    }

    /// Gives what was put into a folder that a group shares to that group, whatever the umask.
    pub(super) fn share(&self, name: &Name) {
        if let Place::Folder(folder) = &self.address.place {
            share_below(folder, &folder.join(name.as_ref()));
        }
    }

    fn is_bad(&self, name: &Name) -> bool {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn mark_bad(&self, name: &Name) {
        self.health.lied();
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    }

    /// A small object that somebody waits for; `None` if it is not there.
    pub(super) async fn get(&self, name: &Name) -> Result<Option<(bytes::Bytes, ObjectMeta)>, Problem> {
        self.get_with(&*self.clients.small, name).await
    }

    /// The same with a client of either kind.
    pub(super) async fn get_with(
        &self,
        store: &dyn ObjectStore,
        name: &Name,
    ) -> Result<Option<(bytes::Bytes, ObjectMeta)>, Problem> {
        match self.fetch(store, name).await {
            Ok(found) => Ok(Some(found)),
            Err(problem) if problem.kind == Kind::Missing => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// A small object; if it is not there, that is a problem.
    pub(super) async fn fetch(
        &self,
        store: &dyn ObjectStore,
        name: &Name,
    ) -> Result<(bytes::Bytes, ObjectMeta), Problem> {
        let got = async {
            let got = store.get(name).await?;
            let meta = got.meta.clone();
            Ok::<_, object_store::Error>((got.bytes().await?, meta))
        };
        match got.await {
            Ok(found) => {
                self.health.answered();
                self.health.received(found.0.len() as u64);
                Ok(found)
            }
            Err(error) => Err(self.problem(&error)),
        }
    }

    /// The result of an action.
    pub(super) async fn result(self: &Arc<Self>, key: ActionKey) -> Answer {
        let Ok(_permit) = self.small.acquire().await else { return Answer::None };
        let _busy = self.health.under_way();
        let name = self.names.result(&key);
        // What came wrong may have been spoilt on the way.
        for _ in 0..2 {
            if self.health.is_off() {
                return Answer::None;
            }
            let Ok(Some((bytes, meta))) = self.get(&name).await else { return Answer::None };
            let Some(parcel) = Parcel::decode(&bytes).filter(|parcel| parcel.key == key) else { continue };
            if !self.accept.is_empty() && !self.accept.iter().any(|accepted| vouches(accepted, &parcel, &bytes)) {
                return Answer::Unsigned;
            }
            if self.writes && age_in_days(&meta) > FRESH_DAYS {
                let (shared, name) = (Arc::clone(self), name.clone());
                tokio::spawn(async move { shared.write(&*shared.clients.small, &name, bytes.into()).await });
            }
            return Answer::Found(Box::new(parcel));
        }
        self.mark_bad(&name);
        Answer::None
    }

    /// A content. `file` is where a large one may be written.
    pub(super) async fn content(&self, wanted: Wanted, file: Option<PathBuf>) -> Content {
        let Ok(_permit) = self.contents.acquire().await else { return Content::None };
        let _busy = self.health.under_way();
        let name = self.names.wanted(&wanted);
        for _ in 0..2 {
            if self.health.is_off() {
                return Content::None;
            }
            let got = match &file {
                Some(path) => self.download(&name, &wanted, path).await,
                None => self.bytes(&name, &wanted).await,
            };
            match got {
                Ok(Some(content)) => return content,
                // Not what it should be.
                Ok(None) => {}
                Err(error) => {
                    if self.problem(&error).kind == Kind::Missing {
                        return Content::None;
                    }
                }
            }
        }
        if !self.health.is_off() {
            self.mark_bad(&name);
        }
        Content::None
    }

    async fn bytes(&self, name: &Name, wanted: &Wanted) -> object_store::Result<Option<Content>> {
        let got = self.clients.large.get(name).await?;
        let mut stream = got.into_stream();
        let mut bytes = Vec::with_capacity(usize::try_from(wanted.bytes().min(PART)).unwrap_or(0));
        while let Some(piece) = stream.try_next().await? {
            self.health.received(piece.len() as u64);
            bytes.extend_from_slice(&piece);
            // A listing's size is not always known; nothing else may be larger than it should.
            let listing = matches!(wanted, Wanted::Object(object) if object.listing);
            if !listing && bytes.len() as u64 > wanted.bytes() {
                return Ok(None);
            }
        }
        self.health.answered();
        Ok(is_right(wanted, &bytes).then(|| Content::Bytes(bytes.into())))
    }

    /// Fetches a large content, and writes and hashes it as it comes. Parts that were asked for side by side took more than twice as long.
    async fn download(&self, name: &Name, wanted: &Wanted, path: &Path) -> object_store::Result<Option<Content>> {
        let Wanted::Object(object) = wanted else { return Ok(None) };
        let got = self.clients.large.get(name).await?;
        if got.meta.size != object.bytes {
            return Ok(None);
        }
        let mut stream = got.into_stream();
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(local)?;
        let mut hasher = blake3::Hasher::new();
        while let Some(piece) = stream.try_next().await? {
            self.health.received(piece.len() as u64);
            hasher.update(&piece);
            file.write_all(&piece).map_err(local)?;
        }
        self.health.answered();
        let right = Digest(hasher.finalize().into()) == object.digest;
        Ok(right.then(|| Content::File(path.to_owned())))
    }

    /// Whether something is there, with the size that it should have, and is not known to be bad. A client of either kind asks.
    pub(super) async fn is_there(&self, store: &dyn ObjectStore, wanted: &Wanted) -> Result<bool, Problem> {
        let name = self.names.wanted(wanted);
        if self.is_bad(&name) {
            return Ok(false);
        }
        match store.head(&name).await {
            Ok(meta) => {
                self.health.answered();
                Ok(meta.size == wanted.bytes())
            }
            Err(error) => {
                let problem = self.problem(&error);
                if problem.kind == Kind::Missing { Ok(false) } else { Err(problem) }
            }
        }
    }
}

/// Something that went wrong here and not there.
fn local(source: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "cache", source: Box::new(source) }
}

/// Whether bytes are what is wanted.
pub(super) fn is_right(wanted: &Wanted, bytes: &[u8]) -> bool {
    match wanted {
        Wanted::Object(object) => object.is(bytes),
        Wanted::Pack(pack) => members(pack, bytes).is_some_and(|mut all| all.all(|(member, bytes)| member.is(bytes))),
    }
}

/// The members of a pack and their bytes; `None` if it has another length.
pub(super) fn members<'a>(
    pack: &'a Pack,
    bytes: &'a [u8],
) -> Option<impl Iterator<Item = (&'a Object, &'a [u8])> + use<'a>> {
    if pack.bytes() != bytes.len() as u64 {
        return None;
    }
    let mut rest = bytes;
    Some(pack.members.iter().map(move |member| {
        let (front, back) = rest.split_at(usize::try_from(member.bytes).unwrap_or(rest.len()).min(rest.len()));
        rest = back;
        (member, front)
    }))
}

fn age_in_days(meta: &ObjectMeta) -> i64 {
    let now = jiff::Timestamp::now().as_second();
    (now - meta.last_modified.timestamp()) / (24 * 3600)
}
