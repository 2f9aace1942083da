//! Source stamps: what `stat` says of a file, or of a folder and all that is in it, so that a second look proves that nothing was changed.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::FileType;

use super::lines::{self, Lines};
use super::stamp::{self, Seen};
use super::walk::{self, Extent, Files};
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
    /// What it is, as far as stamps tell that; of a folder only if it is whole.
    artifact: Option<Artifact>,
}

/// What a look at files of a folder found.
struct Batch {
    /// Their stamps, and those of what links lead to.
    stamps: Vec<Stamp>,
    /// What they are, if that is known of all.
    lines: Lines,
    known: bool,
}

impl SourceStamps {
    /// Looks at a source, where links count for what they point to. `None` if no artifact lies there, or one that was changed so
    /// lately that another change might not show.
    pub(crate) fn of(path: &Path, extent: Extent<'_>, memo: &Memo) -> Option<Self> {
        let begun = stamp::now();
        let look = look(path, extent, Some(memo))?;
        if !look.stamps.iter().all(|stamp| memo.is_telling(stamp, begun)) {
            return None;
        }
        let artifact = match look.artifact {
            // The stamps that tell it are these.
            Some(artifact) => artifact,
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
        // Names may be others, and with them the order.
        let told = |stamps: &[Stamp]| {
            let mut told: Vec<_> = stamps.iter().map(|stamp| (stamp.id, stamp.size, stamp.mtime)).collect();
            told.sort_unstable();
            told
        };
        look(path, extent, None).is_some_and(|look| told(&look.stamps) == told(&self.stamps))
    }
}

/// Looks at an absolute path, the links that lead there, and all that is in it; and what that is, if a memo is to tell.
fn look(path: &Path, extent: Extent<'_>, memo: Option<&Memo>) -> Option<Look> {
    let mut stamps = Vec::new();
    let there = behind(path, &mut stamps)?;
    if !there.is_dir() {
        let artifact = memo.and_then(|memo| memo.told_by(&there));
        return Some(Look { stamps, whole: true, artifact });
    }
    let looks = |folder: BorrowedFd<'_>, files: Files<'_>| stamped(path, folder, files, memo);
    let walked = walk::walk_looking(path, extent, &looks).ok()?;
    for folder in walked.folders() {
        stamp(&path.join(folder), &mut stamps)?;
    }
    for link in walked.links() {
        stamp(&path.join(link), &mut stamps)?;
    }
    stamps.reserve_exact(walked.batches().map(|batch| batch.stamps.len()).sum());
    walked.batches().for_each(|batch| stamps.extend_from_slice(&batch.stamps));
    let whole = walked.is_whole();
    let known = memo.is_some() && whole && walked.batches().all(|batch| batch.known);
    let artifact = known.then(|| lines::artifact(&walked, |batch| &batch.lines));
    Some(Look { stamps, whole, artifact })
}

/// Looks at files of a folder that lies in another.
fn stamped(root: &Path, folder: BorrowedFd<'_>, files: Files<'_>, memo: Option<&Memo>) -> Result<Batch, ContentError> {
    let seen: Vec<Option<Seen>> = files.names().map(|name| Seen::at(folder, name, false).ok()).collect();
    let known = memo.and_then(|memo| memo.recalled(&seen).into_iter().collect::<Option<Vec<_>>>());
    let mut stamps = Vec::with_capacity(files.len());
    for (name, seen) in files.names().zip(seen) {
        let absolute = || root.join(files.folder).join(OsStr::from_bytes(name.to_bytes()));
        let gone = || ContentError::io("examine", &absolute())(io::ErrorKind::NotFound.into());
        let seen = seen.ok_or_else(gone)?;
        stamps.push(seen.stamp);
        if seen.kind() == FileType::Symlink {
            behind(&absolute(), &mut stamps).ok_or_else(gone)?;
        }
    }
    let (known, lines) = (known.is_some(), known.map(|known| Lines::new(files, &known)).unwrap_or_default());
    Ok(Batch { stamps, lines, known })
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
    let there = match links::without(path) {
        Some(there) => there,
        None => {
            for link in links::follow(path).ok()?.links {
                found.push(Stamp::of(&fs::symlink_metadata(link).ok()?));
            }
            fs::metadata(path).ok()?
        }
    };
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
