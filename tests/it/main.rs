//! Behaviour of the `kiln` binary on real files: what ran, which bytes came out, what was said.

mod checkout;
mod commands;
mod damage;
mod determinism;
mod disk;
mod faults;
mod gc;
mod guard;
mod kills;
mod limits;
mod project;
mod random;
mod rerun;
#[cfg(feature = "stages")]
mod resume;
mod runs;
mod share;
mod status;
#[cfg(feature = "stages")]
mod study;
mod trace;
mod verify;
mod why;
