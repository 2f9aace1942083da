//! What an execution that is made of steps goes on from, and how far it goes.

use std::path::Path;

use super::execution::Execution;
use super::rehearsal::Keeping;
use crate::engine::decide::checkpoints::{Checkpoints, Found};
use crate::engine::decide::decision::{Missing, Verdict};
use crate::engine::executor::failure::NoResult;
use crate::store::Placement;

impl Execution<'_> {
    /// The state that it goes on from, put into a folder that is not there yet; `None` if it begins with nothing.
    pub(crate) fn found(
        &self,
        checkpoints: &Checkpoints<'_>,
        folder: &Path,
        how: Placement,
    ) -> Result<Option<Found>, NoResult> {
        if let Keeping::Aside(rehearsal) = self.keeping {
            let Some((resumed, state, lines)) = &rehearsal.from else { return Ok(None) };
            self.store.materialise(state, folder, how)?;
            return Ok(Some(Found { resumed: resumed.clone(), lines: lines.clone() }));
        }
        // Where the stage is forced, it goes on from states of this execution only.
        if matches!(self.decision.verdict, Verdict::Execute(Missing::Forced)) && !self.course.has_reached() {
            return Ok(None);
        }
        Ok(checkpoints.resume(folder, how, &|text| self.say(text))?)
    }

    /// Whether it was to be stopped after a step that it has done by now.
    pub(crate) fn is_far_enough(&self) -> bool {
        matches!(self.keeping, Keeping::Aside(rehearsal) if rehearsal.is_far_enough())
    }
}
