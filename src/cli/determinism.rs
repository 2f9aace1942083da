//! `kiln run --check-determinism`.

use std::collections::BTreeSet;

use kiln::engine;
use kiln::pipeline::StageId;

use super::trials::Trials;
use super::{Stop, render};

/// Executes each of the stages twice, once all that it needs is up to date.
pub(crate) fn check(trials: &Trials<'_>, stages: &BTreeSet<StageId>, json: bool) -> Result<u8, Stop> {
    let Trials { pipeline, store, means, .. } = trials;
    let mut told = BTreeSet::new();
    let try_out = |id: StageId| {
        trials.say(&format!("{}: executing it twice", pipeline.stages[id.0].name));
        let mut note = |text: &str| {
            // Once, for however many stages.
            if told.insert(text.to_owned()) {
                render::talk(&format!("kiln: {text}\n"));
            }
        };
        engine::check_determinism(pipeline, store, id, means, &mut note)
    };
    trials.each(stages, json, try_out, render::determinism::text, |twice| twice.differences.is_empty())
}
