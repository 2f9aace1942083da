//! What a stage was the last time: the ground against which `why` is told. Read only when there is something to tell.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::action::{Manifest, differences};
use crate::engine::decide::decision::{Deciding, Decision, Missing};
use crate::engine::decide::documents::Handed;
use crate::hash::ActionKey;
use crate::pipeline::StageId;
use crate::reason::Reason;
use crate::record::{Outcome, StageRecord};
use crate::store::{Project, Skimmed, Store};

/// How many runs are looked through for a stage's last key.
const DEPTH: usize = 50;

/// So many changes are listed, and looked into: of each, documents are read. A stage may gather thousands.
const LISTED: usize = 100;

/// The last key of every stage, from the run records of the pipeline file. Threads may ask at once: one that has to read records holds up others
/// that ask, and nobody else.
pub(crate) struct History<'a> {
    store: &'a Store,
    known: Mutex<Known<'a>>,
}

/// What was read.
struct Known<'a> {
    store: &'a Store,
    project: Project,
    /// Runs not looked into yet, newest first; `None` until the first question.
    older: Option<Box<dyn Iterator<Item = Vec<Skimmed>> + Send + 'a>>,
    stages: HashMap<String, Last>,
}

/// What the records say of a stage.
#[derive(Clone, Copy)]
struct Last {
    /// Its key in the newest run that knows one.
    key: ActionKey,
    /// Its key in the newest run that gave it outputs.
    good: Option<ActionKey>,
    /// Seconds that execution took.
    seconds: Option<f64>,
}

impl<'a> History<'a> {
    pub(crate) fn new(store: &'a Store, project: &Project) -> Self {
        let known = Known { store, project: project.clone(), older: None, stages: HashMap::new() };
        Self { store, known: Mutex::new(known) }
    }

    /// A history of which some pages of the last record are known already.
    pub(crate) fn beginning_with(
        pages: &BTreeMap<usize, Vec<StageRecord>>,
        store: &'a Store,
        project: &Project,
    ) -> Self {
        let history = Self::new(store, project);
        history.known().learn(pages.values().flatten().cloned().map(Skimmed::from).collect());
        history
    }

    fn known(&self) -> MutexGuard<'_, Known<'a>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest of the stage's last run, if its result is known.
    pub(crate) fn manifest(&self, stage: &str) -> Option<Manifest> {
        let key = self.known().last(stage)?.key;
        self.store.manifest(&key)
    }

    /// How long the stage took when it last ran, in seconds.
    pub(crate) fn seconds(&self, stage: &str) -> Option<f64> {
        self.known().last(stage)?.seconds
    }

    /// Why a stage is not up to date.
    pub(crate) fn reasons(
        &self,
        deciding: &Deciding<'_>,
        id: StageId,
        decision: &Decision,
        why: &Missing,
    ) -> Vec<Reason> {
        match why {
            Missing::Forced => vec![Reason::Forced],
            Missing::Artifact(output) => vec![Reason::OutputGone { output: output.clone() }],
            Missing::Result => {
                let changes = self.changes(deciding, id, decision);
                if !changes.is_empty() {
                    return changes;
                }
                let good = self.known().good(&deciding.name(id));
                if good == Some(decision.key) {
                    return vec![Reason::ResultGone];
                }
                // It failed as it is. What had changed since it last gave a result has not been taken up.
                let mut reasons = vec![Reason::NoResult];
                reasons.extend(good.into_iter().flat_map(|good| self.since(deciding, id, decision, good)));
                reasons
            }
        }
    }

    /// What changed in a stage's manifest since its last run; nothing if its key is what it was.
    pub(crate) fn changes(&self, deciding: &Deciding<'_>, id: StageId, decision: &Decision) -> Vec<Reason> {
        let stage = &deciding.name(id);
        let Some(last) = self.known().last(stage) else { return vec![Reason::NeverRun] };
        if last.key == decision.key {
            return vec![];
        }
        let Some(good) = self.known().good(stage) else { return vec![Reason::NoResult] };
        if good == decision.key {
            return vec![];
        }
        self.since(deciding, id, decision, good)
    }

    /// What changed in a stage's manifest since a run that gave it outputs.
    fn since(&self, deciding: &Deciding<'_>, id: StageId, decision: &Decision, good: ActionKey) -> Vec<Reason> {
        // A result that was taken without its contents is where it was promised.
        let promised = || self.store.promised(&good)?.manifest();
        let Some(old) = self.store.manifest(&good).or_else(promised) else { return vec![Reason::ResultGone] };
        let mut all = differences(&old, &decision.manifest);
        let count = all.len().saturating_sub(LISTED);
        all.truncate(LISTED);
        let contents = Handed { deciding, stage: &deciding.pipeline.stages[id.0], decision };
        let mut reasons: Vec<Reason> = all.into_iter().map(|d| Reason::changed(d.look_into(&contents))).collect();
        if count > 0 {
            reasons.push(Reason::MoreChanges { count });
        }
        reasons
    }
}

impl Known<'_> {
    fn last(&mut self, stage: &str) -> Option<Last> {
        while !self.stages.contains_key(stage) {
            self.read_older()?;
        }
        self.stages.get(stage).copied()
    }

    /// Learns from one more run; `None` if there is none.
    fn read_older(&mut self) -> Option<()> {
        let older = self.older.get_or_insert_with(|| Box::new(self.store.skim_runs(&self.project).take(DEPTH)));
        let stages = older.next()?;
        self.learn(stages);
        Some(())
    }

    fn learn(&mut self, stages: Vec<Skimmed>) {
        for stage in stages {
            let Some(key) = stage.key else { continue };
            let seconds = stage.seconds;
            let good = matches!(stage.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored);
            let last = self.stages.entry(stage.name).or_insert(Last { key, good: None, seconds: None });
            if good && last.good.is_none() {
                (last.good, last.seconds) = (Some(key), seconds);
            }
        }
    }

    /// The stage's key in the newest run that gave it outputs. An execution that failed left no manifest; what was before it says
    /// more.
    fn good(&mut self, stage: &str) -> Option<ActionKey> {
        while self.stages.get(stage).is_some_and(|last| last.good.is_none()) && self.read_older().is_some() {}
        self.last(stage)?.good
    }
}
