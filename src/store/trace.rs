//! The traces of runs: a file of a run in `runs/`, to which events are appended as they happen, until the record is written. A run
//! that was killed leaves it behind; of one that goes on it says how far it is.
//!
//! Its writer holds an exclusive lock on the file, which ends with its process. So whether a run goes on is never a question of time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::lock::lock;
use super::project::Places;
use super::run::{file_name, time_stamp};
use super::{Belongs, Project, Result, RunSummary, Store, StoreError};
use crate::events::{Line, Progress, RunEvent, RunStarted};
use crate::reason::Reason;
use crate::record::{Outcome, RunId, RunRecord, RunStatus, StageRecord};

/// The end of a trace's name.
const ENDING: &str = ".events";

/// So often the progress of a stage is written.
const PACE: Duration = Duration::from_secs(1);

/// Beyond so many bytes only what begins and ends is written.
const MOST: u64 = 64 << 20;

/// A trace that is being written.
pub struct Trace {
    file: File,
    path: PathBuf,
    /// What is not written yet.
    lines: Vec<u8>,
    written: u64,
    up_to_date: usize,
    /// Stages that have begun since the last write, and when: most of many quick ones end before the next.
    started: BTreeMap<String, (f64, RunEvent)>,
    /// The last progress of each stage: when it was written, and what is not written yet.
    progress: BTreeMap<String, (Instant, Option<(f64, RunEvent)>)>,
}

impl Trace {
    /// Notes an event, to be written with others.
    pub(crate) fn note(&mut self, at: f64, event: &RunEvent) {
        match event {
            RunEvent::UpToDate { count } => self.up_to_date += count,
            RunEvent::Started(record) => drop(self.started.insert(record.name.clone(), (at, event.clone()))),
            RunEvent::Progress { stage, .. } => {
                let long_ago = Instant::now().checked_sub(PACE).unwrap_or_else(Instant::now);
                let last = self.progress.entry(stage.clone()).or_insert((long_ago, None));
                last.1 = Some((at, event.clone()));
            }
            RunEvent::Finished(record) => {
                self.started.remove(&record.name);
                self.progress.remove(&record.name);
                self.line(at, event);
            }
            RunEvent::Message { .. } | RunEvent::Note { .. } | RunEvent::Remote(_) if self.written > MOST => {}
            RunEvent::Run(_) | RunEvent::Message { .. } | RunEvent::Note { .. } | RunEvent::Remote(_) => {
                // A stage began before it said something.
                self.begin();
                self.line(at, event);
            }
        }
    }

    fn begin(&mut self) {
        for (at, event) in std::mem::take(&mut self.started).into_values() {
            self.line(at, &event);
        }
    }

    fn line(&mut self, at: f64, event: &RunEvent) {
        /// [`Line`] with a borrowed event.
        #[derive(serde::Serialize)]
        struct Borrowed<'a> {
            at: f64,
            #[serde(flatten)]
            event: &'a RunEvent,
        }
        // What cannot be put into JSON is missing in the trace and nowhere else.
        let length = self.lines.len();
        match serde_json::to_writer(&mut self.lines, &Borrowed { at, event }) {
            Ok(()) => self.lines.push(b'\n'),
            Err(error) => {
                self.lines.truncate(length);
                tracing::debug!("cannot encode an event: {error}");
            }
        }
    }

    /// Writes what was noted.
    pub(crate) fn flush(&mut self, at: f64) {
        self.begin();
        if self.up_to_date > 0 {
            let count = std::mem::take(&mut self.up_to_date);
            self.line(at, &RunEvent::UpToDate { count });
        }
        let now = Instant::now();
        let mut due = Vec::new();
        if self.written <= MOST {
            for (last, progress) in self.progress.values_mut() {
                if now.duration_since(*last) >= PACE
                    && let Some(progress) = progress.take()
                {
                    *last = now;
                    due.push(progress);
                }
            }
        }
        due.into_iter().for_each(|(at, event)| self.line(at, &event));
        if self.lines.is_empty() {
            return;
        }
        self.written += self.lines.len() as u64;
        // A full disk: the run goes on, and its record tells.
        if let Err(error) = self.file.write_all(&self.lines) {
            tracing::debug!("cannot write {}: {error}", self.path.display());
        }
        self.lines.clear();
    }

    /// Removes the trace of a run that is recorded.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// A run without a record: one that goes on, or one that was killed.
#[derive(Debug)]
pub struct Traced {
    /// What was known when it began.
    pub began: RunStarted,
    /// Whether it goes on.
    pub alive: bool,
    /// Seconds from its beginning to the last event.
    pub last: f64,
    /// How many stages are up to date.
    pub up_to_date: usize,
    /// The stages that are settled otherwise, in the order in which they were.
    pub finished: Vec<StageRecord>,
    /// The stages that have begun and are not settled.
    pub under_way: Vec<UnderWay>,
    path: PathBuf,
}

/// A stage that has begun and is not settled.
#[derive(Debug)]
pub struct UnderWay {
    /// Its record as it was when it began.
    pub record: StageRecord,
    /// When it began, in seconds since the run did.
    pub since: f64,
    /// How far it is.
    pub progress: Option<Progress>,
}

impl Store {
    /// Begins the trace of a run.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn trace(&self, run: &RunId, started: Timestamp, event: &RunEvent) -> Result<Trace> {
        let folder = self.folder("runs")?;
        let name = format!("{}-{}{ENDING}", time_stamp(started), file_name(run));
        let (path, new) = (folder.join(&name), folder.join(format!(".new-{name}")));
        let create = || -> io::Result<File> {
            let file = File::options().create_new(true).append(true).open(&new)?;
            // Before it has its name, so that nobody takes it for a dead one.
            lock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let file = create().map_err(StoreError::io("create", &new))?;
        let mut trace = Trace {
            file,
            path,
            lines: Vec::new(),
            written: 0,
            up_to_date: 0,
            started: BTreeMap::new(),
            progress: BTreeMap::new(),
        };
        trace.note(0.0, event);
        trace.flush(0.0);
        fs::rename(&new, &trace.path).map_err(StoreError::io("write", &trace.path))?;
        Ok(trace)
    }

    /// The runs that have no record because they go on or were killed, of one pipeline file or of all that share the store, newest
    /// first.
    pub fn traces(&self, project: Option<&Project>) -> Vec<Traced> {
        let mut places = Places::new(self.root(), project);
        let traces = self.trace_files().into_iter().filter_map(|path| read(&path));
        let ours = |traced: &Traced| places.belongs(&traced.began.origin, traced.began.started) == Belongs::Here;
        traces.filter(ours).collect()
    }

    /// The traces of dead runs that are older than this, or whose projects are to be forgotten.
    pub(super) fn old_traces(&self, age: Duration, forget: &[PathBuf]) -> Vec<(PathBuf, u64)> {
        let dead = self.traces(None).into_iter().filter(|traced| !traced.alive);
        let old = dead.filter_map(|traced| {
            let data = fs::metadata(&traced.path).ok()?;
            let old = data.modified().ok()?.elapsed().is_ok_and(|passed| passed > age);
            (old || forget.contains(&traced.began.origin.project)).then(|| (traced.path.clone(), data.len()))
        });
        old.collect()
    }

    /// Newest first. Of a run that was killed between its record and the end of its trace, the record counts.
    fn trace_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root().join("runs")).into_iter().flatten().flatten();
        let (mut traces, mut recorded) = (Vec::new(), std::collections::HashSet::new());
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = |stem: &str| stem.split_once('-').map(|(_, id)| id.to_owned());
            if name.starts_with('.') {
                continue;
            }
            if let Some(stem) = name.strip_suffix(ENDING) {
                traces.push((id(stem), entry.path()));
            } else if let Some(stem) = name.strip_suffix(".json") {
                recorded.extend(id(stem));
            }
        }
        traces.retain(|(id, _)| id.as_ref().is_some_and(|id| !recorded.contains(id)));
        traces.sort_unstable_by(|a, b| b.1.cmp(&a.1));
        traces.into_iter().map(|(_, path)| path).collect()
    }
}

fn read(path: &Path) -> Option<Traced> {
    let file = File::open(path).ok()?;
    // Whoever writes has it locked. Asked before it is read: then what a dead one wrote is all there.
    let alive = flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    let mut lines = BufReader::new(&file).split(b'\n').map_while(io::Result::ok);
    let Line { event: RunEvent::Run(began), .. } = serde_json::from_slice(&lines.next()?).ok()? else { return None };
    let mut traced = Traced {
        began: *began,
        alive,
        last: 0.0,
        up_to_date: 0,
        finished: Vec::new(),
        under_way: Vec::new(),
        path: path.to_owned(),
    };
    for line in lines {
        // The last one may have been cut short, and a later Kiln may tell more.
        let Ok(Line { at, event }) = serde_json::from_slice(&line) else { continue };
        traced.last = at;
        traced.learn(at, event);
    }
    Some(traced)
}

impl Traced {
    fn learn(&mut self, at: f64, event: RunEvent) {
        match event {
            RunEvent::UpToDate { count } => self.up_to_date += count,
            RunEvent::Started(record) => self.under_way.push(UnderWay { record: *record, since: at, progress: None }),
            RunEvent::Progress { stage, progress } => {
                if let Some(found) = self.under_way.iter_mut().find(|stage_| stage_.record.name == stage) {
                    found.progress = Some(progress);
                }
            }
            RunEvent::Finished(record) => {
                self.under_way.retain(|stage| stage.record.name != record.name);
                self.finished.push(*record);
            }
            RunEvent::Run(_) | RunEvent::Message { .. } | RunEvent::Note { .. } | RunEvent::Remote(_) => {}
        }
    }

    /// Seconds since it began; of a run that was killed, until its last event.
    pub fn seconds(&self) -> f64 {
        if self.alive { Timestamp::now().duration_since(self.began.started).as_secs_f64().max(0.0) } else { self.last }
    }

    fn status(&self) -> RunStatus {
        if self.alive { RunStatus::Running } else { RunStatus::Killed }
    }

    /// What a list of runs shows of it.
    pub fn summary(&self) -> RunSummary {
        let mut outcomes = BTreeMap::new();
        for record in &self.finished {
            *outcomes.entry(record.outcome.to_string()).or_insert(0) += 1;
        }
        if self.up_to_date > 0 {
            outcomes.insert(Outcome::UpToDate.to_string(), self.up_to_date);
        }
        RunSummary {
            id: self.began.id.clone(),
            status: self.status(),
            started: self.began.started,
            seconds: self.seconds(),
            origin: self.began.origin.clone(),
            git: None,
            outcomes,
        }
    }

    /// A record of what it has done. Stages that were up to date are not in it, nor the parameters of the pipeline.
    pub fn record(&self) -> RunRecord {
        let reason = if self.alive { Reason::UnderWay } else { Reason::Killed };
        let open = self.under_way.iter().map(|stage| {
            let mut record = stage.record.clone();
            // What it says of the disk is true only now.
            record.log = record.log.filter(|log| self.began.origin.project.join(log).exists());
            record.seconds = (self.seconds() - stage.since).max(0.0);
            (record.reasons, record.causes) = (vec![], vec![]);
            record.because([reason.clone()]);
            record
        });
        RunRecord {
            version: 1,
            id: self.began.id.clone(),
            status: self.status(),
            started: self.began.started,
            seconds: self.seconds(),
            origin: self.began.origin.clone(),
            set: self.began.set.clone(),
            params: serde_json::Value::Null,
            host: self.began.host.clone(),
            git: None,
            remote: None,
            stages: self.finished.iter().cloned().chain(open).collect(),
            untouched: 0,
        }
    }
}
