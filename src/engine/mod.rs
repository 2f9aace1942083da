//! The engine: decides what is to be done, does it in worker processes, and records it.
//!
//! In reading order: `run` drives a run; `schedule` is what is to be done next, `crew` the threads that do it, `owner` who keeps the
//! records; `decide` is the one decision, `prepare` makes it in a run; `task`, `execute` and `command` carry it out; `checkpoints` are
//! what an execution goes on from.

mod budget;
mod capture;
mod checkout;
mod checkpoints;
mod command;
mod crew;
mod critical;
mod decide;
mod determinism;
mod documents;
mod event;
mod evidence;
mod execute;
mod explain;
mod footprint;
mod gpu;
mod guard;
mod handed;
mod hint;
mod history;
mod inputs;
mod log;
mod metrics;
mod names;
mod owner;
mod plan;
mod prepare;
mod process;
mod ready;
mod records;
mod rerun;
mod run;
mod schedule;
mod script;
mod sealed;
mod slot;
mod sources;
mod spawn;
mod stage_record;
mod stale;
mod surroundings;
mod tail;
mod task;
mod toolchain;
mod trace;
mod watchdog;
mod worker;

pub use crate::interrupt::Interrupt;
pub use checkout::{Checkout, CheckoutStep};
pub use critical::{Link, Wait, critical_path};
pub use determinism::{Difference, LogDifference, Twice, check_determinism};
pub use event::Reporter;
pub use evidence::Kept;
pub use explain::{Changed, Changes, Explanation, Origin, Part, RunName, Standing, explain, explain_past};
pub use plan::{Planned, Step, plan};
pub use records::Records;
pub use rerun::rerun;
pub use run::{Options, run};
pub use script::shell_of;
pub use stale::{Stale, stale};
pub use tail::last_lines;
pub use trace::trace;
pub use watchdog::watch;
pub use worker::serve;

/// This machine, for a run record.
fn host() -> crate::record::Host {
    crate::record::Host {
        name: host_name(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        kiln: env!("CARGO_PKG_VERSION").into(),
    }
}

/// The machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
