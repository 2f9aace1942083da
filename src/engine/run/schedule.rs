//! The schedule of a run: what is to be done next. Pure state: no function here reads a file, waits, or calls anything that does.
//!
//! # The life of a stage
//!
//! A stage *waits* until every stage that it needs is settled. Then it is *undecided*. Its decision says that it is up to date, which
//! settles it, or that it is to be restored or executed, which makes it *ready*. A decision that would have to read much, such as
//! an output of gigabytes whose stamp is not known, is *large*: it is left and made again by a thread of its own. A ready stage is
//! taken when the budget has what it wants, carried out, and settled. If a stage gives nothing, all that need it are settled, too.
//!
//! # Jobs
//!
//! What a thread takes is a [`Job`], and every job ends with [`Schedule::done`]. The run is over when there is no job to take and
//! none that is not done.

use std::collections::VecDeque;

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use super::budget::Budget;
use super::ready::{Pending, Ready};
use crate::engine::executor::Share;
use crate::pipeline::{Pipeline, StageId};

/// So many stages are decided by one job.
const BATCH: usize = 1024;

/// The schedule.
pub(crate) struct Schedule<'a> {
    pipeline: &'a Pipeline,
    /// By stage: whether the run is to bring it up to date.
    wanted: Vec<bool>,
    /// By stage: whether it is settled.
    settled: Vec<bool>,
    /// By stage: how many stages that it needs are not settled.
    waiting: Vec<usize>,
    /// By stage: whether it runs elsewhere.
    elsewhere: Vec<bool>,
    undecided: Vec<StageId>,
    large: VecDeque<StageId>,
    /// How many large decisions are being made.
    deciding: usize,
    ready: Ready<Box<Pending>>,
    budget: Budget,
    /// How many jobs are not done.
    jobs: usize,
    keep_going: bool,
    failed: bool,
}

/// What a thread is to do.
pub(crate) enum Job {
    /// Decide stages, as far as that takes little reading.
    Decide(Vec<StageId>),
    /// Decide a stage, whatever has to be read.
    DecideLarge(StageId),
    /// Restore or execute a stage with what it was given.
    CarryOut(Box<Pending>, Share),
}

/// A stage that cannot be brought up to date, and the stage that it needs in vain.
pub(crate) struct Skipped {
    pub(crate) id: StageId,
    pub(crate) because: StageId,
}

impl<'a> Schedule<'a> {
    /// A schedule of the wanted stages within a budget.
    pub(crate) fn new(
        pipeline: &'a Pipeline,
        wanted: Vec<bool>,
        elsewhere: Vec<bool>,
        budget: Budget,
        keep_going: bool,
    ) -> Self {
        let stages = pipeline.stages.len();
        let mut schedule = Self {
            pipeline,
            wanted,
            settled: vec![false; stages],
            waiting: vec![0; stages],
            elsewhere,
            undecided: Vec::new(),
            large: VecDeque::new(),
            deciding: 0,
            ready: Ready::default(),
            budget,
            jobs: 0,
            keep_going,
            failed: false,
        };
        for id in (0..stages).map(StageId).filter(|id| schedule.wanted[id.0]).collect::<Vec<_>>() {
            schedule.waiting[id.0] = schedule.neighbours(id, Direction::Incoming).count();
            if schedule.waiting[id.0] == 0 {
                schedule.undecided.push(id);
            }
        }
        schedule
    }

    /// The stages of the run that a stage needs, or that need it, each once.
    fn neighbours(&self, id: StageId, direction: Direction) -> impl Iterator<Item = StageId> + use<'a, '_> {
        let graph = &self.pipeline.graph;
        let all = graph.neighbors_directed(NodeIndex::new(id.0), direction).map(|node| graph[node]);
        all.filter(|stage| self.wanted[stage.0])
    }

    /// The stages that wait for others.
    pub(crate) fn waiting(&self) -> Vec<StageId> {
        let waits = |id: &StageId| self.wanted[id.0] && !self.settled[id.0] && self.waiting[id.0] > 0;
        (0..self.wanted.len()).map(StageId).filter(waits).collect()
    }

    /// Whether nothing more is to be begun because a stage failed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.failed && !self.keep_going
    }

    /// Whether there is a job to take.
    pub(crate) fn has_next(&self) -> bool {
        let much = !self.large.is_empty() && self.deciding < self.budget.cpus();
        !self.is_stopping() && (!self.undecided.is_empty() || much || self.ready.has_next(&self.budget))
    }

    /// Whether there are stages to be decided at once.
    pub(crate) fn has_undecided(&self) -> bool {
        !self.is_stopping() && !self.undecided.is_empty()
    }

    /// Takes a job. Decisions come first: they show what can run side by side. A large one comes last: it takes no processor of the
    /// budget, and keeps none waiting.
    pub(crate) fn next(&mut self) -> Option<Job> {
        if self.is_stopping() {
            return None;
        }
        let job = if !self.undecided.is_empty() {
            let rest = self.undecided.split_off(self.undecided.len().min(BATCH));
            Job::Decide(std::mem::replace(&mut self.undecided, rest))
        } else if let Some((pending, share)) = self.ready.take(&mut self.budget) {
            Job::CarryOut(pending, share)
        } else if self.deciding < self.budget.cpus()
            && let Some(id) = self.large.pop_front()
        {
            self.deciding += 1;
            Job::DecideLarge(id)
        } else {
            return None;
        };
        self.jobs += 1;
        Some(job)
    }

    /// Ends a job.
    pub(crate) fn done(&mut self) {
        self.jobs -= 1;
    }

    /// Ends a large decision.
    pub(crate) fn has_decided(&mut self) {
        self.deciding -= 1;
    }

    /// Whether every job is done.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs == 0
    }

    /// Leaves a decision that takes much reading for later.
    pub(crate) fn put_off(&mut self, id: StageId) {
        self.large.push_back(id);
    }

    /// Queues what is to be done.
    pub(crate) fn push(&mut self, pending: Box<Pending>) {
        let resources = &self.pipeline.stages[pending.id.0].resources;
        let (cpus, gpus) = if pending.restores() { (1, 0) } else { (resources.cpus, resources.gpu) };
        let (id, expected) = (pending.id, pending.expected);
        let share = match !pending.restores() && self.elsewhere[id.0] {
            true => self.budget.elsewhere(),
            false => self.budget.share(cpus, gpus),
        };
        self.ready.push(share, id, expected, pending);
    }

    /// Gives back what a stage was given.
    pub(crate) fn give_back(&mut self, share: Share) {
        self.budget.give_back(share);
    }

    /// Settles a stage that has its outputs: what waited for it last can be decided.
    pub(crate) fn settle(&mut self, id: StageId) {
        self.settled[id.0] = true;
        for consumer in self.neighbours(id, Direction::Outgoing).collect::<Vec<_>>() {
            if !self.settled[consumer.0] {
                self.waiting[consumer.0] -= 1;
                if self.waiting[consumer.0] == 0 {
                    self.undecided.push(consumer);
                }
            }
        }
    }

    /// Settles a stage that has no outputs, and with it all that need it; tells of these.
    pub(crate) fn give_up(&mut self, id: StageId, failed: bool) -> Vec<Skipped> {
        self.failed |= failed;
        self.settled[id.0] = true;
        let (mut skipped, mut open) = (Vec::new(), VecDeque::from([id]));
        while let Some(because) = open.pop_front() {
            for id in self.neighbours(because, Direction::Outgoing).collect::<Vec<_>>() {
                if !std::mem::replace(&mut self.settled[id.0], true) {
                    skipped.push(Skipped { id, because });
                    open.push_back(id);
                }
            }
        }
        skipped
    }
}
