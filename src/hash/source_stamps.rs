//! Sightings: what `stat` says of a file, or of a folder and all that is in it, so that a second look proves that nothing was changed.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::Path;

use super::tree::{self, Extent};
use super::{Artifact, Memo, Stamp};
use crate::links;

/// An artifact in the project, and the stamps of all that it is made of.
pub(crate) struct SourceStamps {
    /// What lay there.
    pub(crate) artifact: Artifact,
    stamps: Vec<Stamp>,
}

impl SourceStamps {
    /// Looks at a source, where links count for what they point to. `None` if no artifact lies there, or one that was changed so
    /// lately that another change might not show.
    pub(crate) fn of(path: &Path, extent: Extent<'_>, memo: &Memo) -> Option<Self> {
        let stamps = stamps(path, extent).filter(|stamps| stamps.iter().all(|stamp| memo.is_telling(stamp)))?;
        let artifact = memo.source_in(path, extent).ok()??;
        Some(Self { artifact, stamps })
    }

    /// Whether nothing was changed at the path since, nor changed and changed back.
    pub(crate) fn holds(&self, path: &Path, extent: Extent<'_>) -> bool {
        stamps(path, extent).is_some_and(|stamps| stamps == self.stamps)
    }

    /// Whether nothing was written at the path since, as its times of modification tell: only rights or names were changed.
    pub(crate) fn is_unwritten(&self, path: &Path) -> bool {
        let told = |stamp: &Stamp| (stamp.id, stamp.size, stamp.mtime);
        stamps(path, Extent::Source).is_some_and(|stamps| stamps.iter().map(told).eq(self.stamps.iter().map(told)))
    }
}

/// The stamps of what is at an absolute path, of the links that lead there, and of all that is in it.
fn stamps(path: &Path, extent: Extent<'_>) -> Option<Vec<Stamp>> {
    let mut found = Vec::new();
    let there = look(path, &mut found)?;
    if there.is_dir() {
        let walked = tree::walk(path, extent).ok()?;
        // The last above each is the folder itself.
        let inside: BTreeSet<&Path> = walked.iter().flat_map(|(inside, _)| inside.ancestors()).collect();
        for inside in inside.into_iter().filter(|inside| !inside.as_os_str().is_empty()) {
            let inside = path.join(inside);
            let metadata = fs::symlink_metadata(&inside).ok()?;
            found.push(Stamp::of(&metadata));
            // One that stays in the folder may lead to nothing.
            if metadata.is_symlink() && inside.exists() {
                look(&inside, &mut found)?;
            }
        }
    }
    Some(found)
}

/// Adds the stamps of the links that a path leads through, and of what is at their end.
fn look(path: &Path, found: &mut Vec<Stamp>) -> Option<Metadata> {
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
