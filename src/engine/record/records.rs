//! The run records of a pipeline file, read newest first and only as far as a question needs.

use std::rc::Rc;

use crate::hash::ActionKey;
use crate::record::{Outcome, RunId, RunRecord, StageRecord};
use crate::store::{PageCache, Project, RecordOutline, Skimmed, Store};

/// How many runs are looked through.
const DEPTH: usize = 100;

/// The run records of a pipeline file, newest first. Damaged ones are passed over, and those behind the last hundred are not looked at.
pub struct Records<'a> {
    store: &'a Store,
    older: Box<dyn Iterator<Item = RecordOutline> + 'a>,
    read: Vec<RecordOutline>,
    cache: PageCache,
    /// The last record that was read whole, and which of `read` it is.
    whole: Option<(usize, Rc<RunRecord>)>,
}

impl<'a> Records<'a> {
    /// The records of a pipeline file; none is read yet.
    pub fn new(store: &'a Store, project: &Project) -> Self {
        let older = Box::new(store.outlines(project).take(DEPTH));
        Self { store, older, read: vec![], cache: PageCache::default(), whole: None }
    }

    /// The newest run of which something holds.
    pub fn find(&mut self, holds: impl Fn(&RunRecord) -> bool) -> Option<Rc<RunRecord>> {
        let mut at = 0;
        while self.is_read(at) {
            if let Some(record) = self.whole(at).filter(|record| holds(record)) {
                return Some(record);
            }
            at += 1;
        }
        None
    }

    /// The newest run that has a stage of which something holds.
    pub fn with_stage(&mut self, stage: &str, holds: impl Fn(&StageRecord) -> bool) -> Option<Rc<RunRecord>> {
        let at = self.position(0, &|skimmed| skimmed.name == stage, &holds)?;
        self.whole(at)
    }

    /// The newest run before another that has a stage of which something holds.
    pub(crate) fn with_stage_before(
        &mut self,
        run: &RunId,
        stage: &str,
        holds: impl Fn(&StageRecord) -> bool,
    ) -> Option<Rc<RunRecord>> {
        let mut first = 0;
        while self.is_read(first) && self.read[first].id != *run {
            first += 1;
        }
        let at = self.position(first + 1, &|skimmed| skimmed.name == stage, &holds)?;
        self.whole(at)
    }

    /// The newest run that executed an action.
    pub(crate) fn executed(&mut self, key: &ActionKey) -> Option<RunId> {
        let did = |skimmed: &Skimmed| skimmed.outcome == Outcome::Executed && skimmed.key == Some(*key);
        let at = self.position(0, &did, &|_| true)?;
        Some(self.read[at].id.clone())
    }

    /// The newest run, from one on, that has a stage like this.
    fn position(
        &mut self,
        first: usize,
        is: &dyn Fn(&Skimmed) -> bool,
        holds: &dyn Fn(&StageRecord) -> bool,
    ) -> Option<usize> {
        let mut at = first;
        while self.is_read(at) {
            if self.store.has_stage(&self.read[at], &mut self.cache, is, holds) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// Reads on to a run, if there are so many.
    fn is_read(&mut self, at: usize) -> bool {
        while self.read.len() <= at {
            let Some(outline) = self.older.next() else { return false };
            self.read.push(outline);
        }
        true
    }

    fn whole(&mut self, at: usize) -> Option<Rc<RunRecord>> {
        if let Some((last, record)) = &self.whole
            && *last == at
        {
            return Some(Rc::clone(record));
        }
        let record = Rc::new(self.store.whole(self.read.get(at)?).ok()?);
        self.whole = Some((at, Rc::clone(&record)));
        Some(record)
    }
}

/// Whether a run left a stage with its outputs.
pub(crate) fn is_good(record: &StageRecord) -> bool {
    matches!(record.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored)
}
