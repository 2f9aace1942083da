//! What is to be kept, and what nobody needs: the words of a collection.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::hash::{ActionKey, Digest};
use crate::record::RunId;

/// What is to be kept, beside what lies in place.
#[derive(Clone, Debug)]
pub struct Keep {
    /// So many of the last runs of each project; one that reaches nothing that a newer one does not is not counted.
    pub last: usize,
    /// These runs.
    pub runs: Vec<RunId>,
    /// For these projects nothing is kept but what others need.
    pub forget: Vec<PathBuf>,
    /// Results that no run record names are kept so long: those of killed runs, and what stages publish on their way.
    pub unrecorded: Duration,
    /// Whether the records of runs that are not kept are to go as well.
    pub drop_records: bool,
}

/// How many, and how large together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What is kept for one project.
#[derive(Clone, Debug, Serialize)]
pub struct KeptFor {
    /// Its root.
    pub project: PathBuf,
    /// Whether there is such a folder on this machine.
    pub here: bool,
    /// The runs that are kept, newest first.
    pub runs: Vec<RunId>,
    /// How many runs are recorded.
    pub recorded: usize,
    /// How many stages have outputs in place in it.
    pub in_place: usize,
    /// Blobs and trees that are kept for it; others may need them too.
    pub artifacts: Amount,
}

/// What nobody needs.
#[derive(Debug, Default)]
pub struct Garbage {
    /// What is kept, for whom.
    pub kept: Vec<KeptFor>,
    /// Results kept because no run record names them and they are young.
    pub unrecorded: usize,
    pub(super) results: HashSet<ActionKey>,
    pub(super) dead_bytes: u64,
    pub(super) blobs: Vec<(Digest, u64)>,
    pub(super) trees: Vec<(Digest, u64)>,
    pub(super) logs: Vec<(PathBuf, u64)>,
    /// Damaged files that were put aside, and files that nobody finished writing.
    pub(super) quarantine: Vec<(PathBuf, u64)>,
    pub(super) records: Vec<(PathBuf, u64)>,
    /// Folders with what stages left that ended well and gave no result.
    pub(super) salvaged: Vec<(PathBuf, u64)>,
}

impl Garbage {
    /// The kinds of things to be deleted, and how much of each.
    pub fn amounts(&self) -> BTreeMap<&'static str, Amount> {
        let files = |files: &[(PathBuf, u64)]| amount(files.iter().map(|(_, bytes)| *bytes));
        let objects = |objects: &[(Digest, u64)]| amount(objects.iter().map(|(_, bytes)| *bytes));
        BTreeMap::from([
            ("results", Amount { count: self.results.len(), bytes: self.dead_bytes }),
            ("blobs", objects(&self.blobs)),
            ("trees", objects(&self.trees)),
            ("logs", files(&self.logs)),
            ("files put aside or unfinished", files(&self.quarantine)),
            ("run records", files(&self.records)),
            ("salvaged folders", files(&self.salvaged)),
        ])
    }

    /// How many bytes are to be deleted.
    pub fn bytes(&self) -> u64 {
        self.amounts().values().map(|amount| amount.bytes).sum()
    }
}

/// How many there are of these sizes, and how large they are together.
pub(super) fn amount(sizes: impl Iterator<Item = u64>) -> Amount {
    sizes.fold(Amount::default(), |sum, bytes| Amount { count: sum.count + 1, bytes: sum.bytes + bytes })
}
