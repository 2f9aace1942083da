//! What is in a folder, its files as the memo knows them.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rayon::prelude::*;
use rustix::fs::FileType;

use super::{Memo, recall};
use crate::hash::allowance::{A_LOOK, Allowance};
use crate::hash::stamp::Seen;
use crate::hash::tree::{Listing, Node};
use crate::hash::walk::{self, Extent, Found};
use crate::hash::{Artifact, ContentError};

impl Memo {
    pub(super) fn tree(
        &self,
        root: &Path,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Artifact, ContentError> {
        Ok(self.listing_within(root, extent, allowance)?.own_artifact())
    }

    /// What is in a folder.
    pub(crate) fn listing(&self, root: &Path) -> Result<Listing, ContentError> {
        self.listing_within(root, Extent::Everything, &Allowance::boundless())
    }

    pub(super) fn listing_within(
        &self,
        root: &Path,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Listing, ContentError> {
        let own = self.path.parent();
        let is_store = |folder: &Path| own == Some(folder) || self.is_store.is_some_and(|is_store| is_store(folder));
        let looks = |folder: BorrowedFd<'_>, files: Vec<PathBuf>| self.nodes(root, folder, files, extent, allowance);
        let entries = walk::walk_outside(root, extent, &is_store, &looks)?.into_iter().map(|(path, found)| {
            let node = match found {
                Found::Link { target } => Node::Link { target },
                Found::Folder => Node::Folder,
                Found::File(node) => node,
            };
            (path, node)
        });
        Ok(Listing::new(entries.collect()))
    }

    /// Looks at files of a folder that lies in another, and reads those that are not known.
    fn nodes(
        &self,
        root: &Path,
        folder: BorrowedFd<'_>,
        files: Vec<PathBuf>,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Vec<(PathBuf, Node)>, ContentError> {
        allowance.take(A_LOOK * files.len() as u64)?;
        let follow = extent != Extent::Everything;
        let seen: Vec<Option<Seen>> = files.iter().map(|path| Seen::at(folder, path, follow).ok()).collect();
        let known = self.recalled(&seen);
        let node = |(path, known): (PathBuf, Option<Artifact>)| {
            let artifact = match known {
                Some(known) => known,
                None => {
                    let absolute = root.join(&path);
                    let metadata = if follow { fs::metadata(&absolute) } else { fs::symlink_metadata(&absolute) };
                    self.file(&absolute, &metadata.map_err(ContentError::io("examine", &absolute))?, allowance)?
                }
            };
            let Artifact { digest, bytes, executable, .. } = artifact;
            Ok((path, Node::File { digest, bytes, executable }))
        };
        if known.iter().all(Option::is_some) {
            return files.into_iter().zip(known).map(node).collect();
        }
        files.into_par_iter().zip(known).map(node).collect()
    }

    /// The artifacts of files of a folder, as far as what was seen of them can tell.
    pub(in crate::hash) fn recalled(&self, files: &[Option<Seen>]) -> Vec<Option<Artifact>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let recall = |seen: &Option<Seen>| {
            let seen = seen.as_ref().filter(|seen| seen.kind() == FileType::RegularFile)?;
            let digest = recall(&known, &seen.stamp)?;
            Some(Artifact { digest, tree: false, bytes: seen.stamp.size, executable: seen.mode & 0o100 != 0 })
        };
        files.iter().map(recall).collect()
    }
}
