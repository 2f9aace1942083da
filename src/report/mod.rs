//! The report of a run: Markdown that refers to what the run made, rendered to one self-contained page.
//!
//! In reading order: `reference`, `condition` and `format` (the grammar of `${...}`), `document` (where references stand in the
//! Markdown), `subject` (what they stand for in a run), `figure`, `picture`, `chart`, `table`, `grid`, `difference`
//! and `graph/` (what is shown), `body` and `page` (the HTML), `side_by_side` (runs compared). Pure but for the bytes of
//! artifacts, which the caller supplies: the same run gives the same page. It knows no machine learning: roles of outputs
//! say what is a figure and what a number.

mod body;
mod chart;
mod condition;
mod difference;
mod document;
mod figure;
mod format;
pub mod graph;
mod grid;
mod outline;
mod over_runs;
mod page;
mod picture;
mod reference;
mod shows;
mod side_by_side;
mod subject;
mod table;

use maud::html;

pub(crate) use body::is_outward;
pub(crate) use condition::Conditions;
pub(crate) use document::{Document, Item};
pub use outline::outline;
pub use over_runs::over_runs;
pub use page::{Shown, is_page, shown};
pub(crate) use picture::{PICTURES, is_picture};
pub(crate) use reference::{Fault, RUN_FACTS, Reference, STAGE_FACTS, Sort, Table, Target, fact, parse, suits, target};
pub use shows::{is_quiet, shows};
pub use side_by_side::side_by_side;
pub use subject::Subject;

use crate::show::number::duration;

/// A rendered report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The page.
    pub html: String,
    /// What it refers to and the run does not have: said in its place, and here.
    pub missing: Vec<String>,
}

/// Renders a report's Markdown for a run.
pub fn render(markdown: &str, subject: &Subject<'_>) -> Rendered {
    let body = body::render(markdown, subject);
    let run = subject.run;
    let title = body.headings.iter().find(|h| h.level == 1).map(|h| page::plain(&h.text));
    let executed = run.stages.iter().filter(|s| s.outcome == crate::record::Outcome::Executed).count();
    let byline = html! {
        "Run " code { (run.id) } " of " code { (run.origin.pipeline.display()) }
        @if let Some(profile) = &run.origin.profile { ", profile " code { (profile) } }
        ", " (format::moment(run.started)) ", on " (run.host.name) ": " (run.status) " after " (duration(run.seconds)) ", "
        (executed) " of " (run.stages.len()) " stages executed."
    };
    let page = page::Page {
        title: title.as_deref().unwrap_or("Report"),
        wide: false,
        shows: &shows(markdown, run),
        pipeline: &run.origin.pipeline.file_name().unwrap_or_default().to_string_lossy(),
        byline,
        headings: &body.headings,
        body: &body.html,
    };
    let told = |fault: Fault| match fault.hint {
        Some(hint) => format!("{} ({hint})", fault.message),
        None => fault.message,
    };
    Rendered { html: page.html(), missing: body.missing.into_iter().map(told).collect() }
}
