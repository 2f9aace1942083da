//! Everything a person sees on the terminal: text from data, and the only place that writes to stdout and stderr.

pub(crate) mod compare;
mod diagnostic;
pub(crate) mod graph;
pub(crate) mod kinds;
pub(crate) mod list;
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
use std::path::Path;

use kiln::diagnostic::Diagnostic;
use kiln::engine::Reporter;
use serde::Serialize;

use look::Look;

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

/// Writes a value to standard output as JSON.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(data(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}

/// Shows the mistakes of a pipeline.
pub(crate) fn mistakes(mistakes: &[Diagnostic]) {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    talk(&diagnostic::diagnostic(mistakes, &read, Look::stderr().colour));
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    talk(&format!("{} {text}\n", Look::stderr().red("error:")));
}
