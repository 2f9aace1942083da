//! Single objects of a bucket that is no cache of Kiln's: for those who move in from another tool.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use futures_util::{StreamExt as _, stream};
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::connect::{self, BucketSettings, chain};
use super::network::Network;
use crate::address::{Address, Mistake, Place};

/// So many objects are fetched at once.
const AT_ONCE: usize = 16;

/// A bucket, or a folder in one.
pub struct Objects {
    network: Network,
    large: Arc<dyn ObjectStore>,
    prefix: String,
}

/// An object to be fetched.
pub struct Wanted {
    /// The names that it may have, the likeliest first.
    pub names: Vec<String>,
    /// The file that it becomes.
    pub to: PathBuf,
}

impl Objects {
    /// Makes clients for a bucket; asks nothing yet.
    ///
    /// # Errors
    /// What is wrong with the address or with the settings of this machine.
    pub fn open(url: &str, given: &BucketSettings) -> Result<Self, Mistake> {
        let address = Address::parse(url)?;
        let clients = match &address.place {
            Place::S3(bucket) => connect::s3_clients(&address, bucket, given)?,
            _ => connect::clients(&address)?,
        };
        let network = Network::start().map_err(|error| {
            Mistake::new(format!("cannot start a thread for the network: {error}"), "close other programs")
        })?;
        Ok(Self { network, large: clients.large, prefix: address.prefix })
    }

    /// Fetches objects, several at once; of each whether it was there.
    pub fn fetch(&self, wanted: Vec<Wanted>) -> Vec<Result<bool, String>> {
        let count = wanted.len();
        let (sender, receiver) = mpsc::channel();
        let (large, prefix) = (Arc::clone(&self.large), self.prefix.clone());
        self.network.handle.spawn(async move {
            let work = |(i, wanted): (usize, Wanted)| {
                let (large, prefix) = (Arc::clone(&large), prefix.clone());
                async move { (i, one(&*large, &prefix, &wanted).await) }
            };
            let mut done = stream::iter(wanted.into_iter().enumerate()).map(work).buffer_unordered(AT_ONCE);
            while let Some(found) = done.next().await {
                if sender.send(found).is_err() {
                    return;
                }
            }
        });
        let mut all: Vec<Result<bool, String>> = vec![Err("it never came".to_owned()); count];
        // Every request ends by itself: the clients have their limits.
        while let Ok((i, found)) = receiver.recv() {
            all[i] = found;
        }
        all
    }
}

async fn one(store: &dyn ObjectStore, prefix: &str, wanted: &Wanted) -> Result<bool, String> {
    for name in &wanted.names {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        match store.get(&object_store::path::Path::from(key)).await {
            Ok(found) => {
                let mut parts = found.into_stream();
                let told = |error: std::io::Error| format!("cannot write {}: {error}", wanted.to.display());
                let mut file = made(&wanted.to).map_err(told)?;
                while let Some(part) = parts.next().await {
                    file.write_all(&part.map_err(|error| chain(&error))?).map_err(told)?;
                }
                return Ok(true);
            }
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(chain(&error)),
        }
    }
    Ok(false)
}

fn made(path: &Path) -> std::io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create(path)
}
