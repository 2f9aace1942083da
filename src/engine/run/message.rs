//! What the workers of a run tell its owner.

use crate::events::RunEvent;
use crate::pipeline::StageId;
use crate::record::StageRecord;

/// What workers tell the owner.
pub(crate) enum Message {
    /// Something happened.
    Event(RunEvent),
    /// Stages are settled.
    Settled(Vec<(StageId, StageRecord)>),
    /// No worker will do anything any more.
    Over,
}
