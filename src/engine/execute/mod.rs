//! Executing: a stage is given its inputs, is run, and its outputs are captured into the store.
//!
//! In reading order: `task` carries a decision out; `execution` is one execution of a stage, `command` of one that is a command; `inputs`
//! lays out what it reads, `handed` what a command finds beside files, and `capture` takes what it left; `log` and `tail` are its log, `names` the user's words for scratch paths, and
//! `hint` what a failure may come from.

pub(super) mod capture;
pub(super) mod command;
pub(super) mod execution;
pub(super) mod handed;
pub(super) mod hint;
pub(super) mod inputs;
pub(super) mod log;
pub(super) mod names;
pub(super) mod tail;
pub(super) mod task;
