//! Earlier versions of a file.

use std::collections::HashSet;

use super::Repository;

/// So many commits are gone back.
const DEPTH: usize = 10_000;

impl Repository {
    /// The newest version of a file, by its path in the repository, that `is` the one that is looked for: in the commit that is checked
    /// out, or in one that led to it. A history that cannot be read ends there.
    pub fn version(&self, path: &str, is: &dyn Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let head = self.git.head_id().ok()?.detach();
        let mut seen = HashSet::new();
        let order = gix::revision::walk::Sorting::ByCommitTime(Default::default());
        for commit in self.git.rev_walk([head]).sorting(order).all().ok()?.take(DEPTH) {
            let tree = commit.ok()?.object().ok()?.tree().ok()?;
            let Some(entry) = tree.lookup_entry_by_path(path).ok()? else { continue };
            if entry.mode().is_blob() && seen.insert(entry.object_id()) {
                let blob = entry.object().ok()?;
                if is(&blob.data) {
                    return Some(blob.data.clone());
                }
            }
        }
        None
    }
}
