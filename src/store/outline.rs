//! Run records read no further than a question needs: of a large run, the pages with the stages that are asked for, and a page that
//! many runs share only once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::page;
use super::pages::{PAGE, Pages};
use super::run::read_line;
use super::{Project, RunLookupError, RunSummary, Skimmed, Store};
use crate::hash::Digest;
use crate::record::{RunId, RunRecord, StageRecord};

/// The record of a run, of which only the outline has been read.
pub(crate) struct RecordOutline {
    /// The run.
    pub(crate) id: RunId,
    path: PathBuf,
    stages: Stages,
}

/// Where the records of the stages are.
enum Stages {
    /// Here.
    Read(Vec<StageRecord>),
    /// In pages.
    Paged(Box<Pages>),
}

/// The pages that were read.
#[derive(Default)]
pub(crate) struct PageCache {
    /// `None` stands for one that cannot be read.
    skimmed: HashMap<Digest, Option<Vec<Skimmed>>>,
    read: HashMap<Digest, Vec<StageRecord>>,
}

impl Store {
    /// The recorded runs of a pipeline file, newest first; each is read when it is asked for. Damaged ones are passed over.
    pub(crate) fn outlines(&self, project: &Project) -> impl Iterator<Item = RecordOutline> + use<'_> {
        self.runs_of(project).filter_map(|(summary, path)| {
            let (line, _) = read_line(&path).ok()?;
            let stages = match serde_json::from_slice(&line) {
                Ok(pages) => Stages::Paged(Box::new(pages)),
                Err(_) => Stages::Read(serde_json::from_slice::<RunRecord>(&line).ok()?.stages),
            };
            Some(RecordOutline { id: summary.id, path, stages })
        })
    }

    /// All of a record.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn whole(&self, outline: &RecordOutline) -> std::result::Result<RunRecord, RunLookupError> {
        self.read_record(&outline.path)
    }

    /// The last `count` runs of a pipeline file, oldest first, with those of their stages that have metrics. Damaged ones are passed over.
    pub fn measured(&self, project: &Project, count: usize) -> Vec<(RunRecord, RunSummary)> {
        let ours = self.runs_of(project);
        let mut pages = HashMap::new();
        let mut runs: Vec<(RunRecord, RunSummary)> = ours
            .take(count)
            .filter_map(|(summary, path)| Some((self.measured_run(&path, &mut pages)?, summary)))
            .collect();
        runs.reverse();
        runs
    }

    fn measured_run(&self, path: &Path, read: &mut HashMap<Digest, Vec<(usize, StageRecord)>>) -> Option<RunRecord> {
        let (line, _) = read_line(path).ok()?;
        let Some((mut record, pages)) = Store::head(&line) else {
            let mut record: RunRecord = serde_json::from_slice(&line).ok()?;
            record.stages.retain(|stage| !stage.metrics.is_empty());
            return Some(record);
        };
        for (number, digest) in pages.pages.iter().enumerate() {
            if !read.contains_key(digest) {
                let bytes = self.read(digest).ok()?;
                let entries = page::entries(&bytes)?.into_iter().enumerate().filter(|(_, entry)| entry.has_metrics());
                let stages =
                    entries.map(|(place, entry)| Some((place, entry.record()?))).collect::<Option<Vec<_>>>()?;
                read.insert(*digest, stages);
            }
            for (place, stage) in &read[digest] {
                let mut stage = stage.clone();
                pages.per_run(number * PAGE + place).clone().apply(&mut stage);
                record.stages.push(stage);
            }
        }
        Some(record)
    }

    /// Whether a run has a stage that is one of these and of which something holds. What `is` can tell by is cheap, what `holds` can,
    /// all there is.
    pub(crate) fn has_stage(
        &self,
        outline: &RecordOutline,
        cache: &mut PageCache,
        is: &dyn Fn(&Skimmed) -> bool,
        holds: &dyn Fn(&StageRecord) -> bool,
    ) -> bool {
        let pages = match &outline.stages {
            Stages::Read(stages) => {
                return stages.iter().any(|stage| is(&Skimmed::from(stage.clone())) && holds(stage));
            }
            Stages::Paged(pages) => pages,
        };
        let mut first = 0;
        for digest in &pages.pages {
            let skimmed = cache.skimmed.entry(*digest).or_insert_with(|| self.skim_page(digest, &pages.usual));
            let Some(skimmed) = skimmed else { return false };
            for (place, stage) in skimmed.iter_mut().enumerate() {
                let per_run = pages.per_run(first + place);
                stage.outcome = per_run.outcome;
                if !is(stage) {
                    continue;
                }
                let read = &mut cache.read;
                if !read.contains_key(digest)
                    && let Ok(stages) = self.read_page(digest, per_run)
                {
                    read.insert(*digest, stages);
                }
                if let Some(record) = read.get_mut(digest).and_then(|stages| stages.get_mut(place)) {
                    per_run.clone().apply(record);
                    if holds(record) {
                        return true;
                    }
                }
            }
            first += skimmed.len();
        }
        false
    }
}
