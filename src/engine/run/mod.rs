//! A run: stages are brought up to date, each as soon as its inputs are final.
//!
//! In reading order: `drive` is a run from its first look to its record, `context` what is asked of it; `crew` are the threads that work, and
//! says who may wait for whom; `schedule` is what is to be done next, with `ready` and `budget`; `prepare` decides stages, `carry_out` restores and executes them, `ahead` asks the remote
//! cache for many before; `owner` takes their `message`s, keeps the records and tells `event`'s reporter. `uploads` tells what goes to and from the remote cache. `rerun` and `footprint` are the short way after a run that left much up to date;
//! `trial` executes a stage and publishes nothing: for `determinism`, which compares two executions, and `check_resume`, which compares one in
//! a single go with one in two halves; and for `shell`, where the user looks around. `discover` finds what a stage reads, and `fold` what to
//! declare for that, with `found_input` for all variants of it.

pub(super) mod ahead;
pub(super) mod budget;
mod carry_out;
pub(super) mod check_resume;
pub(super) mod context;
pub(super) mod crew;
pub(super) mod determinism;
pub(super) mod discover;
pub(super) mod drive;
pub(super) mod event;
pub(super) mod fold;
pub(super) mod footprint;
pub(super) mod found_input;
pub(super) mod message;
pub(super) mod owner;
pub(super) mod prepare;
pub(super) mod ready;
pub(super) mod rerun;
pub(super) mod schedule;
pub(super) mod shell;
pub(super) mod trial;
pub(super) mod uploads;
