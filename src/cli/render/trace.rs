//! The critical path of a run as a table.

use kiln::engine::{Link, Wait};
use kiln::record::RunRecord;

use super::look::Look;
use super::number;
use super::table::{Grid, Side};

/// A line a stage, first to last, and what all of them took together.
pub(crate) fn text(run: &RunRecord, path: &[Link], look: &Look) -> String {
    if path.is_empty() {
        return format!("the record of run {} does not say when its stages began\n", run.id);
    }
    let columns = [
        ("at", Side::Right),
        ("took", Side::Right),
        ("stage", Side::Left),
        ("outcome", Side::Left),
        ("began when", Side::Left),
    ];
    let mut grid = Grid::new(0, columns);
    for link in path {
        let waited = match &link.waited {
            Wait::Start => "the run began".to_owned(),
            Wait::Input(stage) => format!("{stage} was done"),
            Wait::Processor(stage) => format!("{stage} left a processor free"),
        };
        let at = number::duration(link.start);
        let queued = link.queued.map(|queued| format!(" ({} queued)", number::duration(queued)));
        let took = format!("{}{}", number::duration(link.seconds), queued.unwrap_or_default());
        grid.row([at, took, link.stage.clone(), link.outcome.to_string(), waited]);
    }
    let sum: f64 = path.iter().map(|link| link.seconds).sum();
    let share = if run.seconds > 0.0 { 100.0 * sum / run.seconds } else { 100.0 };
    format!(
        "{}critical path of run {}: {} of {} ({share:.0}%), {} of {}\n",
        grid.text(look),
        run.id,
        number::duration(sum),
        number::duration(run.seconds),
        path.len(),
        number::count(run.stages.len(), "stage"),
    )
}
