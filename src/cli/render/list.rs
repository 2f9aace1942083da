//! Lists: the runs, and the plan of a dry run.

use kiln::engine::{Planned, Step};
use kiln::store::RunSummary;

use super::table;

/// A line a run, newest first.
pub(crate) fn runs(runs: &[RunSummary]) {
    if runs.is_empty() {
        eprintln!("no runs yet: `kiln run` makes the first");
        return;
    }
    let rows = runs.iter().map(|run| {
        let outcomes: Vec<String> = run.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        vec![
            run.id.clone(),
            run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            serde_json::to_value(run.status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            format!("{:.1} s", run.seconds),
            run.profile.clone().unwrap_or_default(),
            outcomes.join(", "),
        ]
    });
    println!("{}", table::text(&["run", "started", "status", "took", "profile", "stages"], rows));
}

/// A line a stage that would not be left alone, and how many would be.
pub(crate) fn plan(plan: &[Planned]) {
    let width = plan.iter().map(|p| p.name.len()).max().unwrap_or(0);
    let mut up_to_date = 0;
    for planned in plan {
        let step = match planned.step {
            Step::UpToDate => {
                up_to_date += 1;
                continue;
            }
            Step::Restore => "restore",
            Step::Execute => "execute",
            Step::Depends(_) => "perhaps",
            Step::Fail => "fail",
        };
        println!("{step:8} {:width$}  {}", planned.name, planned.reasons.join("; "));
    }
    println!("{up_to_date} of {} stages are up to date", plan.len());
}
