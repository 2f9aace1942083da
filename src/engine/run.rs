//! A run: stages are decided as their inputs become final, executed within a budget of processors, and recorded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::Instant;

use jiff::Timestamp;
use petgraph::Direction;

use super::budget::Budget;
use super::checkpoints::{Checkpoints, Outlook};
use super::decide::{Deciding, Decision, Verdict, warm};
use super::event::Reporter;
use super::guard::Guard;
use super::history::History;
use super::interrupt::Interrupt;
use super::sources::Sources;
use super::task::{Finished, Message, Task};
use crate::hash::Artifact;
use crate::kind::Event;
use crate::pipeline::{Body, From, Pipeline, StageId};
use crate::record::{Host, Outcome, OutputRecord, RunId, RunRecord, RunStatus, StageRecord};
use crate::store::{ActionResult, Store, StoreError};

/// What is asked of a run.
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
    let (began, started) = (Instant::now(), Timestamp::now());
    let id = store.new_run_id();
    let memo = store.memo();
    let _hold = match store.try_hold()? {
        Some(hold) => hold,
        None => {
            reporter.note("waiting for another Kiln that deletes from the cache");
            store.hold()?
        }
    };
    let order: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).filter(|s| options.stages.contains(s)).collect();
    reporter.run_started(order.len());
    let sources = Sources::scan(pipeline, &order, memo);
    warm(pipeline, &order, memo);

    let deciding = Deciding { pipeline, store, memo, sources: &sources };
    let history = History::new(store, &pipeline.root);
    let guard = Guard::new(&pipeline.root, store.root());
    let (sender, receiver) = channel();
    let run = Run {
        deciding: &deciding,
        guard: &guard,
        options,
        interrupt,
        id: &id,
        began,
        history,
        budget: Budget::new(options.jobs),
        settled: BTreeMap::new(),
        waiting: BTreeMap::new(),
        undecided: VecDeque::new(),
        ready: Vec::new(),
        running: BTreeMap::new(),
        failed: false,
        reporter,
        sender,
        receiver,
    };
    let stages = std::thread::scope(|scope| run.drive(scope, &order));

    let status = if interrupt.is_set() {
        RunStatus::Interrupted
    } else if stages.iter().any(|s| s.outcome == Outcome::Failed) {
        RunStatus::Failed
    } else {
        RunStatus::Ok
    };
    let record = RunRecord {
        version: 1,
        id,
        status,
        started,
        seconds: began.elapsed().as_secs_f64(),
        project: pipeline.root.clone(),
        pipeline: pipeline.file.clone(),
        profile: pipeline.profile.clone(),
        set: options.set.clone(),
        params: pipeline.params.clone(),
        host: Host {
            name: super::host_name(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kiln: env!("CARGO_PKG_VERSION").into(),
        },
        stages,
    };
    store.write_run(&record)?;
    if let Err(error) = memo.save() {
        // Only the next run's time is lost.
        tracing::warn!("cannot save the hash memo: {error}");
    }
    reporter.run_finished(&record);
    Ok(record)
}

/// A stage that is settled: its record, and its outputs if it has them.
struct Settled {
    record: StageRecord,
    outputs: Option<BTreeMap<String, Artifact>>,
}

struct Run<'a> {
    deciding: &'a Deciding<'a>,
    guard: &'a Guard,
    options: &'a Options,
    interrupt: &'a Interrupt,
    id: &'a RunId,
    began: Instant,
    history: History<'a>,
    budget: Budget,
    settled: BTreeMap<StageId, Settled>,
    /// Stages with producers that are not settled, and how many.
    waiting: BTreeMap<StageId, usize>,
    undecided: VecDeque<StageId>,
    /// Decided stages that wait for processors.
    ready: Vec<Pending>,
    /// Stages in a task, and what their record needs.
    running: BTreeMap<StageId, (Instant, Plan)>,
    failed: bool,
    reporter: &'a mut dyn Reporter,
    sender: Sender<Message>,
    receiver: Receiver<Message>,
}

/// A decided stage that is to be restored or executed.
struct Pending {
    id: StageId,
    /// When its inputs were final.
    ready: Instant,
    decision: Decision,
    reasons: Vec<String>,
    /// Why none of its earlier steps can be gone on from, where a person would think so.
    starts_over: Option<String>,
    /// Seconds it took the last time: the longest goes first.
    expected: f64,
}

/// What a stage's record needs once its task is over.
struct Plan {
    record: StageRecord,
    cpus: usize,
    gpus: usize,
}

impl<'a> Run<'a> {
    fn drive<'scope>(mut self, scope: &'scope Scope<'scope, '_>, order: &[StageId]) -> Vec<StageRecord>
    where
        'a: 'scope,
    {
        for &id in order {
            let producers = self.neighbours(id, Direction::Incoming).len();
            if producers == 0 {
                self.undecided.push_back(id);
            } else {
                self.waiting.insert(id, producers);
            }
        }
        loop {
            while let Some(id) = self.undecided.pop_front() {
                self.decide(id);
            }
            self.start(scope);
            if self.running.is_empty() && self.undecided.is_empty() {
                break;
            }
            if !self.undecided.is_empty() {
                continue;
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
        for pending in std::mem::take(&mut self.ready) {
            self.skip(pending.id, self.stop_reason());
        }
        for &id in order {
            if !self.settled.contains_key(&id) {
                self.skip(id, self.stop_reason());
            }
        }
        self.settled.into_values().map(|s| s.record).collect()
    }

    fn neighbours(&self, id: StageId, direction: Direction) -> BTreeSet<StageId> {
        let graph = &self.deciding.pipeline.graph;
        let node = petgraph::graph::NodeIndex::new(id.0);
        graph
            .neighbors_directed(node, direction)
            .map(|n| graph[n])
            .filter(|s| self.options.stages.contains(s))
            .collect()
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

    /// Decides a stage whose inputs are final.
    fn decide(&mut self, id: StageId) {
        if self.stopping() {
            return;
        }
        let began = Instant::now();
        let forced = self.options.force.contains(&id);
        let settled = &self.settled;
        let outputs = |stage: StageId, output: &str| -> Option<Artifact> {
            settled.get(&stage)?.outputs.as_ref()?.get(output).cloned()
        };
        let decision = match self.deciding.decide(id, forced, &outputs) {
            Ok(decision) => decision,
            Err(why) => {
                let mut record = self.record(id);
                record.outcome = Outcome::Failed;
                record.error = Some(why);
                return self.settle(id, record, None);
            }
        };
        let name = self.deciding.pipeline.stages[id.0].name.to_string();
        tracing::debug!(stage = name, key = %decision.key, verdict = decision.verdict.name(), "decided");
        match &decision.verdict {
            Verdict::UpToDate(result) => {
                let mut record = self.record(id);
                fill(&mut record, &decision);
                self.complete(id, record, Outcome::UpToDate, result, began);
            }
            Verdict::Restore(_, astray) => {
                let mut reasons = self.history.changes(&name, &decision);
                let missing: Vec<String> = astray.iter().map(|p| p.display().to_string()).collect();
                // Another checkout may have run it.
                reasons.retain(|r| r != super::history::NEVER);
                reasons.push(format!("not in place: {}", missing.join(", ")));
                self.ready.push(Pending { id, ready: began, decision, reasons, starts_over: None, expected: 0.0 });
            }
            Verdict::Execute(missing) => {
                let mut reasons = self.history.reasons(&name, &decision, missing);
                let expected = self.history.seconds(&name).unwrap_or(0.0);
                let stage = &self.deciding.pipeline.stages[id.0];
                let outlook = Checkpoints::of(self.deciding.store, stage, &decision)
                    .and_then(|checkpoints| checkpoints.outlook(|| self.history.manifest(&name)));
                reasons.extend(outlook.as_ref().map(ToString::to_string));
                // Where it goes on is told when that is certain.
                let starts_over = outlook.filter(|o| matches!(o, Outlook::StartsOver(_))).map(|o| o.to_string());
                self.ready.push(Pending { id, ready: began, decision, reasons, starts_over, expected });
            }
        }
    }

    /// Starts what fits into the budget, the longest first.
    fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        if self.stopping() {
            return;
        }
        self.ready.sort_by(|a, b| b.expected.total_cmp(&a.expected).then(a.id.cmp(&b.id)));
        for pending in std::mem::take(&mut self.ready) {
            let stage = &self.deciding.pipeline.stages[pending.id.0];
            let restoring = matches!(pending.decision.verdict, Verdict::Restore(..));
            let (cpus, gpus) = if restoring { (1, 0) } else { (stage.resources.cpus, stage.resources.gpu) };
            let Some((cpus, gpus)) = self.budget.take(cpus, gpus) else {
                self.ready.push(pending);
                continue;
            };
            let Pending { id, ready, decision, reasons, starts_over, .. } = pending;
            let mut record = self.record(id);
            record.ready = Some(self.since(ready));
            fill(&mut record, &decision);
            record.reasons = reasons;
            if !restoring {
                let why = record.reasons.first().map_or("", String::as_str);
                self.reporter.stage_started(&record.name, why);
                if let Some(why) = starts_over {
                    self.reporter.stage_message(&record.name, &why);
                }
            }
            let task = Task {
                deciding: self.deciding,
                guard: self.guard,
                id,
                decision,
                inputs: self.artifacts(id),
                threads: cpus,
                worker: &self.options.worker,
                run: self.id,
                interrupt: self.interrupt,
                sender: self.sender.clone(),
            };
            self.running.insert(id, (Instant::now(), Plan { record, cpus, gpus }));
            scope.spawn(move || task.run());
        }
    }

    /// The artifacts of a stage's inputs that other stages produce.
    fn artifacts(&self, id: StageId) -> BTreeMap<String, Vec<Option<Artifact>>> {
        let stage = &self.deciding.pipeline.stages[id.0];
        let artifact = |from: &From| match from {
            From::Source(_) => None,
            From::Output { stage, output } => self.settled.get(stage)?.outputs.as_ref()?.get(output).cloned(),
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
        let Some((began, Plan { mut record, cpus, gpus })) = self.running.remove(&id) else { return };
        record.start = Some(self.since(began));
        self.budget.give_back(cpus, gpus);
        record.log = finished.log;
        match finished.end {
            Ok((outcome, result)) => {
                record.reasons.extend(finished.reasons);
                self.complete(id, record, outcome, &result, began);
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

    /// Settles a stage that has its outputs.
    fn complete(
        &mut self,
        id: StageId,
        mut record: StageRecord,
        outcome: Outcome,
        result: &ActionResult,
        began: Instant,
    ) {
        let stage = &self.deciding.pipeline.stages[id.0];
        record.outcome = outcome;
        let start = self.since(began);
        (record.ready, record.start) = (record.ready.or(Some(start)), Some(start));
        record.seconds = began.elapsed().as_secs_f64();
        record.executed_seconds = (result.seconds > 0.0).then_some(result.seconds);
        record.resumed = result.resumed.clone();
        record.metrics = result.metrics.clone();
        record.outputs = stage
            .outputs
            .iter()
            .filter_map(|(name, output)| {
                let artifact = result.outputs.get(name)?;
                let (path, role) = (output.path.clone(), output.role);
                let output = OutputRecord { path, digest: artifact.digest, bytes: artifact.bytes, role };
                Some((name.clone(), output))
            })
            .collect();
        self.settle(id, record, Some(result.outputs.clone()));
    }

    /// The names of the stages that it needs, in topological order.
    fn producers(&self, id: StageId) -> Vec<String> {
        let pipeline = self.deciding.pipeline;
        let node = petgraph::graph::NodeIndex::new(id.0);
        let producers = pipeline.graph.neighbors_directed(node, Direction::Incoming).map(|n| pipeline.graph[n]);
        producers.collect::<BTreeSet<_>>().into_iter().map(|p| pipeline.stages[p.0].name.to_string()).collect()
    }

    fn skip(&mut self, id: StageId, why: String) {
        let mut record = self.record(id);
        record.reasons = vec![why];
        self.settle(id, record, None);
    }

    /// Files a stage's record and looks at what waited for it.
    fn settle(&mut self, id: StageId, record: StageRecord, outputs: Option<BTreeMap<String, Artifact>>) {
        let usable = outputs.is_some();
        self.failed |= record.outcome == Outcome::Failed;
        self.reporter.stage_finished(&record);
        let name = record.name.clone();
        self.settled.insert(id, Settled { record, outputs });
        for consumer in self.neighbours(id, Direction::Outgoing) {
            if self.settled.contains_key(&consumer) {
                continue;
            }
            if !usable {
                self.waiting.remove(&consumer);
                self.skip(consumer, format!("needs {name}"));
            } else if let Some(left) = self.waiting.get_mut(&consumer) {
                *left -= 1;
                if *left == 0 {
                    self.waiting.remove(&consumer);
                    self.undecided.push_back(consumer);
                }
            }
        }
    }

    /// A stage's record as far as the pipeline decides it.
    fn record(&self, id: StageId) -> StageRecord {
        let stage = &self.deciding.pipeline.stages[id.0];
        let (uses, params) = match &stage.body {
            Body::Uses { kind, params } => (Some(kind.name().to_owned()), params.clone()),
            Body::Run(command) => (None, serde_json::json!({ "run": command, "env": stage.env })),
        };
        StageRecord {
            ready: None,
            start: None,
            name: stage.name.to_string(),
            stage: stage.name.stage.clone(),
            variant: stage.name.variant.iter().cloned().collect(),
            uses,
            needs: self.producers(id),
            outcome: Outcome::Skipped,
            reasons: vec![],
            key: None,
            params,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            seconds: 0.0,
            executed_seconds: None,
            resumed: None,
            log: None,
            error: None,
        }
    }
}

fn fill(record: &mut StageRecord, decision: &Decision) {
    record.key = Some(decision.key);
    let inputs = decision.manifest.inputs.iter();
    record.inputs = inputs.map(|(name, items)| (name.clone(), items.iter().map(|i| i.digest).collect())).collect();
}
