//! The critical path of a run: the chain of stages, each of which waited for the one before, that decided how long it took.

use std::collections::{HashMap, HashSet};

use crate::record::{Outcome, RunRecord, StageRecord};

/// A stage on the critical path.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its name.
    pub stage: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When it began, in seconds since the run began.
    pub start: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Of these, the seconds in which its jobs waited in a queue.
    pub queued: Option<f64>,
    /// What it waited for before it began.
    pub waited: Wait,
}

/// What a stage waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing but the run.
    Start,
    /// The last of its inputs, which this stage made.
    Input(String),
    /// A processor, which this stage was using.
    Processor(String),
}

/// A stage that is ready begins within this time, in seconds, if a processor is free.
const AT_ONCE: f64 = 0.01;

/// The critical path, first stage first; empty if the record does not say when stages began.
pub fn critical_path(run: &RunRecord) -> Vec<Link> {
    let timed: Vec<(&StageRecord, f64)> = run.stages.iter().filter_map(|stage| Some((stage, stage.start?))).collect();
    let by_name: HashMap<&str, usize> = timed.iter().enumerate().map(|(i, (s, _))| (s.name.as_str(), i)).collect();
    let end = |i: usize| timed[i].1 + timed[i].0.seconds;
    let mut by_end: Vec<usize> = (0..timed.len()).collect();
    by_end.sort_by(|a, b| end(*a).total_cmp(&end(*b)));

    let mut path = Vec::new();
    let mut seen = HashSet::new();
    let mut next = by_end.last().copied();
    while let Some(current) = next.filter(|i| seen.insert(*i)) {
        let (stage, start) = timed[current];
        let ready = stage.ready.unwrap_or(start);
        let freed = || {
            // Only what held a processor can have left one.
            let before = by_end.partition_point(|i| end(*i) <= start + AT_ONCE);
            let held = |i: &usize| !seen.contains(i) && timed[*i].0.outcome != Outcome::UpToDate && end(*i) >= ready;
            by_end[..before].iter().rev().copied().take_while(|i| end(*i) >= ready).find(held)
        };
        let made = stage.needs.iter().filter_map(|name| by_name.get(name.as_str()).copied());
        let input = made.max_by(|a, b| end(*a).total_cmp(&end(*b)));
        let name = |i: usize| timed[i].0.name.clone();
        let (before, waited) = match (if start - ready > AT_ONCE { freed() } else { None }, input) {
            (Some(i), _) => (Some(i), Wait::Processor(name(i))),
            (None, Some(i)) => (Some(i), Wait::Input(name(i))),
            (None, None) => (None, Wait::Start),
        };
        let (seconds, queued) = (stage.seconds, stage.queued);
        path.push(Link { stage: name(current), outcome: stage.outcome, start, seconds, queued, waited });
        next = before;
    }
    path.reverse();
    path
}

#[cfg(test)]
#[path = "critical_tests.rs"]
mod tests;
