//! Everything a person sees on the terminal: text from data, and the only place that writes to stdout and stderr.

pub(crate) mod check_resume;
pub(crate) mod checkout;
pub(crate) mod ci;
pub(crate) mod compare;
pub(crate) mod determinism;
mod diagnostic;
mod frames;
pub(crate) mod gates;
pub(crate) mod gc;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod look;
mod outbox;
mod plain;
mod progress;
mod quiet;
pub(crate) mod remote;
pub(crate) mod report;
mod section;
pub(crate) mod show;
pub(crate) mod spread;
pub(crate) mod stand;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod under_way;
pub(crate) mod verify;
pub(crate) mod why;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use kiln::diagnostic::Diagnostic;
use kiln::engine::Reporter;
use kiln::show::scratch::users_paths;
use kiln::show::{names, number};
use kiln::text;
use serde::Serialize;

use look::Look;
use outbox::STDERR;
pub(crate) use outbox::Stderr;

/// The reporter for standard error as it is: bars on a terminal, lines elsewhere, and failures alone if it is to be quiet. It is never
/// kept waiting by who reads.
pub(crate) fn reporter(quiet: bool) -> Box<dyn Reporter> {
    let look = Look::stderr();
    if quiet {
        Box::new(quiet::Quiet::new(look, Stderr))
    } else if look.terminal {
        let target = indicatif::ProgressDrawTarget::term_like(Box::new(frames::Frames::new()));
        Box::new(progress::Progress::new(look, target, Stderr))
    } else {
        Box::new(plain::Plain::new(look, Stderr))
    }
}

/// Writes data to standard output. A reader that has gone away (`kiln compare | head`) is no error.
///
/// # Errors
/// If it cannot be written for another reason, such as a full disk.
pub(crate) fn data(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> io::Result<()> {
    // On a terminal both are seen in the order in which they were written.
    finish();
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a log to standard output, however large, in the paths that the user knows; on a terminal without what could steer it.
///
/// # Errors
/// If it cannot be read, or written.
pub(crate) fn file(path: &Path) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    finish();
    let mut out = BufWriter::new(io::stdout().lock());
    let terminal = Look::stdout().terminal;
    let mut copy = || -> io::Result<()> {
        let mut line = Vec::new();
        while file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            let shown = users_paths(&line);
            if terminal {
                writeln!(out, "{}", look::plain(&String::from_utf8_lossy(&shown)))?;
            } else {
                out.write_all(&shown)?;
            }
            line.clear();
        }
        out.flush()
    };
    match copy() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes what was added to a file since the last time, and tells how long it is now. With `rest` also a last line without an end.
///
/// # Errors
/// If it cannot be read, or written.
pub(crate) fn added(path: &Path, from: u64, rest: bool) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // It was cut short: what follows is new.
    let mut from = if length < from { length } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut file = BufReader::new(file.take(length - from));
    let mut line = Vec::new();
    while file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
        if !line.ends_with(b"\n") && line.len() < LONGEST_LINE as usize && !rest {
            break;
        }
        from += line.len() as u64;
        let shown = users_paths(&line);
        if Look::stdout().terminal {
            data(&format!("{}\n", look::plain(&String::from_utf8_lossy(&shown))))?
        } else {
            bytes(&shown)?
        }
        line.clear();
    }
    Ok(from)
}

/// Lines longer than this, in bytes, are broken.
const LONGEST_LINE: u64 = 64 << 10;

/// Writes talk to standard error; there is nobody to tell if that fails.
pub(crate) fn talk(text: &str) {
    STDERR.push(text.as_bytes());
}

/// Waits until talk was handed over, unless nobody takes it. To be called before the process ends.
pub(crate) fn finish() {
    STDERR.drain();
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
    let mut mistakes = mistakes.to_vec();
    let mut arguments = HashMap::new();
    for label in mistakes.iter_mut().flat_map(|mistake| &mut mistake.labels) {
        match label.in_argument().map(str::to_owned) {
            Some(text) => drop(arguments.insert(label.file.clone(), text)),
            None => label.file = stand::path(&label.file),
        }
    }
    // As the texts were read: places count from behind a byte order mark.
    let file = |path: &Path| text::of(&std::fs::read(path).ok()?).map(str::to_owned).ok();
    let read = |path: &Path| arguments.get(path).cloned().or_else(|| file(path));
    talk(&diagnostic::diagnostic(&mistakes, &read, Look::stderr().colour));
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    talk(&format!("{} {text}\n", Look::stderr().red("error:")));
}
