//! The folder of an attempt that is made elsewhere: what is where in it, who may work in it, and what a job says at its end.
//!
//! It lies in `jobs/` of the store and outlives Kiln. The stage sees `stage/` alone. A job *claims* the folder by making a folder in it,
//! which only one can. Whoever gives an attempt up claims it himself, and so no job can begin any more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::gauge::Beyond;
use crate::engine::executor::{End, Ports, Reach, Work};
use crate::hash::Digest;
use crate::store;

/// What a job is to do.
#[derive(Serialize, Deserialize)]
pub(super) struct Assignment {
    /// The version of Kiln that wrote it.
    pub(super) version: String,
    /// The attempt, which its record has to name.
    pub(super) nonce: String,
    /// The work: attempts at the same work have the same.
    pub(super) identity: Option<String>,
    /// The stage.
    pub(super) stage: String,
    /// The root of the project, and that of the store.
    pub(super) project: PathBuf,
    pub(super) store: PathBuf,
    /// The folder of the stage, as paths in the work name it.
    pub(super) home: PathBuf,
    pub(super) work: Work,
    pub(super) reach: Reach,
    pub(super) gpus: usize,
    pub(super) takes_any_gpu: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) ports: Ports,
}

/// What a job says at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobRecord {
    /// The attempt.
    pub(super) nonce: String,
    /// The machine.
    pub(super) host: String,
    /// How the stage ended; `None` if it could not be run.
    pub(super) end: Option<End>,
    /// Why it could not be run.
    pub(super) why: Option<String>,
    /// Whether memory ran out.
    pub(super) out_of_memory: bool,
    /// Whether the job was told to leave.
    pub(super) told_to_leave: bool,
    /// What the user should know of the machine.
    pub(super) remarks: Vec<String>,
    /// Output -> its digest.
    pub(super) digests: BTreeMap<PathBuf, Digest>,
}

/// What a job says when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beginning {
    /// The machine.
    pub(super) host: String,
    /// When, in milliseconds since 1970 by its clock.
    pub(super) at: u64,
}

/// Where an attempt was submitted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Submitted {
    /// The batch of jobs.
    pub(super) batch: String,
    /// Which of them.
    pub(super) index: usize,
    /// When, in milliseconds since 1970.
    pub(super) at: u64,
}

/// The folder of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AttemptFolder(PathBuf);

/// How many hexadecimal digits a nonce has.
const NONCE: usize = 16;

impl AttemptFolder {
    /// A new one in a folder. The hint shows in its name.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn make(jobs: &Path, hint: &str) -> io::Result<Self> {
        let hint: String = hint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
        let folder = Self(jobs.join(format!("{hint}-{}", nonce())));
        fs::create_dir(&folder.0)?;
        fs::create_dir(folder.stage())?;
        Ok(folder)
    }

    /// One that is there.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Those in a folder.
    pub(super) fn all(jobs: &Path) -> Vec<Self> {
        let entries = fs::read_dir(jobs).into_iter().flatten().flatten();
        entries.map(|entry| Self(entry.path())).filter(Self::is_one).collect()
    }

    fn is_one(&self) -> bool {
        let nonce = self.nonce();
        nonce.len() == NONCE && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) && self.stage().is_dir()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.0.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// What tells it from all others.
    pub(super) fn nonce(&self) -> &str {
        self.name().rsplit_once('-').map_or("", |(_, nonce)| nonce)
    }

    /// The folder of the stage.
    pub(super) fn stage(&self) -> PathBuf {
        self.0.join("stage")
    }

    /// What the stage says.
    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What the stage announces, a JSON object a line.
    pub(super) fn events(&self) -> PathBuf {
        self.0.join("events")
    }

    /// Claims it; `false` if somebody else has.
    ///
    /// # Errors
    /// If that cannot be told.
    pub(super) fn claim(&self) -> io::Result<bool> {
        match fs::create_dir(self.0.join(CLAIM)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody has claimed it.
    pub(super) fn is_claimed(&self) -> bool {
        self.0.join(CLAIM).is_dir()
    }

    /// Tells whoever works in it to leave.
    pub(super) fn call_off(&self) {
        let _ = File::create(self.0.join(CALLED_OFF));
    }

    /// Whether whoever works in it is to leave: he was told to, or the folder is gone.
    pub(super) fn is_called_off(&self) -> bool {
        self.0.join(CALLED_OFF).exists() || !self.is_claimed()
    }

    pub(super) fn assignment(&self) -> io::Result<Assignment> {
        read(&self.0.join(ASSIGNMENT))?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes what is to be done. It holds variables, which may be secret.
    pub(super) fn assign(&self, assignment: &Assignment) -> io::Result<()> {
        write(&self.0.join(ASSIGNMENT), assignment)
    }

    pub(super) fn beginning(&self) -> Option<Beginning> {
        read(&self.0.join(BEGINNING)).ok().flatten()
    }

    pub(super) fn begin(&self, beginning: &Beginning) -> io::Result<()> {
        write(&self.0.join(BEGINNING), beginning)
    }

    /// What the job said at its end; `None` if it has not, or if that is not of this attempt.
    pub(super) fn record(&self) -> Option<JobRecord> {
        let record: Option<JobRecord> = read(&self.0.join(RECORD)).ok().flatten();
        record.filter(|record| record.nonce == self.nonce())
    }

    pub(super) fn end(&self, record: &JobRecord) -> io::Result<()> {
        write(&self.0.join(RECORD), record)
    }

    /// That the job takes more memory than it has, as it last said.
    pub(super) fn beyond(&self) -> Option<Beyond> {
        read(&self.0.join(BEYOND)).ok().flatten()
    }

    /// Notes whether the job takes more memory than it has.
    pub(super) fn note_beyond(&self, beyond: Option<Beyond>) -> io::Result<()> {
        match beyond {
            Some(beyond) => write(&self.0.join(BEYOND), &beyond),
            None => store::remove_all(&self.0.join(BEYOND)),
        }
    }

    pub(super) fn submitted(&self) -> Option<Submitted> {
        read(&self.0.join(SUBMITTED)).ok().flatten()
    }

    pub(super) fn submit(&self, submitted: &Submitted) -> io::Result<()> {
        write(&self.0.join(SUBMITTED), submitted)
    }

    /// Removes it with all that is in it. The claim goes last: who comes late finds the folder claimed, or gone.
    pub(super) fn remove(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name() != CLAIM {
                let _ = store::remove_all(&entry.path());
            }
        }
        if let Err(error) = store::remove_all(&self.0) {
            tracing::debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}

const CLAIM: &str = "claim";
const CALLED_OFF: &str = "called-off";
const ASSIGNMENT: &str = "assignment.json";
const BEGINNING: &str = "beginning.json";
const RECORD: &str = "record.json";
const SUBMITTED: &str = "submitted.json";
const BEYOND: &str = "beyond-memory.json";

/// Letters that nobody else comes upon.
pub(super) fn nonce() -> String {
    let number = getrandom::u64().unwrap_or_else(|_| now().rotate_left(20) ^ u64::from(std::process::id()));
    format!("{number:0NONCE$x}")
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a file whole or not at all, and waits until it lasts.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_data()?;
    fs::rename(&unfinished, path)
}

/// Reads what [`write`] wrote; `None` if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
