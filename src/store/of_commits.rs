//! The runs that stand for commits which somebody has a name for: `gc` keeps what they reach.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::project::Places;
use super::{Result, RunSummary, Store};
use crate::record::{RunId, RunStatus};

/// So many runs of a commit are read to find the one that stands for it.
const READ: usize = 30;

impl Store {
    /// The runs that stand for commits: of each pipeline file and profile one that ended well, of the files as they were committed. One of all stages
    /// without other parameters goes first. `commits` tells which commits of the project at a folder count.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn runs_of_commits(&self, commits: &dyn Fn(&Path) -> HashSet<String>) -> Result<Vec<RunId>> {
        let mut places = Places::new(self.root(), None);
        let mut known: HashMap<PathBuf, HashSet<String>> = HashMap::new();
        let mut of: HashMap<_, Vec<(RunSummary, PathBuf)>> = HashMap::new();
        for (run, record) in self.summaries()? {
            let clean = run.git.as_ref().filter(|git| git.dirty == Some(false) && run.status == RunStatus::Ok);
            let Some(commit) = clean.and_then(|git| git.commit.clone()) else { continue };
            let project = places.of(&run.origin);
            if known.entry(project.clone()).or_insert_with(|| commits(&project)).contains(&commit) {
                let file = run.origin.pipeline.file_name().map(PathBuf::from);
                of.entry((project, file, run.origin.profile.clone(), commit)).or_default().push((run, record));
            }
        }
        Ok(of.into_values().filter_map(|runs| self.most_telling(runs)).collect())
    }

    fn most_telling(&self, mut runs: Vec<(RunSummary, PathBuf)>) -> Option<RunId> {
        let all = runs.iter().map(|(run, _)| run.stages()).max()?;
        runs.retain(|(run, _)| run.stages() == all);
        let plain = |record: &PathBuf| self.read_record(record).is_ok_and(|record| record.set.is_empty());
        let found = runs.iter().take(READ).position(|(_, record)| plain(record));
        Some(runs.swap_remove(found.unwrap_or(0)).0.id)
    }
}
