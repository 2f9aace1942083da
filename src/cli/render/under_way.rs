//! Runs that go on: which stages are under way, for how long, and how far they are.

use kiln::store::{Traced, UnderWay};

use super::look::{Look, one_line};
use super::{number, plain};

/// So many stages of a run are shown.
const STAGES: usize = 20;

/// A line a run, and one for each of its stages that is under way.
pub(crate) fn runs(runs: &[Traced], look: &Look) -> String {
    let mut text = String::new();
    for run in runs {
        let began = &run.began;
        let settled = run.up_to_date + run.finished.len();
        text += &format!(
            "{} goes on for {} (process {} on {}): {settled} of {} settled\n",
            look.bold(&format!("run {}", began.id)),
            number::duration(run.seconds()),
            began.process,
            one_line(&began.host.name),
            number::count(began.stages, "stage"),
        );
        for stage in run.under_way.iter().take(STAGES) {
            let far = far(stage).map(|far| format!("  {far}")).unwrap_or_default();
            let time = number::duration(run.seconds() - stage.since);
            text += &format!("  {}  {time}{far}\n", one_line(&stage.record.name));
        }
        if run.under_way.len() > STAGES {
            text += &format!("  and {} more\n", run.under_way.len() - STAGES);
        }
    }
    text
}

/// How far a stage is: `epoch 3/10 loss 0.1234`.
pub(crate) fn far(stage: &UnderWay) -> Option<String> {
    stage.progress.as_ref().map(plain::units)
}
