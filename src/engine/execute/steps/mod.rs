//! The steps of a command while it runs: it is handed the state to go on from, and leaves others, which become checkpoints beside it.
//!
//! The command makes a state under another name and renames it to its number in the folder that `KILN_STATES` names, so what has a
//! number is complete. Whoever waits for the command looks for them; a thread takes them into the store.

mod lines;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use self::lines::Lines;
use super::capture::stays;
use super::execution::Execution;
use super::rehearsal::{Keeping, Rehearsal};
use crate::engine::decide::checkpoints::{Beside, Checkpoints};
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{End, Exit};
use crate::events::Progress;
use crate::kind::Event;
use crate::record::Resumed;
use crate::store::{Placement, Store, remove_all};

/// The folder of an attempt that a command leaves states in.
pub(super) const STATES: &str = "states";

/// Where the state to go on from is.
const RESUME: &str = "resume";

/// The file of metrics, unless it is an output.
const METRICS: &str = "metrics.jsonl";

/// So long after Ctrl-C states are kept that are not the last.
const PATIENCE: Duration = Duration::from_secs(2);

/// A state that a command has left, and when it was seen.
struct LeftState {
    step: u64,
    path: PathBuf,
    at: Instant,
}

/// The steps of a command.
pub(super) struct Steps<'a> {
    execution: &'a Execution<'a>,
    checkpoints: Checkpoints<'a>,
    resumed: Option<Resumed>,
    began: Instant,
    folder: PathBuf,
    /// The state to go on from.
    resume: Option<PathBuf>,
    metrics: PathBuf,
    /// The last state that was kept in this execution; 0 if there is none.
    kept: AtomicU64,
    /// Whether it was told that the last state is not kept.
    told: AtomicBool,
}

impl<'a> Steps<'a> {
    /// Lays out what a command needs to go on, in the folder of an attempt in which it is started at `work`; `None` if it is not made of
    /// steps.
    pub(super) fn begin(
        execution: &'a Execution<'a>,
        folder: &Path,
        work: &Path,
        began: Instant,
    ) -> Result<Option<Self>, NoResult> {
        let stage = execution.stage;
        let Some(steps) = &stage.steps else { return Ok(None) };
        let Some(checkpoints) = Checkpoints::of(execution.deciding, stage, execution.decision) else { return Ok(None) };
        let place = folder.join(RESUME);
        let found = execution.found(&checkpoints, &place, Placement::Copy)?;
        let output = steps.metrics.as_ref().and_then(|name| stage.outputs.get(name));
        let metrics = output.map_or_else(|| folder.join(METRICS), |output| work.join(&output.path));
        let resume = found.is_some().then_some(place);
        let (mut resumed, mut earlier) = (None, None);
        if let Some(found) = found {
            (resumed, earlier) = (Some(found.resumed), found.lines);
        }
        if let Some(earlier) = earlier {
            execution.store.materialise(&earlier, &metrics, Placement::Copy)?;
        }
        let (folder, kept, told) = (folder.to_owned(), AtomicU64::new(0), AtomicBool::new(false));
        Ok(Some(Self { execution, checkpoints, resumed, began, folder, resume, metrics, kept, told }))
    }

    /// The variables by which the command finds all of it.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut all = vec![
            ("KILN_STEP", self.first().to_string().into()),
            ("KILN_STATES", self.folder.join(STATES).into()),
            ("KILN_METRICS", self.metrics.clone().into()),
        ];
        all.extend(self.resume.clone().map(|resume| ("KILN_RESUME", resume.into())));
        all
    }

    /// The file of metrics.
    pub(super) fn metrics(&self) -> &Path {
        &self.metrics
    }

    /// The step that the command goes on from; 0 if there is none.
    fn first(&self) -> u64 {
        self.resumed.as_ref().map_or(0, |resumed| resumed.step)
    }

    /// What the execution went on from.
    pub(super) fn resumed(&self) -> Option<Resumed> {
        self.resumed.clone()
    }

    /// Begins to look for what the command leaves. States are handed to `left`.
    fn watch(&self, left: Sender<LeftState>) -> Watch<'_> {
        let mut lines = Lines::new(self.metrics.clone());
        // What was there already is no news.
        lines.follow();
        Watch { steps: self, left, lines: RefCell::new(lines), seen: RefCell::default(), told: Cell::new(false) }
    }

    /// Keeps the states that a command leaves. After Ctrl-C the last comes first, and those before it are kept only for as long as somebody is
    /// ready to wait.
    fn keep_all(&self, left: &Receiver<LeftState>) {
        let mut stopped: Option<Instant> = None;
        while let Ok(state) = left.recv() {
            if !self.execution.interrupt.is_set() {
                self.keep(&state);
                continue;
            }
            let stopped = stopped.get_or_insert_with(Instant::now);
            let states: Vec<LeftState> = iter::once(state).chain(left.try_iter()).collect();
            for state in states.iter().rev() {
                // What is wrong with one is mostly wrong with those before it.
                let may_be_last = state.step > self.kept.load(Ordering::Relaxed) && !self.told.load(Ordering::Relaxed);
                if may_be_last || stopped.elapsed() < PATIENCE {
                    self.keep(state);
                } else {
                    discard(&state.path);
                }
            }
        }
    }

    /// Keeps a state. What goes wrong costs a later execution time and is no failure of this one.
    fn keep(&self, left: &LeftState) {
        let name = self.checkpoints.name(left.step);
        match self.execution.keeping {
            Keeping::Everything => {}
            Keeping::Nothing => return discard(&left.path),
            Keeping::Aside(rehearsal) => {
                let put = self.put_aside(rehearsal, left);
                return put.unwrap_or_else(|why| self.execution.say(format!("{name} cannot be looked at: {why}")));
            }
        }
        match self.take(left) {
            Ok(same) => {
                self.told.store(false, Ordering::Relaxed);
                self.kept.fetch_max(left.step, Ordering::Relaxed);
                self.execution.course.reach(left.step);
                tracing::debug!(stage = %self.execution.stage.name, "{name} is in the cache");
                if !same {
                    let text = "differs from the one in the cache, which stays";
                    self.execution.say(format!("not deterministic: {name} {text}"));
                }
                match self.checkpoints.thin() {
                    Ok(0) => {}
                    Ok(count) => tracing::debug!(stage = %self.execution.stage.name, "{count} states are dropped"),
                    Err(error) => self.execution.say(format!("cannot drop earlier states: {error}")),
                }
            }
            // What is wrong with one is mostly wrong with those after it.
            Err(_) if self.told.swap(true, Ordering::Relaxed) => {}
            Err(why) => self.execution.say(format!("{name} is not kept: {why}")),
        }
        discard(&left.path);
    }

    fn put_aside(&self, rehearsal: &Rehearsal, left: &LeftState) -> Result<(), String> {
        stays(&left.path)?;
        lines::up_to(&self.metrics, left.step, &rehearsal.lines(left.step)).map_err(|error| error.to_string())?;
        rehearsal.put_aside(left.step, &left.path)
    }

    /// Takes a state into the store; `false` if there is another under its key.
    fn take(&self, left: &LeftState) -> Result<bool, String> {
        // Also after Ctrl-C: what it left in its time of grace is what it left that for.
        let state = self.execution.take(&left.path, Store::capture_to_the_end)?.ok_or("it is gone")?;
        let cut = self.folder.join(format!("metrics-{}", left.step));
        let mut beside = Beside::default();
        match lines::up_to(&self.metrics, left.step, &cut) {
            Ok(None) => {}
            Ok(Some(metrics)) => {
                let lines = self.execution.store.capture_to_the_end(&cut).map_err(|error| error.to_string())?;
                beside = Beside { lines: Some(lines), metrics };
            }
            Err(error) => self.execution.say(format!("the metrics are not kept: {error}")),
        }
        let seconds = left.at.duration_since(self.began).as_secs_f64();
        let kept = self.checkpoints.keep(left.step, state, beside, seconds, self.resumed());
        kept.map_err(|error| error.to_string())
    }

    /// Adds to a failure what the next run goes on from. After Ctrl-C there is nothing to add it to, and it is told.
    pub(super) fn explained(&self, why: NoResult) -> NoResult {
        let kept = self.kept.load(Ordering::Relaxed).max(self.first());
        if kept == 0 {
            return why;
        }
        let text = format!("{} is in the cache; the next run goes on from it", self.checkpoints.name(kept));
        if matches!(why, NoResult::Interrupted) {
            (self.execution.events)(Event::Message { text: text.clone() });
        }
        why.map(|failed| failed.and(format!("hint: {text}")))
    }

    /// Has the command run, and keeps what it leaves meanwhile. `run` asks the function that it is handed from time to time.
    pub(super) fn beside(
        &self,
        run: impl FnOnce(&dyn Fn() -> bool) -> Result<Exit, NoResult>,
    ) -> Result<Exit, NoResult> {
        std::thread::scope(|scope| {
            let (send, left) = channel();
            scope.spawn(move || self.keep_all(&left));
            let watch = self.watch(send);
            let ran = run(&|| {
                watch.look();
                !self.execution.is_far_enough()
            });
            // What it left last; the thread ends when it has taken that.
            watch.look();
            // A command that ended by itself has nothing half made.
            if ran.as_ref().is_ok_and(|exit| exit.end == End::Code(0)) {
                watch.tell_others(&watch.names(), |_| watch.seen.borrow().is_empty());
            }
            ran
        })
    }
}

/// Who looks what a command leaves, from time to time.
struct Watch<'s> {
    steps: &'s Steps<'s>,
    left: Sender<LeftState>,
    lines: RefCell<Lines>,
    /// The states that were seen.
    seen: RefCell<BTreeSet<u64>>,
    /// Whether it was told that something has a name that no state has.
    told: Cell<bool>,
}

impl Watch<'_> {
    /// The names of what lies there.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.steps.folder.join(STATES)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Tells once that something has a name that is none of a state, of those names that are asked about.
    fn tell_others(&self, names: &[String], about: impl Fn(&str) -> bool) {
        if self.told.get() {
            return;
        }
        if let Some(name) = names.iter().filter(|name| number(name).is_none() && about(name)).min() {
            self.told.set(true);
            self.steps.execution.say(format!(
                "`{}` in KILN_STATES is not kept: a state is named by the number of its step, from 1 and without zeros before it",
                name.escape_debug()
            ));
        }
    }

    /// Looks how far the command is, and for states that it has left since the last look.
    fn look(&self) {
        let (steps, at) = (self.steps, Instant::now());
        let mut lines = self.lines.borrow_mut();
        if lines.follow()
            && let Some(progress) = lines.progress(steps.checkpoints.goal(), steps.checkpoints.unit())
        {
            let Progress { done, total, unit, detail } = progress;
            (steps.execution.events)(Event::Progress { done, total, unit, detail });
        }
        let names = self.names();
        let mut found: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        found.sort_unstable();
        // No name of something that is being made: so whoever waits for hours learns it at once.
        self.tell_others(&names, |name| name.bytes().all(|byte| byte.is_ascii_digit()));
        let mut seen = self.seen.borrow_mut();
        for step in found {
            if seen.insert(step) {
                if step == 1 && steps.first() > 0 {
                    let first = steps.checkpoints.name(steps.first());
                    steps
                        .execution
                        .say(format!("it begins anew, and was handed {first}: does it look at KILN_RESUME?"));
                }
                let path = steps.folder.join(STATES).join(step.to_string());
                // Who takes them tells what goes wrong.
                let _ = self.left.send(LeftState { step, path, at });
            }
        }
    }
}

/// Removes what is left of a state, unless the command has put a link in the way.
fn discard(path: &Path) {
    if stays(path).is_ok() {
        let _ = remove_all(path);
    }
}

/// The number that is the name of a finished state.
fn number(name: &str) -> Option<u64> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0');
    name.parse().ok().filter(|_| plain)
}
