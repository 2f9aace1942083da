//! The threads of a run: who owns what, and who waits for whom.
//!
//! # Owners
//!
//! - The *owner* is the thread that calls [`bring_up_to_date`]. It alone has the reporter, the run's trace and the records of stages,
//!   and starts no command. It waits for messages and for nothing else.
//! - The [`Schedule`] is shared by the *workers* under one lock. All that is done under it is pure and short: taking a job, filing a
//!   decision, settling a stage. What is slow is done by a worker that holds no lock: hashing outputs, resolving documents, looking for
//!   checkpoints, saying why, carrying out a stage, capturing what it wrote.
//! - Outputs of settled stages are written once, by who settles the stage, and read without a lock ([`OnceLock`]).
//! - The [`History`] has a lock of its own. Who has to read old records to say why holds up others that ask the same.
//!
//! Workers share the schedule instead of sending messages to the thread that owns it, as cargo has it, for one reason: who finishes a
//! command decides what that makes ready and starts it, without waking another thread. Of ten thousand commands that take a millisecond
//! each, the wakes would be felt.
//!
//! # Messages
//!
//! Workers tell the owner what happens over a channel without a bound, so they never wait for it. The owner reads what there is,
//! then rests a moment before it reads again ([`REST`]): ten thousand stages wake it some dozens of times. How much can lie in the channel
//! is bounded by what the owner does in that moment, which writes to no terminal (the reporter has to see to that).
//!
//! # Why nobody sleeps for ever
//!
//! A worker rests only if it found, under the lock, no job to take and some that are not done. Whoever changes the schedule holds the
//! lock, and then looks for a job itself; a thread that took one lets go and calls another if there is one more ([`Crew::share`]). So
//! as long as there are jobs, each call leads to the next, and the last worker that finds none, and none that is not done, ends the run:
//! it wakes all that rest, and the owner with the message [`Message::Over`].
//!
//! A worker waits for: the two locks above, processes that it started, another Kiln that executes the same action (it looks at the
//! interrupt meanwhile). It never waits for another worker's job. The owner, and nobody else, waits for the workers to end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread::{Scope, Thread};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::context::{Options, RunStart};
use super::event::Reporter;
use super::message::Message;
use super::owner::Owner;
use super::schedule::{Job, Schedule};
use super::uploads::Watch;
use crate::engine::decide::decision::Deciding;
use crate::engine::decide::sources::Sources;
use crate::engine::executor::Executor;
use crate::engine::record::history::History;
use crate::engine::record::stage_record::record;
use crate::git::Head;
use crate::hash::Artifact;
use crate::interrupt::Interrupt;
use crate::name_map::NameMap;
use crate::pipeline::{Pipeline, StageId};
use crate::reason::Reason;
use crate::record::{RunId, StageRecord};
use crate::remote::Remote;
use crate::store::{Ownership, Store, Trace};

/// What stages are brought up to date from.
pub(crate) struct RunContext<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) sources: &'a Sources,
    /// Who runs them.
    pub(crate) executor: &'a dyn Executor,
    /// The outputs of stages that are not looked at because they are known to be up to date.
    pub(crate) edge: BTreeMap<StageId, Outputs>,
}

/// The outputs of a stage, by name.
pub(crate) type Outputs = NameMap<Artifact>;

/// How long the owner rests before it reads messages again.
const REST: Duration = Duration::from_millis(30);

/// How often the owner looks up where there are no messages.
const IDLE: Duration = Duration::from_millis(200);

/// In a run that took longer somebody may have changed a source.
const LONG: Duration = Duration::from_secs(1);

/// A stage that took no longer is followed by the next without waking a thread.
const SHORT: Duration = Duration::from_millis(50);

/// Decides stages and does what is to be done; returns their records in topological order.
pub(crate) fn bring_up_to_date(
    given: &RunContext<'_>,
    options: &Options,
    interrupt: &Interrupt,
    began: &RunStart,
    history: &History<'_>,
    trace: &mut Option<Trace>,
    reporter: &mut dyn Reporter,
) -> Vec<StageRecord> {
    let RunContext { pipeline, store, sources, executor, ref edge } = *given;
    let ownership = Ownership::new(store, &pipeline.root, options.overwrite).placing(pipeline.put_as.placement());
    let deciding = Deciding {
        pipeline,
        store,
        memo: store.memo(),
        sources,
        ownership: Some(&ownership),
        remote: options.remote.as_deref(),
    };
    let wanted = wanted(pipeline, options);
    let (messages, inbox) = mpsc::channel();
    let mut owner = Owner::new(pipeline, &wanted, began.at, trace, reporter);
    let elsewhere = pipeline.stages.iter().map(|stage| executor.is_elsewhere(stage)).collect();
    let budget = Budget::new(executor.capacity());
    let schedule = Schedule::new(pipeline, wanted, elsewhere, budget, options.keep_going);
    let crew = Crew {
        deciding: &deciding,
        executor,
        edge,
        options,
        interrupt,
        run: &began.id,
        began: began.at,
        history,
        outputs: std::iter::repeat_with(OnceLock::new).take(pipeline.stages.len()).collect(),
        head: began.head(options),
        idle: AtomicBool::new(true),
        pool: OnceLock::new(),
        ahead: Once::new(),
        state: Mutex::new(State { schedule, resting: 0 }),
        changed: Condvar::new(),
        messages,
        owner: std::thread::current(),
    };
    if deciding.remote.is_some_and(|remote| remote.is_lazy()) && store.has_promises() {
        crew.look_ahead_of_all();
    }
    std::thread::scope(|scope| {
        // Where there can be no thread now, there may be one in a moment. (This one starts no commands: it is handed orphans.)
        while !crew.call(scope, false) {
            if interrupt.is_set() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        listen(&inbox, &mut owner, interrupt, executor, options.remote.as_deref());
    });
    if began.at.elapsed() > LONG && owner.has_executed() && !interrupt.is_set() {
        owner.tell_of_changes(sources, store.memo(), interrupt);
    }
    owner.end(&if interrupt.is_set() { Reason::Interrupted } else { Reason::AnotherFailed })
}

/// What the owner does until the run is over.
fn listen(
    inbox: &Receiver<Message>,
    owner: &mut Owner<'_>,
    interrupt: &Interrupt,
    executor: &dyn Executor,
    remote: Option<&Remote>,
) {
    let mut told = false;
    let mut watch = remote.map(Watch::new);
    loop {
        if interrupt.is_set() && !std::mem::replace(&mut told, true) {
            let text = executor.farewell();
            owner.note(text.as_deref().unwrap_or("stopping: stages are asked to end; a second Ctrl-C kills them"));
        }
        match inbox.recv_timeout(IDLE) {
            Ok(message) => {
                for message in std::iter::once(message).chain(inbox.try_iter()) {
                    if !owner.take(message) {
                        // What becomes of jobs is told however soon that was done.
                        if let Some(text) = executor.farewell().filter(|_| interrupt.is_set() && !told) {
                            owner.note(&text);
                        }
                        return;
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for event in watch.as_mut().into_iter().flat_map(Watch::look) {
            owner.pass_on(&event);
        }
        owner.flush();
        // The last worker ends this rest.
        std::thread::park_timeout(REST);
    }
}

/// What the workers share.
pub(crate) struct Crew<'a, 'h> {
    pub(crate) deciding: &'a Deciding<'a>,
    pub(super) executor: &'a dyn Executor,
    edge: &'a BTreeMap<StageId, Outputs>,
    pub(crate) options: &'a Options,
    pub(crate) interrupt: &'a Interrupt,
    pub(super) run: &'a RunId,
    /// The commit that is checked out.
    pub(super) head: Head,
    began: Instant,
    pub(crate) history: &'a History<'h>,
    /// By stage: its outputs, once it is settled and has them.
    outputs: Vec<OnceLock<Outputs>>,
    /// Whether nothing has been started yet.
    pub(super) idle: AtomicBool,
    /// Threads that decide many stages side by side; made when first needed. Not those that hash: a large file would keep them.
    pub(crate) pool: OnceLock<Option<rayon::ThreadPool>>,
    /// Whether the remote cache was asked for all stages.
    pub(super) ahead: Once,
    state: Mutex<State<'a>>,
    changed: Condvar,
    messages: Sender<Message>,
    owner: Thread,
}

/// What is under the lock.
pub(crate) struct State<'a> {
    pub(crate) schedule: Schedule<'a>,
    /// How many threads have nothing to do.
    resting: usize,
}

impl<'a> Crew<'a, '_> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a thread, one that rests if there is any or a new one; tells whether there is one.
    fn call<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, rests: bool) -> bool {
        if rests {
            self.changed.notify_one();
            return true;
        }
        let made = std::thread::Builder::new().spawn_scoped(scope, move || self.work(scope));
        made.inspect_err(|error| tracing::warn!("cannot start a thread: {error}")).is_ok()
    }

    /// Lets go of the lock, and calls another thread if there is something for it to do. Without one it is left to those there are.
    /// One that is called while the lock is held would wake up to wait for it.
    fn share<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, state: MutexGuard<'_, State<'a>>) {
        let calls = !self.interrupt.is_set() && state.schedule.has_next();
        let rests = state.resting > 0;
        drop(state);
        if calls {
            self.call(scope, rests);
        }
    }

    /// What a worker does: take a job and do it, until there are none.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut state = self.lock();
        let (mut left_something, mut was_short) = (false, false);
        loop {
            // What a command left is cleaned up once all that it made ready is decided, and others have been called for that. To wake another
            // takes longer than to clean up after a command that was done at once: then this thread begins the next, and cleans up before it.
            let goes_on = state.schedule.has_undecided() || (was_short && state.schedule.has_next());
            let job = match left_something && !goes_on {
                false if !self.interrupt.is_set() => state.schedule.next(),
                _ => None,
            };
            if job.is_none() && std::mem::take(&mut left_something) {
                self.share(scope, state);
                self.tidy();
                state = self.lock();
                continue;
            }
            match job {
                Some(job) => {
                    self.share(scope, state);
                    if !matches!(job, Job::Decide(_)) && std::mem::take(&mut left_something) {
                        self.tidy();
                    }
                    match job {
                        Job::Decide(stages) => self.decide(&stages),
                        Job::DecideLarge(id) => self.decide_large(id),
                        Job::CarryOut(pending, share) => {
                            let began = Instant::now();
                            self.carry_out(*pending, share);
                            (left_something, was_short) = (true, began.elapsed() < SHORT);
                        }
                    }
                    state = self.lock();
                    state.schedule.done();
                }
                None if state.schedule.is_idle() => {
                    self.changed.notify_all();
                    self.send(Message::Over);
                    self.owner.unpark();
                    return;
                }
                None => {
                    state.resting += 1;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.resting -= 1;
                }
            }
        }
    }

    /// Cleans up after commands, and begins to write what took another file's place.
    fn tidy(&self) {
        self.executor.tidy();
        if let Some(ownership) = self.deciding.ownership {
            ownership.write_back();
        }
    }

    pub(super) fn send(&self, message: Message) {
        // An owner that no longer listens has seen the end.
        let _ = self.messages.send(message);
    }

    /// Tells the owner of stages that are settled.
    pub(crate) fn tell_settled(&self, settled: Vec<(StageId, StageRecord)>) {
        if !settled.is_empty() {
            self.send(Message::Settled(settled));
        }
    }

    /// Seconds since the run began.
    pub(crate) fn since(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.began).as_secs_f64()
    }

    /// When the inputs of stages were final that are decided from a moment on: before anything was started they all were from the
    /// beginning.
    pub(crate) fn final_at(&self, moment: Instant) -> f64 {
        if self.idle.load(Ordering::Relaxed) { 0.0 } else { self.since(moment) }
    }

    /// An output of a stage that is settled, or known to be up to date.
    pub(crate) fn output(&self, stage: StageId, output: &str) -> Option<Artifact> {
        let settled = self.outputs.get(stage.0)?.get();
        settled.or_else(|| self.edge.get(&stage))?.get(output).cloned()
    }

    /// Whether the outputs of a stage are known.
    pub(super) fn has_outputs(&self, stage: StageId) -> bool {
        self.outputs.get(stage.0).is_some_and(|outputs| outputs.get().is_some()) || self.edge.contains_key(&stage)
    }

    /// Keeps the outputs of a stage for those that need it. Before it is settled: then they may look.
    pub(crate) fn keep_outputs(&self, id: StageId, outputs: Outputs) {
        if let Some(place) = self.outputs.get(id.0) {
            let _ = place.set(outputs);
        }
    }

    /// Settles a stage that has no outputs, with all that need it.
    pub(crate) fn give_up(&self, id: StageId, failed: bool) {
        let skipped = self.lock().schedule.give_up(id, failed);
        let pipeline = self.deciding.pipeline;
        let told = skipped.into_iter().map(|skipped| {
            let mut record = record(pipeline, skipped.id);
            record.because([Reason::Needs { stage: pipeline.stages[skipped.because.0].name.to_string() }]);
            (skipped.id, record)
        });
        self.tell_settled(told.collect());
    }
}

/// By stage: whether the run is to bring it up to date.
fn wanted(pipeline: &Pipeline, options: &Options) -> Vec<bool> {
    let mut wanted = vec![false; pipeline.stages.len()];
    for id in &options.stages {
        if let Some(wanted) = wanted.get_mut(id.0) {
            *wanted = true;
        }
    }
    wanted
}
