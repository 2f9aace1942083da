//! Two or more runs on one page: what differs, curves laid over each other, figures beside each other.

use maud::{Markup, html};

use super::document::Heading;
use super::reference::Fault;
use super::subject::{Artifacts, Made, Subject};
use super::{chart, difference, format, page, picture};
use crate::compare::{self, Evidence, OutputChange, StageDiff};
use crate::kind::Role;
use crate::record::{OutputRecord, RunRecord, StageRecord};
use crate::series::Series;
use crate::show::number::count;

/// So many figures, and so many files of series, are shown.
const SHOWN: usize = 60;

/// A page about runs, oldest first: differing parameters, metrics, curves, figures. What is equal is counted. `pipeline` is the
/// pipeline file that they are compared for.
pub fn side_by_side(runs: &[RunRecord], pipeline: &str, artifacts: &Artifacts<'_>, evidence: &dyn Evidence) -> String {
    let comparison = compare::diff(runs).look_into(runs, evidence);
    let subjects: Vec<Subject<'_>> =
        runs.iter().map(|run| Subject { run, previous: None, artifacts, evidence }).collect();
    let names = runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>();
    let title = format!("Runs {}", names.join(", "));
    let body = html! {
        h1 id="runs" { (title) }
        h2 id="differences" { "Differences" }
        (difference::between(&comparison))
        h2 id="curves" { "Curves" }
        (outputs(&comparison.stages, &subjects, is_series, curves))
        h2 id="figures" { "Figures" }
        (outputs(&comparison.stages, &subjects, is_figure, figures))
    };
    let heading = |id: &str, text: &str| Heading { level: 2, id: id.to_owned(), text: text.to_owned() };
    let headings = [heading("differences", "Differences"), heading("curves", "Curves"), heading("figures", "Figures")];
    let byline = html! {
        @for (i, run) in runs.iter().enumerate() {
            @if i > 0 { "; " }
            code { (run.id) } " of " (format::moment(run.started))
        }
    };
    let body = body.into_string();
    page::Page { title: &title, wide: true, shows: "", pipeline, byline, headings: &headings, body: &body }.html()
}

fn is_series(_: &StageRecord, output: &OutputRecord) -> bool {
    output.role == Role::Series
}

/// Of the formats of one figure the vector is shown.
fn is_figure(stage: &StageRecord, output: &OutputRecord) -> bool {
    let vector = |o: &OutputRecord| o.path.extension().is_some_and(|e| e == "svg");
    let twin =
        || stage.outputs.values().any(|t| vector(t) && t.path.with_extension("") == output.path.with_extension(""));
    output.role == Role::Figure && picture::is_picture(&output.path) && (vector(output) || !twin())
}

/// An output in each run that has it.
type InRuns<'a> = Vec<(&'a Subject<'a>, Made<'a>)>;

/// The outputs of one sort that differ, each drawn by `draw`; the others are counted.
fn outputs<'a>(
    stages: &'a [StageDiff],
    subjects: &'a [Subject<'a>],
    wanted: fn(&StageRecord, &OutputRecord) -> bool,
    draw: fn(&StageDiff, &OutputChange, &InRuns<'a>) -> Markup,
) -> Markup {
    let of = |stage: &StageDiff, name: &str| -> InRuns<'a> {
        subjects
            .iter()
            .filter_map(|subject| {
                let record = subject.run.stages.iter().find(|s| s.name == stage.name)?;
                let (name, output) = record.outputs.get_key_value(name)?;
                wanted(record, output).then_some((subject, Made { stage: record, name, output }))
            })
            .collect()
    };
    let differing: Vec<_> = stages
        .iter()
        .flat_map(|stage| stage.outputs.iter().map(move |change| (stage, change)))
        .map(|(stage, change)| (stage, change, of(stage, &change.name)))
        .filter(|(_, _, made)| !made.is_empty())
        .collect();
    let all = subjects.last().map_or(0, |subject| {
        subject
            .run
            .stages
            .iter()
            .flat_map(|s| s.outputs.values().map(move |o| (s, o)))
            .filter(|(s, o)| wanted(s, o))
            .count()
    });
    let same = all.saturating_sub(differing.len());
    html! {
        @for (stage, change, made) in differing.iter().take(SHOWN) { (draw(stage, change, made)) }
        @if differing.len() > SHOWN { p.note { "and " (differing.len() - SHOWN) " more that differ" } }
        @if same > 0 { p.note { (count(same, "file")) " the same in all." } }
        @if all == 0 && differing.is_empty() { p.note { "The runs have none." } }
    }
}

fn curves(stage: &StageDiff, change: &OutputChange, made: &InRuns<'_>) -> Markup {
    let read: Vec<(String, Result<Series, String>)> = made
        .iter()
        .map(|(subject, made)| {
            let series = subject.bytes(*made).map_err(|f| f.message).and_then(|bytes| Series::read(&bytes));
            (subject.run.id.clone(), series)
        })
        .collect();
    let lines: Vec<(&str, &Series)> = read.iter().filter_map(|(id, s)| Some((id.as_str(), s.as_ref().ok()?))).collect();
    html! {
        figure.wide {
            figcaption { code { (stage.name) "." (change.name) } }
            @if !lines.is_empty() { (chart::panels(&lines)) }
            @for (id, why) in read.iter().filter_map(|(id, s)| Some((id, s.as_ref().err()?))) {
                p.missing { "Missing for " (id) ": " (why) }
            }
        }
    }
}

fn figures(stage: &StageDiff, change: &OutputChange, made: &InRuns<'_>) -> Markup {
    html! {
        figure.wide {
            figcaption { code { (stage.name) "." (change.name) } }
            div.figures {
                @for (subject, made) in made {
                    @let alt = format!("{} of {} in run {}", change.name, stage.name, subject.run.id);
                    figure {
                        @match subject.drawn(*made, &alt) {
                            Ok(drawn) => div.frame role="group" tabindex="0" aria-label=(alt) { (drawn) },
                            Err(Fault { message, .. }) => div.frame.missing { p { "Missing: " (message) } },
                        }
                        figcaption { "Run " (subject.run.id) }
                    }
                }
            }
            @if made.len() < change.digests.len() { p.note { "The other runs have none." } }
        }
    }
}
