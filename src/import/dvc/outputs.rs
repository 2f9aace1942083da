//! Every path that the stages of a project write.

use std::collections::BTreeSet;

use super::context::join;
use super::file::File;

/// Paths that are written. Those of frozen stages are not: they lie there as data.
pub(super) struct Written<'f> {
    paths: BTreeSet<&'f str>,
}

impl<'f> Written<'f> {
    pub(super) fn of(files: &'f [File]) -> Self {
        let stages = files.iter().flat_map(|file| &file.stages).filter(|stage| !stage.frozen);
        let paths = stages.flat_map(|stage| &stage.variants).flat_map(|variant| &variant.outs);
        Self { paths: paths.map(|out| out.item.path.as_str()).collect() }
    }

    pub(super) fn exactly(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The folder around a path that is written as a whole.
    pub(super) fn around(&self, path: &str) -> Option<&'f str> {
        let mut at = path;
        while let Some((outer, _)) = at.rsplit_once('/') {
            if let Some(found) = self.paths.get(outer) {
                return Some(found);
            }
            at = outer;
        }
        None
    }

    /// What is written in a folder.
    pub(super) fn within<'p>(&self, folder: &'p str) -> impl Iterator<Item = &'f str> + use<'f, 'p, '_> {
        let folder = if folder == "." { String::new() } else { join("", folder) + "/" };
        self.paths.iter().copied().filter(move |path| path.starts_with(&folder))
    }
}
