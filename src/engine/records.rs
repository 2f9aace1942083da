//! The run records of a project, read newest first and only as far as a question needs.

use std::path::Path;
use std::rc::Rc;

use crate::record::{Outcome, RunRecord, StageRecord};
use crate::store::{RunSummary, Store};

/// How many runs are looked through.
const DEPTH: usize = 100;

/// The run records of a project, newest first.
pub struct Records<'a> {
    store: &'a Store,
    project: &'a Path,
    older: Option<std::vec::IntoIter<RunSummary>>,
    read: Vec<Rc<RunRecord>>,
}

impl<'a> Records<'a> {
    /// The records of a project; none is read yet.
    pub fn new(store: &'a Store, project: &'a Path) -> Self {
        Self { store, project, older: None, read: vec![] }
    }

    /// The newest run of which something holds. Damaged records are passed over, and those behind the last hundred are
    /// not looked at.
    pub fn find(&mut self, mut holds: impl FnMut(&RunRecord) -> bool) -> Option<Rc<RunRecord>> {
        let mut at = 0;
        loop {
            while let Some(record) = self.read.get(at) {
                if holds(record) {
                    return Some(Rc::clone(record));
                }
                at += 1;
            }
            self.read_older()?;
        }
    }

    /// The newest run that has a stage of which something holds.
    pub fn with_stage(&mut self, stage: &str, holds: impl Fn(&StageRecord) -> bool) -> Option<Rc<RunRecord>> {
        self.find(|run| run.stages.iter().any(|record| record.name == stage && holds(record)))
    }

    fn read_older(&mut self) -> Option<()> {
        let (store, project) = (self.store, self.project);
        let older = self.older.get_or_insert_with(|| {
            let mut runs = store.runs(Some(project)).unwrap_or_default();
            runs.truncate(DEPTH);
            runs.into_iter()
        });
        let run = older.next()?;
        if let Ok(record) = store.find_run(&run.id, None) {
            self.read.push(Rc::new(record));
        }
        Some(())
    }
}

/// Whether a run left a stage with its outputs.
pub(super) fn is_good(record: &StageRecord) -> bool {
    matches!(record.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored)
}
