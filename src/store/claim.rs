//! The claim to a project: what is put in place there belongs to one process at a time, from its first look to its last file.
//!
//! The lock is the kernel's and ends with its process, however that ends. It is held on a file of the store, for processes on other
//! machines too, and on a name of this machine, for those that use another store.

use std::fs::{self, File};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::files::CLAIMS;
use super::lock::{is_still, lock};
use super::{Result, Store, StoreError, names};

/// The most that is read of what a claim says.
const LONGEST: u64 = 4096;

/// The right to put things in place in a project, until dropped.
#[derive(Debug)]
pub struct Claim {
    _name: Option<UnixListener>,
    _file: File,
}

/// Who has the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// This process.
    Process {
        /// Its number on its machine.
        id: u32,
        /// The machine.
        host: String,
        /// What it was started as.
        command: String,
    },
    /// Somebody on this machine who uses another store.
    Elsewhere,
    /// Somebody who has not yet said who he is.
    Unknown,
}

impl std::fmt::Display for Claimant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process { id, host, command } => write!(f, "process {id} on {host}, `{command}`"),
            Self::Elsewhere => f.write_str("it uses another cache"),
            Self::Unknown => f.write_str("it does not say which"),
        }
    }
}

impl Store {
    /// Takes the claim to a project, given by its root, unless another process has it; then tells which.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn try_claim(&self, root: &Path) -> Result<std::result::Result<Claim, Claimant>> {
        let name = match listen(root) {
            Ok(name) => Some(name),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                return Ok(Err(said(&self.claim_path(root)?).unwrap_or(Claimant::Elsewhere)));
            }
            // Not every system lets one have such a name.
            Err(error) => {
                tracing::debug!("no name for {}: {error}", root.display());
                None
            }
        };
        let path = self.claim_path(root)?;
        loop {
            let file = self.open_lock(&path)?;
            match lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_still(&file, &path) => {
                    say(&file).map_err(StoreError::io("write", &path))?;
                    return Ok(Ok(Claim { _name: name, _file: file }));
                }
                // Somebody deleted the file meanwhile.
                Ok(()) => {}
                Err(e) if io::Error::from(e).kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Err(read(&file).unwrap_or(Claimant::Unknown)));
                }
                Err(e) => return Err(StoreError::errno("lock", &path)(e)),
            }
        }
    }

    /// Removes the files of claims that nobody has.
    pub(super) fn sweep_claims(&self) {
        for entry in fs::read_dir(self.root().join(CLAIMS)).into_iter().flatten().flatten() {
            let path = entry.path();
            if names::is_claim(names::of(&path))
                && let Ok(file) = File::open(&path)
                && lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                && is_still(&file, &path)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn claim_path(&self, root: &Path) -> Result<PathBuf> {
        let digest = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        Ok(self.folder(CLAIMS)?.join(&digest[..names::CLAIM]))
    }
}

/// The name that only one process of this machine can have.
fn listen(root: &Path) -> io::Result<UnixListener> {
    let metadata = fs::metadata(root)?;
    let name = format!("kiln project {:x} {:x}", metadata.dev(), metadata.ino());
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

/// Writes who has the claim: the process, the machine, the command, a line each.
fn say(file: &File) -> io::Result<()> {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let command: Vec<String> = std::iter::once("kiln".to_owned()).chain(words).collect();
    let command = command.join(" ").replace(char::is_control, " ");
    let text = format!("{}\n{}\n{command}\n", std::process::id(), host());
    // Over what was there, of which whoever reads takes no more than three lines: some file systems take long to empty a file.
    file.write_all_at(text.as_bytes(), 0)?;
    if file.metadata()?.len() == text.len() as u64 { Ok(()) } else { file.set_len(text.len() as u64) }
}

/// Who has the claim that a file stands for, if somebody has.
fn said(path: &Path) -> Option<Claimant> {
    let file = File::open(path).ok()?;
    match lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => None,
        Err(_) => Some(read(&file).unwrap_or(Claimant::Unknown)),
    }
}

fn read(file: &File) -> Option<Claimant> {
    let mut text = String::new();
    let mut from = io::Read::take(file, LONGEST);
    io::Read::read_to_string(&mut from, &mut text).ok()?;
    let mut lines = text.lines();
    let id = lines.next()?.parse().ok()?;
    Some(Claimant::Process { id, host: lines.next()?.to_owned(), command: lines.next()?.to_owned() })
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Claimant {
    /// Whether it is known who that is.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Process { .. })
    }

    /// Whether this process was started by it, at however many removes: waiting for it would never end.
    pub fn is_above(&self) -> bool {
        let Self::Process { id, host, .. } = self else { return false };
        let mut above = std::iter::successors(parent(std::process::id()), |pid| parent(*pid));
        *host == self::host() && above.any(|pid| pid == *id)
    }
}

/// The process that another was started by.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, a bracket too.
    let parent = text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    (parent > 0).then_some(parent)
}
