//! What the owner of a run does with what it is told: it keeps the records, passes events on to the reporter, and writes them to
//! the run's trace.

use std::time::Instant;

use super::event::Reporter;
use super::message::Message;
use crate::engine::record::stage_record::record;
use crate::events::RunEvent;
use crate::pipeline::{Pipeline, StageId};
use crate::reason::Reason;
use crate::record::{Outcome, StageRecord};
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
