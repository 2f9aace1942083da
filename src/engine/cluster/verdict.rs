//! What becomes of an attempt: from what its job left, and what the scheduler says. A function of what is known, and nothing else.

use std::time::Duration;

use super::attempt_folder::JobRecord;
use super::scheduler::{Over, State};
use super::tracks::{Submission, Track};
use crate::engine::executor::End;

/// What is to be done about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is to be done yet. The text says why.
    Wait(String),
    /// The stage ended by itself, and its job says so.
    Ended,
    /// The job is over, or will never be, and no record tells of an end.
    GiveUp(Why),
}

/// Why an attempt is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The scheduler does not take it.
    Refused(String),
    /// It took it, and will never start it.
    NeverStarts(String),
    /// Its time was up.
    OutOfTime,
    /// Its memory ran out.
    OutOfMemory,
    /// Somebody else cancelled it.
    Cancelled,
    /// It could not be run where it was to run.
    NotRun(String),
    /// Whoever ran it is gone, or needed the place.
    Lost(String),
    /// It is over, or not known any more, and nobody said why.
    Silent(String),
}

/// What is known of an attempt.
pub(super) struct Known<'k> {
    /// What its job left at its end.
    pub(super) record: Option<&'k JobRecord>,
    /// Whether a job has claimed it.
    pub(super) claimed: bool,
    /// What the scheduler said.
    pub(super) track: &'k Track,
    /// For how long it has said so, and for how long there is a record.
    pub(super) for_long: Duration,
    pub(super) recorded_for: Duration,
    /// How long it may take until something that a job wrote is seen.
    pub(super) latency: Duration,
}

/// So long the scheduler may take at least to say why it told a job to leave.
const WORD: Duration = Duration::from_secs(20);

/// Judges.
pub(super) fn judge(known: &Known<'_>) -> Verdict {
    let old = known.for_long >= known.latency;
    if let Some(record) = known.record {
        if let Some(why) = &record.why {
            return Verdict::GiveUp(Why::NotRun(why.clone()));
        }
        let stopped = record.told_to_leave && record.end != Some(End::Code(0));
        if !stopped {
            return Verdict::Ended;
        }
        // By whom it was told to leave is for the scheduler to say.
        return match &known.track.state {
            Some(State::Over(over)) => Verdict::GiveUp(of(over)),
            Some(State::PutBack(reason) | State::Held(reason)) => Verdict::GiveUp(Why::Lost(put_back(reason))),
            None => Verdict::GiveUp(Why::Lost("its job was told to leave".into())),
            Some(_) if known.recorded_for >= known.latency.max(WORD) => {
                Verdict::GiveUp(Why::Lost("its job was told to leave".into()))
            }
            Some(_) => Verdict::Wait("was told to leave".into()),
        };
    }
    match &known.track.submission {
        Submission::Waiting => return Verdict::Wait("waits to be submitted".into()),
        Submission::Doubtful => return Verdict::Wait("waits for an answer to its submission".into()),
        Submission::Refused(why) => return Verdict::GiveUp(Why::Refused(why.clone())),
        Submission::Done => {}
    }
    match &known.track.state {
        Some(State::Queued(reason)) => Verdict::Wait(match reason.as_str() {
            "" | "None" => "in the queue".into(),
            _ => format!("in the queue ({reason})"),
        }),
        Some(State::Stuck(reason)) => Verdict::GiveUp(Why::NeverStarts(reason.clone())),
        Some(State::PutBack(reason)) if known.claimed => Verdict::GiveUp(Why::Lost(put_back(reason))),
        Some(State::Held(reason)) if known.claimed || old => Verdict::GiveUp(Why::Lost(put_back(reason))),
        Some(State::PutBack(reason) | State::Held(reason)) => Verdict::Wait(format!("in the queue ({reason})")),
        Some(State::Running) => Verdict::Wait(if known.claimed { "runs".into() } else { "starts".into() }),
        // What a job wrote last may not be seen yet.
        Some(State::Over(_)) | None if !old => {
            Verdict::Wait("is over, and what it has left may not be seen yet".into())
        }
        Some(State::Over(over)) => Verdict::GiveUp(of(over)),
        None => Verdict::GiveUp(Why::Silent("its job is not known any more, and left no record".into())),
    }
}

fn put_back(reason: &str) -> String {
    format!("its job was put back into the queue ({reason})")
}

fn of(over: &Over) -> Why {
    match over {
        Over::OutOfTime => Why::OutOfTime,
        Over::OutOfMemory => Why::OutOfMemory,
        Over::Cancelled => Why::Cancelled,
        Over::Lost(why) => Why::Lost(why.clone()),
        Over::Itself(reason) if reason.is_empty() || reason == "None" => Why::Silent("its job left no record".into()),
        Over::Itself(reason) => Why::Silent(format!("its job left no record ({reason})")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LATENCY: Duration = Duration::from_secs(60);

    fn record(end: Option<End>, told_to_leave: bool) -> JobRecord {
        JobRecord {
            nonce: "1".into(),
            host: "n1".into(),
            end,
            why: None,
            out_of_memory: false,
            told_to_leave,
            remarks: vec![],
            digests: BTreeMap::new(),
        }
    }

    fn judged(record: Option<&JobRecord>, claimed: bool, state: Option<State>, for_long: u64) -> Verdict {
        let mut track = Track::new(Submission::Done);
        track.state = state;
        let for_long = Duration::from_secs(for_long);
        let known = Known { record, claimed, track: &track, for_long, recorded_for: Duration::ZERO, latency: LATENCY };
        judge(&known)
    }

    #[test]
    fn a_record_of_an_end_counts_whatever_the_scheduler_says() {
        let good = record(Some(End::Code(0)), false);
        let trapped = record(Some(End::Code(0)), true);
        let failed = record(Some(End::Code(3)), false);
        let states = [
            None,
            Some(State::Running),
            Some(State::Queued("Priority".into())),
            Some(State::PutBack("BeginTime".into())),
            Some(State::Over(Over::OutOfTime)),
            Some(State::Over(Over::Cancelled)),
            Some(State::Over(Over::Lost("its node was lost".into()))),
        ];
        for state in states {
            for record in [&good, &trapped, &failed] {
                assert_eq!(judged(Some(record), true, state.clone(), 0), Verdict::Ended, "{state:?}");
            }
        }
    }

    #[test]
    fn without_a_record_nothing_succeeds() {
        let over = |over: Over| Some(State::Over(over));
        for state in [over(Over::Itself("None".into())), over(Over::OutOfTime), over(Over::Cancelled), None] {
            for claimed in [false, true] {
                assert!(matches!(judged(None, claimed, state.clone(), 59), Verdict::Wait(_)), "{state:?}");
                assert!(matches!(judged(None, claimed, state.clone(), 60), Verdict::GiveUp(_)), "{state:?}");
            }
        }
        assert_eq!(judged(None, true, over(Over::OutOfTime), 60), Verdict::GiveUp(Why::OutOfTime));
        assert_eq!(judged(None, true, over(Over::OutOfMemory), 60), Verdict::GiveUp(Why::OutOfMemory));
        let killed = Some(State::Over(Over::Itself("JobLaunchFailure".into())));
        for state in [killed, None] {
            assert!(matches!(judged(None, true, state, 60), Verdict::GiveUp(Why::Silent(_))));
        }
        let put_back = || Some(State::PutBack("BeginTime".into()));
        assert!(matches!(judged(None, true, put_back(), 0), Verdict::GiveUp(Why::Lost(_))));
        assert!(matches!(judged(None, false, put_back(), 600), Verdict::Wait(_)), "it was asked to begin later");
        assert!(matches!(judged(None, true, Some(State::Running), 100_000), Verdict::Wait(_)));
    }

    #[test]
    fn who_told_a_job_to_leave_is_for_the_scheduler_to_say() {
        let stopped = record(Some(End::Interrupted), true);
        assert!(matches!(judged(Some(&stopped), true, Some(State::Running), 600), Verdict::Wait(_)));
        let over = |over: Over| Some(State::Over(over));
        assert_eq!(judged(Some(&stopped), true, over(Over::OutOfTime), 0), Verdict::GiveUp(Why::OutOfTime));
        assert_eq!(judged(Some(&stopped), true, over(Over::Cancelled), 0), Verdict::GiveUp(Why::Cancelled));
    }
}
