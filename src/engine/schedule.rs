//! The schedule of a run: stages are decided as their inputs become final, and executed within a budget of processors.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use petgraph::Direction;

use super::budget::Budget;
use super::checkpoints::{Checkpoints, Outlook};
use super::decide::{Deciding, Decision, Verdict};
use super::event::Reporter;
use super::guard::Guard;
use super::history::History;
use super::interrupt::Interrupt;
use super::ready::{Pending, Ready};
use super::run::{Began, Options};
use super::slot::Slots;
use super::sources::Sources;
use super::stage_record::{complete, fill, record};
use super::task::{Finished, Message, Task};
use crate::hash::Artifact;
use crate::kind::Event;
use crate::pipeline::{From, Pipeline, StageId};
use crate::record::{Outcome, RunId, StageRecord};
use crate::store::Store;

/// What stages are brought up to date from.
pub(super) struct Given<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) store: &'a Store,
    pub(super) sources: &'a Sources,
    /// The outputs of stages that are not looked at because they are known to be up to date.
    pub(super) edge: BTreeMap<StageId, BTreeMap<String, Artifact>>,
}

/// Decides stages and does what is to be done; returns their records in topological order.
pub(super) fn bring_up_to_date(
    given: &Given<'_>,
    options: &Options,
    interrupt: &Interrupt,
    began: &Began,
    history: History<'_>,
    reporter: &mut dyn Reporter,
) -> Vec<StageRecord> {
    let Given { pipeline, store, sources, ref edge } = *given;
    let deciding = Deciding { pipeline, store, memo: store.memo(), sources };
    let guard = Guard::new(&pipeline.root, store.root());
    let slots = Slots::new(store, &guard, &options.worker);
    let schedule = Schedule {
        deciding: &deciding,
        slots: &slots,
        edge,
        options,
        interrupt,
        id: &began.id,
        began: began.at,
        resting: 0,
        history,
        budget: Budget::new(options.jobs),
        wanted: wanted(pipeline, options),
        settled: std::iter::repeat_with(|| None).take(pipeline.stages.len()).collect(),
        waiting: vec![0; pipeline.stages.len()],
        undecided: Vec::new(),
        idle: true,
        ready: Ready::default(),
        running: BTreeMap::new(),
        failed: false,
        reporter,
    };
    let shared = Shared { schedule: Mutex::new(schedule), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let mut schedule = shared.lock();
        schedule.begin();
        // Where there can be no thread now, there may be one in a moment. (This one starts no commands: it is handed orphans.)
        while schedule.has_more() && !shared.call(scope, &schedule) {
            drop(schedule);
            std::thread::sleep(Duration::from_millis(100));
            schedule = shared.lock();
        }
    });
    shared.schedule.into_inner().unwrap_or_else(PoisonError::into_inner).end()
}

/// The schedule, and what threads that have nothing to do wait for.
struct Shared<'a> {
    schedule: Mutex<Schedule<'a>>,
    changed: Condvar,
}

impl<'a> Shared<'a> {
    fn lock(&self) -> MutexGuard<'_, Schedule<'a>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a thread, one that rests or a new one; tells whether there is one.
    fn call<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, schedule: &Schedule<'a>) -> bool {
        if schedule.resting > 0 {
            self.changed.notify_one();
            return true;
        }
        let made = std::thread::Builder::new().spawn_scoped(scope, move || self.work(scope));
        made.inspect_err(|error| tracing::warn!("cannot start a thread: {error}")).is_ok()
    }

    /// Calls another thread if there seems to be something for it to do. Without one it is left to those there are.
    fn share<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, schedule: &Schedule<'a>) {
        if schedule.has_more() {
            self.call(scope, schedule);
        }
    }

    /// What a thread does: take a task, carry it out, settle it and decide what that makes ready, until there is none. So from a
    /// command to the next that needs it nobody has to be woken.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut schedule = self.lock();
        loop {
            if let Some(task) = schedule.next() {
                self.share(scope, &schedule);
                drop(schedule);
                let (id, slots) = (task.id, task.slots);
                let finished = task.run(&|message| self.lock().tell(id, message));
                schedule = self.lock();
                schedule.finish(id, finished);
                self.share(scope, &schedule);
                drop(schedule);
                slots.clean();
                schedule = self.lock();
            } else if schedule.running.is_empty() {
                // Nothing runs, and nothing can be started any more.
                self.changed.notify_all();
                return;
            } else {
                schedule.resting += 1;
                schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
                schedule.resting -= 1;
            }
        }
    }
}

/// A stage that is settled: its record, and its outputs if it has them.
struct Settled {
    record: StageRecord,
    outputs: Option<BTreeMap<String, Artifact>>,
}

struct Schedule<'a> {
    deciding: &'a Deciding<'a>,
    slots: &'a Slots<'a>,
    edge: &'a BTreeMap<StageId, BTreeMap<String, Artifact>>,
    options: &'a Options,
    interrupt: &'a Interrupt,
    id: &'a RunId,
    began: Instant,
    history: History<'a>,
    budget: Budget,
    /// By stage: whether the run is to bring it up to date.
    wanted: Vec<bool>,
    /// By stage.
    settled: Vec<Option<Settled>>,
    /// By stage: how many producers are not settled.
    waiting: Vec<usize>,
    /// Stages whose inputs are final.
    undecided: Vec<StageId>,
    /// Whether nothing has been started yet.
    idle: bool,
    /// Decided stages that wait for processors.
    ready: Ready,
    /// How many threads have nothing to do.
    resting: usize,
    /// Stages in a task, and what their record needs.
    running: BTreeMap<StageId, Running>,
    failed: bool,
    reporter: &'a mut dyn Reporter,
}

/// What a decision comes to.
enum Decided {
    /// There is nothing to do; these are the outputs.
    UpToDate(BTreeMap<String, Artifact>),
    /// The stage is to be restored or executed.
    Open(Box<Decision>),
    /// An input cannot be read.
    Failed(String),
}

/// A stage in a task: what it occupies, and what its record needs once that is over.
struct Running {
    began: Instant,
    record: StageRecord,
    cpus: usize,
    gpus: usize,
}

impl<'a> Schedule<'a> {
    /// Decides what can be decided before anything is started.
    fn begin(&mut self) {
        for id in self.order() {
            self.waiting[id.0] = self.neighbours(id, Direction::Incoming).count();
            if self.waiting[id.0] == 0 {
                self.undecided.push(id);
            }
        }
        self.decide_all();
    }

    /// The records, once nothing runs and nothing can be started: what is left was stopped before its turn.
    fn end(mut self) -> Vec<StageRecord> {
        for pending in self.ready.drain() {
            self.skip(pending.id, self.stop_reason());
        }
        for id in self.order() {
            if self.settled[id.0].is_none() {
                self.skip(id, self.stop_reason());
            }
        }
        self.settled.into_iter().flatten().map(|s| s.record).collect()
    }

    /// The stages of the run, in topological order.
    fn order(&self) -> Vec<StageId> {
        (0..self.wanted.len()).filter(|id| self.wanted[*id]).map(StageId).collect()
    }

    /// The stages of the run that it needs, or that need it, each once.
    fn neighbours(&self, id: StageId, direction: Direction) -> impl Iterator<Item = StageId> + use<'a, '_> {
        let graph = &self.deciding.pipeline.graph;
        let node = petgraph::graph::NodeIndex::new(id.0);
        graph.neighbors_directed(node, direction).map(|n| graph[n]).filter(|s| self.wanted[s.0])
    }

    /// Seconds since the run began.
    fn since(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.began).as_secs_f64()
    }

    fn stopping(&self) -> bool {
        self.interrupt.is_set() || (self.failed && !self.options.keep_going)
    }

    fn stop_reason(&self) -> String {
        if self.interrupt.is_set() { "interrupted".into() } else { "another stage failed".into() }
    }

    /// Decides stages until no more have final inputs.
    fn decide_all(&mut self) {
        while !self.undecided.is_empty() && !self.stopping() {
            self.decide();
        }
        self.undecided.clear();
    }

    /// Decides the stages whose inputs are final.
    fn decide(&mut self) {
        let (deciding, options, settled, edge) = (self.deciding, self.options, &self.settled, self.edge);
        let outputs = |stage: StageId, output: &str| output_of(settled, edge, stage, output);
        let began = Instant::now();
        // Before anything has been started all inputs were final from the beginning.
        let ready = if self.idle { self.began } else { began };
        let moment = self.since(ready);
        let batch = std::mem::take(&mut self.undecided);
        let decided = deciding.decide_all(&batch, |id| {
            let mut record = record(deciding.pipeline, id);
            let decided = match deciding.decide(id, options.force.contains(&id), &outputs) {
                Err(why) => Decided::Failed(why),
                Ok(decision) => {
                    fill(&mut record, &decision);
                    match decision.verdict {
                        // The rest of the decision goes here and now: there may be thousands.
                        Verdict::UpToDate(result) => {
                            complete(&mut record, deciding.pipeline, id, Outcome::UpToDate, &result);
                            (record.ready, record.start) = (Some(moment), Some(moment));
                            Decided::UpToDate(result.outputs)
                        }
                        verdict => Decided::Open(Box::new(Decision { verdict, ..decision })),
                    }
                }
            };
            (record, decided)
        });
        for (id, (record, decided)) in decided {
            if !self.stopping() {
                self.decided(id, record, decided, began);
            }
        }
    }

    /// Settles a stage, or queues what is to be done.
    fn decided(&mut self, id: StageId, mut record: StageRecord, decided: Decided, began: Instant) {
        let decision = match decided {
            Decided::Open(decision) => *decision,
            Decided::UpToDate(outputs) => {
                tracing::debug!(stage = record.name, key = ?record.key, verdict = "up-to-date", "decided");
                return self.settle(id, record, Some(outputs));
            }
            Decided::Failed(why) => {
                record.outcome = Outcome::Failed;
                record.error = Some(why);
                return self.settle(id, record, None);
            }
        };
        let name = record.name.clone();
        tracing::debug!(stage = name, key = %decision.key, verdict = decision.verdict.name(), "decided");
        let (mut reasons, starts_over, expected);
        match decision.verdict {
            Verdict::UpToDate(result) => return self.settle(id, record, Some(result.outputs)),
            Verdict::Restore(_, ref astray) => {
                reasons = self.history.changes(&name, &decision);
                let missing: Vec<String> = astray.iter().map(|p| p.display().to_string()).collect();
                // Another checkout may have run it.
                reasons.retain(|r| r != super::history::NEVER);
                reasons.push(format!("not in place: {}", missing.join(", ")));
                (starts_over, expected) = (None, 0.0);
            }
            Verdict::Execute(ref missing) => {
                reasons = self.history.reasons(&name, &decision, missing);
                expected = self.history.seconds(&name).unwrap_or(0.0);
                let stage = &self.deciding.pipeline.stages[id.0];
                let outlook = Checkpoints::of(self.deciding.store, stage, &decision)
                    .and_then(|checkpoints| checkpoints.outlook(|| self.history.manifest(&name)));
                reasons.extend(outlook.as_ref().map(ToString::to_string));
                // Where it goes on is told when that is certain.
                starts_over = outlook.filter(|o| matches!(o, Outlook::StartsOver(_))).map(|o| o.to_string());
            }
        }
        record.ready = Some(self.since(began));
        record.reasons = reasons;
        self.ready.push(Pending { id, record, decision, starts_over, expected });
    }

    /// Whether it seems that another task can be started.
    fn has_more(&self) -> bool {
        !self.ready.is_empty() && !self.budget.is_spent() && !self.stopping()
    }

    /// The next task that fits into the budget, the longest first.
    fn next(&mut self) -> Option<Task<'a>> {
        if self.stopping() {
            return None;
        }
        let (pending, cpus, gpus) = self.ready.take(&mut self.budget, self.deciding.pipeline)?;
        self.idle = false;
        let restoring = pending.restores();
        let Pending { id, record, decision, starts_over, .. } = pending;
        if !restoring {
            let why = record.reasons.first().map_or("", String::as_str);
            self.reporter.stage_started(&record.name, why);
            if let Some(why) = starts_over {
                self.reporter.stage_message(&record.name, &why);
            }
        }
        self.running.insert(id, Running { began: Instant::now(), record, cpus, gpus });
        Some(Task {
            deciding: self.deciding,
            slots: self.slots,
            id,
            decision,
            inputs: self.artifacts(id),
            threads: cpus,
            worker: &self.options.worker,
            run: self.id,
            interrupt: self.interrupt,
        })
    }

    /// The artifacts of a stage's inputs that other stages produce.
    fn artifacts(&self, id: StageId) -> BTreeMap<String, Vec<Option<Artifact>>> {
        let stage = &self.deciding.pipeline.stages[id.0];
        let artifact = |from: &From| match from {
            From::Source(_) => None,
            From::Output { stage, output } => output_of(&self.settled, self.edge, *stage, output),
        };
        let items = stage.inputs.iter();
        items.map(|(name, items)| (name.clone(), items.iter().map(|i| artifact(&i.from)).collect())).collect()
    }

    /// Passes on what a task has to say.
    fn tell(&mut self, id: StageId, message: Message) {
        let name = || self.deciding.pipeline.stages[id.0].name.to_string();
        match message {
            Message::Note(text) => self.reporter.note(&text),
            Message::Event(Event::Progress { done, total, unit, detail }) => {
                self.reporter.stage_progress(&name(), done, total, &unit, &detail);
            }
            Message::Event(Event::Message { text }) => self.reporter.stage_message(&name(), &text),
            // Kept where it is heard.
            Message::Event(Event::Checkpoint { .. }) => {}
        }
    }

    /// Settles what a task did, and decides what that makes ready.
    fn finish(&mut self, id: StageId, finished: Finished) {
        let Some(Running { began, mut record, cpus, gpus }) = self.running.remove(&id) else { return };
        record.start = Some(self.since(began));
        self.budget.give_back(cpus, gpus);
        record.log = finished.log;
        match finished.end {
            Ok((outcome, result)) => {
                record.reasons.extend(finished.reasons);
                complete(&mut record, self.deciding.pipeline, id, outcome, &result);
                record.seconds = began.elapsed().as_secs_f64();
                self.settle(id, record, Some(result.outputs));
            }
            Err(Some(why)) => {
                record.outcome = Outcome::Failed;
                record.error = Some(why);
                record.seconds = began.elapsed().as_secs_f64();
                self.settle(id, record, None);
            }
            Err(None) => {
                record.reasons = vec!["interrupted".into()];
                record.seconds = began.elapsed().as_secs_f64();
                self.settle(id, record, None);
            }
        }
        self.decide_all();
    }

    fn skip(&mut self, id: StageId, why: String) {
        let mut record = record(self.deciding.pipeline, id);
        record.reasons = vec![why];
        self.settle(id, record, None);
    }

    /// Files a stage's record and looks at what waited for it.
    fn settle(&mut self, id: StageId, record: StageRecord, outputs: Option<BTreeMap<String, Artifact>>) {
        let usable = outputs.is_some();
        self.failed |= record.outcome == Outcome::Failed;
        self.reporter.stage_finished(&record);
        let name = if usable { String::new() } else { record.name.clone() };
        self.settled[id.0] = Some(Settled { record, outputs });
        let consumers: Vec<StageId> = self.neighbours(id, Direction::Outgoing).collect();
        for consumer in consumers {
            if self.settled[consumer.0].is_some() {
                continue;
            }
            if !usable {
                self.skip(consumer, format!("needs {name}"));
            } else {
                self.waiting[consumer.0] -= 1;
                if self.waiting[consumer.0] == 0 {
                    self.undecided.push(consumer);
                }
            }
        }
    }
}

/// An output of a stage that is settled, or known to be up to date.
fn output_of(
    settled: &[Option<Settled>],
    edge: &BTreeMap<StageId, BTreeMap<String, Artifact>>,
    stage: StageId,
    output: &str,
) -> Option<Artifact> {
    let settled = settled.get(stage.0)?.as_ref();
    let outputs = settled.map_or_else(|| edge.get(&stage), |settled| settled.outputs.as_ref());
    outputs?.get(output).cloned()
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
