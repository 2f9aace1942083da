//! One stage on its own thread: under the lock of its action, restored or executed, published, put in place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::compiled;
use super::execution::{Course, Execution};
use super::rehearsal::Keeping;
use crate::diagnostic::with_causes;
use crate::engine::decide::decision::{Deciding, Decision, Missing, Verdict};
use crate::engine::decide::documents;
use crate::engine::executor::Executor;
use crate::engine::executor::failure::{Failed, NoResult};
use crate::engine::executor::log::Log;
use crate::failure::Failure;
use crate::git::Head;
use crate::hash::Artifact;
use crate::interrupt::Interrupt;
use crate::kind::Event;
use crate::pipeline::{Stage, StageId};
use crate::reason::{Differing, Reason};
use crate::record::{Outcome, RunId};
use crate::show;
use crate::store::{ActionLock, ActionResult, Published};

/// A stage to restore or execute.
pub(crate) struct Task<'a> {
    pub(crate) deciding: &'a Deciding<'a>,
    pub(crate) executor: &'a dyn Executor,
    pub(crate) id: StageId,
    pub(crate) decision: Decision,
    pub(crate) inputs: BTreeMap<String, Vec<Option<Artifact>>>,
    pub(crate) threads: usize,
    pub(crate) run: &'a RunId,
    /// Whether the folder is kept if it fails.
    pub(crate) leaves_folder: bool,
    /// The commit that is checked out.
    pub(crate) head: &'a Head,
    pub(crate) interrupt: &'a Interrupt,
}

/// What a task says while it goes on.
pub(crate) enum TaskMessage {
    /// Progress or a line of the log.
    Event(Event),
    /// Something for the user.
    Note(String),
    /// Something for a user who wants to know how.
    Detail(String),
}

/// Who is told.
type Tell<'t> = &'t (dyn Fn(TaskMessage) + Sync);

/// How a task ended.
pub(crate) struct Finished {
    /// The outcome and the result; or why it failed; or nothing if it was interrupted.
    pub(crate) end: Result<(Outcome, ActionResult), Option<Failed>>,
    /// Reasons that came up on the way.
    pub(crate) reasons: Vec<Reason>,
    /// The log, if the stage was executed.
    pub(crate) log: Option<PathBuf>,
    /// How long it waited for a place to run, once it was begun.
    pub(crate) queued: Duration,
}

impl Task<'_> {
    /// Carries out the task.
    pub(crate) fn run(self, tell: Tell<'_>) -> Finished {
        let mut reasons = Vec::new();
        let (mut log, mut queued) = (None, Duration::ZERO);
        let end = self.settle(&mut reasons, &mut log, &mut queued, tell).map_err(|failure| match failure {
            // What was given up because the user asked to stop did not fail.
            NoResult::Failed(failed) if !self.interrupt.is_set() => Some(failed),
            NoResult::Lost(lost) if !self.interrupt.is_set() => Some(lost.failed),
            NoResult::Failed(_) | NoResult::Lost(_) | NoResult::Interrupted => None,
        });
        // A stage that says nothing leaves no log.
        let log = log.filter(|log: &PathBuf| log.exists());
        if let Some(log) = &log {
            self.deciding.store.share(log);
        }
        Finished { end, reasons, log, queued }
    }

    fn settle(
        &self,
        reasons: &mut Vec<Reason>,
        log: &mut Option<PathBuf>,
        queued: &mut Duration,
        tell: Tell<'_>,
    ) -> Result<(Outcome, ActionResult), NoResult> {
        let stage = &self.deciding.pipeline.stages[self.id.0];
        if let Verdict::Restore(result, astray) = &self.decision.verdict {
            self.bring(stage, result, astray);
            match self.put_in_place(stage, result, astray, tell) {
                Ok(()) => return Ok((Outcome::Restored, result.clone())),
                Err(Damage::Other(failed)) => return Err(NoResult::Failed(failed)),
                Err(Damage::Blob(finding)) => reasons.push(told_damage(stage, &finding, tell)),
            }
        }
        let lock = self.lock(stage, tell)?;
        // Another Kiln may have published the result while this one waited for the lock.
        let forced = matches!(self.decision.verdict, Verdict::Execute(Missing::Forced));
        if !forced {
            let outputs = || stage.outputs.values().map(|o| o.path.clone()).collect::<Vec<_>>();
            let found = match self.deciding.verdict(stage, &self.decision.key) {
                Verdict::UpToDate(result) => Some((result, Vec::new())),
                Verdict::Restore(result, _) => Some((result, outputs())),
                Verdict::Execute(_) => None,
            };
            if let Some((result, astray)) = found {
                self.bring(stage, &result, &astray);
                match self.put_in_place(stage, &result, &astray, tell) {
                    Ok(()) => return Ok((Outcome::Restored, result)),
                    Err(Damage::Other(failed)) => return Err(NoResult::Failed(failed)),
                    Err(Damage::Blob(finding)) => reasons.push(told_damage(stage, &finding, tell)),
                }
            }
        }
        let log = log.insert(self.deciding.store.log_path(self.run, &stage.name.to_string()));
        let result = self.execute(stage, log, queued, reasons, tell)?;
        drop(lock);
        let everything: Vec<PathBuf> = stage.outputs.values().map(|o| o.path.clone()).collect();
        match self.put_in_place(stage, &result, &everything, tell) {
            Ok(()) => Ok((Outcome::Executed, result)),
            Err(Damage::Blob(failed) | Damage::Other(failed)) => Err(NoResult::Failed(failed)),
        }
    }

    /// Waits until no other process executes the same action.
    fn lock(&self, stage: &Stage, tell: Tell<'_>) -> Result<ActionLock, NoResult> {
        let mut told = false;
        loop {
            if let Some(lock) = self.deciding.store.try_lock_action(&self.decision.key)? {
                return Ok(lock);
            }
            if self.interrupt.is_set() {
                return Err(NoResult::Interrupted);
            }
            if !told {
                let text = format!("{}: waiting for another Kiln that executes it now", stage.name);
                tell(TaskMessage::Note(text));
                told = true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn execute(
        &self,
        stage: &Stage,
        log: &Path,
        queued: &mut Duration,
        reasons: &mut Vec<Reason>,
        tell: Tell<'_>,
    ) -> Result<ActionResult, NoResult> {
        self.executor.remarks(stage).into_iter().for_each(|remark| tell(TaskMessage::Note(remark)));
        let events = |event: Event| tell(TaskMessage::Event(event));
        let execution = Execution {
            pipeline: self.deciding.pipeline,
            store: self.deciding.store,
            memo: self.deciding.memo,
            sources: self.deciding.sources,
            executor: self.executor,
            stage,
            decision: &self.decision,
            inputs: self.inputs.clone(),
            threads: self.threads,
            log: Log { path: log, store: self.deciding.store },
            interrupt: self.interrupt,
            events: &events,
            keeping: Keeping::Everything,
            leaves_folder: self.leaves_folder,
            detail: &|text| tell(TaskMessage::Detail(text)),
            discovers: false,
            found: &Mutex::default(),
            deciding: self.deciding,
            course: Course::default(),
        };
        for artifact in self.inputs.values().flatten().flatten() {
            self.deciding.bring_artifact(artifact);
        }
        let result = execution.execute();
        *queued = execution.course.queued();
        let mut result = result?;
        if let Some(maker) = &mut result.maker {
            maker.commit = self.head.commit();
        }
        documents::keep(self.deciding, stage, &self.decision)?;
        let published = self.deciding.store.publish(&self.decision.key, &self.decision.manifest, &result)?;
        // What was executed goes before what somebody said, also where that was sent.
        let goes_before = matches!(&published, Published::Conflict(existing) if existing.adopted.is_some());
        if goes_before {
            tell(TaskMessage::Note(format!(
                "{}: its outputs are others than those that were adopted; they count from now on",
                stage.name
            )));
            self.deciding.store.replace(&self.decision.key, &self.decision.manifest, &result)?;
        }
        if let Some(remote) = self.deciding.remote {
            if goes_before {
                remote.forget(&[self.decision.key]);
            }
            remote.send(&self.decision.key);
        }
        match published {
            Published::Conflict(existing) if !goes_before => {
                // The same key with other outputs: the stage is not deterministic. The first result stands, unless it is damaged.
                let is_whole = self.deciding.store.is_whole(&existing);
                let reason = conflict(&existing, &result, !is_whole);
                tell(TaskMessage::Note(format!("{} is {}", stage.name, show::reason::words(&reason))));
                if compiled::alone_differs(self.deciding.store, &existing, &result) {
                    tell(TaskMessage::Note(compiled::words(&stage.name)));
                }
                reasons.push(reason);
                let existing = self.deciding.with_numbers(stage, *existing);
                if is_whole {
                    return Ok(existing);
                }
                self.deciding.store.replace(&self.decision.key, &self.decision.manifest, &result)?;
                Ok(result)
            }
            _ => Ok(result),
        }
    }

    /// Fetches the outputs that are to be put in place, if the remote cache has promised them.
    fn bring(&self, stage: &Stage, result: &ActionResult, paths: &[PathBuf]) {
        if self.deciding.remote.is_some() {
            let outputs = stage.outputs.iter().filter(|(_, output)| paths.contains(&output.path));
            let artifacts: Vec<Artifact> = outputs.filter_map(|(name, _)| result.outputs.get(name).cloned()).collect();
            self.deciding.bring(&self.decision.under, Some(&artifacts));
        }
    }

    fn put_in_place(
        &self,
        stage: &Stage,
        result: &ActionResult,
        paths: &[PathBuf],
        tell: Tell<'_>,
    ) -> Result<(), Damage> {
        for (name, output) in stage.outputs.iter().filter(|(_, output)| paths.contains(&output.path)) {
            let Some(artifact) = result.outputs.get(name) else {
                let why = format!("its recorded result lacks output `{name}`");
                return Err(Damage::Blob(Failure::Other { why }.into()));
            };
            let Some(ownership) = self.deciding.ownership else { continue };
            let put = ownership.put(artifact, &output.path);
            ownership.take_notes().into_iter().for_each(|note| tell(TaskMessage::Note(note)));
            put.map_err(|error| {
                let why = with_causes(&error);
                let failure = Failure::NotPutInPlace { output: name.clone(), path: output.path.clone(), why };
                let hint = error.hint().map(|hint| format!("hint: {hint}"));
                let failed = Failed { failure, beside: hint.into_iter().collect() };
                if error.is_damage() { Damage::Blob(failed) } else { Damage::Other(failed) }
            })?;
        }
        Ok(())
    }
}

/// Why outputs could not be put in place.
enum Damage {
    /// The store's copy is damaged: the stage must be executed.
    Blob(Failed),
    /// Anything else.
    Other(Failed),
}

/// Says that what is in the store is no longer the result, and gives the reason that this is for the record.
fn told_damage(stage: &Stage, finding: &Failed, tell: Tell<'_>) -> Reason {
    let finding = finding.text();
    let what = finding.lines().next().unwrap_or_default();
    tell(TaskMessage::Note(format!("{}: {what}; it is executed again", stage.name)));
    Reason::ResultDamaged { finding }
}

fn conflict(kept: &ActionResult, found: &ActionResult, replaced: bool) -> Reason {
    let differing = found.outputs.iter().filter(|(name, artifact)| kept.outputs.get(name) != Some(artifact));
    let outputs = differing.map(|(name, artifact)| Differing {
        output: name.clone(),
        kept: kept.outputs.get(name).map(|a| a.digest),
        found: artifact.digest,
    });
    Reason::NotDeterministic { outputs: outputs.collect(), replaced }
}
