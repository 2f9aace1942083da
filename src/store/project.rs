//! Whose runs are whose. A run belongs to a pipeline file of a project, and a project may be moved, copied or seen at several
//! paths. A record says where its run took place in three ways, and the first that tells anything counts:
//!
//! 1. *The cache lies in the project.* Then the record says where in it, and whatever folder has the cache there now is the
//!    project: cache and records move, and are copied, with it.
//! 2. *The cache lies elsewhere.* Then the project has a file, `.kiln/project`, with a random name, and the record has the name
//!    and the moment the file was made. Who has the same file is the same project, wherever it lies now. Who has the name in a
//!    younger file is a copy: it has what was recorded until it was made, and from then on its own.
//! 3. *The path*, where neither tells: in records of before, and of projects that cannot be written to.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::files::write_atomically;
use super::{Belongs, Result, StoreError};
use crate::record::{Lineage, RunOrigin};

/// The folder of a project that Kiln keeps its name in, and the file.
pub(crate) const FOLDER: &str = ".kiln";
const FILE: &str = "project";

/// What the file says before the name.
const HEAD: &str = "kiln project ";

/// The cache of a project that names none.
const CACHE: &str = "cache";

/// A pipeline file of a project: what runs belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The project's folder, absolute and without links.
    pub root: PathBuf,
    /// The pipeline file's name in it.
    pub pipeline: PathBuf,
    /// Its name, if it has one.
    pub(crate) lineage: Option<Lineage>,
}

impl Project {
    /// The project at a folder, and one of its pipeline files; of the file's path only the name counts.
    pub fn at(root: &Path, pipeline: &Path) -> Self {
        Self { root: root.to_owned(), pipeline: own_name(root, pipeline), lineage: read(root) }
    }

    /// Another pipeline file of the same project.
    pub(crate) fn with(&self, pipeline: &Path) -> Self {
        Self { pipeline: own_name(&self.root, pipeline), ..self.clone() }
    }

    /// Gives the project a name if it needs one, which it does if its cache lies elsewhere.
    pub(crate) fn named(mut self, store: &Path) -> Self {
        if self.lineage.is_none() && self.cache(store).is_none() {
            self.lineage = write(&self.root).unwrap_or_else(|error| {
                tracing::debug!("the project gets no name, and is known by its path: {error}");
                None
            });
        }
        self
    }

    /// Where in the project the cache lies, if it does.
    pub(crate) fn cache(&self, store: &Path) -> Option<PathBuf> {
        store.strip_prefix(&self.root).ok().filter(|inside| !inside.as_os_str().is_empty()).map(Path::to_owned)
    }
}

/// The name of a pipeline file. A link in the same folder is another name of the file it leads to.
fn own_name(root: &Path, pipeline: &Path) -> PathBuf {
    let name = pipeline.file_name().unwrap_or_default();
    let found = root.join(name).canonicalize().ok().filter(|found| found.parent() == Some(root));
    let found = found.as_deref().and_then(Path::file_name).unwrap_or(name);
    PathBuf::from(found)
}

fn read(root: &Path) -> Option<Lineage> {
    let path = root.join(FOLDER).join(FILE);
    let text = fs::read_to_string(&path).ok()?;
    let name = text.lines().next()?.strip_prefix(HEAD)?;
    let sound = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    Some(Lineage { project: sound.then(|| name.to_owned())?, since: birth(&path)? })
}

/// When a file was made; a copy of it was made later, whatever times it was given.
fn birth(path: &Path) -> Option<Timestamp> {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME | StatxFlags::CTIME).ok()?;
    let born = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let time = if born { found.stx_btime } else { found.stx_ctime };
    Timestamp::new(time.tv_sec, i32::try_from(time.tv_nsec).ok()?).ok()
}

/// Names a project. What is there already stays: another Kiln may have been quicker.
fn write(root: &Path) -> Result<Option<Lineage>> {
    let folder = root.join(FOLDER);
    if fs::create_dir(&folder).is_ok() {
        // The name is this checkout's, and no part of what others clone.
        write_atomically(&folder, &folder.join(".gitignore"), b"*\n", false)?;
    }
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(|e| StoreError::io("name", root)(io::Error::other(e)))?;
    let name: String = bits.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let path = folder.join(FILE);
    let written = || {
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        writeln!(file, "{HEAD}{name}")?;
        match file.persist_noclobber(&path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
            _ => Ok(()),
        }
    };
    written().map_err(StoreError::io("write", &path))?;
    Ok(read(root))
}

/// Says of recorded runs, newest first, where their projects are.
pub(super) struct Places {
    store: PathBuf,
    asked: Option<Project>,
    /// Where the newest run of each name took place.
    newest: HashMap<Lineage, PathBuf>,
    /// What was found out about folders that caches may have left, or been copied from.
    own: HashMap<(PathBuf, Option<PathBuf>, PathBuf), Option<PathBuf>>,
}

impl Places {
    pub(super) fn new(store: &Path, asked: Option<&Project>) -> Self {
        Self { store: store.to_owned(), asked: asked.cloned(), newest: HashMap::new(), own: HashMap::new() }
    }

    /// The folder of a run's project, as far as can be told.
    pub(super) fn of(&mut self, run: &RunOrigin) -> PathBuf {
        let known = (run.project.clone(), run.cache.clone(), run.pipeline.clone());
        let own = match self.own.get(&known) {
            Some(own) => own.clone(),
            None => {
                let own = self.around_the_store(run);
                self.own.insert(known, own.clone());
                own
            }
        };
        if let Some(root) = own {
            return root;
        }
        let Some(lineage) = &run.lineage else { return run.project.clone() };
        if let Some(asked) = self.asked.as_ref().filter(|asked| asked.lineage.as_ref() == Some(lineage)) {
            return asked.root.clone();
        }
        self.newest.entry(lineage.clone()).or_insert_with(|| run.project.clone()).clone()
    }

    /// How a run that began at some time stands to the pipeline file that was asked for; if none was, all are its own.
    pub(super) fn belongs(&mut self, run: &RunOrigin, started: Timestamp) -> Belongs {
        let place = self.of(run);
        let Some(asked) = &self.asked else { return Belongs::Here };
        let inherited = match (&asked.lineage, &run.lineage) {
            (Some(own), Some(other)) => own.project == other.project && started < own.since,
            _ => false,
        };
        match (place == asked.root || inherited, run.pipeline.file_name() == asked.pipeline.file_name()) {
            (true, true) => Belongs::Here,
            (true, false) => Belongs::OtherFile,
            (false, _) => Belongs::OtherProject,
        }
    }

    /// The project that has the store in it, if that is the run's.
    fn around_the_store(&self, run: &RunOrigin) -> Option<PathBuf> {
        let (inside, certain) = match &run.cache {
            Some(inside) => (inside.as_path(), true),
            // Records of before do not say where the cache was. It was at its usual place, or in another project.
            None if run.lineage.is_none() => (Path::new(CACHE), false),
            None => return None,
        };
        let depth = inside.components().count();
        let root = self.store.ancestors().nth(depth).filter(|root| root.join(inside) == *self.store)?;
        if run.project == root {
            return Some(root.to_owned());
        }
        // A cache that was taken out of its project, or that another one shares.
        if run.project.is_dir() && !run.project.join(inside).is_dir() {
            return None;
        }
        let likely = root.join(run.pipeline.file_name()?).is_file() && !run.project.starts_with(root);
        (certain || likely).then(|| root.to_owned())
    }
}
