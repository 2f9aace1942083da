//! What a source is made of, for who waits until it changes.

use std::path::{Path, PathBuf};

use super::walk::{self, Extent};
use crate::links;

/// The links that lead to an absolute path, and the file there or, of a folder, all that is in it. Where that cannot be told, the path itself: what
/// is wrong there is the business of who reads it.
pub fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts = links::follow(path).map(|lead| lead.links).unwrap_or_default();
    match walk::walk(path, Extent::Source) {
        Ok(found) if path.is_dir() => parts.extend(found.into_iter().map(|(inside, _)| path.join(inside))),
        _ => parts.push(path.to_owned()),
    }
    parts
}
