//! Executing a built-in kind: its job is laid out, a worker runs it, and the states after its steps are kept on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use super::capture::WorkerOutputs;
use super::execution::{Execution, on_full_disk};
use super::in_place::InPlace;
use super::rehearsal::Keeping;
use crate::engine::decide::checkpoints::{Beside, Checkpoints};
use crate::engine::decide::decision::input_path;
use crate::engine::executor::failure::{Failed, NoResult};
use crate::engine::executor::{Attempt, Listener, Reach, Work};
use crate::failure::Failure;
use crate::hash::walk;
use crate::kind::{self, Event, Job, Kind};
use crate::pipeline::From;
use crate::record::Resumed;
use crate::store::{ActionResult, Placement};

/// The folder of an attempt that a built-in kind writes to.
const OUTPUTS: &str = "outputs";

/// So many announced steps wait to be kept.
const BACKLOG: usize = 2;

/// A step whose state a worker has left in a folder, and when.
struct Announced {
    step: u64,
    folder: PathBuf,
    at: Instant,
}

impl Execution<'_> {
    pub(crate) fn attempt_kind(
        &self,
        kind: &dyn Kind,
        params: &serde_json::Value,
        began: Instant,
        last: bool,
    ) -> Result<ActionResult, NoResult> {
        let attempt = self.executor.attempt(self.stage, &std::collections::BTreeSet::new())?;
        let result = self.try_kind(kind, params, began, attempt.as_ref());
        let result = result.map_err(|why| self.left(why, attempt.as_ref(), last, began.elapsed()));
        attempt.end();
        result
    }

    fn try_kind(
        &self,
        kind: &dyn Kind,
        params: &serde_json::Value,
        began: Instant,
        attempt: &dyn Attempt,
    ) -> Result<ActionResult, NoResult> {
        let folder = attempt.folder();
        self.say_where(folder);
        let linked = self.linked()?;
        let ran = self
            .job(kind.name(), params.clone(), folder)
            .and_then(|job| self.run_steps(job, kind, attempt, began, &linked));
        let names = self.names(folder);
        // A source that was cut short is a memory fault to who had it mapped: what was changed comes before how that ended.
        if !matches!(ran, Err(NoResult::Interrupted)) {
            self.unchanged(&linked).map_err(|why| match &ran {
                Err(NoResult::Failed(own)) => names.no_result(why.map(|failed| also(failed, own))),
                _ => self.salvaged(why, &folder.join(OUTPUTS)),
            })?;
        }
        let (outputs, resumed) = ran.map_err(|why| names.no_result(on_full_disk(why, folder)))?;
        let left = WorkerOutputs { outputs, folder: folder.join(OUTPUTS) };
        self.capture(&left, began.elapsed(), resumed).map_err(|why| names.no_result(why))
    }

    /// Runs it from its last step on if it is made of steps; returns what it wrote and went on from.
    fn run_steps(
        &self,
        mut job: Job,
        kind: &dyn Kind,
        attempt: &dyn Attempt,
        began: Instant,
        linked: &InPlace,
    ) -> Result<(BTreeMap<String, PathBuf>, Option<Resumed>), NoResult> {
        let outputs = job.outputs.clone();
        let Some(checkpoints) = Checkpoints::of(self.deciding, self.stage, self.decision) else {
            self.run_kind(job, kind, attempt, linked, &|_| {})?;
            return Ok((outputs, None));
        };
        let (from, folder) = (attempt.folder().join("resume"), attempt.folder().join("checkpoints"));
        fs::create_dir_all(&folder)?;
        let found = self.found(&checkpoints, &from, Placement::Link)?;
        let resumed = found.map(|found| found.resumed);
        let resume = resumed.as_ref().map(|resumed| (resumed.step, from));
        job.checkpoints = kind::Checkpoints { resume, folder: Some(folder) };
        let told = AtomicBool::new(false);
        let keep = |announced: Announced| {
            let seconds = announced.at.duration_since(began).as_secs_f64();
            match self.keep(kind, &checkpoints, &announced, seconds, resumed.clone(), linked) {
                Ok(()) => told.store(false, Ordering::Relaxed),
                // What is wrong with one step is mostly wrong with those after it.
                Err(_) if told.swap(true, Ordering::Relaxed) => {}
                Err(why) => self.say(format!("{} is not kept: {}", checkpoints.name(announced.step), why.text())),
            }
        };
        self.run_kind(job, kind, attempt, linked, &keep)?;
        Ok((outputs, resumed))
    }

    /// Keeps the state after a step, or says why it cannot. That costs a later execution time and is no failure of this one.
    fn keep(
        &self,
        kind: &dyn Kind,
        checkpoints: &Checkpoints,
        announced: &Announced,
        seconds: f64,
        resumed: Option<Resumed>,
        linked: &InPlace,
    ) -> Result<(), Failed> {
        let name = checkpoints.name(announced.step);
        match self.keeping {
            Keeping::Everything => {}
            Keeping::Nothing => {
                let _ = fs::remove_dir_all(&announced.folder);
                return Ok(());
            }
            Keeping::Aside(rehearsal) => {
                let put = rehearsal.put_aside(announced.step, &announced.folder);
                return put.map_err(|why| Failure::Other { why }.into());
            }
        }
        let beside = Beside { lines: None, metrics: kind.step_metrics(&announced.folder) };
        let kept = self
            .unchanged(linked)
            .and_then(|()| Ok(self.store.capture_to_the_end(&announced.folder)?))
            .and_then(|state| Ok(checkpoints.keep(announced.step, state, beside, seconds, resumed)?));
        // Its files were moved into the store; what is left goes with the folder of the attempt at the latest.
        let _ = fs::remove_dir_all(&announced.folder);
        match kept {
            // Not in the stage's log: that is the same whenever the stage does the same.
            Ok(true) => {
                tracing::debug!(stage = %self.stage.name, "{name} is in the cache");
                self.course.reach(announced.step);
                if let Err(error) = checkpoints.thin() {
                    self.say(format!("cannot drop earlier states: {error}"));
                }
            }
            Ok(false) => self.say(format!("not deterministic: {name} differs from the one in the cache, which stays")),
            Err(NoResult::Failed(why)) => return Err(why),
            Err(NoResult::Lost(lost)) => return Err(lost.failed),
            Err(NoResult::Interrupted) => {}
        }
        Ok(())
    }

    /// The work, with its inputs laid out.
    fn job(&self, uses: &str, params: serde_json::Value, folder: &Path) -> Result<Job, NoResult> {
        let mut inputs = BTreeMap::new();
        for (name, items) in &self.stage.inputs {
            let mut paths = Vec::new();
            for (position, item) in items.iter().enumerate() {
                let file = input_path(self.pipeline, item);
                let file = file.file_name().unwrap_or_default();
                let path = folder.join("inputs").join(name).join(position.to_string()).join(file);
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                match self.decision.documents.get(&(name.clone(), position)) {
                    Some(bytes) => fs::write(&path, bytes)?,
                    None => self.link(name, position, item, &path)?,
                }
                paths.push(kind::Input { label: item.label.clone(), path });
            }
            inputs.insert(name.clone(), paths);
        }
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.stage.outputs {
            let path = folder.join(OUTPUTS).join(name).join(output.path.file_name().unwrap_or_default());
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            outputs.insert(name.clone(), path);
        }
        Ok(Job {
            uses: uses.to_owned(),
            params,
            inputs,
            outputs,
            threads: self.threads,
            device: self.stage.resources.device.clone(),
            project: self.pipeline.root.clone(),
            checkpoints: kind::Checkpoints::default(),
        })
    }

    /// Has a worker run it, as long as its sources stay as they are. `keep` is handed each step that it announces, beside the worker.
    fn run_kind(
        &self,
        job: Job,
        kind: &dyn Kind,
        attempt: &dyn Attempt,
        linked: &InPlace,
        keep: &(dyn Fn(Announced) + Sync),
    ) -> Result<(), NoResult> {
        let reach = self.reach(kind, &job.params)?;
        let folder = attempt.folder();
        let within = |path: &PathBuf| path.strip_prefix(folder).ok().map(Path::to_owned);
        let outputs = job.outputs.values().filter_map(within).collect();
        let mut prepared = self.prepared(Work::Kind(job), reach);
        prepared.ports.outputs = outputs;
        // Bounded: a worker that is faster than the disk waits rather than fill it with what is not kept yet.
        let (steps, announced): (SyncSender<Announced>, Receiver<Announced>) = sync_channel(BACKLOG);
        let exit = std::thread::scope(|scope| {
            scope.spawn(move || announced.into_iter().for_each(keep));
            let events = move |event: Event| match event {
                Event::Checkpoint { step, folder } => {
                    let _ = steps.send(Announced { step, folder, at: Instant::now() });
                }
                event => (self.events)(event),
            };
            let stays = self.watching(linked);
            let goes_on = || !self.is_far_enough() && stays();
            let exit = attempt.run(&prepared, &Listener { events: &events, goes_on: &goes_on }, self.interrupt);
            // Ends the thread once it has kept what was announced.
            drop(events);
            exit
        })?;
        self.judge(&exit)
    }

    /// What it may read: its inputs, which are links out of the folder.
    fn reach(&self, kind: &dyn Kind, params: &serde_json::Value) -> Result<Reach, NoResult> {
        let mut read = Vec::new();
        for item in self.stage.inputs.values().flatten() {
            let From::Source(path) = &item.from else { continue };
            let path = self.pipeline.root.join(path);
            // Of a link the kernel looks at where it leads, also of one in a folder.
            read.extend(path.canonicalize().ok());
            if path.is_dir() {
                read.extend(walk::followed(&path)?);
            }
        }
        // Who knows a blob's name knows what is in it.
        let named = vec![self.store.root().join("objects")];
        // What it brings in is checked against a digest, wherever it comes from.
        let everything = kind.fixed(params).is_some_and(|pinned| !pinned.is_empty());
        Ok(Reach { read, named, everything, ..Reach::default() })
    }
}

/// A failure with what else went wrong, if something did.
fn also(failed: Failed, own: &Failed) -> Failed {
    let own = own.text();
    if own.is_empty() { failed } else { failed.and(own) }
}
