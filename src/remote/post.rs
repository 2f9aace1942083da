//! Messages and contents that a run and its jobs elsewhere leave each other on an object store, where they share no file system.
//!
//! Messages are objects in `jobs/`, in a folder for each attempt; contents are where those of results are, under their digests. Nothing is
//! kept of the remote's health here: who has to have something asks again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::connect::{self, Clients};
use super::names::Names;
use super::network::Network;
use super::problem::{Kind, Problem};
use super::shared::{CONTENTS_AT_ONCE, Content, SMALL_AT_ONCE, Shared, Source};
use super::{Mistake, Remote};
use crate::address::{Address, Place};
use crate::store::{Object, Wanted};

/// An object store, for those who leave each other messages.
pub(crate) struct Post {
    address: Address,
    clients: Clients,
    names: Names,
    network: Network,
}

/// Why something could not be left or taken, in words.
pub(crate) type Trouble = String;

impl Post {
    /// At an address.
    ///
    /// # Errors
    /// What is wrong with it, or with the settings of this machine.
    pub(crate) fn open(address: &Address) -> Result<Self, Mistake> {
        let network = Network::start().map_err(|error| {
            Mistake::new(format!("cannot start a thread for the network: {error}"), "free some memory")
        })?;
        let (clients, names) = (connect::clients(address)?, Names(address.prefix.clone()));
        Ok(Self { address: address.clone(), clients, names, network })
    }

    /// A message; `None` if there is none.
    ///
    /// # Errors
    /// If that cannot be told now.
    pub(crate) fn get(&self, folder: &str, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let (name, shared) = (self.names.message(folder, name), self.shared());
        self.ask(async move {
            let got = async { shared.clients.large.get(&name).await?.bytes().await };
            match got.await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) => match Problem::of(&error, &shared.address) {
                    problem if problem.kind == Kind::Missing => Ok(None),
                    problem => Err(problem.text),
                },
            }
        })
    }

    /// Leaves a message, over whatever is there.
    ///
    /// # Errors
    /// If it may not have been left.
    pub(crate) fn put(&self, folder: &str, name: &str, message: Vec<u8>) -> Result<(), Trouble> {
        let (name, shared) = (self.names.message(folder, name), self.shared());
        self.ask(async move {
            let put = shared.write(&*shared.clients.large, &name, message.into()).await;
            put.map_err(|error| Problem::of(&error, &shared.address).text)
        })
    }

    /// Leaves a message that no other equals, if there is none of its name. `false` if there was one. Where a server cannot put on a
    /// condition, both of two who try at the same moment may be told so.
    ///
    /// # Errors
    /// If that cannot be told now.
    pub(crate) fn create(&self, folder: &str, name: &str, message: Vec<u8>) -> Result<bool, Trouble> {
        if self.get(folder, name)?.is_some_and(|there| there != message) {
            return Ok(false);
        }
        let (path, shared, bytes) = (self.names.message(folder, name), self.shared(), message.clone());
        self.ask(async move {
            let large = &shared.clients.large;
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match large.put_opts(&path, PutPayload::from(bytes.clone()), options).await {
                // A put of one's own that was answered late is denied when it is tried again.
                Ok(_) => {
                    shared.share(&path);
                    Ok(())
                }
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(()),
                Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                    let put = shared.write(&**large, &path, bytes.into()).await;
                    put.map_err(|error| Problem::of(&error, &shared.address).text)
                }
                Err(error) => Err(Problem::of(&error, &shared.address).text),
            }
        })?;
        Ok(self.get(folder, name)?.is_some_and(|there| there == message))
    }

    /// Removes all messages of a folder.
    ///
    /// # Errors
    /// If some may still be there.
    pub(crate) fn clear(&self, folder: &str) -> Result<(), Trouble> {
        let (name, shared) = (self.names.messages(folder), self.shared());
        let cleared = self.ask(async move {
            let folder = name;
            let trouble = |error: object_store::Error| Problem::of(&error, &shared.address);
            let listed: Result<Vec<_>, _> = shared.clients.small.list(Some(&folder)).try_collect().await;
            let listed = match listed.map_err(trouble) {
                Ok(listed) => listed,
                Err(problem) if problem.kind == Kind::Missing => vec![],
                Err(problem) => return Err(problem.text),
            };
            let delete = |meta: object_store::ObjectMeta| {
                let small = &shared.clients.small;
                async move { small.delete(&meta.location).await.map_err(trouble) }
            };
            let ended: Vec<_> = stream::iter(listed).map(delete).buffer_unordered(SMALL_AT_ONCE).collect().await;
            let failed = ended.into_iter().filter_map(Result::err).find(|problem| problem.kind != Kind::Missing);
            failed.map_or(Ok(()), |problem| Err(problem.text))
        });
        if let Place::Folder(root) = &self.address.place {
            let _ = std::fs::remove_dir(root.join(self.names.messages(folder).as_ref()));
        }
        cleared
    }

    /// Sends contents of files that are not there yet.
    ///
    /// # Errors
    /// If not all are there.
    pub(crate) fn send(&self, contents: Vec<(Object, PathBuf)>) -> Result<(), Trouble> {
        if contents.is_empty() {
            return Ok(());
        }
        let shared = self.shared();
        self.ask(async move {
            stream::iter(contents.into_iter().map(Ok))
                .try_for_each_concurrent(4, |(object, file)| {
                    shared.send_content(Source { wanted: Wanted::Object(object), files: vec![file] })
                })
                .await
                .map_err(|problem| problem.text)
        })
    }

    /// Fetches contents into files, whose folders are there.
    ///
    /// # Errors
    /// If not all could be had.
    pub(crate) fn bring(&self, contents: Vec<(Object, PathBuf)>) -> Result<(), Trouble> {
        if contents.is_empty() {
            return Ok(());
        }
        let shared = self.shared();
        self.ask(async move {
            let fetch = |(object, file): (Object, PathBuf)| {
                let shared = &shared;
                async move {
                    let content = shared.content(Wanted::Object(object), Some(file.clone())).await;
                    if matches!(content, Content::File(_)) { None } else { Some(file) }
                }
            };
            let mut all = stream::iter(contents).map(fetch).buffer_unordered(CONTENTS_AT_ONCE);
            while let Some(failed) = all.next().await {
                if let Some(file) = failed {
                    let why = shared.health.why().map_or_else(|| "it is not there".to_owned(), |problem| problem.text);
                    return Err(format!("cannot fetch the content of {}: {why}", shown(&file)));
                }
            }
            Ok(())
        })
    }

    /// What asks; it knows of no trouble that was before.
    fn shared(&self) -> Arc<Shared> {
        Arc::new(Shared::new(self.address.clone(), self.clients.clone(), vec![], true))
    }

    /// Waits for what the network's thread does. Every request ends by itself: the clients have their limits.
    fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (sender, receiver) = mpsc::channel();
        self.network.handle.spawn(async move { drop(sender.send(work.await)) });
        receiver.recv().unwrap_or_else(|_| Err("the network's thread is gone".to_owned()))
    }
}

fn shown(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Remote {
    /// The post at this cache, where results can be sent to.
    ///
    /// # Errors
    /// If there is no cache, or nothing may be sent to it.
    pub(crate) fn messages(&self) -> Result<Post, Mistake> {
        self.check()?;
        if !self.settings.access.writes() {
            return Err(Mistake::new(
                format!("the remote cache {} is only read from", self.address()),
                "jobs leave their outputs there: give it `access: both`",
            ));
        }
        Post::open(self.address())
    }
}
