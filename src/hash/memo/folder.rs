//! What is in a folder, its files as the memo knows them.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rayon::prelude::*;
use rustix::fs::FileType;

use super::{Memo, recall};
use crate::hash::allowance::{A_LOOK, Allowance};
use crate::hash::lines::{self, Lines};
use crate::hash::stamp::Seen;
use crate::hash::tree::{Listing, Node};
use crate::hash::walk::{self, Extent, Files, Found};
use crate::hash::{Artifact, ContentError};

impl Memo {
    pub(super) fn tree(
        &self,
        root: &Path,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Artifact, ContentError> {
        let looks = |folder: BorrowedFd<'_>, files: Files<'_>| {
            Ok(Lines::new(files, &self.nodes(root, folder, files, extent, allowance)?))
        };
        let walked = walk::walk_outside(root, extent, &|folder| self.keeps_out_of(folder), &looks)?;
        Ok(lines::artifact(&walked, |lines| lines))
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
        let looks = |folder: BorrowedFd<'_>, files: Files<'_>| {
            let nodes = self.nodes(root, folder, files, extent, allowance)?;
            Ok(files.paths().zip(nodes).collect::<Vec<_>>())
        };
        let walked = walk::walk_outside(root, extent, &|folder| self.keeps_out_of(folder), &looks)?;
        let entries = walked.all().into_iter().map(|(path, found)| {
            let node = match found {
                Found::Link { target } => Node::Link { target },
                Found::Folder => Node::Folder,
                Found::File(node) => node,
            };
            (path, node)
        });
        Ok(Listing::new(entries.collect()))
    }

    /// Whether a folder is a store.
    fn keeps_out_of(&self, folder: &Path) -> bool {
        self.path.parent() == Some(folder) || self.is_store.is_some_and(|is_store| is_store(folder))
    }

    /// Looks at files of a folder that lies in another, and reads those that are not known.
    fn nodes(
        &self,
        root: &Path,
        folder: BorrowedFd<'_>,
        files: Files<'_>,
        extent: Extent<'_>,
        allowance: &Allowance,
    ) -> Result<Vec<Node>, ContentError> {
        allowance.take(A_LOOK * files.len() as u64)?;
        let follow = extent != Extent::Everything;
        let seen: Vec<Option<Seen>> = files.names().map(|name| Seen::at(folder, name, follow).ok()).collect();
        let known = self.recalled(&seen);
        if known.iter().all(Option::is_some) {
            return Ok(known.into_iter().flatten().collect());
        }
        let node = |(path, known): (PathBuf, Option<Node>)| {
            if let Some(known) = known {
                return Ok(known);
            }
            let absolute = root.join(&path);
            let metadata = if follow { fs::metadata(&absolute) } else { fs::symlink_metadata(&absolute) };
            let metadata = metadata.map_err(ContentError::io("examine", &absolute))?;
            let Artifact { digest, bytes, executable, .. } = self.file(&absolute, &metadata, allowance)?;
            Ok(Node::File { digest, bytes, executable })
        };
        files.paths().zip(known).collect::<Vec<_>>().into_par_iter().map(node).collect()
    }

    /// What files of a folder are, as far as what was seen of them can tell.
    pub(in crate::hash) fn recalled(&self, files: &[Option<Seen>]) -> Vec<Option<Node>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let recall = |seen: &Option<Seen>| {
            let seen = seen.as_ref().filter(|seen| seen.kind() == FileType::RegularFile)?;
            let digest = recall(&known, &seen.stamp)?;
            Some(Node::File { digest, bytes: seen.stamp.size, executable: seen.mode & 0o100 != 0 })
        };
        files.iter().map(recall).collect()
    }
}
