//! The look at the repository beside a run: the commit, the branch, and which files differ from the commit.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use gix::bstr::{BString, ByteSlice as _};
use gix::status::{Submodule, UntrackedFiles};

use super::{GitError, Repository};
use crate::hash::Digest;
use crate::record::Git;

/// A run that is over waits for the look no longer. A working tree of which nothing is known has to be read as a whole.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who needs the commit before the look ends waits for it so often, so long each time.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The name of the thread that looks.
pub const THREAD: &str = "git";

/// A look that goes on beside a run.
pub struct Look {
    found: Receiver<Found>,
    enough: Arc<AtomicBool>,
    head: Head,
}

/// The commit that is checked out, once the thread that looks has found it.
#[derive(Clone, Debug, Default)]
pub struct Head(Arc<OnceLock<Option<String>>>);

impl Head {
    /// One that is known.
    pub fn known(commit: Option<String>) -> Self {
        Self(Arc::new(OnceLock::from(commit)))
    }

    /// The commit; `None` if there is none, or it cannot be told soon.
    pub fn commit(&self) -> Option<String> {
        for _ in 0..LOOKS {
            if let Some(commit) = self.0.get() {
                return commit.clone();
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        // Nobody else waits.
        self.0.get_or_init(|| None).clone()
    }
}

/// What came out of a look.
#[derive(Debug, Default)]
pub struct Seen {
    /// For the run record; `None` if the project is in no repository.
    pub git: Option<Git>,
    /// What the user should know.
    pub warning: Option<String>,
}

/// What the thread tells: first where the repository is, then what differs.
enum Found {
    At(Box<Result<Option<At>, GitError>>),
    /// Paths in the repository; `None` if that could not be told.
    Differ(Option<BTreeSet<BString>>),
}

/// A commit, and where it is looked at.
struct At {
    git: Git,
    /// The working tree, if there is one.
    root: Option<PathBuf>,
}

impl Look {
    /// Begins to look at the repository that a pipeline file is in.
    pub fn begin(root: &Path, pipeline: &Path) -> Self {
        let (tell, found) = channel();
        let enough = Arc::new(AtomicBool::new(false));
        let file = root.join(pipeline);
        let (root, stop) = (root.to_owned(), Arc::clone(&enough));
        let head = Head::default();
        let place = head.clone();
        let look = move || {
            // Whoever asked may be gone.
            let repository = match Repository::of(&root) {
                Ok(Some(repository)) => repository,
                other => {
                    let _ = place.0.set(None);
                    return drop(tell.send(Found::At(Box::new(other.map(|_| None)))));
                }
            };
            let at = repository.at(&file);
            let commit = at.as_ref().ok().and_then(Option::as_ref).and_then(|at| at.git.commit.clone());
            let _ = place.0.set(commit);
            let known = matches!(at, Ok(Some(_)));
            if tell.send(Found::At(Box::new(at))).is_ok() && known {
                let _ = tell.send(Found::Differ(repository.differing(&file, stop)));
            }
        };
        // Where no thread can be had there will be no answer, and the channel says so.
        let _ = thread::Builder::new().name(THREAD.to_owned()).spawn(look);
        Self { found, enough, head }
    }

    /// The commit that is checked out, for those who need it before the look ends.
    pub fn head(&self) -> Head {
        self.head.clone()
    }

    /// What was found. `is_output` says which paths of the project stages put in place: that those differ follows from the rest, so they do not
    /// count.
    pub fn end(self, is_output: &dyn Fn(&Path) -> bool) -> Seen {
        let unreadable = |error: GitError| {
            let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            Seen { git: None, warning: Some(format!("{error}; the run record has no commit{hint}")) }
        };
        let At { mut git, root } = match self.found.recv_timeout(PATIENCE) {
            Ok(Found::At(at)) => match *at {
                Ok(Some(at)) => at,
                Ok(None) => return Seen::default(),
                Err(error) => return unreadable(error),
            },
            _ => return Seen::default(),
        };
        let differ = match self.found.recv_timeout(PATIENCE) {
            Ok(Found::Differ(differ)) => differ,
            Err(RecvTimeoutError::Timeout) => {
                self.enough.store(true, Ordering::Relaxed);
                let warning = "Git takes long to tell what differs from the commit; the run record does not say it\n\
                    hint: `git status` notes what it finds, and is asked the next time";
                return Seen { git: Some(git), warning: Some(warning.to_owned()) };
            }
            _ => None,
        };
        if let (Some(differ), Some(root)) = (differ, root) {
            let counts = |path: &BString| !is_output(&root.join(OsStr::from_bytes(path)));
            let differ: Vec<BString> = differ.into_iter().filter(counts).collect();
            git.dirty = Some(!differ.is_empty());
            git.difference = (!differ.is_empty()).then(|| difference(&root, &differ));
        }
        Seen { git: Some(git), warning: None }
    }
}

impl Repository {
    /// The commit and branch of the working tree that a pipeline file is in; `None` if the repository is told to ignore the file, and so says
    /// nothing of it.
    fn at(&self, file: &Path) -> Result<Option<At>, GitError> {
        let path = self.path_of(file);
        if path.as_ref().is_some_and(|path| self.is_ignored(path)) {
            return Ok(None);
        }
        let head = self.git.head().map_err(|error| self.unreadable(&error))?;
        let branch = head.referent_name().map(|name| name.shorten().to_str_lossy().into_owned());
        let commit = match head.id() {
            Some(id) => {
                let object = id.object().and_then(gix::Object::peel_to_commit);
                Some(object.map_err(|error| self.unreadable(&error))?)
            }
            None => None,
        };
        let tree = commit.as_ref().and_then(|commit| commit.tree_id().ok()).map(|id| id.to_string());
        let git = Git {
            commit: commit.map(|commit| commit.id.to_string()),
            tree,
            branch,
            dirty: None,
            difference: None,
            pipeline: path,
        };
        let root = self.git.workdir().map(|root| root.canonicalize().unwrap_or_else(|_| root.to_owned()));
        Ok(Some(At { git, root }))
    }

    /// The tracked files that are not what the commit says, and the pipeline file if it is not tracked.
    fn differing(&self, file: &Path, stop: Arc<AtomicBool>) -> Option<BTreeSet<BString>> {
        let mut differ = BTreeSet::new();
        self.git.workdir()?;
        let status = self.git.status(gix::progress::Discard).ok()?;
        let status = status
            .untracked_files(UntrackedFiles::None)
            .index_worktree_rewrites(None)
            .tree_index_track_renames(gix::status::tree_index::TrackRenames::Disabled)
            .index_worktree_submodules(Submodule::AsConfigured { check_dirty: true })
            .should_interrupt_owned(stop);
        if self.is_nothing_staged() {
            for item in status.into_index_worktree_iter(Vec::new()).ok()? {
                differ.insert(item.ok()?.rela_path().to_owned());
            }
        } else {
            for item in status.into_iter(None).ok()? {
                differ.insert(item.ok()?.location().to_owned());
            }
        }
        if let Some(path) = self.path_of(file)
            && !self.is_tracked(&path)
        {
            differ.insert(path.into());
        }
        Some(differ)
    }

    /// Whether the index says itself that it is what the commit is, which saves comparing them file by file.
    fn is_nothing_staged(&self) -> bool {
        let (Ok(tree), Ok(index)) = (self.git.head_tree_id_or_empty(), self.git.index_or_empty()) else { return false };
        index.tree().is_some_and(|known| known.num_entries.is_some() && known.id == tree.detach())
    }

    fn is_tracked(&self, path: &str) -> bool {
        self.git.index_or_empty().is_ok_and(|index| index.entry_by_path(path.into()).is_some())
    }

    /// Whether Git is told to ignore a file, as it is in the home of somebody who keeps settings in a repository.
    fn is_ignored(&self, path: &str) -> bool {
        let excluded = || {
            let worktree = self.git.worktree()?;
            let mut stack = worktree.excludes(None).ok()?;
            let found = stack.at_path(path, Some(gix::index::entry::Mode::FILE)).ok()?;
            Some(found.is_excluded())
        };
        !self.is_tracked(path) && excluded().unwrap_or(false)
    }
}

/// The digest of what lies at some paths of a working tree. From the same commit it is the same exactly if the differences are.
fn difference(root: &Path, paths: &[BString]) -> Digest {
    let mut all = blake3::Hasher::new();
    for path in paths {
        let file = root.join(OsStr::from_bytes(path));
        let (kind, content) = lying(&file);
        all.update(path).update(b"\0").update(kind).update(content.as_bytes());
    }
    Digest(all.finalize().into())
}

/// What lies at a path: what it is, and the digest of its content.
fn lying(file: &Path) -> (&'static [u8], blake3::Hash) {
    use std::os::unix::fs::PermissionsExt as _;
    let nothing = blake3::hash(b"");
    let Ok(found) = fs::symlink_metadata(file) else { return (b"gone", nothing) };
    if found.is_symlink() {
        let target = fs::read_link(file).unwrap_or_default();
        return (b"link", blake3::hash(target.as_os_str().as_bytes()));
    }
    if found.is_dir() {
        // A submodule: what its working tree is at.
        let at = gix::open(file).ok().and_then(|inner| Some(inner.head_id().ok()?.to_string()));
        return (b"module", blake3::hash(at.unwrap_or_default().as_bytes()));
    }
    let mut content = blake3::Hasher::new();
    let read = found.is_file() && content.update_mmap(file).is_ok();
    match (read, found.permissions().mode() & 0o100 != 0) {
        (false, _) => (b"unreadable", nothing),
        (true, false) => (b"file", content.finalize()),
        (true, true) => (b"program", content.finalize()),
    }
}
