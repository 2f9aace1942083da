//! Who speaks to the scheduler: one thread for all jobs of a run. It submits what was asked for within a moment as one batch, asks what
//! has become of all jobs at once, seldom where nothing changes, and cancels.
//!
//! Those who wait for a job look at what the thread has written down, and never ask the scheduler themselves.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempt_folder::{AttemptFolder, Submitted, nonce, now};
use super::scheduler::{Answer, Batch, Job, Known, Scheduler, State, Wants};
use crate::store;

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

/// How the folder of a batch begins.
pub(super) const BATCH: &str = "kiln-";

/// The file of a batch with the attempts in it, a line each, and that with what the scheduler calls it.
const MEMBERS: &str = "members";
const ID: &str = "id";

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
    cancel: bool,
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

struct Request {
    folder: AttemptFolder,
    wants: Wants,
    comment: String,
    since: Instant,
    not_before: Option<Instant>,
}

struct Batched {
    known: Known,
    members: Vec<String>,
    wants: Wants,
    comment: String,
    /// Since when it is not known whether it is there.
    doubt: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Request>,
    tracks: BTreeMap<String, Track>,
    batches: BTreeMap<String, Batched>,
    notes: Vec<String>,
    soon: bool,
    over: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// The folder of attempts and batches, and Kiln.
    jobs: PathBuf,
    program: PathBuf,
    patience: Duration,
}

/// The thread, and how others speak to it.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it. `program` is Kiln as the jobs find it.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(super) fn start(
        scheduler: Box<dyn Scheduler>,
        jobs: PathBuf,
        program: PathBuf,
        patience: Duration,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { inner: Mutex::default(), changed: Condvar::new(), jobs, program, patience });
        let loops = Loops { shared: Arc::clone(&shared), scheduler, pause: SOON, next: Instant::now(), silent: None };
        let thread = std::thread::Builder::new().name("cluster".into()).spawn(move || loops.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has a job submitted for an attempt.
    pub(super) fn submit(&self, folder: &AttemptFolder, wants: Wants, comment: String) {
        let mut inner = self.shared.lock();
        inner.tracks.insert(folder.name().to_owned(), Track::new(Submission::Waiting));
        let request = Request { folder: folder.clone(), wants, comment, since: Instant::now(), not_before: None };
        inner.waiting.push(request);
        self.shared.changed.notify_all();
    }

    /// Takes note of a job that an earlier Kiln submitted.
    pub(super) fn adopt(&self, folder: &AttemptFolder, submitted: &Submitted) {
        let place = self.shared.jobs.join(&submitted.batch);
        let members = fs::read_to_string(place.join(MEMBERS)).unwrap_or_default();
        let members: Vec<String> = members.lines().map(str::to_owned).collect();
        let id = fs::read_to_string(place.join(ID)).ok();
        let known = Known { name: submitted.batch.clone(), id };
        let wants = Wants { cpus: 1, gpus: 0, wishes: crate::pipeline::Wishes::default() };
        let batched = Batched { known, members, wants, comment: String::new(), doubt: None };
        let mut inner = self.shared.lock();
        inner.batches.entry(submitted.batch.clone()).or_insert(batched);
        inner.tracks.insert(folder.name().to_owned(), Track::new(Submission::Done));
        inner.soon = true;
        self.shared.changed.notify_all();
    }

    /// What is known of the job of an attempt.
    pub(super) fn track(&self, folder: &AttemptFolder) -> Option<Track> {
        self.shared.lock().tracks.get(folder.name()).cloned()
    }

    /// Has the job of an attempt cancelled.
    pub(super) fn cancel(&self, folder: &AttemptFolder) {
        let mut inner = self.shared.lock();
        inner.waiting.retain(|request| request.folder != *folder);
        if let Some(track) = inner.tracks.get_mut(folder.name()) {
            if track.submission == Submission::Waiting {
                track.submission = Submission::Refused("it was cancelled".into());
            }
            track.cancel = true;
        }
        self.shared.changed.notify_all();
    }

    /// Asks for a look at all jobs.
    pub(super) fn look(&self) {
        self.shared.lock().soon = true;
        self.shared.changed.notify_all();
    }

    /// Something for the user that nobody was told yet.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().notes)
    }

    /// Forgets an attempt whose folder is about to be removed, and removes a batch of which that was the last.
    pub(super) fn forget(&self, folder: &AttemptFolder) {
        let mut inner = self.shared.lock();
        inner.tracks.remove(folder.name());
        if let Some(submitted) = folder.submitted()
            && let Some(batch) = inner.batches.get_mut(&submitted.batch)
        {
            batch.members.iter_mut().filter(|member| *member == folder.name()).for_each(String::clear);
            let jobs = &self.shared.jobs;
            if batch.members.iter().all(|member| member.is_empty() || !jobs.join(member).exists()) {
                inner.batches.remove(&submitted.batch);
                drop(inner);
                let _ = store::remove_all(&self.shared.jobs.join(&submitted.batch));
            }
        }
    }

    /// What the job of an attempt, or the scheduler in its place, wrote beside the stage's log.
    pub(super) fn output(&self, submitted: &Submitted) -> String {
        let path = self.shared.jobs.join(&submitted.batch).join(format!("{}.out", submitted.index));
        fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
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

    fn see(&mut self, state: Option<State>) -> bool {
        let news = self.state != state;
        if news {
            (self.state, self.since) = (state, Instant::now());
        }
        news
    }
}

/// What the thread has to itself.
struct Loops {
    shared: Arc<Shared>,
    scheduler: Box<dyn Scheduler>,
    pause: Duration,
    next: Instant,
    /// Since when the scheduler gives no answer, and whether that was told.
    silent: Option<(Instant, bool)>,
}

impl Loops {
    fn run(mut self) {
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
        let laid_out = self.lay_out(&name, &batched).and_then(|()| {
            requests.iter().enumerate().try_for_each(|(index, request)| {
                request.folder.submit(&Submitted { batch: name.clone(), index, at: now() })
            })
        });
        if let Err(error) = laid_out {
            let why = format!("cannot write to {}: {error}", self.shared.jobs.display());
            return self.refuse(&batched.members, &why);
        }
        let answer = self.send(&name, &batched);
        if let Answer::Busy(why) = &answer {
            let mut inner = self.shared.lock();
            inner.notes.push(format!(
                "{} has no room for more jobs now, and Kiln tries again: {why}",
                self.scheduler.program().1
            ));
            let not_before = Some(Instant::now() + FULL);
            inner.waiting.extend(requests.into_iter().map(|request| Request { not_before, ..request }));
            drop(inner);
            let _ = store::remove_all(&self.shared.jobs.join(&name));
            return;
        }
        self.shared.lock().batches.insert(name.clone(), batched);
        self.note(&name, answer);
    }

    /// Writes the folder of a batch.
    fn lay_out(&self, name: &str, batch: &Batched) -> io::Result<()> {
        let folder = self.shared.jobs.join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join(MEMBERS), batch.members.join("\n") + "\n")?;
        let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
        let jobs = quoted(&self.shared.jobs);
        let attempt = match self.scheduler.index_variable() {
            Some(index) => format!("$(sed -n \"$((${index} + 1))p\" {})", quoted(&folder.join(MEMBERS))),
            None => format!("$(sed -n 1p {})", quoted(&folder.join(MEMBERS))),
        };
        let program = quoted(&self.shared.program);
        let script = format!("#!/bin/sh\nexec {program} job {jobs}/\"{attempt}\"\n");
        fs::write(folder.join("script"), script)?;
        fs::set_permissions(folder.join("script"), fs::Permissions::from_mode(0o755))
    }

    fn send(&mut self, name: &str, batch: &Batched) -> Answer {
        let folder = self.shared.jobs.join(name);
        let script = folder.join("script");
        self.scheduler.submit(&Batch {
            name,
            folder: &folder,
            script: &script,
            jobs: batch.members.len(),
            wants: &batch.wants,
            comment: &batch.comment,
        })
    }

    /// Writes down what came of submitting a batch.
    fn note(&mut self, name: &str, answer: Answer) {
        if let Answer::Accepted(id) = &answer {
            let _ = fs::write(self.shared.jobs.join(name).join(ID), id);
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
                let scheduler = self.scheduler.program().1;
                notes
                    .push(format!("it is not known whether {scheduler} has taken a job, and Kiln looks for it: {why}"));
                batch.doubt = Some(Instant::now());
                Submission::Doubtful
            }
        };
        for (index, member) in batch.members.iter().enumerate() {
            if let Some(track) = tracks.get_mut(member) {
                *track = Track { cancel: track.cancel, ..Track::new(submission.clone()) };
                track.id = batch.known.id.as_ref().map(|id| self.scheduler.name_of(id, index));
            }
        }
        if matches!(submission, Submission::Refused(_)) {
            batches.remove(name);
            let _ = store::remove_all(&self.shared.jobs.join(name));
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
        let old = inner.batches.iter().filter(|(_, batch)| batch.doubt.is_some_and(|doubt| doubt.elapsed() >= DOUBT));
        old.map(|(name, _)| name.clone()).collect()
    }

    /// The scheduler gives no answer.
    fn is_silent(&mut self, why: &str) {
        let scheduler = self.scheduler.program().1.to_owned();
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
        for batch in doubtful.into_iter().filter_map(|name| batches.remove(&name)) {
            let _ = store::remove_all(&self.shared.jobs.join(&batch.known.name));
            for member in &batch.members {
                if let Some(track) = tracks.get_mut(member) {
                    *track = Track::new(Submission::Refused(format!("{scheduler} gives no answer: {why}")));
                }
            }
        }
    }
}
