//! The ready queue: decided stages that wait for processors.
//!
//! Of the stages that fit into what is free, the one that took longest the last time goes first. A stage that wants much would wait
//! for ever beside a stream of small ones, for whenever a processor becomes free a small one fits. So stages are queued by the
//! share they want. A queue may be passed over a number of times for stages that want less ([`Ready::patience`]). Then what becomes
//! free is kept for it: GPUs first, and processors as soon as the GPUs are there. Until then stages without a GPU go on.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::budget::Budget;
use crate::engine::decide::decision::{Decision, Verdict};
use crate::engine::executor::Share;
use crate::pipeline::StageId;
use crate::record::StageRecord;

/// A decided stage that is to be restored or executed.
pub(crate) struct Pending {
    pub(crate) id: StageId,
    pub(crate) record: StageRecord,
    pub(crate) decision: Decision,
    /// Why none of its earlier steps can be gone on from, where a person would think so.
    pub(crate) starts_over: Option<String>,
    /// Seconds it took the last time: the longest goes first.
    pub(crate) expected: f64,
}

impl Pending {
    /// Whether its outputs only have to be put in place.
    pub(crate) fn restores(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Restore(..))
    }
}

/// An entry of a queue.
struct Entry<T> {
    id: StageId,
    expected: f64,
    item: T,
}

/// The greatest is the first to go: the longest, then the first of the pipeline.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.expected.total_cmp(&other.expected).then(other.id.cmp(&self.id))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

/// Stages that want the same share.
struct Queue<T> {
    waiting: BinaryHeap<Entry<T>>,
    /// How many stages that want less were started since the last of these.
    passed: usize,
}

/// Stages that wait for processors.
pub(crate) struct Ready<T> {
    /// None is empty.
    queues: BTreeMap<Share, Queue<T>>,
}

impl<T> Default for Ready<T> {
    fn default() -> Self {
        Self { queues: BTreeMap::new() }
    }
}

impl<T> Ready<T> {
    /// Queues a stage that wants a share.
    pub(crate) fn push(&mut self, share: Share, id: StageId, expected: f64, item: T) {
        let queue = self.queues.entry(share).or_insert_with(|| Queue { waiting: BinaryHeap::new(), passed: 0 });
        queue.waiting.push(Entry { id, expected, item });
    }

    /// Whether one can be started.
    pub(crate) fn has_next(&self, budget: &Budget) -> bool {
        self.choose(budget).is_some()
    }

    /// Takes the next that can be started; its share is taken from the budget.
    pub(crate) fn take(&mut self, budget: &mut Budget) -> Option<(T, Share)> {
        let share = self.choose(budget)?;
        for (wanted, queue) in &mut self.queues {
            // What runs elsewhere stands in nobody's way.
            let passed = share.jobs == 0 && (wanted.cpus > share.cpus || wanted.gpus > share.gpus);
            queue.passed += usize::from(passed);
        }
        let queue = self.queues.get_mut(&share)?;
        let entry = queue.waiting.pop()?;
        queue.passed = 0;
        if queue.waiting.is_empty() {
            self.queues.remove(&share);
        }
        budget.take(share);
        Some((entry.item, share))
    }

    /// The share whose first stage is the next to be started.
    fn choose(&self, budget: &Budget) -> Option<Share> {
        let patience = Self::patience(budget);
        let mut due: Vec<_> = self.queues.iter().filter(|(_, queue)| queue.passed >= patience).collect();
        due.sort_by_key(|(_, queue)| std::cmp::Reverse(queue.passed));
        let mut gpus_are_kept = false;
        let allowed = |share: &Share, gpus_are_kept: bool| share.gpus == 0 || !gpus_are_kept;
        for (share, _) in due {
            match () {
                // Of jobs elsewhere one is like another: none waits for more of them.
                () if share.jobs > 0 => {}
                () if !allowed(share, gpus_are_kept) => {}
                () if budget.fits(*share) => return Some(*share),
                // It lacks processors: those that are free are kept.
                () if budget.has_gpus(*share) => return None,
                () => gpus_are_kept = true,
            }
        }
        let fitting = self.queues.iter().filter(|(share, _)| budget.fits(**share) && allowed(share, gpus_are_kept));
        fitting.max_by(|(_, a), (_, b)| a.waiting.peek().cmp(&b.waiting.peek())).map(|(share, _)| *share)
    }

    /// So often a queue is passed over: about as often as every processor is given away twice.
    fn patience(budget: &Budget) -> usize {
        2 * budget.cpus()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(cpus: usize, gpus: usize) -> Share {
        Share { cpus, gpus, jobs: 0 }
    }

    #[test]
    fn the_longest_that_fits_goes_first() {
        let (mut ready, mut budget) = (Ready::default(), Budget::of(share(2, 0)));
        for (id, cpus, expected) in [(0, 1, 1.0), (1, 1, 3.0), (2, 2, 2.0), (3, 1, 1.0)] {
            ready.push(share(cpus, 0), StageId(id), expected, id);
        }
        assert_eq!(ready.take(&mut budget), Some((1, share(1, 0))));
        // Two processors are not free.
        assert_eq!(ready.take(&mut budget), Some((0, share(1, 0))));
        assert_eq!(ready.take(&mut budget), None);
        budget.give_back(share(2, 0));
        assert_eq!(ready.take(&mut budget), Some((2, share(2, 0))));
        assert!(!ready.has_next(&budget));
    }

    /// Starts one stage after another beside one that always runs, and tells when the wide one was started.
    fn turns(wide: Share, small: Share, all: Share) -> Option<usize> {
        let (mut ready, mut budget) = (Ready::default(), Budget::of(all));
        ready.push(wide, StageId(1000), 0.0, 0);
        let mut running = std::collections::VecDeque::new();
        for turn in 1..100 {
            // There are always small ones, and they come first.
            while ready.queues.get(&small).is_none_or(|queue| queue.waiting.len() < 3) {
                ready.push(small, StageId(turn), 0.0, turn);
            }
            while let Some((item, share)) = ready.take(&mut budget) {
                if item == 0 {
                    return Some(turn);
                }
                running.push_back(share);
            }
            budget.give_back(running.pop_front().expect("something runs"));
        }
        None
    }

    #[test]
    fn small_stages_do_not_starve_one_that_wants_much() {
        let wide = turns(share(4, 0), share(1, 0), share(4, 0)).expect("it was started");
        assert!(wide <= 16, "{wide}");
        assert!(turns(share(4, 1), share(1, 1), share(4, 1)).is_some());
        assert!(turns(share(1, 2), share(1, 1), share(4, 2)).is_some());
    }

    #[test]
    fn processors_are_not_kept_for_a_stage_whose_gpu_is_taken() {
        let (mut ready, mut budget) = (Ready::default(), Budget::of(share(2, 1)));
        budget.take(share(1, 1));
        ready.push(share(2, 1), StageId(0), 9.0, 0);
        for id in 1..50 {
            ready.push(share(1, 0), StageId(id), 0.0, id);
        }
        for id in 1..50 {
            assert_eq!(ready.take(&mut budget), Some((id, share(1, 0))));
            budget.give_back(share(1, 0));
        }
    }
}
