//! A run: stages are decided as their inputs become final, executed within a budget of processors, and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::Instant;

use jiff::Timestamp;
use petgraph::Direction;

use super::budget::Budget;
use super::checkpoints::{Checkpoints, Outlook};
use super::decide::{Deciding, Decision, Verdict};
use super::event::Reporter;
use super::guard::Guard;
use super::history::History;
use super::interrupt::Interrupt;
use super::ready::{Pending, Ready};
use super::rerun;
use super::slot::Slots;
use super::sources::Sources;
use super::stage_record::{complete, fill, record};
use super::task::{Finished, Message, Task};
use crate::hash::Artifact;
use crate::kind::Event;
use crate::pipeline::{From, Identity, Pipeline, StageId};
use crate::record::{Outcome, RunId, RunRecord, RunStatus, StageRecord};
use crate::store::{Store, StoreError};

/// What is asked of a run.
#[derive(Clone)]
pub struct Options {
    /// The stages to bring up to date, with everything they need.
    pub stages: BTreeSet<StageId>,
    /// Stages to execute whatever the store has.
    pub force: BTreeSet<StageId>,
    /// How many processors the run may keep busy.
    pub jobs: usize,
    /// Whether to go on with what does not depend on a failed stage.
    pub keep_going: bool,
    /// The program that serves as worker: Kiln itself.
    pub worker: PathBuf,
    /// `--set` arguments, for the record.
    pub set: Vec<String>,
    /// What the pipeline is known by, if the next run may be told what has changed.
    pub identity: Option<Identity>,
}

/// Brings stages up to date and records what was done. The record is written to the store whatever happened to the
/// stages.
///
/// # Errors
/// If the record cannot be written.
pub fn run(
    pipeline: &Pipeline,
    store: &Store,
    options: &Options,
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
) -> Result<RunRecord, StoreError> {
    let began = Began::now(store);
    let _hold = match store.try_hold()? {
        Some(hold) => hold,
        None => {
            reporter.note("waiting for another Kiln that deletes from the cache");
            store.hold()?
        }
    };
    let order: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).filter(|s| options.stages.contains(s)).collect();
    reporter.run_started(order.len());
    let sources = Sources::scan(pipeline, &order, store.memo());
    let history = History::new(store, &pipeline.root);
    let given = Given { pipeline, store, sources: &sources, edge: BTreeMap::new() };
    let stages = bring_up_to_date(&given, options, interrupt, &began, history, reporter);
    let record = began.record(pipeline, options, interrupt, stages);
    let pages = store.write_pages_and_run(&record)?;
    if let Err(error) = store.memo().save() {
        // Only the next run's time is lost.
        tracing::warn!("cannot save the hash memo: {error}");
    }
    if let Some(identity) = &options.identity {
        rerun::keep(pipeline, store, &sources, &record, &pages, identity);
    }
    reporter.run_finished(&record);
    Ok(record)
}

/// When a run began, and what it is called.
pub(super) struct Began {
    id: RunId,
    at: Instant,
    started: Timestamp,
}

impl Began {
    pub(super) fn now(store: &Store) -> Self {
        Self { id: store.new_run_id(), at: Instant::now(), started: Timestamp::now() }
    }

    /// The record of the run.
    pub(super) fn record(
        self,
        pipeline: &Pipeline,
        options: &Options,
        interrupt: &Interrupt,
        stages: Vec<StageRecord>,
    ) -> RunRecord {
        let status = if interrupt.is_set() {
            RunStatus::Interrupted
        } else if stages.iter().any(|s| s.outcome == Outcome::Failed) {
            RunStatus::Failed
        } else {
            RunStatus::Ok
        };
        RunRecord {
            version: 1,
            id: self.id,
            status,
            started: self.started,
            seconds: self.at.elapsed().as_secs_f64(),
            project: pipeline.root.clone(),
            pipeline: pipeline.file.clone(),
            profile: pipeline.profile.clone(),
            set: options.set.clone(),
            params: pipeline.params.clone(),
            host: super::host(),
            stages,
        }
    }
}

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
    let (sender, receiver) = channel();
    let run = Run {
        deciding: &deciding,
        slots: &slots,
        edge,
        options,
        interrupt,
        id: &began.id,
        began: began.at,
        threads: Vec::new(),
        resting: Vec::new(),
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
        sender,
        receiver,
    };
    std::thread::scope(|scope| run.drive(scope))
}

/// A stage that is settled: its record, and its outputs if it has them.
struct Settled {
    record: StageRecord,
    outputs: Option<BTreeMap<String, Artifact>>,
}

struct Run<'a> {
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
    /// Where threads take tasks from, and which of them have none.
    threads: Vec<Sender<Task<'a>>>,
    resting: Vec<usize>,
    /// Stages in a task, and what their record needs.
    running: BTreeMap<StageId, Running>,
    failed: bool,
    reporter: &'a mut dyn Reporter,
    sender: Sender<Message>,
    receiver: Receiver<Message>,
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
    thread: usize,
}

impl<'a> Run<'a> {
    fn drive<'scope>(mut self, scope: &'scope Scope<'scope, '_>) -> Vec<StageRecord>
    where
        'a: 'scope,
    {
        let order = self.options.stages.iter().copied().filter(|id| self.wanted.get(id.0) == Some(&true));
        let order: Vec<StageId> = order.collect();
        for &id in &order {
            self.waiting[id.0] = self.neighbours(id, Direction::Incoming).count();
            if self.waiting[id.0] == 0 {
                self.undecided.push(id);
            }
        }
        loop {
            while !self.undecided.is_empty() && !self.stopping() {
                self.decide();
            }
            self.undecided.clear();
            self.start(scope);
            if self.running.is_empty() {
                break;
            }
            match self.receiver.recv() {
                Ok(Message::Event(id, event)) => self.relay(id, event),
                Ok(Message::Note(text)) => self.reporter.note(&text),
                Ok(Message::Finished(id, finished)) => self.finish(id, finished),
                // The run itself holds a sender: the channel cannot close.
                Err(_) => break,
            }
        }
        // Nothing runs and nothing can be started: what is left was stopped before its turn.
        for pending in self.ready.drain() {
            self.skip(pending.id, self.stop_reason());
        }
        for id in order {
            if self.settled[id.0].is_none() {
                self.skip(id, self.stop_reason());
            }
        }
        self.settled.into_iter().flatten().map(|s| s.record).collect()
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

    /// Starts what fits into the budget, the longest first.
    fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        if self.stopping() {
            return;
        }
        for (pending, cpus, gpus) in self.ready.take(&mut self.budget, self.deciding.pipeline) {
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
            let task = Task {
                deciding: self.deciding,
                slots: self.slots,
                id,
                decision,
                inputs: self.artifacts(id),
                threads: cpus,
                worker: &self.options.worker,
                run: self.id,
                interrupt: self.interrupt,
                sender: self.sender.clone(),
            };
            let thread = self.give(scope, task);
            self.running.insert(id, Running { began: Instant::now(), record, cpus, gpus, thread });
        }
    }

    /// Gives a task to a thread that has none, and says which. Threads are used again: for a short command, making one takes long.
    fn give<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, task: Task<'a>) -> usize
    where
        'a: 'scope,
    {
        let thread = self.resting.pop().unwrap_or_else(|| {
            let (sender, tasks) = channel::<Task<'a>>();
            scope.spawn(move || tasks.into_iter().for_each(Task::run));
            self.threads.push(sender);
            self.threads.len() - 1
        });
        // It takes tasks as long as there is this sender.
        let _ = self.threads[thread].send(task);
        thread
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

    fn relay(&mut self, id: StageId, event: Event) {
        let name = self.deciding.pipeline.stages[id.0].name.to_string();
        match event {
            Event::Progress { done, total, unit, detail } => {
                self.reporter.stage_progress(&name, done, total, &unit, &detail);
            }
            Event::Message { text } => self.reporter.stage_message(&name, &text),
            // Kept where it is heard.
            Event::Checkpoint { .. } => {}
        }
    }

    fn finish(&mut self, id: StageId, finished: Finished) {
        let Some(Running { began, mut record, cpus, gpus, thread }) = self.running.remove(&id) else { return };
        self.resting.push(thread);
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
