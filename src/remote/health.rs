//! Whether a remote cache is still worth asking. What costs too much time is left alone for the rest of the run, and that is said once.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::problem::{Kind, Problem};

/// So many failures one after another, without a success between them, and it is left alone.
const MOST: usize = 2;

/// So many contents that are not what their names say, and it is left alone.
const MOST_WRONG: usize = 8;

/// Who waits for it looks this often whether that is worth it.
const WINDOW: Duration = Duration::from_secs(7);

/// Bytes a second that are worth waiting for.
const RATE: u64 = 64 << 10;

/// The state of a remote cache.
pub(super) struct Health {
    off: AtomicBool,
    why: Mutex<Option<Problem>>,
    failures: AtomicUsize,
    wrong: AtomicUsize,
    /// Answers so far.
    answers: AtomicU64,
    /// Bytes received and sent so far.
    received: AtomicU64,
    sent: AtomicU64,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            off: AtomicBool::new(false),
            why: Mutex::new(None),
            failures: AtomicUsize::new(0),
            wrong: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    pub(super) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    /// Why it is off, if it is.
    pub(super) fn why(&self) -> Option<Problem> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves it alone from now on.
    pub(super) fn turn_off(&self, why: Problem) {
        let mut reason = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        reason.get_or_insert(why);
        self.off.store(true, Ordering::Relaxed);
    }

    /// Something was answered.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Something was not answered. What is refused or full will be so the next time.
    pub(super) fn failed(&self, problem: &Problem) {
        match problem.kind {
            Kind::Missing => self.answered(),
            Kind::Refused => self.turn_off(problem.clone()),
            // Reading may go on; who sends looks at it.
            Kind::Full => {}
            Kind::Silent => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= MOST {
                    self.turn_off(problem.clone());
                }
            }
        }
    }

    /// What arrived is not what its name says.
    pub(super) fn lied(&self) {
        if self.wrong.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_WRONG {
            self.turn_off(Problem::silent("what it sends is not what was stored"));
        }
    }

    /// How often it did.
    pub(super) fn lies(&self) -> usize {
        self.wrong.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes received and sent so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// Looks, for somebody who waits, whether that is still worth it.
pub(super) struct Patience {
    began: Instant,
    answers: u64,
    bytes: u64,
}

impl Patience {
    pub(super) fn new(health: &Health) -> Self {
        let (received, sent) = health.bytes();
        Self { began: Instant::now(), answers: health.answers.load(Ordering::Relaxed), bytes: received + sent }
    }

    /// Turns the remote off if for a while next to nothing has come. `false` if it is off.
    pub(super) fn holds(&mut self, health: &Health) -> bool {
        if health.is_off() {
            return false;
        }
        let waited = self.began.elapsed();
        if waited < WINDOW {
            return true;
        }
        let now = Self::new(health);
        let (answers, bytes) = (now.answers - self.answers, now.bytes - self.bytes);
        if answers < 8 && bytes < RATE * waited.as_secs() {
            let seconds = waited.as_secs();
            health.turn_off(Problem::silent(match answers + bytes {
                0 => format!("nothing came for {seconds} s"),
                _ => format!("{bytes} bytes came in {seconds} s, which is too slow to be worth it"),
            }));
            return false;
        }
        *self = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_in_a_row_turn_it_off_and_an_answer_between_them_does_not() {
        let health = Health::new();
        let silent = Problem::silent("x");
        health.failed(&silent);
        health.answered();
        health.failed(&silent);
        health.failed(&Problem { kind: Kind::Missing, ..silent.clone() });
        health.failed(&silent);
        assert!(!health.is_off());
        health.failed(&silent);
        assert!(health.is_off() && health.why().is_some());
    }

    #[test]
    fn what_is_refused_is_not_asked_again_and_what_lies_not_for_long() {
        let health = Health::new();
        health.failed(&Problem { kind: Kind::Refused, ..Problem::silent("x") });
        assert!(health.is_off());
        let health = Health::new();
        (0..MOST_WRONG).for_each(|_| health.lied());
        assert!(health.is_off());
    }
}
