//! The thread that speaks to the scheduler, for all jobs of a run. In each round it submits what was asked for within a moment as one batch,
//! cancels, and asks what has become of all jobs at once, seldom where nothing changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt_folder::{Submitted, nonce, now};
use super::batch::BATCH;
use super::scheduler::{Answer, Batch, Job, Known, Scheduler, State, Wants};
use super::tracks::{Batched, Doubt, Inner, Request, Shared, Submission, Track};

/// A batch is submitted when nobody has asked for more for so long, or somebody has waited for so long.
const QUIET: Duration = Duration::from_millis(150);
const OLD: Duration = Duration::from_secs(1);

/// Between two looks at all jobs: at least so long, and at most so long.
const SOON: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(30);

/// Before a batch is submitted again for which there was no room.
const FULL: Duration = Duration::from_secs(10);

/// A submission that was not answered may come to be known within this time.
const DOUBT: Duration = Duration::from_secs(20);

/// Before a job is cancelled again that is still there.
const AGAIN: Duration = Duration::from_secs(5);

/// Of no answers the user is told after this time.
const SILENCE: Duration = Duration::from_secs(15);

/// The thread.
pub(super) struct Rounds {
    shared: Arc<Shared>,
    scheduler: Box<dyn Scheduler>,
    pause: Duration,
    next: Instant,
    /// Since when the scheduler gives no answer, and whether that was told.
    silent: Option<(Instant, bool)>,
}

impl Rounds {
    pub(super) fn new(shared: Arc<Shared>, scheduler: Box<dyn Scheduler>) -> Self {
        Self { shared, scheduler, pause: SOON, next: Instant::now(), silent: None }
    }

    /// Makes rounds until the run is over, and what is to be cancelled is gone.
    pub(super) fn make(mut self) {
        loop {
            self.submit();
            self.cancel();
            self.look();
            let inner = self.shared.lock();
            if inner.over && !inner.tracks.values().any(|track| track.cancel && !track.is_over()) {
                return;
            }
            let pause = if inner.waiting.is_empty() { Duration::from_millis(500) } else { Duration::from_millis(50) };
            if inner.soon {
                continue;
            }
            drop(self.shared.changed.wait_timeout(inner, pause));
        }
    }

    /// Submits what is ripe.
    fn submit(&mut self) {
        let ripe = {
            let mut inner = self.shared.lock();
            let now = Instant::now();
            let (ready, later): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.waiting)
                .into_iter()
                .partition(|request| request.not_before.is_none_or(|moment| moment <= now));
            let newest = ready.iter().map(|request| request.since).max();
            let oldest = ready.iter().map(|request| request.since).min();
            let ripe = newest.is_some_and(|newest| newest.elapsed() >= QUIET)
                || oldest.is_some_and(|oldest| oldest.elapsed() >= OLD);
            if ripe {
                inner.waiting = later;
                ready
            } else {
                inner.waiting = ready.into_iter().chain(later).collect();
                return;
            }
        };
        let mut groups: BTreeMap<Wants, Vec<Request>> = BTreeMap::new();
        for request in ripe {
            groups.entry(request.wants.clone()).or_default().push(request);
        }
        let most = self.scheduler.most();
        for (wants, mut group) in groups {
            while !group.is_empty() {
                let rest = group.split_off(group.len().min(most));
                self.submit_batch(&wants, std::mem::replace(&mut group, rest));
            }
        }
    }

    fn submit_batch(&mut self, wants: &Wants, requests: Vec<Request>) {
        let name = format!("{BATCH}{}", nonce());
        let comment = match requests.as_slice() {
            [one] => one.comment.clone(),
            [first, others @ ..] => format!("{} and {} more", first.comment, others.len()),
            [] => return,
        };
        let members: Vec<String> = requests.iter().map(|request| request.folder.name().to_owned()).collect();
        let known = Known { name: name.clone(), id: None };
        let batched = Batched { known, members, wants: wants.clone(), comment, doubt: None };
        // Where the jobs go is on disk before there are any.
        let index = self.scheduler.index_variable();
        let memory = self.scheduler.memory(wants);
        let laid_out = self.shared.way.lay_out(&name, &batched.members, index, &memory).and_then(|()| {
            requests.iter().enumerate().try_for_each(|(index, request)| {
                request.folder.submit(&Submitted { batch: name.clone(), index, at: now() })
            })
        });
        if let Err(error) = laid_out {
            let why = format!("cannot write to {}: {error}", self.shared.way.jobs.display());
            return self.refuse(&batched.members, &why);
        }
        let answer = self.send(&name, &batched);
        if let Answer::Busy(why) = &answer {
            let mut inner = self.shared.lock();
            inner
                .notes
                .push(format!("{} has no room for more jobs now, and Kiln tries again: {why}", self.scheduler.name()));
            let not_before = Some(Instant::now() + FULL);
            inner.waiting.extend(requests.into_iter().map(|request| Request { not_before, ..request }));
            drop(inner);
            self.shared.way.batch(&name).remove();
            return;
        }
        self.shared.lock().batches.insert(name.clone(), batched);
        self.note(&name, answer);
    }

    fn send(&mut self, name: &str, batch: &Batched) -> Answer {
        let folder = self.shared.way.batch(name);
        self.scheduler.submit(&Batch {
            name,
            folder: folder.path(),
            script: &folder.script(),
            is_seen: self.shared.way.away.is_none(),
            jobs: batch.members.len(),
            wants: &batch.wants,
            comment: &batch.comment,
        })
    }

    /// Writes down what came of submitting a batch.
    fn note(&mut self, name: &str, answer: Answer) {
        if let Answer::Accepted(id) = &answer {
            self.shared.way.batch(name).note(id);
        }
        let mut inner = self.shared.lock();
        let Inner { batches, tracks, notes, .. } = &mut *inner;
        let Some(batch) = batches.get_mut(name) else { return };
        let submission = match &answer {
            Answer::Accepted(id) => {
                (batch.known.id, batch.doubt) = (Some(id.clone()), None);
                Submission::Done
            }
            Answer::Refused(why) => Submission::Refused(why.clone()),
            Answer::Unknown(why) | Answer::Busy(why) => {
                let scheduler = self.scheduler.name();
                notes
                    .push(format!("it is not known whether {scheduler} has taken a job, and Kiln looks for it: {why}"));
                let last = Instant::now();
                let first = batch.doubt.as_ref().map_or(last, |doubt| doubt.first);
                batch.doubt = Some(Doubt { first, last });
                if first.elapsed() >= self.shared.patience {
                    let minutes = self.shared.patience.as_secs_f64() / 60.0;
                    batch.doubt = None;
                    Submission::Refused(format!(
                        "in {minutes:.1} minutes {scheduler} has not said that it has it: {why}"
                    ))
                } else {
                    Submission::Doubtful
                }
            }
        };
        for (index, member) in batch.members.iter().enumerate() {
            if let Some(track) = tracks.get_mut(member) {
                *track = Track { cancel: track.cancel, ..Track::new(submission.clone()) };
                track.id = batch.known.id.as_ref().map(|id| self.scheduler.name_of(id, index));
            }
        }
        drop(inner);
        self.pause = SOON;
        self.next = Instant::now() + SOON;
    }

    fn refuse(&self, members: &[String], why: &str) {
        let mut inner = self.shared.lock();
        for member in members {
            if let Some(track) = inner.tracks.get_mut(member) {
                *track = Track::new(Submission::Refused(why.to_owned()));
            }
        }
    }

    /// Cancels the jobs that are to be.
    fn cancel(&mut self) {
        let due = |track: &&mut Track| {
            track.cancel && !track.is_over() && track.cancelled.is_none_or(|moment| moment.elapsed() >= AGAIN)
        };
        let cancelled = |track: &mut Track| {
            track.cancelled = track.id.is_some().then(Instant::now);
            track.id.clone()
        };
        let ids: Vec<String> = self.shared.lock().tracks.values_mut().filter(due).filter_map(cancelled).collect();
        for some in ids.chunks(200) {
            if let Err(why) = self.scheduler.cancel(some) {
                tracing::debug!("cannot cancel jobs: {why}");
            }
        }
    }

    /// Asks what has become of the jobs, if it is time.
    fn look(&mut self) {
        let batches: Vec<Known> = {
            let mut inner = self.shared.lock();
            let cancels = inner.tracks.values().any(|track| track.cancel && !track.is_over());
            let soon = std::mem::take(&mut inner.soon) || cancels;
            if soon {
                self.next = self.next.min(Instant::now() + SOON);
            }
            if inner.batches.is_empty() || Instant::now() < self.next {
                return;
            }
            let Inner { batches, tracks, .. } = &*inner;
            let is_waited_for = |batch: &&Batched| batch.members.iter().any(|member| tracks.contains_key(member));
            batches.values().filter(is_waited_for).map(|batch| batch.known.clone()).collect()
        };
        if batches.is_empty() {
            return;
        }
        let mut changed = false;
        let found = self.scheduler.poll(&batches);
        let again = match found {
            Ok(jobs) => {
                self.silent = None;
                changed = self.see(&batches, jobs);
                self.doubted()
            }
            Err(why) => {
                self.is_silent(&why);
                vec![]
            }
        };
        for name in again {
            let Some(batch) = self.shared.lock().batches.remove(&name) else { continue };
            let answer = self.send(&name, &batch);
            self.shared.lock().batches.insert(name.clone(), batch);
            self.note(&name, answer);
        }
        let longest = self.scheduler.remembers().map_or(LATE, |time| (time / 3).clamp(SOON, LATE));
        self.pause = if changed { SOON } else { (self.pause * 3 / 2).min(longest) };
        self.next = Instant::now() + self.pause;
    }

    /// Writes down what was found; tells whether something is otherwise than before.
    fn see(&self, asked: &[Known], jobs: Vec<Job>) -> bool {
        let mut found: BTreeMap<(String, usize), Job> = BTreeMap::new();
        for job in jobs {
            // Of two with one name, which a submission in doubt may lead to, the one that is not over counts.
            let key = (job.batch.clone(), job.index);
            if found.get(&key).is_none_or(|other| matches!(other.state, State::Over(_))) {
                found.insert(key, job);
            }
        }
        let mut inner = self.shared.lock();
        let Inner { batches, tracks, .. } = &mut *inner;
        let mut changed = false;
        for known in asked {
            let Some(batch) = batches.get_mut(&known.name) else { continue };
            let mut met = false;
            for (index, member) in batch.members.iter().enumerate() {
                let job = found.remove(&(known.name.clone(), index));
                met |= job.is_some();
                let Some(track) = tracks.get_mut(member) else { continue };
                match job {
                    Some(job) => {
                        track.submission = Submission::Done;
                        track.id = Some(job.id);
                        changed |= track.see(Some(job.state));
                    }
                    None if track.submission == Submission::Done => changed |= track.see(None),
                    // It was not to be there and yet was begun; and now it is gone.
                    None if matches!(track.submission, Submission::Refused(_)) => {
                        *track = Track { cancel: track.cancel, ..Track::new(Submission::Done) };
                        changed |= track.see(None);
                    }
                    None => {}
                }
            }
            if met {
                batch.doubt = None;
            }
        }
        changed
    }

    /// The batches that are not there after all, and have to be submitted again. That does no harm should one come up yet: an attempt
    /// is claimed by one job.
    fn doubted(&self) -> Vec<String> {
        let inner = self.shared.lock();
        let old = inner.batches.iter().filter(|(_, batch)| {
            batch.doubt.as_ref().is_some_and(|doubt| doubt.last.elapsed() >= DOUBT.min(self.shared.patience))
        });
        old.map(|(name, _)| name.clone()).collect()
    }

    /// The scheduler gives no answer.
    fn is_silent(&mut self, why: &str) {
        let scheduler = self.scheduler.name();
        let (since, told) = self.silent.get_or_insert((Instant::now(), false));
        let mut inner = self.shared.lock();
        if !*told && since.elapsed() >= SILENCE {
            *told = true;
            inner.notes.push(format!("{scheduler} gives no answer; its jobs go on, and Kiln goes on asking: {why}"));
        }
        if since.elapsed() < self.shared.patience {
            return;
        }
        let doubtful: Vec<String> =
            inner.batches.iter().filter(|(_, b)| b.doubt.is_some()).map(|(n, _)| n.clone()).collect();
        let Inner { batches, tracks, .. } = &mut *inner;
        for name in doubtful {
            let Some(batch) = batches.get_mut(&name) else { continue };
            // It stays known: should it have been taken all the same, it is found when there is an answer.
            batch.doubt = None;
            for member in &batch.members {
                if let Some(track) = tracks.get_mut(member) {
                    *track = Track::new(Submission::Refused(format!("{scheduler} gives no answer: {why}")));
                }
            }
        }
    }
}
