//! What the engine tells while it runs. `cli/render` shows it; the engine prints nothing.

use crate::record::{RunRecord, StageRecord};

/// Someone who watches a run.
pub trait Reporter: Send {
    /// A run of `total` stages begins.
    fn run_started(&mut self, total: usize);
    /// A stage begins to execute, and why.
    fn stage_started(&mut self, name: &str, reason: &str);
    /// A stage finished `done` of `total` units.
    fn stage_progress(&mut self, name: &str, done: u64, total: u64, unit: &str, detail: &str);
    /// A stage said something.
    fn stage_message(&mut self, name: &str, text: &str);
    /// So many stages are known to be up to date without having been looked at one by one.
    fn stages_up_to_date(&mut self, count: usize);
    /// A stage is settled.
    fn stage_finished(&mut self, record: &StageRecord);
    /// Something the user should know that belongs to no stage.
    fn note(&mut self, text: &str);
    /// The run is over.
    fn run_finished(&mut self, record: &RunRecord);
}

/// Watches nothing.
pub struct Silent;

impl Reporter for Silent {
    fn run_started(&mut self, _: usize) {}
    fn stage_started(&mut self, _: &str, _: &str) {}
    fn stage_progress(&mut self, _: &str, _: u64, _: u64, _: &str, _: &str) {}
    fn stage_message(&mut self, _: &str, _: &str) {}
    fn stages_up_to_date(&mut self, _: usize) {}
    fn stage_finished(&mut self, _: &StageRecord) {}
    fn note(&mut self, _: &str) {}
    fn run_finished(&mut self, _: &RunRecord) {}
}
