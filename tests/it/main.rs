//! Behaviour of the `kiln` binary on real files: what ran, which bytes came out, what was said.

mod commands;
mod faults;
mod project;
mod rerun;
mod runs;
mod share;
#[cfg(feature = "stages")]
mod study;
