//! Everything a person sees on the terminal: text from data, and the only place that writes to stdout and stderr.

pub(crate) mod compare;
pub(crate) mod graph;
pub(crate) mod look;
mod names;
mod number;
mod plain;
mod progress;
pub(crate) mod summary;
pub(crate) mod table;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;

use std::io::{self, Write};

use kiln::record::{RunRecord, StageRecord};

use look::Look;

/// Hears what a run does, as it does it. Called from one thread at a time.
pub(crate) trait Reporter: Send {
    /// A run of `total` stages begins.
    fn run_started(&mut self, total: usize);
    /// A stage begins to execute, because of `reason`.
    fn stage_started(&mut self, name: &str, reason: &str);
    /// `done` of `total` units of a stage are finished; `detail` is what else to show (`loss 0.1234`).
    fn stage_progress(&mut self, name: &str, done: u64, total: u64, unit: &str, detail: &str);
    /// A stage has something to say.
    fn stage_message(&mut self, name: &str, text: &str);
    /// A stage is done with, whether it executed or not.
    fn stage_finished(&mut self, record: &StageRecord);
    /// Something about the run as a whole: `waiting for another kiln`.
    fn note(&mut self, text: &str);
    /// The run is over.
    fn run_finished(&mut self, record: &RunRecord);
}

/// The reporter for standard error as it is: bars on a terminal, lines elsewhere.
pub(crate) fn reporter() -> Box<dyn Reporter> {
    let look = Look::stderr();
    if look.terminal {
        Box::new(progress::Progress::new(look, indicatif::ProgressDrawTarget::stderr(), io::stderr()))
    } else {
        Box::new(plain::Plain::new(look, io::stderr()))
    }
}

/// Writes data to standard output. A reader that has gone away (`kiln compare | head`) is no error.
///
/// # Errors
/// If it cannot be written for another reason, such as a full disk.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes talk to standard error; there is nobody to tell if that fails.
pub(crate) fn talk(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
