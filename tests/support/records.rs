//! Hand-made run records for tests: `run("aaaa", vec![stage("train[model=1]").metric("loss", 0.5).record()])`.
// Shared by several test binaries, none of which uses all of it.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;

use kiln::events::{self, Progress, RunEvent, RunStarted};
use kiln::hash::{ActionKey, Digest};
use kiln::kind::Role;
use kiln::name_map::NameMap;
use kiln::record::{Host, Outcome, OutputRecord, Resumed, RunOrigin, RunRecord, RunStatus, StageRecord};
use serde_json::{Value, json};

/// A run that took 12.5 seconds; failed if one of its stages did.
pub fn run(id: &str, stages: Vec<StageRecord>) -> RunRecord {
    let failed = stages.iter().any(|stage| stage.outcome == Outcome::Failed);
    RunRecord {
        version: 1,
        id: id.to_owned(),
        status: if failed { RunStatus::Failed } else { RunStatus::Ok },
        started: "2026-07-01T12:00:00Z".parse().unwrap(),
        seconds: 12.5,
        origin: RunOrigin {
            project: "/project".into(),
            pipeline: "pipeline.yaml".into(),
            cache: None,
            lineage: None,
            profile: None,
        },
        set: vec![],
        params: json!({}),
        host: Host { name: "host".into(), cpus: 2, kiln: "0.1.0".into() },
        git: None,
        remote: None,
        stages,
        untouched: 0,
    }
}

/// A run of so many stages begins.
pub fn began(stages: usize) -> RunEvent {
    let run = run("kqzvbnme", vec![]);
    RunEvent::Run(Box::new(RunStarted {
        version: events::VERSION,
        id: run.id,
        started: run.started,
        origin: run.origin,
        set: run.set,
        host: run.host,
        process: 1,
        stages,
    }))
}

/// Something belongs to no stage.
pub fn note(text: &str) -> RunEvent {
    RunEvent::Note { text: text.to_owned() }
}

/// A stage begins.
pub fn started(record: StageRecord) -> RunEvent {
    RunEvent::Started(Box::new(record))
}

/// A stage is settled.
pub fn settled(record: StageRecord) -> RunEvent {
    RunEvent::Finished(Box::new(record))
}

/// A stage goes on.
pub fn progress(stage: &str, done: u64, total: u64, unit: &str, detail: &str) -> RunEvent {
    let progress = Progress { done, total, unit: unit.to_owned(), detail: detail.to_owned() };
    RunEvent::Progress { stage: stage.to_owned(), progress }
}

/// An up-to-date stage; its coordinates are read off its name.
pub fn stage(name: &str) -> Builder {
    let (stage, rest) = name.split_once('[').unwrap_or((name, ""));
    let pairs = rest.trim_end_matches(']').split(',').filter_map(|pair| pair.split_once('='));
    Builder(StageRecord {
        name: name.to_owned(),
        stage: stage.to_owned(),
        variant: pairs.map(|(axis, value)| (axis.to_owned(), value.to_owned())).collect(),
        uses: Some(stage.to_owned()),
        outcome: Outcome::UpToDate,
        reasons: vec![],
        causes: vec![],
        key: Some(ActionKey([7; 32])),
        params: json!({}).into(),
        inputs: NameMap::new(),
        outputs: NameMap::new(),
        metrics: BTreeMap::new(),
        warnings: vec![],
        needs: vec![],
        ready: None,
        start: None,
        seconds: 0.0,
        queued: None,
        executed_seconds: None,
        resumed: None,
        maker: None,
        log: None,
        error: None,
        failure: None,
    })
}

/// Builds a stage record, one departure from an ordinary up-to-date stage at a time.
pub struct Builder(StageRecord);

impl Builder {
    pub fn outcome(mut self, outcome: Outcome, reason: &str) -> Self {
        self.0.outcome = outcome;
        self.0.reasons.push(reason.to_owned());
        self
    }

    pub fn executed(self, seconds: f64, reason: &str) -> Self {
        let mut this = self.outcome(Outcome::Executed, reason);
        this.0.seconds = seconds;
        this.0.executed_seconds = Some(seconds);
        this
    }

    pub fn failed(self, error: &str, log: &str) -> Self {
        let mut this = self.outcome(Outcome::Failed, "never run before");
        this.0.error = Some(error.to_owned());
        this.0.log = Some(log.into());
        this
    }

    pub fn made_in(mut self, seconds: f64) -> Self {
        self.0.executed_seconds = Some(seconds);
        self
    }

    pub fn resumed(mut self, step: u64, seconds: f64) -> Self {
        self.0.resumed = Some(Resumed { step, unit: "epoch".into(), seconds });
        self
    }

    pub fn key(mut self, byte: u8) -> Self {
        self.0.key = Some(ActionKey([byte; 32]));
        self
    }

    pub fn no_key(mut self) -> Self {
        self.0.key = None;
        self
    }

    pub fn params(mut self, params: Value) -> Self {
        self.0.params = params.into();
        self
    }

    pub fn input(mut self, name: &str, byte: u8) -> Self {
        self.0.inputs.insert(name.to_owned(), vec![Digest([byte; 32])]);
        self
    }

    pub fn output(mut self, name: &str, path: &str, role: Role, byte: u8) -> Self {
        let output = OutputRecord { path: path.into(), digest: Digest([byte; 32]), bytes: 10, role };
        self.0.outputs.insert(name.to_owned(), output);
        self
    }

    pub fn metric(mut self, name: &str, value: f64) -> Self {
        self.0.metrics.insert(name.to_owned(), value);
        self
    }

    pub fn record(self) -> StageRecord {
        self.0
    }
}
