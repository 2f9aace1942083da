//! Whether a remote cache is still worth asking. What costs too much time is left alone for the rest of the run, and that is said once.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::problem::{Kind, Problem};

/// So many failures one after another, without a success between them, and it is left alone.
const MOST: usize = 2;

/// Requests that are late within so long were late together, and that is one failure: a server that pauses keeps all of them waiting.
const TOGETHER: Duration = Duration::from_secs(3);

/// So many contents that are not what their names say, and it is left alone.
const MOST_WRONG: usize = 8;

/// Who waits for it looks this often whether that is worth it.
const WINDOW: Duration = Duration::from_secs(7);

/// Bytes a second that are worth waiting for.
pub(super) const RATE: u64 = 64 << 10;

/// The state of a remote cache.
pub(super) struct Health {
    off: AtomicBool,
    why: Mutex<Option<Problem>>,
    failures: AtomicUsize,
    /// When something was late for the last time that counted.
    late: Mutex<Option<Instant>>,
    wrong: AtomicUsize,
    /// Answers so far.
    answers: AtomicU64,
    /// Bytes received and sent so far.
    received: AtomicU64,
    sent: AtomicU64,
    busy: Mutex<Busy>,
    /// Milliseconds that went into contents that were given up.
    lost: AtomicU64,
}

/// So much time may be lost with contents that were given up.
const MOST_LOST: Duration = Duration::from_secs(9);

/// For how long something was under way.
#[derive(Default)]
struct Busy {
    under_way: usize,
    since: Option<Instant>,
    before: Duration,
}

/// Something that is under way, until this is dropped.
pub(super) struct UnderWay<'a>(&'a Health);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.under_way -= 1;
        if busy.under_way == 0 {
            let took = busy.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            busy.before += took;
        }
    }
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            off: AtomicBool::new(false),
            why: Mutex::new(None),
            failures: AtomicUsize::new(0),
            late: Mutex::new(None),
            wrong: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            busy: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// So much time was for nothing: what was being fetched was given up.
    pub(super) fn lost(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let before = self.lost.fetch_add(time, Ordering::Relaxed);
        if u128::from(before.saturating_add(time)) > MOST_LOST.as_millis() {
            self.turn_off(Problem::silent("fetching takes longer than making it anew would"));
        }
    }

    /// Something is under way from now on.
    pub(super) fn under_way(&self) -> UnderWay<'_> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.under_way += 1;
        busy.since.get_or_insert_with(Instant::now);
        UnderWay(self)
    }

    /// For how long something was under way so far.
    pub(super) fn busy(&self) -> Duration {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.before + busy.since.map_or(Duration::ZERO, |since| since.elapsed())
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
            Kind::Silent if problem.late && self.was_late_just_now() => {}
            Kind::Silent => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= MOST {
                    self.turn_off(problem.clone());
                }
            }
        }
    }

    /// Whether something else was late a moment ago; if not, it was now.
    fn was_late_just_now(&self) -> bool {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let just_now = late.is_some_and(|at| at.elapsed() < TOGETHER);
        if !just_now {
            *late = Some(Instant::now());
        }
        just_now
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

/// Who sends while nobody waits looks this often: what is sent counts only once all of a part is there.
pub(super) const SENDING: Duration = Duration::from_secs(60);

/// Looks, for somebody who waits, whether that is still worth it.
pub(super) struct Patience {
    began: Instant,
    answers: u64,
    bytes: u64,
    window: Duration,
}

impl Patience {
    pub(super) fn new(health: &Health) -> Self {
        Self::of(health, WINDOW)
    }

    pub(super) fn of(health: &Health, window: Duration) -> Self {
        let (received, sent) = health.bytes();
        let answers = health.answers.load(Ordering::Relaxed);
        Self { began: Instant::now(), answers, bytes: received + sent, window }
    }

    /// Turns the remote off if for a while next to nothing has come. `false` if it is off.
    pub(super) fn holds(&mut self, health: &Health) -> bool {
        if health.is_off() {
            return false;
        }
        let waited = self.began.elapsed();
        if waited < self.window {
            return true;
        }
        let now = Self::of(health, self.window);
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
    fn what_is_late_together_is_one_failure() {
        let health = Health::new();
        let late = Problem { late: true, ..Problem::silent("x") };
        (0..32).for_each(|_| health.failed(&late));
        assert!(!health.is_off());
        *health.late.lock().unwrap() = Some(Instant::now().checked_sub(TOGETHER).unwrap());
        health.failed(&late);
        assert!(health.is_off());
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
