//! Which states of a chain are kept. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::pipeline::{Best, Keep};

/// A state that is there.
pub(crate) struct State<'a> {
    pub(crate) step: u64,
    pub(crate) bytes: u64,
    pub(crate) metrics: &'a BTreeMap<String, f64>,
}

/// The states that are to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retained {
    pub(crate) kept: BTreeSet<u64>,
    /// Those of them that a rule names: they stay as long as what they belong to. The last one does so by itself.
    pub(crate) named: BTreeSet<u64>,
}

/// Which of some states, in ascending order, are kept.
///
/// Named are the last ones, every so many-th and the best ones. Of the others every one is kept as long as all together are not too
/// large; then every second, every fourth and so on. So what is dropped is never wanted again when more states come.
pub(crate) fn retained(states: &[State<'_>], keep: &Keep) -> Retained {
    let last = states.len().saturating_sub(usize::try_from(keep.last.max(1)).unwrap_or(usize::MAX));
    let mut named: BTreeSet<u64> =
        states.iter().map(|state| state.step).filter(|step| keep.every.is_some_and(|n| step % n == 0)).collect();
    named.extend(keep.best.iter().filter_map(|best| best_of(states, best)));
    if keep.last > 1 {
        named.extend(states[last..].iter().map(|state| state.step));
    }
    let mut kept = named.clone();
    kept.extend(states[last..].iter().map(|state| state.step));
    let (firm, others): (Vec<&State<'_>>, Vec<&State<'_>>) =
        states.iter().partition(|state| kept.contains(&state.step));
    let bytes =
        |states: &mut dyn Iterator<Item = &&State<'_>>| states.map(|state| state.bytes).fold(0, u64::saturating_add);
    let room = keep.size.saturating_sub(bytes(&mut firm.iter()));
    let stride = (0..64)
        .map(|power| 1u64 << power)
        .find(|stride| bytes(&mut others.iter().filter(|state| state.step % stride == 0)) <= room);
    if let Some(stride) = stride {
        kept.extend(others.iter().map(|state| state.step).filter(|step| step % stride == 0));
    }
    Retained { kept, named }
}

/// Of equal ones the first.
fn best_of(states: &[State<'_>], best: &Best) -> Option<u64> {
    let values = states.iter().filter_map(|state| Some((*state.metrics.get(&best.metric)?, state.step)));
    let mut found: Option<(f64, u64)> = None;
    for (value, step) in values.filter(|(value, _)| !value.is_nan()) {
        if found.is_none_or(|(held, _)| if best.most { value > held } else { value < held }) {
            found = Some((value, step));
        }
    }
    found.map(|(_, step)| step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(count: u64, bytes: u64, loss: impl Fn(u64) -> f64, keep: &Keep) -> (Vec<u64>, Vec<u64>) {
        let metrics: Vec<BTreeMap<String, f64>> =
            (1..=count).map(|step| [("loss".to_owned(), loss(step))].into()).collect();
        let mut all: Vec<u64> = Vec::new();
        let mut retained = Retained { kept: BTreeSet::new(), named: BTreeSet::new() };
        // As they come: one that was dropped does not come back.
        for step in 1..=count {
            all.push(step);
            let states: Vec<State<'_>> =
                all.iter().map(|step| State { step: *step, bytes, metrics: &metrics[*step as usize - 1] }).collect();
            retained = super::retained(&states, keep);
            all.retain(|step| retained.kept.contains(step));
        }
        (all, retained.named.into_iter().collect())
    }

    #[test]
    fn every_state_is_kept_that_has_room_then_every_second_then_every_fourth() {
        let keep = Keep::default();
        assert_eq!(kept(10, 1_000_000, |_| 1.0, &keep), ((1..=10).collect(), vec![]));
        assert_eq!(kept(11, 100_000_000, |_| 1.0, &keep).0, [2, 4, 6, 8, 10, 11]);
        assert_eq!(kept(100, 100_000_000, |_| 1.0, &keep).0, [16, 32, 48, 64, 80, 84, 88, 92, 96, 100]);
        assert_eq!(kept(100, 3_000_000_000, |_| 1.0, &keep).0, [100], "one that is larger than all of the room");
    }

    #[test]
    fn rules_name_states() {
        let best = |most| vec![Best { metric: "loss".into(), most }];
        let keep = Keep { size: 0, best: best(false), ..Keep::default() };
        assert_eq!(kept(9, 1, |step| (step as f64 - 4.0).abs(), &keep), (vec![4, 9], vec![4]));
        let keep = Keep { best: best(true), ..keep };
        assert_eq!(kept(9, 1, |step| if step == 3 { f64::NAN } else { 1.0 }, &keep), (vec![1, 9], vec![1]));
        let keep = Keep { last: 2, every: Some(4), size: 0, best: vec![] };
        assert_eq!(kept(9, 1, |_| 1.0, &keep), (vec![4, 8, 9], vec![4, 8, 9]));
        let keep = Keep { last: 2, every: Some(4), size: 6, best: vec![] };
        assert_eq!(kept(11, 1, |_| 1.0, &keep).0, [2, 4, 6, 8, 10, 11]);
    }
}
