//! The names of objects in a remote cache: lower-case letters, digits and slashes, of a fixed depth, none of which is a folder of another.

use object_store::path::Path;

use crate::hash::{ActionKey, Digest};
use crate::store::{Object, Wanted};

/// The front of all names.
#[derive(Clone, Debug)]
pub(super) struct Names(pub(super) String);

/// The folders of results, blobs, listings and packs.
pub(super) const RESULTS: &str = "ac";
pub(super) const BLOBS: &str = "cas";
pub(super) const LISTINGS: &str = "trees";
pub(super) const PACKS: &str = "packs";
/// The folders of records of runs, and of which run a tag or a commit stands for.
pub(super) const RUNS: &str = "runs";
pub(super) const TAGS: &str = "tags";
pub(super) const COMMITS: &str = "commits";
/// The folder of messages between runs and their jobs.
pub(super) const JOBS: &str = "jobs";

impl Names {
    /// The mark of a remote cache.
    pub(super) fn mark(&self) -> Path {
        self.of("kiln/format")
    }

    /// What `kiln remote check` writes, reads and deletes.
    pub(super) fn trial(&self, number: u64) -> Path {
        self.of(&format!("kiln/trial-{number:016x}"))
    }

    pub(super) fn result(&self, key: &ActionKey) -> Path {
        self.sharded(RESULTS, &key.to_string())
    }

    pub(super) fn wanted(&self, wanted: &Wanted) -> Path {
        match wanted {
            Wanted::Object(object) => self.object(object),
            Wanted::Pack(pack) => self.sharded(PACKS, &pack.name().to_string()),
        }
    }

    pub(super) fn object(&self, object: &Object) -> Path {
        self.sharded(if object.listing { LISTINGS } else { BLOBS }, &object.digest.to_string())
    }

    /// The record of a run, by the digest of its bytes.
    pub(super) fn run_record(&self, digest: &Digest) -> Path {
        self.sharded(RUNS, &digest.to_string())
    }

    /// Where it is said which run a tag or a commit stands for, by the digest of that name.
    pub(super) fn run_name(&self, folder: &str, name: &Digest) -> Path {
        self.sharded(folder, &name.to_string())
    }

    /// A message of an attempt.
    pub(super) fn message(&self, folder: &str, name: &str) -> Path {
        self.of(&format!("{JOBS}/{folder}/{name}"))
    }

    /// All messages of an attempt.
    pub(super) fn messages(&self, folder: &str) -> Path {
        self.of(&format!("{JOBS}/{folder}"))
    }

    /// Everything of a kind.
    pub(super) fn folder(&self, folder: &str) -> Path {
        self.of(folder)
    }

    /// The digest in the name of an object of a folder.
    pub(super) fn digest(path: &Path) -> Option<Digest> {
        let mut parts = path.as_ref().rsplit('/');
        let (rest, shard) = (parts.next()?, parts.next()?);
        format!("{shard}{rest}").parse().ok()
    }

    fn sharded(&self, folder: &str, name: &str) -> Path {
        let (shard, rest) = name.split_at(2);
        self.of(&format!("{folder}/{shard}/{rest}"))
    }

    fn of(&self, name: &str) -> Path {
        Path::from(if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }
}
