//! Run records, read for what tells why stages run again and no further: of a large run that is a small part.

use rayon::prelude::*;

use super::pages::{PAGE, Pages, PerRunFields};
use super::run::read_line;
use super::{Project, Store, page};
use crate::hash::{ActionKey, Digest};
use crate::record::{Outcome, RunStatus, StageRecord};

/// As much of a stage's record as tells why it runs again.
pub(crate) struct Skimmed {
    /// Its name.
    pub(crate) name: String,
    /// Its key.
    pub(crate) key: Option<ActionKey>,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Seconds that went into its outputs.
    pub(crate) seconds: Option<f64>,
}

impl From<StageRecord> for Skimmed {
    fn from(stage: StageRecord) -> Self {
        Self { seconds: stage.total_seconds(), name: stage.name, key: stage.key, outcome: stage.outcome }
    }
}

impl Store {
    /// What the recorded runs of a pipeline file say of why stages run again, newest first; each is read when it is asked for.
    pub(crate) fn skim_runs(&self, project: &Project) -> impl Iterator<Item = Vec<Skimmed>> + use<'_> {
        self.runs_of(project).filter_map(|(_, path)| {
            let (line, summary) = read_line(&path).ok()?;
            if summary.stages() > PAGE
                && let Some(stages) = self.skim_pages(&line)
            {
                return Some(stages);
            }
            let record = self.read_record(&path).ok()?;
            Some(record.stages.into_iter().map(Skimmed::from).collect())
        })
    }

    /// The pages of the last run of a pipeline file, if it ended well.
    pub(crate) fn last_pages(&self, project: &Project) -> Option<Vec<Digest>> {
        let (summary, path) = self.runs_of(project).next()?;
        let (line, _) = read_line(&path).ok()?;
        let last: Pages = serde_json::from_slice(&line).ok()?;
        (summary.status == RunStatus::Ok).then_some(last.pages)
    }

    /// What tells why the stages of a page run again; what became of them is for the run to say.
    pub(super) fn skim_page(&self, digest: &Digest, per_run: &PerRunFields) -> Option<Vec<Skimmed>> {
        let bytes = self.read(digest).ok()?;
        let skimmed = page::entries(&bytes)?.into_iter().map(|entry| Skimmed {
            name: entry.name.to_owned(),
            key: entry.key,
            outcome: per_run.outcome,
            seconds: entry.total_seconds(),
        });
        Some(skimmed.collect())
    }

    /// What tells why stages run again, of a run of which the record is in pages; `None` if it is not, or cannot be read.
    fn skim_pages(&self, line: &[u8]) -> Option<Vec<Skimmed>> {
        let pages: Pages = serde_json::from_slice(line).ok()?;
        let read = pages.pages.par_iter().map(|digest| self.skim_page(digest, &pages.usual));
        let mut stages: Vec<Skimmed> = read.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
        for (position, per_run) in &pages.unusual {
            if let Some(stage) = stages.get_mut(*position) {
                stage.outcome = per_run.outcome;
            }
        }
        Some(stages)
    }
}
