//! `kiln run --check-resume`.

use std::collections::BTreeSet;

use kiln::engine::{self, ResumeCheck};
use kiln::pipeline::StageId;

use super::trials::Trials;
use super::{Stop, render};

/// Executes each of the stages in a single go and in two halves, once all that it needs is up to date.
pub(crate) fn check(trials: &Trials<'_>, stages: &BTreeSet<StageId>, json: bool) -> Result<u8, Stop> {
    let Trials { pipeline, store, means, .. } = trials;
    let try_out = |id| engine::check_resume(pipeline, store, id, means, &mut |text| trials.say(text));
    trials.each(stages, json, try_out, render::check_resume::text, ResumeCheck::is_same)
}
