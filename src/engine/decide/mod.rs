//! Deciding: whether a stage is up to date, can be restored, or is to be executed. Writes nothing in the project.
//!
//! In reading order: `sources` looks at what a run reads, and `absent` at what is known of that where it is not here; `documents` are the inputs that have a meaning of their own; `environment` is what a command uses beside its inputs; `decision` makes the
//! key of a stage and asks the store; `tiers` asks a remote cache, too; `metrics` reads the numbers of a result; `checkpoints` are what an execution goes on from, and
//! `retention` says which of them are kept.

pub(super) mod absent;
pub(super) mod checkpoints;
pub(super) mod decision;
pub(super) mod documents;
pub(super) mod environment;
pub(super) mod metrics;
pub(super) mod retention;
pub(super) mod sources;
pub(super) mod tiers;
