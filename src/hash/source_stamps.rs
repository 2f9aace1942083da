//! Source stamps: what `stat` says of a file, or of a folder and all that is in it, so that a second look proves that nothing was changed.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::stamp::Seen;
use super::tree::{Listing, Node};
use super::walk::{self, Extent, Found};
use super::{Artifact, ContentError, Memo, Stamp};
use crate::links;

/// An artifact in the project, and the stamps of all that it is made of.
pub(crate) struct SourceStamps {
    /// What lay there.
    pub(crate) artifact: Artifact,
    /// Whether it is all that there is: nothing that lies there is left out, and no link in it leads elsewhere.
    pub(crate) whole: bool,
    stamps: Vec<Stamp>,
}

/// What a look found.
struct Look {
    /// In a fixed order.
    stamps: Vec<Stamp>,
    whole: bool,
    /// Of a folder that is whole, what is in it, as far as stamps tell that.
    listing: Option<Listing>,
}

/// What a look at a file found: its stamp, those of what a link leads to, and what is known of it.
struct File {
    stamp: Stamp,
    behind: Vec<Stamp>,
    known: Option<Artifact>,
}

impl SourceStamps {
    /// Looks at a source, where links count for what they point to. `None` if no artifact lies there, or one that was changed so
    /// lately that another change might not show.
    pub(crate) fn of(path: &Path, extent: Extent<'_>, memo: &Memo) -> Option<Self> {
        let look = look(path, extent, Some(memo))?;
        if !look.stamps.iter().all(|stamp| memo.is_telling(stamp)) {
            return None;
        }
        let artifact = match look.listing {
            // The stamps that tell it are these.
            Some(listing) => listing.own_artifact(),
            None => memo.source_in(path, extent).ok()??,
        };
        Some(Self { artifact, whole: look.whole, stamps: look.stamps })
    }

    /// How many files, folders and links it is made of.
    pub(crate) fn count(&self) -> usize {
        self.stamps.len()
    }

    /// Whether nothing was changed at the path since, nor changed and changed back.
    pub(crate) fn holds(&self, path: &Path, extent: Extent<'_>) -> bool {
        look(path, extent, None).is_some_and(|look| look.stamps == self.stamps)
    }

    /// Whether nothing was written at the path since, as its times of modification tell: only rights or names were changed.
    pub(crate) fn is_unwritten(&self, path: &Path, extent: Extent<'_>) -> bool {
        let told = |stamp: &Stamp| (stamp.id, stamp.size, stamp.mtime);
        look(path, extent, None).is_some_and(|look| look.stamps.iter().map(told).eq(self.stamps.iter().map(told)))
    }
}

/// Looks at an absolute path, the links that lead there, and all that is in it; and what that is, if a memo is to tell.
fn look(path: &Path, extent: Extent<'_>, memo: Option<&Memo>) -> Option<Look> {
    let mut stamps = Vec::new();
    let there = behind(path, &mut stamps)?;
    if !there.is_dir() {
        return Some(Look { stamps, whole: true, listing: None });
    }
    let looks = |folder: BorrowedFd<'_>, files: Vec<PathBuf>| stamped(path, folder, files, memo);
    let (walked, whole) = walk::walk_telling(path, extent, &looks).ok()?;
    let memo = memo.filter(|_| whole);
    let (mut entries, mut known) = (Vec::with_capacity(if memo.is_some() { walked.len() } else { 0 }), memo.is_some());
    for folder in above(&walked) {
        stamp(&path.join(folder), &mut stamps)?;
    }
    for (inside, found) in walked {
        let node = match found {
            Found::File(file) => {
                stamps.push(file.stamp);
                stamps.extend(file.behind);
                file.known.map(|Artifact { digest, bytes, executable, .. }| Node::File { digest, bytes, executable })
            }
            Found::Link { target } => {
                stamp(&path.join(&inside), &mut stamps)?;
                Some(Node::Link { target })
            }
            Found::Folder => {
                stamp(&path.join(&inside), &mut stamps)?;
                Some(Node::Folder)
            }
        };
        known &= node.is_some();
        entries.extend(node.filter(|_| known).map(|node| (inside, node)));
    }
    stamps.sort_unstable();
    Some(Look { stamps, whole, listing: known.then(|| Listing::new(entries)) })
}

/// The folders in a folder that what was found in it lies in.
fn above<T>(walked: &[(PathBuf, Found<T>)]) -> HashSet<&Path> {
    let mut folders = HashSet::new();
    let mut last = Path::new("");
    for (inside, _) in walked {
        let folder = inside.parent().unwrap_or(Path::new(""));
        // What lies in the same folder comes one after the other.
        if folder == last {
            continue;
        }
        last = folder;
        // Above one that is known all are known. The last above each is the folder itself.
        for folder in folder.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
            if !folders.insert(folder) {
                break;
            }
        }
    }
    folders
}

/// Looks at files of a folder that lies in another.
fn stamped(
    root: &Path,
    folder: BorrowedFd<'_>,
    files: Vec<PathBuf>,
    memo: Option<&Memo>,
) -> Result<Vec<(PathBuf, File)>, ContentError> {
    let seen: Vec<Option<Seen>> = files.iter().map(|path| Seen::at(folder, path, false).ok()).collect();
    let known = memo.map_or_else(|| vec![None; files.len()], |memo| memo.recalled(&seen));
    let one = |((path, seen), known): ((PathBuf, Option<Seen>), Option<Artifact>)| {
        let gone = || ContentError::io("examine", &root.join(&path))(io::ErrorKind::NotFound.into());
        let seen = seen.ok_or_else(gone)?;
        let mut found = Vec::new();
        if seen.kind() == FileType::Symlink {
            behind(&root.join(&path), &mut found).ok_or_else(gone)?;
        }
        Ok((path, File { stamp: seen.stamp, behind: found, known }))
    };
    files.into_iter().zip(seen).zip(known).map(one).collect()
}

/// Adds the stamp of something in a folder and, where it is a link, those of what that leads to.
fn stamp(path: &Path, stamps: &mut Vec<Stamp>) -> Option<()> {
    let metadata = fs::symlink_metadata(path).ok()?;
    stamps.push(Stamp::of(&metadata));
    // A link that stays in the folder may lead to nothing.
    if metadata.is_symlink() && path.exists() {
        behind(path, stamps)?;
    }
    Some(())
}

/// Adds the stamps of the links that a path leads through, and of what is at their end.
fn behind(path: &Path, found: &mut Vec<Stamp>) -> Option<Metadata> {
    for link in links::follow(path).ok()?.links {
        found.push(Stamp::of(&fs::symlink_metadata(link).ok()?));
    }
    let there = fs::metadata(path).ok()?;
    found.push(Stamp::of(&there));
    Some(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the stamps of what was just written are telling, where stamps are coarse.
    fn settled(path: &Path, memo: &Memo) -> SourceStamps {
        loop {
            match SourceStamps::of(path, Extent::Source, memo) {
                Some(source_stamps) => return source_stamps,
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
    }

    #[test]
    fn what_is_changed_and_changed_back_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        // No link of the folder may lead to where the memo lies, which is a store.
        let store = tempfile::tempdir().unwrap();
        let memo = Memo::open(&store.path().join("memo"));
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::write(root.join("a/file"), "1").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("root/a/file", &link).unwrap();

        fs::create_dir_all(folder.path().join("disk/v1")).unwrap();
        fs::write(folder.path().join("disk/v1/file"), "1").unwrap();
        std::os::unix::fs::symlink("disk/v1", folder.path().join("way")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("way"), root.join("nested")).unwrap();
        let point_away_and_back = |way: &Path| {
            for target in ["root", "disk/v1"] {
                fs::remove_file(way).and_then(|()| std::os::unix::fs::symlink(target, way)).unwrap();
            }
        };

        type Change = (&'static str, fn(&Path));
        let changes: [Change; 4] = [
            ("root/a/file", |path| fs::write(path, "2").and_then(|()| fs::write(path, "1")).unwrap()),
            ("link", |path| fs::write(path, "2").and_then(|()| fs::write(path, "1")).unwrap()),
            ("root", |path| fs::write(path.join("a/file"), "1").unwrap()),
            ("root", |path| {
                let other = path.join("a/empty/other");
                fs::write(&other, "x").and_then(|()| fs::remove_file(&other)).unwrap();
            }),
        ];
        for (path, change) in changes {
            let path = folder.path().join(path);
            let before = settled(&path, &memo);
            assert!(before.holds(&path, Extent::Source), "{}", path.display());
            change(&path);
            assert!(!before.holds(&path, Extent::Source), "{}", path.display());
            assert_eq!(before.artifact, settled(&path, &memo).artifact, "{}", path.display());
        }
        let way = folder.path().join("way");
        for path in [way.join("file"), way.clone(), root.clone()] {
            let before = settled(&path, &memo);
            point_away_and_back(&way);
            assert!(!before.holds(&path, Extent::Source), "{}", path.display());
            let before = settled(&path, &memo);
            fs::write(folder.path().join("disk/v1/file"), "1").unwrap();
            assert!(!before.holds(&path, Extent::Source), "{}", path.display());
        }
    }
}
