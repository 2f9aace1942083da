//! `.dvc` files: data that DVC tracks, which are sources here; what is missing is put in place from DVC's cache.

use std::fs;
use std::io;
use std::path::Path;

use super::cache::Caches;
use super::context::join;
use super::digest::{self, Hash};
use super::intake::{Intake, Of};
use super::lock;
use super::note::{Notes, Refused};
use super::text::text;
use super::yaml::{self, At, Node};

/// Looks at the data of one `.dvc` file. With `write`, what is missing is put in place.
pub(super) fn look(
    root: &Path,
    file: &Path,
    caches: &Caches,
    intake: &Intake<'_>,
    write: bool,
    notes: &mut Notes,
) -> Result<(), Refused> {
    let tree = yaml::read(&text(root, file)?).map_err(|fault| Refused::of(file, fault))?;
    let folder = file.parent().map_or_else(String::new, |folder| folder.display().to_string());
    let folder = join(&folder, tree.get("wdir").and_then(Node::text).unwrap_or("."));
    for dep in tree.get("deps").map(Node::items).unwrap_or_default() {
        let from = dep.get("repo").and_then(|repo| repo.get("url")).or_else(|| dep.get("path")).and_then(Node::shown);
        let what = format!("this data was imported from {}", from.unwrap_or_else(|| "elsewhere".into()));
        notes.lost(
            file,
            dep.at,
            what,
            "it is a source as it lies here; a stage that fetches it could bring it up to date",
        );
    }
    for out in lock::paths(tree.get("outs")) {
        let path = join(&folder, &out.path);
        let Some(hash) = out.hash else { continue };
        match digest::of_path(root, &path, hash.folded, &|path| intake.md5(path, hash.folded, Of::Source)) {
            Ok(Some(found)) if found == hash => {}
            Ok(Some(_)) => {
                let hint = "Kiln takes what lies there; `dvc checkout` puts back what DVC knows";
                notes.differs(file, out.at, format!("`{path}` is not what {} says", file.display()), hint);
            }
            Ok(None) => restore(root, file, &path, &hash, out.executable, caches, write, out.at, notes),
            Err(error) => notes.lost(file, out.at, format!("`{path}` cannot be read: {error}"), ""),
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "all of one line of a file")]
pub(super) fn restore(
    root: &Path,
    file: &Path,
    path: &str,
    hash: &Hash,
    executable: bool,
    caches: &Caches,
    write: bool,
    at: At,
    notes: &mut Notes,
) {
    let place = root.join(path);
    let found = if hash.is_folder() { caches.members(hash).is_some() } else { caches.object(hash).is_some() };
    if !found {
        let hint = "`dvc pull` brings it; kiln refuses stages that take it until it is there";
        return notes.lost(file, at, format!("`{path}` is neither in the project nor in DVC's cache"), hint);
    }
    if !write {
        return notes.told(file, at, format!("`{path}` would be put in place from DVC's cache"), "");
    }
    match put(&place, hash, executable, caches) {
        Ok(()) => notes.told(file, at, format!("`{path}` was put in place from DVC's cache"), ""),
        Err(error) => notes.lost(file, at, format!("`{path}` could not be put in place: {error}"), ""),
    }
}

/// Puts an object of DVC's at a path where nothing is, as a copy.
pub(super) fn put(place: &Path, hash: &Hash, executable: bool, caches: &Caches) -> io::Result<()> {
    let copy = |hash: &Hash, to: &Path, executable: bool| -> io::Result<()> {
        let from =
            caches.object(hash).ok_or_else(|| io::Error::other(format!("{} is missing or damaged", hash.md5)))?;
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        reflink_copy::reflink_or_copy(from, to)?;
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(mode))
    };
    if !hash.is_folder() {
        return copy(hash, place, executable);
    }
    let members = caches.members(hash).ok_or_else(|| io::Error::other("the list of its files is missing"))?;
    fs::create_dir_all(place)?;
    for member in members {
        copy(&Hash { md5: member.md5, folded: hash.folded }, &place.join(&member.relative), false)?;
    }
    Ok(())
}
