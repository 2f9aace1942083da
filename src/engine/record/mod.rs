//! Recording: what is known of past runs, and what is written down of this one.
//!
//! In reading order: `stage_record` makes a stage's record of a decision; `history` compares with the run before and says why; `records`
//! reads the records of a pipeline file, and `evidence` what the store kept of their stages; `trace` and `critical` draw a run in time;
//! `host` is the machine.

pub(super) mod critical;
pub(super) mod evidence;
pub(super) mod history;
pub(super) mod host;
pub(super) mod records;
pub(super) mod stage_record;
pub(super) mod trace;
