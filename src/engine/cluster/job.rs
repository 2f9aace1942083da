//! The job's side of an attempt: Kiln on a machine of the cluster claims the attempt, runs the stage as it would at home, and says how it
//! ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt_folder::{Assignment, AttemptFolder, Beginning, JobRecord, now};
use super::gauge::Gauge;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::log::Log;
use crate::engine::executor::{End, Listener, Prepared};
use crate::engine::local::{Local, Memory};
use crate::interrupt::Interrupt;
use crate::kind::Event;
use crate::store::Store;

/// Between two looks whether the job is still wanted.
const LOOKS: Duration = Duration::from_secs(1);

/// At least so long is between two lines on the progress of the stage.
const PROGRESS: Duration = Duration::from_millis(500);

/// So long it is waited for a signal that went to all processes of the job.
const SIGNALS: Duration = Duration::from_millis(200);

/// So many states that nobody has taken yet are left; of a stage whose Kiln is gone they would fill the disk.
const STATES: usize = 8;

/// SIGKILL.
const KILL: i32 = 9;

/// Runs the stage of an attempt, unless another job has it. What goes wrong is told on standard error, which is the job's output.
///
/// # Errors
/// If there is no assignment, or the record cannot be written.
pub fn job(folder: &Path) -> anyhow::Result<()> {
    let interrupt = Interrupt::default();
    interrupt.listen()?;
    let folder = AttemptFolder::at(folder.to_owned());
    if !folder.path().exists() {
        // The attempt is over: a controller that was started again after a crash runs jobs again that it has forgotten.
        return Ok(());
    }
    let assignment = folder.assignment()?;
    if !folder.claim()? {
        // Another job has it, or it was given up.
        return Ok(());
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    folder.begin(&Beginning { host: host.clone(), at: now() })?;
    let mut record = record(&assignment.nonce, &host);
    if let Err(why) = run(&folder, assignment, &interrupt, &mut record) {
        record.why = Some(why);
    }
    // One that was called off has nobody who waits.
    if folder.is_claimed() {
        folder.end(&record)?;
    }
    Ok(())
}

/// The record of an attempt of which nothing is known yet.
pub(super) fn record(nonce: &str, host: &str) -> JobRecord {
    JobRecord {
        nonce: nonce.to_owned(),
        host: host.to_owned(),
        end: None,
        why: None,
        out_of_memory: false,
        told_to_leave: false,
        remarks: vec![],
        digests: BTreeMap::new(),
    }
}

/// Runs the stage that lies in the folder of an attempt, and notes how it ended.
///
/// # Errors
/// Why it could not be run.
pub(super) fn run(
    folder: &AttemptFolder,
    assignment: Assignment,
    interrupt: &Interrupt,
    record: &mut JobRecord,
) -> Result<(), String> {
    let here = env!("CARGO_PKG_VERSION");
    if assignment.version != here {
        return Err(format!("the job was submitted by Kiln {}, and this machine has {here}", assignment.version));
    }
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let store = Store::unread(&assignment.store).map_err(|error| text(&error))?;
    // Nothing is deleted from the store meanwhile, where the file system has locks.
    let _hold = store.try_hold_unread().ok().flatten();
    let program = std::env::current_exe().map_err(|error| text(&error))?;
    let local = Local::of_one(&store, &assignment.project, &program, folder.path());
    record.remarks.extend(local.lacks_guard().map(|why| format!("{}: {why}", record.host)));
    let log = folder.log();
    let prepared = Prepared {
        work: assignment.work,
        reach: assignment.reach,
        shown: vec![],
        observed: vec![],
        gpus: assignment.gpus,
        takes_any_gpu: assignment.takes_any_gpu,
        timeout: assignment.timeout,
        grace: assignment.grace,
        log: Log { path: &log, store: &store },
        identity: None,
        ports: assignment.ports,
    };
    let events = Mutex::new(Announcer::begin(folder).map_err(|error| text(&error))?);
    let announce = |event: Event| {
        let mut announcer = events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        announcer.tell(&event);
    };
    let next = std::cell::Cell::new(Instant::now() + LOOKS);
    let goes_on = || {
        if Instant::now() < next.get() {
            return true;
        }
        next.set(Instant::now() + LOOKS);
        !folder.is_called_off()
    };
    // The control group of a job is its own: whatever was killed in it for want of memory was the stage's.
    let mut memory = Memory::look();
    let listener = Listener { events: &announce, goes_on: &goes_on };
    let (gauge, over) = (Gauge::of_this_job(), AtomicBool::new(false));
    let ran = std::thread::scope(|scope| {
        let over = &over;
        let gauge =
            gauge.as_ref().map(|gauge| scope.spawn(move || gauge.watch(|beyond| folder.note_beyond(beyond), over)));
        let ran = local.run_in(&folder.stage(), &prepared, &listener, interrupt);
        over.store(true, Ordering::Relaxed);
        if let Some(gauge) = gauge {
            gauge.thread().unpark();
        }
        ran
    });
    let exit = match ran {
        Ok(exit) => exit,
        Err(NoResult::Interrupted) => return Err("it was interrupted".into()),
        Err(NoResult::Failed(failed)) => return Err(failed.text()),
        Err(NoResult::Lost(lost)) => return Err(lost.failed.text()),
    };
    if exit.end != End::Code(0) {
        std::thread::sleep(SIGNALS);
    }
    record.told_to_leave = interrupt.is_set();
    let killed = matches!(exit.end, End::Signal { number: KILL, .. }) || exit.end == End::Code(128 + KILL);
    record.out_of_memory =
        exit.out_of_memory || (memory.is_of_a_group() && memory.has_run_out()) || (killed && folder.beyond().is_some());
    if exit.end == End::Code(0) {
        for output in &prepared.ports.outputs {
            // What is missing or no output is for Kiln to tell.
            if let Ok(Some(artifact)) = store.memo().artifact(&folder.stage().join(output)) {
                record.digests.insert(output.clone(), artifact.digest);
            }
        }
    }
    record.end = Some(exit.end);
    Ok(())
}

/// Writes down what a stage announces.
struct Announcer {
    file: File,
    told: Option<Instant>,
    states: Vec<std::path::PathBuf>,
}

impl Announcer {
    fn begin(folder: &AttemptFolder) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(folder.events())?;
        Ok(Self { file, told: None, states: vec![] })
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Progress { done, total, .. } => {
                if done < total && self.told.is_some_and(|told| told.elapsed() < PROGRESS) {
                    return;
                }
                self.told = Some(Instant::now());
            }
            Event::Checkpoint { folder, .. } => {
                self.states.retain(|state| state.exists());
                self.states.push(folder.clone());
                if self.states.len() > STATES {
                    let _ = crate::store::remove_all(&self.states.remove(0));
                }
            }
            Event::Message { .. } => {}
        }
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let _ = self.file.write_all(&line);
        }
    }
}
