//! Lists: the runs, the stages, their outputs, and the plan of a dry run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kiln::engine::{Planned, Stale, Step};
use kiln::kind::Role;
use kiln::record::Git;
use kiln::show::reason::words;
use kiln::store::{RunSummary, Tag};

use super::look::Look;
use super::names::{base, collapsed};
use super::table::{Grid, Side};
use super::{number, stand, under_way};
use crate::cli::list::Listed as Stage;
use crate::cli::outputs::InPlace;
use crate::cli::runs::Listed;

/// What a run belongs to, in a column.
type Whose<'a> = &'a dyn Fn(&RunSummary) -> PathBuf;

/// A line a run, newest first.
pub(crate) fn runs(runs: &[Listed], look: &Look) -> String {
    // Whose they are is worth a column where they are not all of one pipeline file, or of one project.
    let several = |of: &dyn Fn(&RunSummary) -> PathBuf| {
        runs.iter().map(|run| of(&run.summary)).collect::<BTreeSet<_>>().len() > 1
    };
    let file = |run: &RunSummary| run.origin.pipeline.file_name().map(PathBuf::from).unwrap_or_default();
    let whose: [(&str, bool, Whose<'_>); 2] = [
        ("pipeline", several(&file), &file),
        ("project", several(&|run| run.origin.project.clone()), &|run| run.origin.project.clone()),
    ];
    let whose: Vec<_> = whose.into_iter().filter(|(_, told, _)| *told).collect();
    let columns = [
        ("run", Side::Left),
        ("started", Side::Left),
        ("status", Side::Left),
        ("seconds", Side::Right),
        ("profile", Side::Left),
    ];
    // In a project without Git there is nothing to say.
    let at_all = runs.iter().any(|run| run.summary.git.is_some());
    let commit = at_all.then_some(("commit", Side::Left));
    let columns = columns.into_iter().chain(commit);
    let columns = columns.into_iter().chain(whose.iter().map(|(title, _, _)| (*title, Side::Left)));
    let mut grid = Grid::new(1, columns.chain([("stages", Side::Left)]));
    for Listed { summary: run, trace } in runs {
        let mut outcomes: Vec<String> =
            run.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        outcomes.extend(trace.iter().flat_map(|trace| &trace.under_way).map(|stage| {
            let far = under_way::far(stage).map(|far| format!(" ({far})")).unwrap_or_default();
            format!("under way: {}{far}", stage.record.name)
        }));
        let cells = [
            run.id.clone(),
            started(run),
            run.status.to_string(),
            format!("{:.1}", run.seconds),
            run.origin.profile.clone().unwrap_or_default(),
        ];
        let cells = cells.into_iter().chain(at_all.then(|| commit_of(run.git.as_ref())));
        let whose = whose.iter().map(|(_, _, of)| of(run).display().to_string());
        grid.row(cells.chain(whose).chain([outcomes.join(", ")]));
    }
    grid.text(look)
}

/// A commit in few letters, with a `+` if there were changes that were not committed, and its branch.
pub(crate) fn commit_of(git: Option<&Git>) -> String {
    let Some(git) = git else { return String::new() };
    let commit = git.commit.as_deref().map_or("no commit", |id| id.get(..9).unwrap_or(id));
    let dirty = if git.dirty == Some(true) { "+" } else { "" };
    let branch = git.branch.as_ref().map_or_else(String::new, |branch| format!(" {branch}"));
    format!("{commit}{dirty}{branch}")
}

/// A line a tag: what run it is, and of which commit.
pub(crate) fn tags(tags: &[Tag], runs: &[RunSummary], look: &Look) -> String {
    let titles = ["tag", "run", "started", "commit", "pipeline"].map(|title| (title, Side::Left));
    let mut grid = Grid::new(1, titles);
    for tag in tags {
        let run = runs.iter().find(|run| run.id == tag.run);
        let started = run.map_or("its record is gone".to_owned(), started);
        let commit = commit_of(run.and_then(|run| run.git.as_ref()));
        let file = run.map_or_else(String::new, |run| run.origin.pipeline.display().to_string());
        grid.row([tag.name.clone(), tag.run.clone(), started, commit, file]);
    }
    grid.text(look)
}

fn started(run: &RunSummary) -> String {
    run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A line a stage: kind, variants, what it needs and what it gives.
pub(crate) fn stages(stages: &[Stage], look: &Look) -> String {
    let titles = ["stage", "kind", "needs", "outputs"].map(|title| (title, Side::Left));
    let mut grid = Grid::new(1, titles).wrapping(3);
    let mut variants = 0;
    for stage in stages {
        variants += stage.variants.len();
        let names: Vec<&str> = stage.variants.iter().map(|variant| variant.name.as_str()).collect();
        let needs: BTreeSet<&str> = stage.variants.iter().flat_map(|v| &v.needs).map(|name| base(name)).collect();
        let outputs: BTreeSet<&str> =
            stage.variants.iter().flat_map(|v| v.outputs.keys()).map(String::as_str).collect();
        let join = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        grid.row([
            collapsed(&names),
            stage.uses.clone().unwrap_or_else(|| "command".into()),
            join(needs),
            join(outputs),
        ]);
    }
    let total = format!("{}, {}", number::count(stages.len(), "stage"), number::count(variants, "variant"));
    if grid.is_empty() { "no stages\n".into() } else { format!("{}{}\n", grid.text(look), look.dim(&total)) }
}

/// A line an output: where it lies, and what lies there now.
pub(crate) fn outputs(outputs: &[InPlace], look: &Look) -> String {
    let titles = [
        ("output", Side::Left),
        ("path", Side::Left),
        ("role", Side::Left),
        ("size", Side::Right),
        ("digest", Side::Left),
    ];
    let mut grid = Grid::new(2, titles);
    for output in outputs {
        let role = match output.role {
            Role::Data => "data",
            Role::Metrics => "metrics",
            Role::Figure => "figure",
            Role::Series => "series",
        };
        grid.row([
            format!("{}.{}", output.stage, output.output),
            stand::shown(&output.path),
            role.to_owned(),
            output.bytes.map_or("-".into(), number::size),
            output.digest.map_or("-".into(), |digest| digest.short()),
        ]);
    }
    if grid.is_empty() { "no outputs\n".into() } else { grid.text(look) }
}

/// What no stage gives any more, and what becomes of it.
pub(crate) fn stale(stale: &[Stale], delete: bool, look: &Look) -> String {
    let titles = [("was of", Side::Left), ("path", Side::Left), ("size", Side::Right), ("", Side::Left)];
    let mut grid = Grid::new(2, titles);
    for output in stale {
        let what = match &output.changed {
            Some(why) => format!("stays: {why}"),
            None if output.deleted => "deleted".into(),
            None => String::new(),
        };
        let size = output.bytes.map_or("-".into(), number::size);
        grid.row([output.stage.clone(), super::stand::shown(&output.path), size, what]);
    }
    let count = stale.iter().filter(|output| output.changed.is_none()).count();
    let hint = match (count, delete) {
        (0, _) | (_, true) => String::new(),
        (n, false) => format!("`kiln outputs --stale --delete` deletes {}\n", number::count(n, "output")),
    };
    if grid.is_empty() { "no stale outputs\n".into() } else { grid.text(look) + &hint }
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
        let why: Vec<String> = planned.reasons.iter().map(words).collect();
        text.push_str(&format!("{step:8} {:width$}  {}\n", planned.name, why.join("; ")));
    }
    let up_to_date = plan.iter().filter(|p| p.step == Step::UpToDate).count();
    text.push_str(&format!("{up_to_date} of {} stages are up to date\n", plan.len()));
    text
}
