//! Asking: what a run would do and why, and what past runs left. Of these only `checkout` writes, and only in the project.
//!
//! In reading order: `plan` says what a run would do; `explain` why, now or in the past; `checkout` puts outputs of a past run back, and
//! `stale` are those that no pipeline makes any more; `states` are what the steps of a stage have left. `adopt` files results that another tool made; `share` fetches those of a remote cache.

pub(super) mod adopt;
pub(super) mod checkout;
pub(super) mod explain;
pub(super) mod plan;
pub(super) mod share;
pub(super) mod stale;
pub(super) mod states;
