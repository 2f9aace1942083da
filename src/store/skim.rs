//! Run records, read for what tells why stages run again and no further: of a large run that is a small part.

use std::path::Path;

use rayon::prelude::*;

use super::Store;
use super::pages::{PAGE, Pages, Passing, option};
use super::run::{read_line, read_summary};
use crate::hash::{ActionKey, Digest};
use crate::journal::wire::Reader;
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
    /// What the recorded runs of a project say of why stages run again, newest first; each is read when it is asked for.
    pub(crate) fn skim_runs(&self, project: &Path) -> impl Iterator<Item = Vec<Skimmed>> + use<'_> {
        let project = project.to_owned();
        let files = self.run_files().unwrap_or_default().into_iter();
        files.filter_map(move |(_, path)| {
            read_summary(&path).filter(|summary| summary.project == project)?;
            let (line, stages) = read_line(&path).ok()?;
            if stages > PAGE
                && let Some(stages) = self.skim_pages(&line)
            {
                return Some(stages);
            }
            let record = self.read_record(&path).ok()?;
            Some(record.stages.into_iter().map(Skimmed::from).collect())
        })
    }

    /// The pages of the last run of a project, if it ended well.
    pub(crate) fn last_pages(&self, project: &Path) -> Option<Vec<Digest>> {
        let files = self.run_files().ok()?.into_iter().filter_map(|(_, path)| Some((read_summary(&path)?, path)));
        let (summary, path) = files.into_iter().find(|(summary, _)| summary.project == project)?;
        let (line, _) = read_line(&path).ok()?;
        let last: Pages = serde_json::from_slice(&line).ok()?;
        (summary.status == RunStatus::Ok).then_some(last.pages)
    }

    pub(super) fn skim_page(&self, digest: &Digest, passing: &Passing) -> Option<Vec<Skimmed>> {
        let bytes = self.read(digest).ok()?;
        let mut from = Reader(&bytes);
        let mut stages = Vec::with_capacity(PAGE);
        while !from.0.is_empty() {
            stages.push(skimmed(&mut from, passing)?);
        }
        Some(stages)
    }

    /// What tells why stages run again, of a run of which the record is in pages; `None` if it is not, or cannot be read.
    fn skim_pages(&self, line: &[u8]) -> Option<Vec<Skimmed>> {
        let pages: Pages = serde_json::from_slice(line).ok()?;
        let read = pages.pages.par_iter().map(|digest| self.skim_page(digest, &pages.usual));
        let mut stages: Vec<Skimmed> = read.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
        for (position, passing) in &pages.unusual {
            if let Some(stage) = stages.get_mut(*position) {
                stage.outcome = passing.outcome;
            }
        }
        Some(stages)
    }
}

/// Reads so much of a stage in a page; the rest is passed over.
fn skimmed(from: &mut Reader<'_>, passing: &Passing) -> Option<Skimmed> {
    let name = from.text()?;
    from.str()?;
    for _ in 0..from.count()? {
        from.str()?;
        from.str()?;
    }
    option(from, Reader::str)?;
    for _ in 0..from.count()? {
        from.str()?;
    }
    let key = option(from, |from| from.array().map(ActionKey))?;
    from.str()?;
    for _ in 0..from.count()? {
        from.str()?;
        for _ in 0..from.count()? {
            from.array::<32>()?;
        }
    }
    for _ in 0..from.count()? {
        from.str()?;
        from.str()?;
        from.array::<32>()?;
        from.u64()?;
        from.byte()?;
    }
    for _ in 0..from.count()? {
        from.str()?;
        from.f64()?;
    }
    let executed = option(from, Reader::f64)?;
    let resumed = option(from, |from| {
        from.u64()?;
        from.str()?;
        from.f64()
    })?;
    let seconds = executed.map(|seconds| seconds + resumed.unwrap_or(0.0));
    Some(Skimmed { name, key, outcome: passing.outcome, seconds })
}
