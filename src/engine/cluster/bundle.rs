//! Files and folders as they travel to a job and back: what is small goes with a letter, what is large by itself under its digest.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hash::{Digest, Memo};
use crate::remote::Trouble;
use crate::store::{self, Object};

/// What is no larger than this, in bytes, goes with the letter, as long as that is no longer than this.
const SMALL: u64 = 64 << 10;
const LETTER: usize = 8 << 20;

/// So deep folders may be.
const DEEPEST: usize = 100;

/// What is in a folder, or a part of it. Folders come before what is in them.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Bundle {
    entries: Vec<(PathBuf, Item)>,
    /// What is small, one after another.
    #[serde(skip)]
    pub(super) small: Vec<u8>,
    /// The files of what is large.
    #[serde(skip)]
    pub(super) large: Vec<(Object, PathBuf)>,
}

#[derive(Serialize, Deserialize)]
enum Item {
    /// Whether nothing may be written in it, as in the folder of an input.
    Folder {
        closed: bool,
    },
    Link {
        to: PathBuf,
    },
    Small {
        mode: u32,
        from: usize,
        bytes: usize,
    },
    Large {
        mode: u32,
        digest: Digest,
        bytes: u64,
    },
}

/// What becomes of links.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// They stay what they are.
    Stay,
    /// Those that lead out of the folder become what they lead to.
    Lead,
}

impl Bundle {
    /// Adds what is at a path in a folder, with the folders above it. Nothing if nothing is there. What is neither a file, a folder nor a
    /// link is left out.
    ///
    /// # Errors
    /// If something cannot be read.
    pub(super) fn add(&mut self, folder: &Path, path: &Path, links: Links, memo: &Memo) -> io::Result<()> {
        if fs::symlink_metadata(folder.join(path)).is_err() {
            return Ok(());
        }
        let above: Vec<&Path> = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
        for above in above.into_iter().rev() {
            if !self.entries.iter().any(|(there, _)| there == above) {
                self.entries.push((above.to_owned(), Item::Folder { closed: false }));
            }
        }
        self.walk(folder, path, links, memo)
    }

    fn walk(&mut self, folder: &Path, path: &Path, links: Links, memo: &Memo) -> io::Result<()> {
        let place = folder.join(path);
        if path.to_str().is_none() {
            return Err(io::Error::other(format!("the name of {} is no text", place.display())));
        }
        if path.components().count() > DEEPEST {
            return Err(io::Error::other(format!(
                "{} is too deep, or links in it go round in a circle",
                place.display()
            )));
        }
        let mut metadata = fs::symlink_metadata(&place)?;
        if metadata.is_symlink() {
            let leaves = || place.canonicalize().is_ok_and(|target| !target.starts_with(folder));
            if links == Links::Stay || !leaves() {
                let to = fs::read_link(&place)?;
                if to.to_str().is_none() {
                    return Err(io::Error::other(format!("the link {} leads to what is no text", place.display())));
                }
                self.entries.push((path.to_owned(), Item::Link { to }));
                return Ok(());
            }
            metadata = fs::metadata(&place)?;
        }
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            if !path.as_os_str().is_empty() {
                self.entries.push((path.to_owned(), Item::Folder { closed: mode & 0o200 == 0 }));
            }
            let mut names: Vec<_> =
                fs::read_dir(&place)?.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<_>>()?;
            names.sort();
            return names.into_iter().try_for_each(|name| self.walk(folder, &path.join(name), links, memo));
        }
        if !metadata.is_file() {
            return Ok(());
        }
        let item = if metadata.len() <= SMALL && self.small.len() < LETTER {
            let content = fs::read(&place)?;
            let from = self.small.len();
            self.small.extend(&content);
            Item::Small { mode, from, bytes: content.len() }
        } else {
            let real = place.canonicalize()?;
            let artifact = memo.artifact(&real)?.ok_or(io::ErrorKind::NotFound)?;
            let object = Object { listing: false, digest: artifact.digest, bytes: artifact.bytes };
            self.large.push((object, real));
            Item::Large { mode, digest: artifact.digest, bytes: artifact.bytes }
        };
        self.entries.push((path.to_owned(), item));
        Ok(())
    }

    /// Puts all into a folder, over what is there. `bring` fetches what is large.
    ///
    /// # Errors
    /// If something cannot be written or fetched; what is there then is not to be used.
    pub(super) fn unpack(
        &self,
        to: &Path,
        bring: &dyn Fn(Vec<(Object, PathBuf)>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut large = Vec::new();
        let mut modes = Vec::new();
        for (path, item) in &self.entries {
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            let place = to.join(path);
            let failed = |error: io::Error| format!("cannot write {}: {error}", place.display());
            if !plain {
                return Err(format!("{} is no path in a folder", path.display()));
            }
            if let Item::Folder { closed } = item {
                match fs::symlink_metadata(&place) {
                    // An earlier try may have closed it.
                    Ok(there) if there.is_dir() => fs::set_permissions(&place, Permissions::from_mode(0o755)),
                    _ => store::remove_all(&place).and_then(|()| fs::create_dir_all(&place)),
                }
                .map_err(failed)?;
                if *closed {
                    modes.push((place, 0o555));
                }
                continue;
            }
            store::remove_all(&place).map_err(failed)?;
            match item {
                Item::Folder { .. } => {}
                Item::Link { to } => symlink(to, &place).map_err(failed)?,
                Item::Small { mode, from, bytes } => {
                    let content = self.small.get(*from..from.saturating_add(*bytes));
                    let content = content.ok_or_else(|| "a letter is too short".to_owned())?;
                    fs::write(&place, content).map_err(failed)?;
                    modes.push((place, *mode));
                }
                Item::Large { mode, digest, bytes } => {
                    large.push((Object { listing: false, digest: *digest, bytes: *bytes }, place.clone()));
                    modes.push((place, *mode));
                }
            }
        }
        bring(large)?;
        // What is in a folder before the folder itself.
        for (place, mode) in modes.into_iter().rev() {
            fs::set_permissions(&place, Permissions::from_mode(mode))
                .map_err(|error| format!("cannot give rights to {}: {error}", place.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_the_same() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("blob"), "far").unwrap();
        let folder = here.path().canonicalize().unwrap();
        fs::create_dir_all(folder.join("a/empty")).unwrap();
        fs::write(folder.join("a/small"), "small").unwrap();
        fs::write(folder.join("a/large"), vec![7; 100_000]).unwrap();
        fs::set_permissions(folder.join("a/small"), Permissions::from_mode(0o555)).unwrap();
        symlink("small", folder.join("a/near")).unwrap();
        fs::create_dir(folder.join("a/closed")).unwrap();
        fs::write(folder.join("a/closed/x"), "x").unwrap();
        fs::set_permissions(folder.join("a/closed"), Permissions::from_mode(0o555)).unwrap();
        symlink(outside.path().join("blob"), folder.join("a/far")).unwrap();
        let memo = Memo::open(&folder.join("memo"));
        let mut bundle = Bundle::default();
        bundle.add(&folder, Path::new("a"), Links::Lead, &memo).unwrap();
        bundle.add(&folder, Path::new("missing"), Links::Lead, &memo).unwrap();
        let head = serde_json::to_vec(&bundle).unwrap();
        let mut other: Bundle = serde_json::from_slice(&head).unwrap();
        other.small = std::mem::take(&mut bundle.small);
        let large = bundle.large;
        assert_eq!(large.len(), 1);
        let bring = |wanted: Vec<(Object, PathBuf)>| {
            assert_eq!(wanted[0].0, large[0].0);
            fs::copy(&large[0].1, &wanted[0].1).map(drop).map_err(|error| error.to_string())
        };
        // Twice, as after a try that came to nothing.
        for _ in 0..2 {
            other.unpack(there.path(), &bring).unwrap();
        }
        let at = |path: &str| there.path().join(path);
        assert!(at("a/empty").is_dir() && !at("missing").exists());
        assert_eq!(fs::read_to_string(at("a/far")).unwrap(), "far");
        assert!(fs::symlink_metadata(at("a/far")).unwrap().is_file());
        assert_eq!(fs::read_link(at("a/near")).unwrap(), Path::new("small"));
        let mode = |path: &str| fs::metadata(at(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/small"), mode("a/closed"), mode("a/empty")), (0o555, 0o555, 0o755));
        assert_eq!(fs::read_to_string(at("a/closed/x")).unwrap(), "x");
        assert_eq!(fs::read(at("a/large")).unwrap(), vec![7; 100_000]);

        let outside = Bundle { entries: vec![("../x".into(), Item::Folder { closed: false })], ..Bundle::default() };
        assert!(outside.unpack(there.path(), &bring).is_err());
    }
}
