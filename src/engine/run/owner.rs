//! What the owner of a run does with what it is told: it keeps the records, passes events on to the reporter, and writes them to
//! the run's trace.

use std::collections::BTreeSet;
use std::time::Instant;

use rayon::prelude::*;

use super::event::Reporter;
use super::message::Message;
use crate::engine::decide::sources::Sources;
use crate::engine::record::stage_record::record;
use crate::events::RunEvent;
use crate::hash::{Allowance, Memo};
use crate::interrupt::Interrupt;
use crate::pipeline::{Input, Pipeline, Source, StageId};
use crate::reason::Reason;
use crate::record::{Outcome, StageRecord};
use crate::show::names::first_of;
use crate::store::Trace;

/// The owner of a run.
pub(crate) struct Owner<'a> {
    pipeline: &'a Pipeline,
    began: Instant,
    /// By stage: whether the run is to bring it up to date, and its record once it is settled.
    records: Vec<(bool, Option<StageRecord>)>,
    trace: &'a mut Option<Trace>,
    reporter: &'a mut dyn Reporter,
}

impl<'a> Owner<'a> {
    pub(crate) fn new(
        pipeline: &'a Pipeline,
        wanted: &[bool],
        began: Instant,
        trace: &'a mut Option<Trace>,
        reporter: &'a mut dyn Reporter,
    ) -> Self {
        let records = wanted.iter().map(|wanted| (*wanted, None)).collect();
        Self { pipeline, began, records, trace, reporter }
    }

    /// Takes a message; `false` if there will be no more.
    pub(crate) fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Over => return false,
            Message::Event(event) => self.pass_on(&event),
            Message::Settled(records) => {
                let count = records.iter().filter(|(_, record)| record.outcome == Outcome::UpToDate).count();
                if count > 0 {
                    self.pass_on(&RunEvent::UpToDate { count });
                }
                records.into_iter().for_each(|(id, record)| self.file(id, record));
            }
        }
        true
    }

    /// Says something that belongs to no stage.
    pub(crate) fn note(&mut self, text: &str) {
        self.pass_on(&RunEvent::Note { text: text.to_owned() });
    }

    pub(crate) fn pass_on(&mut self, event: &RunEvent) {
        self.reporter.tell(event);
        if let Some(trace) = self.trace {
            trace.note(self.began.elapsed().as_secs_f64(), event);
        }
    }

    fn file(&mut self, id: StageId, record: StageRecord) {
        let record = if record.outcome == Outcome::UpToDate {
            record
        } else {
            let event = RunEvent::Finished(Box::new(record));
            self.pass_on(&event);
            match event {
                RunEvent::Finished(record) => *record,
                _ => return,
            }
        };
        if let Some((_, place)) = self.records.get_mut(id.0) {
            *place = Some(record);
        }
    }

    /// Whether a stage was executed.
    pub(crate) fn has_executed(&self) -> bool {
        let mut records = self.records.iter().filter_map(|(_, record)| record.as_ref());
        records.any(|record| record.outcome == Outcome::Executed)
    }

    /// Says which sources of stages that were not executed are no longer what these were decided by. Stages that were executed have said it of
    /// theirs. Little is read for that: what would take long to read counts as changed.
    pub(crate) fn tell_of_changes(&mut self, sources: &Sources, memo: &Memo, interrupt: &Interrupt) {
        let kept = |record: &StageRecord| matches!(record.outcome, Outcome::UpToDate | Outcome::Restored);
        let stages = self.pipeline.stages.iter().zip(&self.records);
        let stages = stages.filter(|(_, (_, record))| record.as_ref().is_some_and(kept)).map(|(stage, _)| stage);
        let inputs = stages.flat_map(|stage| stage.inputs.values().flatten());
        let mut looked: Vec<Source<'_>> = inputs.filter_map(Input::source).collect();
        looked.sort_unstable();
        looked.dedup();
        let allowance = Allowance::of(LITTLE);
        let is_changed = |source: &Source<'_>| sources.is_changed(self.pipeline, *source, memo, &allowance);
        let changed: BTreeSet<String> =
            looked.into_par_iter().filter(is_changed).map(|source| format!("`{}`", source.path.display())).collect();
        if !changed.is_empty() && !interrupt.is_set() {
            let named = first_of(changed.into_iter(), NAMED);
            self.note(&format!("{named} changed after the run had looked; run again to take that up"));
        }
    }

    /// Writes what was noted in the trace.
    pub(crate) fn flush(&mut self) {
        if let Some(trace) = self.trace {
            trace.flush(self.began.elapsed().as_secs_f64());
        }
    }

    /// The records, once nothing is done any more: what is left was stopped before its turn.
    pub(crate) fn end(mut self, why: &Reason) -> Vec<StageRecord> {
        for id in 0..self.records.len() {
            if let (true, None) = self.records[id] {
                let mut record = record(self.pipeline, StageId(id));
                record.because([why.clone()]);
                self.file(StageId(id), record);
            }
        }
        self.flush();
        self.records.into_iter().filter_map(|(_, record)| record).collect()
    }
}

/// So many sources that changed are named.
const NAMED: usize = 3;

/// So many bytes are read at the end of a run to see what has changed.
const LITTLE: u64 = 256 << 20;
