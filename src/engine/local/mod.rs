//! This machine: its processes, and what they may see and do.
//!
//! In reading order: `spawn` starts a process and `process` waits for it; `slot` is where commands work, one after another; `guard` keeps
//! a process in bounds, `sealed` its inputs as they are, and `watchdog` kills what is left when Kiln dies; `script` and `toolchain` find
//! programs, `surroundings` the environment, `gpu` the devices, `memory` whether it ran out; `worker` is the other side of a built-in kind.

pub(super) mod gpu;
pub(super) mod guard;
pub(super) mod memory;
pub(super) mod process;
pub(super) mod script;
pub(super) mod sealed;
pub(super) mod slot;
pub(super) mod spawn;
pub(super) mod surroundings;
pub(super) mod toolchain;
pub(super) mod watchdog;
pub(super) mod worker;
