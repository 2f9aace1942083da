//! A store that several users share: if its folder may be written by its group, then so may all that is made in it, whatever the umask of
//! who makes it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::files::VERSION;
use super::recognise::is_marked;

/// Whether a group shares the store.
pub(super) fn is_shared(root: &Path) -> bool {
    fs::metadata(root).is_ok_and(|metadata| metadata.mode() & 0o020 != 0)
}

/// Gives a new file of a store to the group that shares the store, if one does.
pub(crate) fn share(root: &Path, path: &Path) {
    if is_shared(root) {
        grant(path);
    }
}

/// Gives a new file, and the folders in which it lies, to the group that shares the folder above all of them, if one does.
pub(crate) fn share_below(root: &Path, path: &Path) {
    if is_shared(root) {
        path.ancestors().take_while(|above| *above != root && above.starts_with(root)).for_each(grant);
    }
}

/// Gives the group of a new file or folder the rights of its owner; what is made in a folder then belongs to that group as well. What is
/// somebody else's was made by a Kiln that did this.
pub(super) fn grant(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_symlink() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return;
    }
    let mode = metadata.mode() & 0o7777;
    let wanted = mode | (mode & 0o700) >> 3 | if metadata.is_dir() { 0o2000 } else { 0 };
    if wanted != mode
        && let Err(error) = fs::set_permissions(path, Permissions::from_mode(wanted))
    {
        tracing::debug!("cannot share {}: {error}", path.display());
    }
}

/// What to do where the system refuses something in a store to this user.
pub(super) fn advice(path: &Path) -> Option<String> {
    let root = store_of(path)?.display();
    let refused = path.ancestors().find_map(|path| fs::symlink_metadata(path).ok())?;
    let (owner, group) = (refused.uid(), refused.gid());
    if owner == rustix::process::geteuid().as_raw() {
        return Some(format!(
            "give yourself the rights to `{root}` again, or name another cache with `--cache` or `KILN_CACHE`"
        ));
    }
    let commands =
        format!("`chgrp -R GROUP {root}`, `chmod -R g+rwX {root}` and `find {root} -type d -exec chmod g+s {{}} +`");
    Some(format!(
        "user {owner} (group {group}) owns what is there; to share the cache with a group, its owner runs {commands}, and what is made there from \
         then on is the group's; or name a cache of your own with `--cache` or `KILN_CACHE`"
    ))
}

/// The store that a path is in, or that its mark is of.
pub(super) fn store_of(path: &Path) -> Option<&Path> {
    let mark = path.file_name().is_some_and(|name| name == VERSION);
    path.ancestors().skip(1).find(|folder| mark || is_marked(folder))
}
