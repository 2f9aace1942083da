//! What lies around the hidden folders: everything a stage may read though no rule can say "all but".

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::engine::executor::toolchain::is_toolchain;

/// Where devices are. The disk's own would show everything, so they are hidden but for those that stages need.
const DEVICES: &str = "/dev";

/// What may be read even of a project that is the root of the file system.
const SYSTEM: [&str; 11] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/proc", "/sys"];

/// Devices to read and write: those without a memory, terminals, shared memory, accelerators.
const HARMLESS: [&str; 12] =
    ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "dri", "kfd", "nvidia-caps"];

/// Handles are kept for so many entries; the others are opened for each slot.
const HANDLES: usize = 300;

/// What can be read and written by every stage.
pub(super) struct ReadableRoots {
    /// Everything that is not hidden.
    pub(super) open: Vec<Open>,
    /// Devices.
    pub(super) devices: Vec<Open>,
}

/// A file or folder.
pub(super) struct Open {
    path: PathBuf,
    handle: Option<OwnedFd>,
}

impl Open {
    fn new(path: PathBuf, keep: bool) -> Self {
        let handle = if keep { handle(&path) } else { None };
        Self { path, handle }
    }

    /// Calls with a handle; not at all for links, whose targets count, and for what has gone.
    pub(super) fn with<T>(&self, use_it: impl FnOnce(&OwnedFd) -> T) -> Option<T> {
        match &self.handle {
            Some(handle) => Some(use_it(handle)),
            None => handle(&self.path).as_ref().map(use_it),
        }
    }
}

impl ReadableRoots {
    /// Looks at all that lies beside the hidden folders, and beside the folders that they lie in.
    pub(super) fn look(hidden: &[PathBuf]) -> Self {
        let mut hidden: Vec<PathBuf> = hidden.iter().map(|p| p.canonicalize().unwrap_or_else(|_| p.clone())).collect();
        let devices: Vec<PathBuf> =
            devices().into_iter().filter(|device| !hidden.iter().any(|h| touches(h, device))).collect();
        let tools: Vec<PathBuf> = toolchains(&hidden);
        let system =
            SYSTEM.map(PathBuf::from).into_iter().filter(|s| hidden.iter().any(|h| s != h && s.starts_with(h)));
        let mut paths: Vec<PathBuf> = tools.into_iter().chain(system).collect();
        hidden.push(DEVICES.into());
        let above: BTreeSet<&Path> = hidden
            .iter()
            .flat_map(|h| h.ancestors().skip(1))
            .filter(|above| !hidden.iter().any(|h| above.starts_with(h)))
            .collect();
        for folder in above {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if !link && !hidden.iter().any(|h| h.starts_with(&path)) {
                    paths.push(path);
                }
            }
        }
        let open = paths.into_iter().enumerate().map(|(n, path)| Open::new(path, n < HANDLES)).collect();
        Self { open, devices: devices.into_iter().map(|path| Open::new(path, true)).collect() }
    }
}

/// A handle for a rule: it can neither read nor write.
pub(super) fn handle(path: &Path) -> Option<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Whether one of two paths lies in the other, or they are the same.
fn touches(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn devices() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = HARMLESS.iter().map(|name| Path::new(DEVICES).join(name)).collect();
    for entry in std::fs::read_dir(DEVICES).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("nvidia") {
            found.push(entry.path());
        }
    }
    found
}

/// Toolchains within the project that PATH names, such as an activated virtual environment. They decide as little of
/// a key as those outside.
fn toolchains(hidden: &[PathBuf]) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let entries = std::env::split_paths(&path).filter(|entry| entry.is_absolute());
    let entries = entries.filter_map(|entry| entry.canonicalize().ok());
    entries.filter_map(|entry| hidden.iter().find_map(|h| toolchain(h, &entry))).collect()
}

/// The folder of a toolchain that has its programs in `entry`, if that is certain to be one.
fn toolchain(project: &Path, entry: &Path) -> Option<PathBuf> {
    let within = entry.strip_prefix(project).ok()?;
    let first = within.components().next()?;
    if first.as_os_str().as_encoded_bytes().starts_with(b".") {
        return Some(project.join(first));
    }
    let home = entry.parent().filter(|home| *home != project)?;
    is_toolchain(home).then(|| home.to_owned())
}
