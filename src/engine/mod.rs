//! The engine: decides what is to be done, does it in worker processes, and records it.
//!
//! In reading order: `run` drives a run; `decide` is the one decision; `task` and `execute` carry it out.

mod budget;
mod decide;
mod event;
mod execute;
mod history;
mod interrupt;
mod metrics;
mod plan;
mod process;
mod run;
mod sources;
mod tail;
mod task;
mod worker;

pub use event::{Reporter, Silent};
pub use interrupt::Interrupt;
pub use plan::{Planned, Step, plan};
pub use run::{Options, run};
pub use tail::last_lines;
pub use worker::serve;

/// The machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
