//! Lists: the runs, and the plan of a dry run.

use kiln::engine::{Planned, Step};
use kiln::store::RunSummary;

use super::look::Look;
use super::table::{Grid, Side};

/// A line a run, newest first.
pub(crate) fn runs(runs: &[RunSummary], look: &Look) -> String {
    let columns = [
        ("run", Side::Left),
        ("started", Side::Left),
        ("status", Side::Left),
        ("seconds", Side::Right),
        ("profile", Side::Left),
        ("stages", Side::Left),
    ];
    let mut grid = Grid::new(1, columns);
    for run in runs {
        let outcomes: Vec<String> = run.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        grid.row([
            run.id.clone(),
            run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            run.status.to_string(),
            format!("{:.1}", run.seconds),
            run.profile.clone().unwrap_or_default(),
            outcomes.join(", "),
        ]);
    }
    grid.text(look)
}

/// A line a stage that would not be left alone, and how many would be.
pub(crate) fn plan(plan: &[Planned]) -> String {
    let width = plan.iter().map(|p| p.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for planned in plan {
        let step = match planned.step {
            Step::UpToDate => continue,
            Step::Restore => "restore",
            Step::Execute => "execute",
            Step::Depends(_) => "perhaps",
            Step::Fail => "fail",
        };
        text.push_str(&format!("{step:8} {:width$}  {}\n", planned.name, planned.reasons.join("; ")));
    }
    let up_to_date = plan.iter().filter(|p| p.step == Step::UpToDate).count();
    text.push_str(&format!("{up_to_date} of {} stages are up to date\n", plan.len()));
    text
}
