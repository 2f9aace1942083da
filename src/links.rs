//! Where a path leads: the symbolic links on the way, and the place at their end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

/// So many links are followed, as the kernel does.
const MOST: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The links on the way, in the order in which they are met. No link leads to any of them.
    pub links: Vec<PathBuf>,
    /// The place, without links. Of what does not exist the name counts as it stands.
    pub end: PathBuf,
}

/// A path without `.` and without what `..` undoes; `..` stays where it leads out of the folder that the path is relative to. Links are not looked at.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if out.file_name().is_some() => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// Follows an absolute path.
///
/// # Errors
/// If links lead round in a circle ([`is_circle`]), or what the system refuses.
pub fn follow(path: &Path) -> io::Result<Lead> {
    let mut left: VecDeque<OsString> = VecDeque::new();
    prepend(&mut left, path);
    let mut lead = Lead { links: vec![], end: PathBuf::from("/") };
    while let Some(name) = left.pop_front() {
        if name == ".." {
            lead.end.pop();
            continue;
        }
        let next = lead.end.join(&name);
        match fs::read_link(&next) {
            Ok(target) => {
                if lead.links.len() == MOST {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                if target.is_absolute() {
                    lead.end = PathBuf::from("/");
                }
                prepend(&mut left, &target);
                lead.links.push(next);
            }
            // No link, or nothing.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                lead.end = next;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => lead.end = next,
            Err(error) => return Err(error),
        }
    }
    Ok(lead)
}

/// What lies at a path if no link leads there, as the kernel tells in one step (since Linux 5.6). `None` if one does, or if it takes
/// [`follow`] to tell.
pub fn without(path: &Path) -> Option<Metadata> {
    let found = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    File::from(found.ok()?).metadata().ok()
}

/// Whether the system refused something because links lead round in a circle.
pub fn is_circle(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn prepend(left: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => left.push_front(name.to_owned()),
            Component::ParentDir => left.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("disk/v1/deep")).unwrap();
        symlink("disk/current/deep/..", root.join("data")).unwrap();
        symlink(root.join("disk/v1"), root.join("disk/current")).unwrap();
        let lead = follow(&root.join("data/new/file")).unwrap();
        assert_eq!(lead.end, root.join("disk/v1/new/file"));
        assert_eq!(lead.links, [root.join("data"), root.join("disk/current")]);
        assert_eq!(follow(&root.join("disk")).unwrap().links, Vec::<PathBuf>::new());
        assert!(without(&root.join("disk/v1/deep/..")).is_some_and(|found| found.is_dir()));
        for linked in ["data", "data/new", "disk/current", "disk/current/deep", "disk/v2"] {
            assert!(without(&root.join(linked)).is_none(), "{linked}");
        }
    }

    #[test]
    fn a_circle_is_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(is_circle(&follow(&folder.path().join("a/x")).unwrap_err()));
    }
}
