//! The worker's side of an execution: one job on standard input, events on standard output, then the exit status.

use std::io::{BufRead, Write};
use std::sync::Mutex;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::guard::Limits;
use crate::kind::{Catalog, Event, Job};

/// What a worker is told: the first line on its standard input, as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// What to do.
    pub(crate) job: Job,
    /// What it may touch meanwhile; `None` where there is no guard.
    pub(crate) limits: Option<Limits>,
}

/// Runs the job that standard input names and reports on standard output, a JSON object a line.
///
/// The parent keeps the other end of standard input open for as long as it lives: when it goes away, however it goes,
/// the worker leaves too.
///
/// # Errors
/// If the job cannot be read, names an unknown kind, or its stage fails.
pub fn serve(catalog: &Catalog) -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let Assignment { job, limits } = serde_json::from_str(&line)?;
    // Before the first thread is started: limits are a thread's, and are handed down.
    if let Some(limits) = limits {
        limits.enter().context("the kernel refuses to guard the stage")?;
    }
    std::thread::spawn(leave_with_parent);

    let kind = catalog.get(&job.uses).ok_or_else(|| anyhow::anyhow!("unknown stage kind `{}`", job.uses))?;
    let out = Mutex::new(std::io::stdout());
    let send = |event: Event| {
        let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A parent that no longer listens is leaving; standard input tells.
        let _ = serde_json::to_writer(&mut *out, &event).map_err(std::io::Error::from);
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
    };
    kind.run(&job, &send)
}

fn leave_with_parent() {
    let mut rest = String::new();
    // Nothing more is ever sent: reading returns when the parent's end closes.
    let _ = std::io::stdin().lock().read_line(&mut rest);
    std::process::exit(EXIT_ORPHANED);
}

/// The exit status of a worker whose parent is gone.
const EXIT_ORPHANED: i32 = 125;
