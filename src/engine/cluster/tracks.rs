//! What is known of all jobs of a run: what is asked for, submitted, and said of each by the scheduler. Under one lock; nothing slow is done
//! under it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::attempt_folder::AttemptFolder;
use super::batch::Way;
use super::scheduler::{Known, State, Wants};

/// What is known of a job.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) submission: Submission,
    /// What the scheduler calls it.
    pub(super) id: Option<String>,
    /// What it last said of it; `None` if it does not know it.
    pub(super) state: Option<State>,
    /// Since when that is so.
    pub(super) since: Instant,
    pub(super) cancel: bool,
    /// When the scheduler was last asked to cancel it.
    pub(super) cancelled: Option<Instant>,
}

/// What has become of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Submission {
    /// It is still to be done.
    Waiting,
    /// It was done, and may have come to nothing.
    Doubtful,
    /// The scheduler has it, or had it.
    Done,
    /// There will be none, for this reason.
    Refused(String),
}

/// An attempt for which a job is asked.
pub(super) struct Request {
    pub(super) folder: AttemptFolder,
    pub(super) wants: Wants,
    pub(super) comment: String,
    pub(super) since: Instant,
    pub(super) not_before: Option<Instant>,
}

/// Jobs that were submitted together.
pub(super) struct Batched {
    pub(super) known: Known,
    pub(super) members: Vec<String>,
    pub(super) wants: Wants,
    pub(super) comment: String,
    pub(super) doubt: Option<Doubt>,
}

/// That it is not known whether jobs are there.
pub(super) struct Doubt {
    /// Since when, and since they were last submitted.
    pub(super) first: Instant,
    pub(super) last: Instant,
}

/// What is known.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) waiting: Vec<Request>,
    pub(super) tracks: BTreeMap<String, Track>,
    pub(super) batches: BTreeMap<String, Batched>,
    /// For the user.
    pub(super) notes: Vec<String>,
    /// Whether somebody asks for a look at all jobs.
    pub(super) soon: bool,
    pub(super) over: bool,
}

/// What the thread and the others share.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    pub(super) changed: Condvar,
    pub(super) way: Way,
    pub(super) patience: Duration,
}

impl Shared {
    pub(super) fn new(way: Way, patience: Duration) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), way, patience }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Track {
    pub(super) fn new(submission: Submission) -> Self {
        // What was submitted is there until it is said that it is not.
        let state = Some(State::Queued(String::new()));
        Self { submission, id: None, state, since: Instant::now(), cancel: false, cancelled: None }
    }

    /// Whether nothing more will happen to it, as far as the scheduler knows.
    pub(super) fn is_over(&self) -> bool {
        match self.submission {
            Submission::Refused(_) => true,
            Submission::Waiting | Submission::Doubtful => false,
            Submission::Done => matches!(self.state, None | Some(State::Over(_))),
        }
    }

    /// Notes what the scheduler says of it; tells whether that is new.
    pub(super) fn see(&mut self, state: Option<State>) -> bool {
        let news = self.state != state;
        if news {
            (self.state, self.since) = (state, Instant::now());
        }
        news
    }
}
