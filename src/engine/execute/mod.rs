//! Executing: a stage is given its inputs, is run by an executor, and its outputs are captured into the store.
//!
//! In reading order: `task` carries a decision out; `execution` is one execution of a stage, `kind` of one that is a built-in kind, `command` of
//! one that is a command. `inputs` lays out what it reads, `in_place` is what lies elsewhere, `input_copies` holds copies to be left alone, `undeclared` is what a command
//! reads beside them where it may, and `found` what is said of it; `handed` is what it finds beside
//! files, `capture` takes what the stage left, `compiled` knows what Python left in it; `steps` keeps the states that a command leaves on its way, `going_on` finds the one to go on from, and
//! `rehearsal` is where they go if they are only looked at; `visit` runs a program of the user's in the place of a command; `names` are the user's words for paths of the folder, and `hint` what a failure may come
//! from.

pub(super) mod capture;
pub(super) mod command;
mod compiled;
pub(super) mod execution;
pub(super) mod found;
mod going_on;
pub(super) mod handed;
pub(super) mod hint;
pub(super) mod in_place;
pub(super) mod input_copies;
pub(super) mod inputs;
pub(super) mod kind;
pub(super) mod names;
pub(super) mod rehearsal;
pub(super) mod steps;
pub(super) mod task;
pub(super) mod undeclared;
mod visit;
