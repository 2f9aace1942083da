//! What `--quiet` leaves of a run: nothing if all is well, and what failed if it is not.

use std::io::Write;

use kiln::events::RunEvent;
use kiln::record::{RunRecord, RunStatus};

use super::look::Look;
use super::{Reporter, summary};

/// Prints what failed, at the end.
pub(crate) struct Quiet<W> {
    look: Look,
    out: W,
}

impl<W: Write> Quiet<W> {
    /// Prints to `out`.
    pub(crate) fn new(look: Look, out: W) -> Self {
        Self { look, out }
    }
}

impl<W: Write> Reporter for Quiet<W> {
    fn tell(&mut self, _: &RunEvent) {}

    fn run_finished(&mut self, record: &RunRecord) {
        if record.status == RunStatus::Failed {
            // If nobody reads it, the exit code still tells.
            let _ = self.out.write_all(summary::failures(record, &self.look).as_bytes());
        }
    }
}
