//! `cache:` of a pipeline file: how outputs are put in place from the cache.

use super::form::{fields, wrong};
use super::mistake::{Mistake, Mistakes};
use super::node::Node;
use crate::store::Placement;

/// Its keys.
pub(super) const CACHE: &[&str] = &["type"];

/// The values of `type`.
pub(super) const TYPES: [&str; 2] = ["copy", "hardlink"];

/// How outputs are put in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PutAs {
    /// Each as a file of its own, which shares blocks with the cache where the file system can do that.
    #[default]
    Copy,
    /// Large ones as hard links to files of the cache, which nobody may write to.
    HardLink,
}

impl PutAs {
    /// The same as the store has it.
    pub fn placement(self) -> Placement {
        match self {
            Self::Copy => Placement::Copy,
            Self::HardLink => Placement::HardLink,
        }
    }
}

/// Reads it.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes<'_>) -> PutAs {
    let mut put = PutAs::default();
    for entry in fields(node, "`cache`", CACHE, mistakes) {
        match entry.node.text() {
            Some("copy") => put = PutAs::Copy,
            Some("hardlink") => put = PutAs::HardLink,
            Some("reflink") => mistakes.add(
                Mistake::new("`type` of `cache` is `copy` or `hardlink`")
                    .at(entry.node.place, "")
                    .hint("a `copy` is a reflink wherever the file system can make one"),
            ),
            Some("symlink") => mistakes.add(
                Mistake::new("`type` of `cache` is `copy` or `hardlink`")
                    .at(entry.node.place, "")
                    .hint("with the cache on the file system of the project, `hardlink` takes as little room as symbolic links"),
            ),
            _ => {
                let _: Option<()> = wrong(&entry.node, "`type` of `cache`", "`copy` or `hardlink`", mistakes);
            }
        }
    }
    put
}
