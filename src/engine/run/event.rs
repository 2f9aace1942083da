//! Who is told what happens in a run. `cli/render` shows it; the engine prints nothing.

use crate::events::RunEvent;
use crate::record::RunRecord;

/// Someone who watches a run. Called by the one thread that owns it, which should not be kept waiting.
pub trait Reporter {
    /// Something happened.
    fn tell(&mut self, event: &RunEvent);
    /// The run is over, and recorded.
    fn run_finished(&mut self, record: &RunRecord);
}
