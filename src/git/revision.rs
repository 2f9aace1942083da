//! Names of commits: branches, tags, hashes and what Git makes of them (`HEAD~3`, `v1.2^`), and ranges.

use std::collections::HashSet;

use gix::bstr::ByteSlice as _;

use super::{GitError, Repository};

/// How far back the nearest commit with a run is looked for.
const DEPTH: usize = 1000;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its hash in full.
    pub id: String,
    /// The hash of its files.
    pub tree: String,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// As much of its hash as a person needs.
    pub fn short(&self) -> &str {
        &self.id[..self.id.len().min(9)]
    }
}

/// Two names with dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// What is compared.
    pub from: String,
    /// With what; empty for the newest run, whatever it is of.
    pub to: String,
    /// Three dots: from where both go back to.
    pub fork: bool,
}

impl Range {
    /// `main..`, `main..feature`, `main...feature`; `None` if it has no dots. Paths such as `../x` are none.
    pub fn of(text: &str) -> Option<Self> {
        let (from, to, fork) = match text.split_once("...") {
            Some((from, to)) => (from, to, true),
            None => text.split_once("..").map(|(from, to)| (from, to, false))?,
        };
        let plain = |name: &str| !name.starts_with(['.', '/']) && !name.contains("..");
        let from = if from.is_empty() && !to.is_empty() { "HEAD" } else { from };
        (!from.is_empty() && plain(from) && plain(to)).then(|| Self { from: from.to_owned(), to: to.to_owned(), fork })
    }
}

impl Repository {
    /// The commit that a name stands for.
    ///
    /// # Errors
    /// If it stands for none.
    pub fn commit(&self, name: &str) -> Result<Commit, GitError> {
        let unknown = || GitError::Unknown { name: name.to_owned(), shallow: self.is_shallow() };
        let id = self.git.rev_parse_single(name).map_err(|_| unknown())?;
        let object = id.object().and_then(gix::Object::peel_to_commit);
        self.tell(&object.map_err(|_| unknown())?)
    }

    fn tell(&self, commit: &gix::Commit<'_>) -> Result<Commit, GitError> {
        let tree = commit.tree_id().map_err(|error| self.unreadable(&error))?.to_string();
        let message = commit.message().map(|message| message.summary().to_str_lossy().into_owned());
        Ok(Commit { id: commit.id.to_string(), tree, subject: message.unwrap_or_default() })
    }

    /// Whether a name is one that Git has of a commit, or an expression with such a name, and not the beginning of a hash: `main`,
    /// `v1.2`, `HEAD~3`.
    pub fn is_name(&self, name: &str) -> bool {
        let hash = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        match hash {
            true => self.git.try_find_reference(name).is_ok_and(|found| found.is_some()),
            false => self.commit(name).is_ok(),
        }
    }

    /// The commits that are checked out, or that a branch or a tag names.
    pub fn tips(&self) -> HashSet<String> {
        let named = ["refs/heads/", "refs/tags/"].into_iter().flat_map(|prefix| {
            let references = self.git.references().ok();
            let found = references.and_then(|all| Some(all.prefixed(prefix).ok()?.flatten().collect::<Vec<_>>()));
            found.unwrap_or_default()
        });
        // A tag of something else names no commit.
        let mut tips: HashSet<String> =
            named.filter_map(|mut named| Some(named.peel_to_commit().ok()?.id.to_string())).collect();
        tips.extend(self.git.head_id().ok().map(|id| id.to_string()));
        tips
    }

    /// Where two commits go back to.
    ///
    /// # Errors
    /// If they have nothing in common, or no more is known in a shallow clone.
    pub fn fork(&self, a: &str, b: &str) -> Result<Commit, GitError> {
        let (one, other) = (self.commit(a)?, self.commit(b)?);
        let id = |commit: &Commit| gix::ObjectId::from_hex(commit.id.as_bytes()).expect("a hash that was read");
        let unknown = || GitError::Unknown { name: format!("{a}...{b}"), shallow: self.is_shallow() };
        let base = self.git.merge_base(id(&one), id(&other)).ok().flatten().ok_or_else(unknown)?;
        let object = base.object().and_then(gix::Object::peel_to_commit);
        self.tell(&object.map_err(|error| self.unreadable(&error))?)
    }

    /// The first commit that `is` one, going back from a commit over first parents, and how far that is.
    pub fn nearest(&self, from: &Commit, is: &dyn Fn(&str) -> bool) -> Option<(Commit, usize)> {
        let mut id = gix::ObjectId::from_hex(from.id.as_bytes()).ok()?;
        for back in 0..DEPTH {
            if is(&id.to_string()) {
                let commit = self.git.find_object(id).ok()?.try_into_commit().ok()?;
                return Some((self.tell(&commit).ok()?, back));
            }
            id = self.git.find_object(id).ok()?.try_into_commit().ok()?.parent_ids().next()?.detach();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_dots_between_names() {
        let range = |from: &str, to: &str, fork| Some(Range { from: from.into(), to: to.into(), fork });
        assert_eq!(Range::of("main.."), range("main", "", false));
        assert_eq!(Range::of("main..feature/x"), range("main", "feature/x", false));
        assert_eq!(Range::of("main...HEAD~1"), range("main", "HEAD~1", true));
        assert_eq!(Range::of("..main"), range("HEAD", "main", false));
        for none in ["main", "v1.2", "..", "...", "../x", "a..b..c"] {
            assert_eq!(Range::of(none), None, "{none}");
        }
    }
}
