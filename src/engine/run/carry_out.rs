//! Restoring or executing a stage: what a worker does with a job, and what it tells meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::crew::Crew;
use super::message::Message;
use super::ready::Pending;
use crate::engine::execute::task::{Finished, Task, TaskMessage};
use crate::engine::executor::Share;
use crate::engine::record::stage_record::{complete, fail};
use crate::events::{Progress, RunEvent};
use crate::hash::{Allowance, Artifact};
use crate::kind::Event;
use crate::pipeline::{From, StageId};
use crate::reason::Reason;
use crate::record::StageRecord;

/// So many bytes are read to tell that.
const LOOK: u64 = 16 << 20;

/// Of so many stages it is told beforehand that they will fail.
const TOLD: usize = 3;

impl Crew<'_, '_> {
    /// Restores or executes a stage, and settles it.
    pub(super) fn carry_out(&self, pending: Pending, share: Share) {
        if self.idle.swap(false, Ordering::Relaxed) {
            self.look_ahead();
        }
        let began = Instant::now();
        let restores = pending.restores();
        let Pending { id, mut record, decision, starts_over, .. } = pending;
        record.start = Some(self.since(began));
        let name = record.name.clone();
        if !restores {
            let log = self.deciding.store.log_path(self.run, &name);
            self.send(Message::Event(RunEvent::Started(Box::new(StageRecord { log: Some(log), ..record.clone() }))));
            if let Some(text) = starts_over {
                self.send(Message::Event(RunEvent::Message { stage: name.clone(), text }));
            }
        }
        let task = Task {
            deciding: self.deciding,
            executor: self.executor,
            id,
            decision,
            inputs: self.artifacts(id),
            threads: match share.cpus {
                0 => self.deciding.pipeline.stages[id.0].resources.cpus,
                cpus => cpus,
            },
            run: self.run,
            leaves_folder: self.options.keep.contains(&id),
            head: &self.head,
            interrupt: self.interrupt,
        };
        let Finished { end, reasons, log, queued } = task.run(&|said| self.pass_on(&name, said));
        record.log = log;
        record.queued = (!queued.is_zero()).then_some(queued.as_secs_f64());
        let (mut usable, mut failed) = (false, false);
        match end {
            Ok((outcome, result)) => {
                record.because(reasons);
                complete(&mut record, self.deciding.pipeline, id, outcome, &result);
                self.keep_outputs(id, result.outputs);
                usable = true;
            }
            Err(Some(why)) => {
                fail(&mut record, why);
                failed = true;
            }
            Err(None) => {
                (record.reasons, record.causes) = (vec![], vec![]);
                record.because([Reason::Interrupted]);
            }
        }
        record.seconds = began.elapsed().as_secs_f64();
        self.tell_settled(vec![(id, record)]);
        let mut state = self.lock();
        state.schedule.give_back(share);
        if usable {
            state.schedule.settle(id);
        } else {
            drop(state);
            self.give_up(id, failed);
        }
    }

    /// Tells which stages will find something in the way when their turn comes: there may be hours to move it aside.
    fn look_ahead(&self) {
        let waiting = self.lock().schedule.waiting();
        let deciding = self.deciding;
        let stage = |id: StageId| &deciding.pipeline.stages[id.0];
        let allowance = Allowance::of(LOOK);
        let found = waiting.into_iter().filter_map(|id| Some((id, deciding.in_the_way(stage(id), &allowance)?)));
        let told = found.take(TOLD);
        for (id, why) in told {
            let text = format!("{} will fail when its turn comes: {why}", stage(id).name);
            self.send(Message::Event(RunEvent::Note { text }));
        }
    }

    /// The artifacts of a stage's inputs that other stages produce.
    fn artifacts(&self, id: StageId) -> BTreeMap<String, Vec<Option<Artifact>>> {
        let stage = &self.deciding.pipeline.stages[id.0];
        let artifact = |from: &From| match from {
            From::Source(_) => None,
            From::Output { stage, output } => self.output(*stage, output),
        };
        let items = stage.inputs.iter();
        items.map(|(name, items)| (name.clone(), items.iter().map(|i| artifact(&i.from)).collect())).collect()
    }

    /// Passes on what a task has to say.
    fn pass_on(&self, stage: &str, said: TaskMessage) {
        let stage = stage.to_owned();
        let event = match said {
            TaskMessage::Note(text) => RunEvent::Note { text },
            TaskMessage::Detail(text) if self.options.verbose => RunEvent::Message { stage, text },
            TaskMessage::Detail(_) => return,
            TaskMessage::Event(Event::Progress { done, total, unit, detail }) => {
                RunEvent::Progress { stage, progress: Progress { done, total, unit, detail } }
            }
            TaskMessage::Event(Event::Message { text }) => RunEvent::Message { stage, text },
            // It was kept in the store by who heard it.
            TaskMessage::Event(Event::Checkpoint { .. }) => return,
        };
        self.send(Message::Event(event));
    }
}
