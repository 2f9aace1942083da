//! Everything that prints. Standard output is data, standard error is talk; both read well without colour.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the one place that may print")]

mod compare;
mod diagnostic;
mod graph;
mod kinds;
mod list;
mod plain;
mod progress;
mod summary;
mod table;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use kiln::diagnostic::Diagnostic;
use kiln::engine::Reporter;
use serde::Serialize;

pub(crate) use compare::{comparison, variants};
pub(crate) use graph::graph;
pub(crate) use kinds::{kind, kinds};
pub(crate) use list::{plan, runs};

/// Whether to use colour on standard error: as asked, else on a terminal unless NO_COLOR is set (no-color.org).
pub(crate) fn colour(choice: clap::ColorChoice) -> bool {
    match choice {
        clap::ColorChoice::Always => true,
        clap::ColorChoice::Never => false,
        clap::ColorChoice::Auto => {
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    }
}

/// Shows the mistakes of a pipeline.
pub(crate) fn mistakes(mistakes: &[Diagnostic], colour: bool) {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    eprint!("{}", diagnostic::diagnostic(mistakes, &read, colour));
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}

/// Prints a value as JSON.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Progress bars on a terminal, plain lines elsewhere.
pub(crate) fn reporter(colour: bool) -> Box<dyn Reporter> {
    if std::io::stderr().is_terminal() { Box::new(progress::Progress::new(colour)) } else { Box::new(plain::Plain::new()) }
}
