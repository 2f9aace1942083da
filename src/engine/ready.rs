//! The ready queue: decided stages that wait for processors, the longest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::budget::Budget;
use super::decide::{Decision, Verdict};
use crate::pipeline::{Pipeline, StageId};
use crate::record::StageRecord;

/// A decided stage that is to be restored or executed.
pub(super) struct Pending {
    pub(super) id: StageId,
    pub(super) record: StageRecord,
    pub(super) decision: Decision,
    /// Why none of its earlier steps can be gone on from, where a person would think so.
    pub(super) starts_over: Option<String>,
    /// Seconds it took the last time: the longest goes first.
    pub(super) expected: f64,
}

impl Pending {
    /// Whether its outputs only have to be put in place.
    pub(super) fn restores(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Restore(..))
    }

    /// The processors and GPUs it asks for.
    fn wants(&self, pipeline: &Pipeline) -> (usize, usize) {
        let resources = &pipeline.stages[self.id.0].resources;
        if self.restores() { (1, 0) } else { (resources.cpus, resources.gpu) }
    }
}

/// The greatest is the first to go: the longest, then the first of the pipeline.
impl Ord for Pending {
    fn cmp(&self, other: &Self) -> Ordering {
        self.expected.total_cmp(&other.expected).then(other.id.cmp(&self.id))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pending {}

/// Stages that wait for processors.
#[derive(Default)]
pub(super) struct Ready(BinaryHeap<Pending>);

impl Ready {
    pub(super) fn push(&mut self, pending: Pending) {
        self.0.push(pending);
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the longest that fits into the budget, with the processors and GPUs it is given.
    pub(super) fn take(&mut self, budget: &mut Budget, pipeline: &Pipeline) -> Option<(Pending, usize, usize)> {
        let (mut taken, mut too_large) = (None, Vec::new());
        while taken.is_none()
            && !budget.is_spent()
            && let Some(pending) = self.0.pop()
        {
            let (cpus, gpus) = pending.wants(pipeline);
            match budget.take(cpus, gpus) {
                Some((cpus, gpus)) => taken = Some((pending, cpus, gpus)),
                None => too_large.push(pending),
            }
        }
        self.0.extend(too_large);
        taken
    }

    /// Takes all that is left.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }
}
