//! One attempt at a stage, as it is seen from here: submitted, or found as an earlier run left it; waited for; judged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attempt_folder::{Assignment, AttemptFolder, JobRecord};
use super::away::Ear;
use super::earlier::Left;
use super::relay::Relay;
use super::scheduler::Wants;
use super::sealed::Sealed;
use super::telling::{Telling, place};
use super::tracks::{Submission, Track};
use super::verdict::{Known, Verdict, Why, judge};
use super::{Cluster, Contact, take};
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{Attempt, End, Exit, Listener, Prepared, Seen, Work};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::kind::Event;
use crate::pipeline::{Stage, Wishes};
use crate::store::Scratch;

/// An attempt.
pub(super) struct ClusterAttempt<'c> {
    cluster: &'c Cluster<'c>,
    contact: &'c Contact,
    stage: String,
    wants: Wants,
    /// Where the file says what the job asks for, if it does.
    place: Option<String>,
    folder: AttemptFolder,
    /// The part of it that the stage sees.
    inner: PathBuf,
    /// Tells others that it is being laid out.
    _lock: Option<Scratch>,
    /// Whether it is left to the next run.
    left: std::cell::Cell<bool>,
}

/// How often it is looked at the folder of an attempt: often at first, then less.
const QUICK: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_secs(1);

/// So long it is waited for a cancelled job to be gone.
const GONE: Duration = Duration::from_secs(120);

/// How it went with the job of an attempt.
enum Course {
    /// It ended.
    Ended(JobRecord),
    /// It was given up, and can do no more harm.
    GivenUp(Why),
}

impl<'c> ClusterAttempt<'c> {
    pub(super) fn new(cluster: &'c Cluster<'c>, contact: &'c Contact, stage: &Stage, folder: AttemptFolder) -> Self {
        let nothing = Wishes::default();
        let own = stage.elsewhere.as_ref().map_or(&nothing, |elsewhere| &elsewhere.wishes);
        let wishes = own.or(&cluster.spec.wishes);
        let wants = Wants { cpus: stage.resources.cpus.max(1), gpus: stage.resources.gpu, wishes };
        let own = stage.elsewhere.as_ref().map(|elsewhere| elsewhere.span);
        // What the command line asks for is in no file.
        let said = own.into_iter().chain([cluster.spec.span]).find(|span| span.start > 0);
        let place = said.and_then(|span| place(cluster.pipeline, span.start));
        let left = std::cell::Cell::new(false);
        let (inner, lock) = (folder.stage(), Scratch::at(folder.path()).ok());
        Self { cluster, contact, stage: stage.name.to_string(), wants, place, folder, inner, _lock: lock, left }
    }

    /// Writes down what is to be done, and has it submitted.
    fn submit(&self, prepared: &Prepared<'_>, goes_on: &dyn Fn() -> bool) -> Result<(), NoResult> {
        let assignment = Assignment {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nonce: self.folder.nonce().to_owned(),
            identity: prepared.identity.clone(),
            stage: self.stage.clone(),
            project: self.cluster.pipeline.root.clone(),
            store: self.cluster.store.root().to_owned(),
            home: self.inner.clone(),
            work: prepared.work.clone(),
            reach: prepared.reach.clone(),
            gpus: prepared.gpus,
            takes_any_gpu: prepared.takes_any_gpu,
            timeout: prepared.timeout,
            grace: prepared.grace,
            ports: prepared.ports.clone(),
        };
        self.folder.assign(&assignment)?;
        if let Some(away) = &self.contact.away {
            let (memo, patience) = (self.cluster.store.memo(), self.cluster.spec.patience);
            away.send(&self.folder, &assignment, memo, patience, goes_on).map_err(|trouble| {
                other(format!("what its job needs cannot be sent to the remote cache: {trouble}"))
            })?;
        }
        let comment: String = format!("kiln {}", self.stage)
            .chars()
            .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
            .take(200)
            .collect();
        self.contact.keeper.submit(&self.folder, self.wants.clone(), comment);
        Ok(())
    }

    /// Waits for the job in a folder.
    fn follow(
        &self,
        folder: &AttemptFolder,
        relay: &mut Relay<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<Course, NoResult> {
        let keeper = &self.contact.keeper;
        let (mut pause, mut told) = (QUICK, String::new());
        let mut recorded: Option<Instant> = None;
        let mut ear = self.contact.away.as_ref().and_then(|away| away.listen(folder));
        loop {
            relay.pass_on(listener);
            for text in keeper.notes() {
                (listener.events)(Event::Message { text });
            }
            let goes_on = (listener.goes_on)();
            if interrupt.is_set() || !goes_on {
                if goes_on && self.cluster.leaves(interrupt) {
                    // One that was not submitted yet is not left: nobody would.
                    let waits = keeper.track(folder).is_some_and(|track| track.submission == Submission::Waiting);
                    if waits {
                        keeper.cancel(folder);
                    }
                    self.left.set(!waits);
                    return Err(NoResult::Interrupted);
                }
                self.call_off(folder);
                relay.pass_on(listener);
                return match interrupt.is_set() {
                    true => Err(NoResult::Interrupted),
                    false => Err(Failure::Stopped.into()),
                };
            }
            // In this order: what was true when the scheduler said so is seen.
            let track = keeper.track(folder).ok_or_else(|| other("the job is not known".into()))?;
            ear.iter_mut().for_each(|ear| ear.hear(&track));
            if let Some(text) = ear.as_mut().and_then(Ear::complaint) {
                (listener.events)(Event::Message { text });
            }
            if let Some(why) = ear.as_ref().and_then(|ear| ear.hopeless(&track, self.cluster.spec.patience)) {
                self.call_off(folder);
                return Ok(Course::GivenUp(Why::Lost(why)));
            }
            let (record, claimed) = (folder.record(), folder.is_claimed());
            if record.is_some() && recorded.is_none() {
                recorded = Some(Instant::now());
                if record.as_ref().is_some_and(|record| record.told_to_leave) {
                    // By whom it was told to leave is for the scheduler to say.
                    keeper.look();
                }
            }
            let known = Known {
                record: record.as_ref(),
                claimed,
                for_long: ear.as_ref().map_or_else(|| track.since.elapsed(), |ear| ear.for_long(track.since)),
                recorded_for: recorded.map_or(Duration::ZERO, |moment| moment.elapsed()),
                latency: self.cluster.latency(),
                track: &track,
            };
            match (judge(&known), record) {
                (Verdict::Ended, Some(record)) => {
                    relay.pass_on(listener);
                    return Ok(Course::Ended(record));
                }
                (Verdict::GiveUp(why), record) => {
                    let over = match record {
                        // It may be in the queue again all the same.
                        Some(_) if !track.is_over() => {
                            self.call_off(folder);
                            true
                        }
                        Some(_) => true,
                        None => self.fence(folder, &why)?,
                    };
                    if over {
                        relay.pass_on(listener);
                        return Ok(Course::GivenUp(why));
                    }
                }
                (Verdict::Wait(text), _) => {
                    if !text.is_empty() && text != told {
                        let id = track.id.as_ref().map_or_else(String::new, |id| format!("job {id} "));
                        told.clone_from(&text);
                        let detail = format!("{id}{text}");
                        (listener.events)(Event::Progress { done: 0, total: 0, unit: String::new(), detail });
                    }
                }
                (Verdict::Ended, None) => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 5 / 4).min(SLOW);
        }
    }

    /// Makes sure that no job works on an attempt any more, or will. `false` if one has begun meanwhile that is not to be given up.
    fn fence(&self, folder: &AttemptFolder, why: &Why) -> Result<bool, NoResult> {
        let begun = !self.claim(folder)?;
        match why {
            Why::Refused(_) if !begun => Ok(true),
            // It was taken all the same, and is begun.
            Why::Refused(_) | Why::NeverStarts(_) if begun => Ok(folder.record().is_some()),
            _ => {
                self.call_off(folder);
                Ok(true)
            }
        }
    }

    /// Claims an attempt, so that no job can begin; `false` if one has.
    fn claim(&self, folder: &AttemptFolder) -> io::Result<bool> {
        let there = self.contact.away.as_ref().map_or(Ok(true), |away| away.claim(folder))?;
        Ok(folder.claim()? && there)
    }

    /// Cancels a job and waits until it is gone.
    fn call_off(&self, folder: &AttemptFolder) {
        let keeper = &self.contact.keeper;
        folder.call_off();
        let begun = !self.claim(folder).unwrap_or(false);
        if let Some(away) = self.contact.away.as_ref().filter(|_| begun) {
            away.call_off(folder);
        }
        keeper.cancel(folder);
        let deadline = Instant::now() + GONE;
        while Instant::now() < deadline {
            let track = keeper.track(folder);
            // One that comes late finds the attempt claimed.
            let doubtful = |track: &Track| !begun && track.submission == Submission::Doubtful;
            let cancelled = track.as_ref().is_none_or(|track| track.cancelled.is_some());
            let over = track.is_none_or(|track| track.is_over() || doubtful(&track));
            if over || (begun && cancelled && folder.record().is_some()) {
                return;
            }
            std::thread::sleep(QUICK);
        }
        tracing::warn!("the job of {} is cancelled, and still there", folder.name());
    }

    /// What is told of an attempt that came to nothing.
    fn telling(&self, folder: &AttemptFolder) -> Telling<'_> {
        let keeper = &self.contact.keeper;
        Telling {
            job: keeper.track(folder).and_then(|track| track.id),
            wants: &self.wants,
            place: self.place.as_deref(),
            output: folder.submitted().map(|submitted| keeper.output(&submitted)).unwrap_or_default(),
            beyond: folder.beyond(),
        }
    }

    /// What is said of an attempt that ended.
    fn exit(&self, folder: &AttemptFolder, record: JobRecord, listener: &Listener<'_>) -> Result<Exit, NoResult> {
        for text in record.remarks {
            (listener.events)(Event::Message { text });
        }
        // What was written elsewhere may take its time to be seen.
        let deadline = Instant::now() + self.cluster.latency();
        for output in record.digests.keys() {
            while fs::symlink_metadata(folder.stage().join(output)).is_err() && Instant::now() < deadline {
                std::thread::sleep(QUICK);
            }
        }
        let began = folder.beginning().map_or(0, |beginning| beginning.at);
        let submitted = folder.submitted().map_or(began, |submitted| submitted.at);
        let queued = Duration::from_millis(began.saturating_sub(submitted));
        let end = record.end.ok_or_else(|| other("its job does not say how the stage ended".into()))?;
        // A script that goes on without a process that was killed is not to be believed.
        let end = match end {
            End::Code(0) if record.out_of_memory => End::Signal { number: 9, core_dumped: false },
            end => end,
        };
        let out_of_memory = record.out_of_memory;
        let advice = out_of_memory.then(|| self.telling(folder).ask_for_memory()).into_iter().collect();
        Ok(Exit { end, out_of_memory, queued, digests: record.digests, seen: Seen::default(), advice })
    }

    /// Goes on with what an earlier run left, if it is at the same work and can be believed. `None` if it came to nothing.
    fn go_on(
        &self,
        left: &Left,
        prepared: &Prepared<'_>,
        listener: &Listener<'_>,
        interrupt: &Interrupt,
    ) -> Result<Option<Exit>, NoResult> {
        let keeper = &self.contact.keeper;
        keeper.adopt(&left.folder, &left.submitted);
        let text = "goes on with the job of an earlier run".to_owned();
        (listener.events)(Event::Message { text });
        let mut relay = Relay::new(&left.folder, &self.folder, &prepared.ports, prepared.log);
        let course = match self.follow(&left.folder, &mut relay, listener, interrupt) {
            Ok(course) => course,
            Err(why) => {
                if !self.left.get() {
                    self.discard(&left.folder);
                }
                // Its own folder was never submitted.
                self.left.set(false);
                return Err(why);
            }
        };
        let result = match course {
            Course::Ended(record) if self.is_unchanged(&left.folder, prepared) => {
                let exit = self.exit(&left.folder, record, listener)?;
                if exit.end == End::Code(0) {
                    for output in &prepared.ports.outputs {
                        take(&left.folder.stage().join(output), &self.folder.stage().join(output))?;
                    }
                }
                Ok(Some(exit))
            }
            Course::Ended(_) => Ok(None),
            Course::GivenUp(Why::Cancelled | Why::Refused(_) | Why::NeverStarts(_)) => Ok(None),
            Course::GivenUp(why) => match self.telling(&left.folder).failure(why) {
                NoResult::Lost(lost) if !lost.out_of_time => Ok(None),
                other => Err(other),
            },
        };
        self.discard(&left.folder);
        result
    }

    /// Whether the job of an earlier run has left its inputs as they are.
    fn is_unchanged(&self, folder: &AttemptFolder, prepared: &Prepared<'_>) -> bool {
        let memo = self.cluster.store.memo();
        let content = |folder: &AttemptFolder, input: &Path| memo.source(&folder.stage().join(input)).ok().flatten();
        prepared.ports.inputs.iter().all(|input| content(folder, input) == content(&self.folder, input))
    }

    fn discard(&self, folder: &AttemptFolder) {
        self.contact.keeper.forget(folder);
        if let Some(away) = &self.contact.away {
            away.forget(folder);
        }
        folder.remove();
    }
}

impl Attempt for ClusterAttempt<'_> {
    fn folder(&self) -> &Path {
        &self.inner
    }

    fn is_guarded(&self) -> bool {
        self.cluster.here.is_guarded()
    }

    fn is_left(&self) -> bool {
        self.left.get()
    }

    fn run(&self, prepared: &Prepared<'_>, listener: &Listener<'_>, interrupt: &Interrupt) -> Result<Exit, NoResult> {
        let identity = prepared.identity.as_deref();
        let outdated = self.contact.earlier().take_outdated(&self.stage, identity);
        for left in outdated {
            self.contact.keeper.adopt(&left.folder, &left.submitted);
            self.call_off(&left.folder);
            self.discard(&left.folder);
        }
        loop {
            let Some(left) = self.contact.earlier().take(identity) else { break };
            // A built-in kind reads sources where they lie.
            let is_away = Sealed::of(&left.folder).is_some();
            let reads = !is_away && matches!(prepared.work, Work::Kind(_)) && left.is_older_than(&prepared.reach.read);
            // One whose news lie elsewhere than they are looked for would never be heard of.
            let is_heard = self.contact.away.as_ref().is_some_and(|away| away.has(&left.folder));
            if reads || (is_away && !is_heard) {
                self.contact.keeper.adopt(&left.folder, &left.submitted);
                self.call_off(&left.folder);
                self.discard(&left.folder);
                continue;
            }
            if let Some(exit) = self.go_on(&left, prepared, listener, interrupt)? {
                return Ok(exit);
            }
        }
        let submitted = self.submit(prepared, &|| !interrupt.is_set() && (listener.goes_on)());
        submitted.map_err(|why| if interrupt.is_set() { NoResult::Interrupted } else { why })?;
        let mut relay = Relay::new(&self.folder, &self.folder, &prepared.ports, prepared.log);
        match self.follow(&self.folder, &mut relay, listener, interrupt)? {
            Course::Ended(record) => self.exit(&self.folder, record, listener),
            Course::GivenUp(why) => Err(self.telling(&self.folder).failure(why)),
        }
    }

    fn end(self: Box<Self>) {}
}

impl Drop for ClusterAttempt<'_> {
    fn drop(&mut self) {
        if !self.left.get() {
            self.discard(&self.folder);
        }
    }
}

fn other(why: String) -> NoResult {
    Failure::Other { why }.into()
}
