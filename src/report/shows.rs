//! What a page shows of a run, as a digest: two runs with the same one need no second page.

use serde_json::json;

use crate::hash::{NumberForm, json_by};
use crate::record::{Outcome, RunRecord};

/// The version of the pages that are made; another one makes them anew.
const VERSION: u32 = 2;

/// A digest of what a report shows of a run but for the run's own name, times and outcomes: those of a run that is
/// [quiet](is_quiet) are no reason for another page.
pub fn shows(markdown: &str, run: &RunRecord) -> String {
    let stages: Vec<_> =
        run.stages.iter().map(|s| json!([s.name, s.key, s.outputs, s.metrics, s.executed_seconds, s.needs])).collect();
    let all = json!([
        VERSION,
        env!("CARGO_PKG_VERSION"),
        markdown,
        run.params,
        run.origin.profile,
        run.origin.pipeline,
        stages
    ]);
    blake3::hash(json_by(&all, NumberForm::ByType).as_bytes()).to_hex()[..32].to_owned()
}

/// Whether a run did nothing that a page would tell: everything was as it should be, or was put back.
pub fn is_quiet(run: &RunRecord) -> bool {
    run.stages.iter().all(|s| matches!(s.outcome, Outcome::UpToDate | Outcome::Restored))
}
