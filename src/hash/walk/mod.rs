//! Walking through folders: what lies in one and in those below. Folders of the same depth are walked through side by side, and the files of
//! each are looked at while it is open, for that is where the system finds them soonest.

mod names;
mod walked;

use std::ffi::{CStr, OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};

use names::Names;
use walked::{Below, Inside, Link};

use super::ContentError;
use super::leftovers::{Placeholders, is_called_so};
use super::picks::Picks;
use crate::links;

pub(crate) use names::Files;
pub(crate) use walked::{Piece, Walked};

/// What a walk found; of a file with what a look at it gave.
pub(crate) enum Found<T = ()> {
    File(T),
    Link {
        target: PathBuf,
    },
    /// An empty one; the others show in the paths of what they hold.
    Folder,
}

/// How much of a folder counts. A link that stays in the folder is always a link and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent<'p> {
    /// All of it; a link that leaves the folder is refused.
    Everything,
    /// What is not left over by programs; a link that leaves the folder counts as what it leads to. So is an input folder taken.
    Source,
    /// The same without some of what keeps the folder itself in a repository. So is an output looked at that lies in a folder of somebody's.
    Output(Placeholders),
    /// As much of a source as patterns name. Folders in which nothing is left do not count.
    Picked(&'p Picks),
}

impl Extent<'_> {
    /// Whether what a name names in a folder is left out. `beside` tells whether there is something with a name in the same folder.
    fn leaves_out(self, folder: &Path, name: &OsStr, is_folder: bool, beside: &dyn Fn(&OsStr) -> bool) -> bool {
        match self {
            Self::Everything => false,
            Self::Source => is_called_so(name, is_folder, beside),
            Self::Output(left_out) => {
                is_called_so(name, is_folder, beside) || !is_folder && left_out.has(&folder.join(name))
            }
            Self::Picked(picks) => {
                is_called_so(name, is_folder, beside) || picks.leaves_out(&folder.join(name), is_folder)
            }
        }
    }

    /// Whether a file or link counts that is not left out.
    fn names(self, folder: &Path, name: &OsStr) -> bool {
        if let Self::Picked(picks) = self { picks.names(&folder.join(name)) } else { true }
    }
}

/// So many folders behind links may be walked through: links between a few folders can be combined without end.
const MOST_FOLLOWED: usize = 10_000;

/// So many files of a folder are looked at by one thread.
const AT_ONCE: usize = 1_000;

/// How much of a folder is listed at a time.
const PORTION: usize = 32 * 1024;

/// Looks at some files of a folder.
pub(crate) type Looks<'l, T> = &'l (dyn Fn(BorrowedFd<'_>, Files<'_>) -> Result<T, ContentError> + Sync);

/// Tells whether a folder is a store.
pub(crate) type IsStore<'s> = &'s (dyn Fn(&Path) -> bool + Sync);

/// What a walk found, in no particular order, by its path relative to the folder.
pub(crate) type All<T = ()> = Vec<(PathBuf, Found<T>)>;

/// What is in a folder.
///
/// # Errors
/// A FIFO, socket or device, a link that leaves the folder where it may not, or leads nowhere or round in a circle, or what the system
/// refuses.
pub(crate) fn walk(root: &Path, extent: Extent<'_>) -> Result<All, ContentError> {
    let paths = |_: BorrowedFd<'_>, files: Files<'_>| Ok(files.paths().map(|path| (path, ())).collect::<Vec<_>>());
    Walk::through(root, extent, None, &paths).map(Walked::all)
}

/// The same with looks at the files, folder by folder.
///
/// # Errors
/// As [`walk`].
pub(crate) fn walk_looking<T: Send>(
    root: &Path,
    extent: Extent<'_>,
    looks: Looks<'_, T>,
) -> Result<Walked<T>, ContentError> {
    Walk::through(root, extent, None, looks)
}

/// The same of a folder whose links are not to lead into a store, nor around one.
///
/// # Errors
/// As [`walk`], and a link that does.
pub(crate) fn walk_outside<T: Send>(
    root: &Path,
    extent: Extent<'_>,
    is_store: IsStore<'_>,
    looks: Looks<'_, T>,
) -> Result<Walked<T>, ContentError> {
    Walk::through(root, extent, Some(is_store), looks)
}

/// Where the links of a folder lead that are followed.
pub(crate) fn followed(root: &Path) -> Result<Vec<PathBuf>, ContentError> {
    let walked = Walk::through(root, Extent::Source, None, &|_: BorrowedFd<'_>, _: Files<'_>| Ok(()))?;
    Ok(walked.followed.iter().filter_map(|link| root.join(link).canonicalize().ok()).collect())
}

/// How a walk goes.
struct Walk<'r, T> {
    root: &'r Path,
    extent: Extent<'r>,
    is_store: Option<IsStore<'r>>,
    looks: Looks<'r, T>,
}

/// What was found in one folder.
struct Entered<T> {
    inside: Inside<T>,
    /// The links that were followed.
    followed: Vec<PathBuf>,
    /// Whether nothing was left out.
    whole: bool,
    /// The folders in it, in the same order.
    folders: Vec<Folder>,
}

/// What listing a folder gives.
#[derive(Default)]
struct Listed {
    files: Names,
    links: Vec<(OsString, PathBuf)>,
    folders: Vec<(OsString, Folder)>,
    followed: Vec<PathBuf>,
    left_out: bool,
    /// Whether there is nothing but what is left out.
    empty: bool,
}

/// A folder to walk through.
#[derive(Default)]
struct Folder {
    path: PathBuf,
    /// How many parts of its path lead to the last link on the way, behind which links have to stay.
    base: usize,
    /// The folders behind the links on the way.
    above: Option<Arc<Above>>,
}

/// A folder that a link led to, and those before it.
struct Above {
    id: (u64, u64),
    above: Option<Arc<Above>>,
}

impl<'r, T: Send> Walk<'r, T> {
    fn through(
        root: &'r Path,
        extent: Extent<'r>,
        is_store: Option<IsStore<'r>>,
        looks: Looks<'r, T>,
    ) -> Result<Walked<T>, ContentError> {
        let walk = Self { root, extent, is_store, looks };
        let mut all = Walked { folders: vec![], followed: vec![], whole: true };
        let mut level = vec![Folder::default()];
        while !level.is_empty() {
            let entered: Vec<_> = level.par_iter().map(|folder| walk.enter(folder)).collect::<Result<_, _>>()?;
            level.clear();
            let mut next = all.folders.len() + entered.len();
            for mut one in entered {
                for below in &mut one.inside.below {
                    below.index = next;
                    next += 1;
                }
                all.folders.push(one.inside);
                all.followed.append(&mut one.followed);
                level.append(&mut one.folders);
                all.whole &= one.whole;
            }
            if all.followed.len() > MOST_FOLLOWED {
                return Err(ContentError::TooManyLinks { path: root.to_owned(), most: MOST_FOLLOWED });
            }
        }
        Ok(all)
    }

    fn enter(&self, folder: &Folder) -> Result<Entered<T>, ContentError> {
        let absolute = self.root.join(&folder.path);
        // Only a link can lead there: what is in the folder itself is seen to where its path is.
        if folder.above.is_some() && self.is_store.is_some_and(|is_store| is_store(&absolute)) {
            return Err(ContentError::Store { path: absolute.clone(), store: absolute });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&absolute, flags, Mode::empty()).map_err(|e| refused(e, &absolute))?;
        let Listed { mut files, mut links, mut folders, followed, left_out, empty } =
            self.list(folder, &absolute, opened.as_fd())?;
        files.sort();
        links.sort_unstable();
        folders.sort_unstable_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        let batch = if files.len() > 2 * AT_ONCE { AT_ONCE } else { 2 * AT_ONCE };
        let look = |files| (self.looks)(opened.as_fd(), files);
        let batches = files.batches(&folder.path, batch);
        let batches = match batches.len() {
            0 => vec![],
            1 => vec![look(batches[0])?],
            _ => batches.into_par_iter().map(look).collect::<Result<_, _>>()?,
        };
        let links = links.into_iter().map(|(name, target)| Link { at: files.before(name.as_bytes()), name, target });
        let links = links.collect();
        let (below, folders) = folders.into_iter().map(|(name, folder)| (below(name, &files), folder)).unzip();
        let empty = empty && !folder.path.as_os_str().is_empty() && !matches!(self.extent, Extent::Picked(_));
        let files = files.len();
        let inside = Inside { path: folder.path.clone(), batches, batch, files, links, below, empty };
        Ok(Entered { inside, followed, whole: !left_out, folders })
    }

    /// Tells what is in an open folder.
    fn list(&self, folder: &Folder, absolute: &Path, opened: BorrowedFd<'_>) -> Result<Listed, ContentError> {
        let mut all = Listed { empty: true, ..Listed::default() };
        let beside = |name: &OsStr| rustix::fs::statat(opened, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let mut portion: Vec<u8> = Vec::with_capacity(PORTION);
        let mut listed = RawDir::new(opened, portion.spare_capacity_mut());
        while let Some(entry) = listed.next() {
            let entry = entry.map_err(|e| refused(e, absolute))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let text = OsStr::from_bytes(name.to_bytes());
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    kind_of(opened, name).map_err(|e| ContentError::io("examine", &absolute.join(text))(e))?
                }
                known => known,
            };
            if self.extent.leaves_out(&folder.path, text, kind == FileType::Directory, &beside) {
                all.left_out = true;
                continue;
            }
            all.empty = false;
            match kind {
                FileType::Directory => {
                    let path = folder.path.join(text);
                    let inner = Folder { path, base: folder.base, above: folder.above.clone() };
                    all.folders.push((text.to_owned(), inner));
                }
                FileType::Symlink => self.link(folder, name, &mut all)?,
                _ if !self.extent.names(&folder.path, text) => all.left_out = true,
                FileType::RegularFile => all.files.push(name),
                _ => {
                    let absolute = absolute.join(text);
                    let metadata = fs::symlink_metadata(&absolute).map_err(ContentError::io("examine", &absolute))?;
                    ContentError::unless_regular(&metadata, &absolute)?;
                    all.files.push(name);
                }
            }
        }
        Ok(all)
    }

    fn link(&self, folder: &Folder, name: &CStr, all: &mut Listed) -> Result<(), ContentError> {
        let text = OsStr::from_bytes(name.to_bytes());
        let path = folder.path.join(text);
        let absolute = self.root.join(&path);
        let target = fs::read_link(&absolute).map_err(ContentError::io("read the link", &absolute))?;
        let inside: PathBuf = path.components().skip(folder.base).collect();
        if link_stays(&inside, &target) {
            if self.extent.names(&folder.path, text) {
                all.links.push((text.to_owned(), target));
            } else {
                all.left_out = true;
            }
            return Ok(());
        }
        if self.extent == Extent::Everything {
            return Err(ContentError::LinkLeaves { path: absolute, target });
        }
        let metadata = match fs::metadata(&absolute) {
            Ok(metadata) => metadata,
            Err(e) if links::is_circle(&e) => return Err(ContentError::LinkCircle { path: absolute, target }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::LinkNowhere { path: absolute, target });
            }
            Err(e) => return Err(ContentError::io("follow the link", &absolute)(e)),
        };
        if !metadata.is_dir() && !self.extent.names(&folder.path, text) {
            all.left_out = true;
            return Ok(());
        }
        if let (Some(is_store), Ok(end)) = (self.is_store, absolute.canonicalize())
            && let Some(store) = end.ancestors().find(|folder| is_store(folder))
        {
            return Err(ContentError::Store { path: absolute, store: store.to_owned() });
        }
        all.followed.push(path.clone());
        if !metadata.is_dir() {
            ContentError::unless_regular(&metadata, &absolute)?;
            all.files.push(name);
            return Ok(());
        }
        let id = id_of(&metadata);
        let root = fs::metadata(self.root).map_err(ContentError::io("examine", self.root))?;
        let mut above = std::iter::successors(folder.above.as_deref(), |above| above.above.as_deref());
        if id == id_of(&root) || above.any(|above| above.id == id) {
            return Err(ContentError::LinkCircle { path: absolute, target });
        }
        let above = Some(Arc::new(Above { id, above: folder.above.clone() }));
        all.folders.push((text.to_owned(), Folder { base: path.components().count(), path, above }));
        Ok(())
    }
}

fn refused(error: rustix::io::Errno, folder: &Path) -> ContentError {
    ContentError::io("list", folder)(error.into())
}

/// Where a folder in another comes among its files.
fn below(name: OsString, files: &Names) -> Below {
    let mut key = name.as_bytes().to_vec();
    let at_empty = files.before(&key);
    key.push(b'/');
    Below { name, index: 0, at_empty, at: files.before(&key) }
}

/// What lies under a name in a folder, where listing it does not tell.
fn kind_of(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<FileType> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether a link at `path` in a tree points into it. `..` counts only at the start: after a name, which may itself be a
/// link, where it leads cannot be told from the text.
pub(super) fn link_stays(path: &Path, target: &Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    let up = target.components().take_while(|c| matches!(c, Component::ParentDir | Component::CurDir));
    let up = up.filter(|c| matches!(c, Component::ParentDir)).count();
    let rest_is_plain = target
        .components()
        .skip_while(|c| matches!(c, Component::ParentDir | Component::CurDir))
        .all(|c| matches!(c, Component::Normal(_)));
    !target.as_os_str().is_empty() && up <= depth && rest_is_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_or_leave() {
        for (path, target, stays) in [
            ("a", "b", true),
            ("a", "b/c", true),
            ("a", "..", false),
            ("d/a", "..", true),
            ("d/a", "../b", true),
            ("d/a", "./../b", true),
            ("d/a", "../../b", false),
            ("d/a", "b/../../c", false),
            ("a", "/etc/passwd", false),
        ] {
            assert_eq!(link_stays(Path::new(path), Path::new(target)), stays, "{path} -> {target}");
        }
    }
}
