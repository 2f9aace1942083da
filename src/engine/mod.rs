//! The engine: decides what is to be done, does it in worker processes, and records it.
//!
//! Its rooms, each of which may use those before it: `executor` is the seam between a stage and whoever runs it; `decide` says what is to be
//! done with a stage; `record` keeps what is known of past runs; `local` is the executor of this machine, and uses `executor` alone; `cluster` is that of a cluster, whose jobs run what `local` runs;
//! `execute` lays a stage out, has it run and captures its outputs, whoever runs it; `run` does all of that for many stages; `query` answers
//! questions. Each opens with a reading order.

mod cluster;
mod decide;
mod execute;
mod executor;
mod local;
mod query;
mod record;
mod run;

pub use crate::interrupt::Interrupt;
pub use cluster::{job, job_away};
pub use decide::absent::RecordedKeys;
pub use decide::environment::uncounted;
pub use executor::script::shell_of;
pub use executor::tail::last_lines;
pub use local::watchdog::watch;
pub use local::worker::serve;
pub use query::adopt::{Adoption, Outputs, adopt, own};
pub use query::checkout::{Checkout, CheckoutStep};
pub use query::explain::{Changed, Changes, Explanation, Origin, Part, StageState, explain, explain_past};
pub use query::plan::{Planned, Step, plan};
pub use query::share::{Pulled, pull, results};
pub use query::stale::{Stale, stale};
pub use query::states::{States, states, states_now};
pub use record::critical::{Link, Wait, critical_path};
pub use record::evidence::StoreEvidence;
pub use record::records::Records;
pub use record::trace::trace;
pub use run::check_resume::{FileDifference, ResumeCheck, check_resume};
pub use run::context::Options;
pub use run::determinism::{Twice, check_determinism};
pub use run::discover::{Discovered, discover};
pub use run::drive::run;
pub use run::event::Reporter;
pub use run::found_input::FoundInput;
pub use run::rerun::rerun;
pub use run::shell::shell;
pub use run::trial::Means;
