//! Everything a person sees on the terminal: text from data, and the only place that writes to stdout and stderr.

pub(crate) mod checkout;
pub(crate) mod compare;
pub(crate) mod determinism;
mod diagnostic;
pub(crate) mod gates;
pub(crate) mod gc;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod look;
mod plain;
mod progress;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod spread;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod verify;
pub(crate) mod why;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::Path;

use kiln::diagnostic::Diagnostic;
use kiln::engine::Reporter;
use kiln::show::{names, number};
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

/// Writes a file to standard output, however large; on a terminal without what could steer it.
///
/// # Errors
/// If it cannot be read, or written.
pub(crate) fn file(path: &Path) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let mut out = io::stdout().lock();
    let mut copy = || -> io::Result<()> {
        if !Look::stdout().terminal {
            io::copy(&mut file, &mut out)?;
            return out.flush();
        }
        let mut line = Vec::new();
        while file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            writeln!(out, "{}", look::plain(&String::from_utf8_lossy(&line)))?;
            line.clear();
        }
        out.flush()
    };
    match copy() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Lines longer than this, in bytes, are broken.
const LONGEST_LINE: u64 = 64 << 10;

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
