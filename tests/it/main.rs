//! Behaviour of the `kiln` binary on real files: what ran, which bytes came out, what was said.
#![allow(clippy::print_stderr, reason = "a test that this machine cannot run says so")]

mod arrows;
mod beside;
mod bounds;
mod browser;
mod check_resume;
mod checkout;
mod ci;
mod claim;
mod commands;
mod compared;

mod damage;
mod determinism;
mod discover;
mod disk;
mod edits;
mod environment;
mod examples;
mod failures;
mod faults;
mod footprint;
mod foreign;
mod gates;
mod gc;
mod git;
mod guard;
mod hardlinks;
mod hints;
mod import;
mod in_place;
mod init;
mod interpreters;
mod kills;
mod kinds;
mod leftovers;
mod limits;
mod links;
mod moving_in;
mod numbers;
mod owners;
mod ownership;
mod param_files;
mod params;
mod patterns;
mod place;
mod project;

mod python;
mod random;
mod remote;
mod report;
mod rerun;
#[cfg(feature = "stages")]
mod resume;
mod revisions;
mod roles;
mod runs;
mod salvage;
mod schedule;
mod share;
mod shell;
mod shell_at;
mod slurm;
mod stale;
mod status;
mod steps;
mod stops;
#[cfg(feature = "stages")]
mod study;
mod texts;
mod trace;
mod traces;
mod verify;
mod watch;
mod why;
