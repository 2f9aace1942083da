//! Deciding stages whose inputs are final, and preparing what is to be done: everything about it that may be slow, away from the
//! lock of the schedule.

use std::time::Instant;

use rayon::prelude::*;

use super::crew::{Crew, Outputs};
use super::ready::Pending;
use crate::engine::decide::checkpoints::Checkpoints;
use crate::engine::decide::decision::{Decision, Missing, Verdict};
use crate::engine::record::stage_record::{complete, fail, fill, record};
use crate::hash::{ActionKey, Allowance};
use crate::pipeline::StageId;
use crate::reason::Reason;
use crate::record::{Outcome, StageRecord};
use crate::show::reason::words;

/// So many bytes may be read to decide a stage among others: what takes about a millisecond.
const LITTLE: u64 = 1 << 20;

/// So many stages are decided by this thread alone: others would take longer to wake.
const FEW: usize = 16;

/// What a decision comes to.
enum Decided {
    /// There is nothing to do.
    UpToDate(StageRecord, Outputs),
    /// The stage is to be restored or executed.
    Open(Box<Pending>),
    /// An input cannot be read, or something is in the way of an output: then the key as well, if a result may come from elsewhere. What lies
    /// there may be that result.
    Failed(StageRecord, Option<ActionKey>),
    /// Much has to be read to tell.
    Large,
    /// The user asked to stop.
    Stopped,
}

impl Decided {
    /// The key for which there is no result here, if one would do.
    fn missing(&self) -> Option<ActionKey> {
        match self {
            Self::Open(pending) => match pending.decision.verdict {
                Verdict::Execute(Missing::Result | Missing::Artifact(_)) => Some(pending.decision.key),
                _ => None,
            },
            Self::Failed(_, key) => *key,
            _ => None,
        }
    }
}

impl Crew<'_, '_> {
    /// Decides stages, and leaves those of which much has to be read.
    pub(crate) fn decide(&self, stages: &[StageId]) {
        let began = Instant::now();
        let decide = |id: &StageId| (*id, self.decide_one(*id, began, &Allowance::of(LITTLE)));
        let pool = if stages.len() < FEW { None } else { self.pool.get_or_init(start_pool).as_ref() };
        let decide_all = |stages: &[StageId]| match pool {
            Some(pool) => pool.install(|| stages.par_iter().with_min_len(8).map(decide).collect()),
            None => stages.iter().map(decide).collect::<Vec<_>>(),
        };
        let mut decided = decide_all(stages);
        let again = self.ask(decided.iter().filter_map(|(id, decided)| Some((*id, decided.missing()?))).collect());
        if !again.is_empty() {
            decided.retain(|(id, _)| !again.contains(id));
            decided.extend(decide_all(&again));
        }
        self.file(decided);
    }

    /// Decides a stage of which much has to be read.
    pub(crate) fn decide_large(&self, id: StageId) {
        let mut decided = self.decide_one(id, Instant::now(), &Allowance::boundless());
        if !self.ask(decided.missing().map(|key| (id, key)).into_iter().collect()).is_empty() {
            decided = self.decide_one(id, Instant::now(), &Allowance::boundless());
        }
        self.lock().schedule.has_decided();
        self.file(vec![(id, decided)]);
    }

    fn decide_one(&self, id: StageId, began: Instant, allowance: &Allowance) -> Decided {
        if self.interrupt.is_set() {
            return Decided::Stopped;
        }
        let pipeline = self.deciding.pipeline;
        let mut record = record(pipeline, id);
        let outputs = |stage: StageId, output: &str| self.output(stage, output);
        let decision = self.deciding.decide_within(id, self.options.force.contains(&id), &outputs, allowance);
        // What was not read to its end says nothing.
        if self.interrupt.is_set() {
            return Decided::Stopped;
        }
        let decision = match decision {
            Err(failed) => {
                fail(&mut record, failed);
                let forced = self.options.force.contains(&id);
                let elsewhere = self.deciding.remote.filter(|_| !forced);
                let manifest = elsewhere.and_then(|_| self.deciding.manifest(id, &outputs).ok());
                return Decided::Failed(record, manifest.map(|(manifest, _)| manifest.key()));
            }
            Ok(None) => return Decided::Large,
            Ok(Some(decision)) => decision,
        };
        self.deciding.file(&decision);
        fill(&mut record, &decision);
        tracing::debug!(stage = record.name, key = %decision.key, verdict = decision.verdict.name(), "decided");
        match decision.verdict {
            Verdict::UpToDate(result) => {
                complete(&mut record, pipeline, id, Outcome::UpToDate, &result);
                let moment = self.final_at(began);
                (record.ready, record.start) = (Some(moment), Some(moment));
                Decided::UpToDate(record, result.outputs)
            }
            verdict => {
                record.ready = Some(self.since(began));
                Decided::Open(Box::new(self.prepare(id, record, Decision { verdict, ..decision })))
            }
        }
    }

    /// Finds out why a stage is to be restored or executed, and what it is gone on from.
    fn prepare(&self, id: StageId, mut record: StageRecord, decision: Decision) -> Pending {
        let name = record.name.clone();
        let (mut starts_over, mut expected) = (None, 0.0);
        match &decision.verdict {
            Verdict::UpToDate(_) => {}
            Verdict::Restore(_, astray) => {
                let mut reasons = self.history.changes(self.deciding, id, &decision);
                // Another checkout may have run it.
                reasons.retain(|reason| *reason != Reason::NeverRun);
                record.because(reasons);
                record.because([Reason::NotInPlace { paths: astray.clone() }]);
            }
            Verdict::Execute(missing) => {
                record.because(self.history.reasons(self.deciding, id, &decision, missing));
                expected = self.history.seconds(&name).unwrap_or(0.0);
                let stage = &self.deciding.pipeline.stages[id.0];
                let outlook = Checkpoints::of(self.deciding, stage, &decision)
                    .inspect(Checkpoints::ask)
                    .and_then(|checkpoints| checkpoints.outlook(|| self.history.manifest(&name)));
                // Where it goes on is told when that is certain.
                starts_over = outlook.as_ref().filter(|o| matches!(o, Reason::StartsOver { .. })).map(words);
                record.because(outlook);
            }
        }
        Pending { id, record, decision, starts_over, expected }
    }

    /// Files decisions: what is up to date is settled, what is to be done is queued.
    fn file(&self, decided: Vec<(StageId, Decided)>) {
        let (mut settled, mut good, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let (mut open, mut large) = (Vec::new(), Vec::new());
        for (id, decided) in decided {
            match decided {
                Decided::UpToDate(record, outputs) => {
                    self.keep_outputs(id, outputs);
                    settled.push((id, record));
                    good.push(id);
                }
                Decided::Failed(record, _) => {
                    settled.push((id, record));
                    bad.push(id);
                }
                Decided::Open(pending) => open.push(pending),
                Decided::Large => large.push(id),
                Decided::Stopped => {}
            }
        }
        self.tell_settled(settled);
        let mut state = self.lock();
        good.into_iter().for_each(|id| state.schedule.settle(id));
        open.into_iter().for_each(|pending| state.schedule.push(pending));
        large.into_iter().for_each(|id| state.schedule.put_off(id));
        drop(state);
        bad.into_iter().for_each(|id| self.give_up(id, true));
    }
}

/// Threads for deciding many stages; without them it takes longer.
fn start_pool() -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().build().inspect_err(|error| tracing::warn!("cannot start threads: {error}")).ok()
}
