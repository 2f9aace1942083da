//! What a change did, as Markdown for a pull request: the verdict first, then sections, the last of which are left out where the text
//! would be too long.

use std::fmt::Write as _;

use kiln::compare::{Comparison, GateResult, Interval, Over, OverRow, RunSummary, Spread};
use kiln::kind::Role;
use kiln::record::{Outcome, RunRecord, RunStatus};

use super::compare::{metrics, parameters, stages};
use super::list::commit_of;
use super::number::{self, Precision};
use super::section::{NONE, Section, as_markdown};
use super::table::{Grid, Side, escaped};
use super::{gates, names};

/// So many sentences stand in the verdict.
const SENTENCES: usize = 20;

/// What is told.
pub(crate) struct Text<'a> {
    /// The first line.
    pub(crate) marker: &'a str,
    /// The base, if there is one, and the run.
    pub(crate) runs: &'a [RunRecord],
    pub(crate) comparison: &'a Comparison,
    pub(crate) over: Option<&'a Over>,
    pub(crate) gates: &'a [GateResult],
    /// Where the files of base and run can be seen.
    pub(crate) artifacts: [Option<&'a str>; 2],
}

impl Text<'_> {
    /// The text, in no more than so many characters.
    pub(crate) fn markdown(&self, limit: usize) -> String {
        let sections = [
            gates::section(self.gates),
            Some(self.metrics()),
            Some(parameters(self.comparison, false)).filter(|section| self.runs.len() > 1 && !section.grid.is_empty()),
            Some(stages(&self.comparison.stages, false)).filter(|section| !section.grid.is_empty()),
            self.figures(),
        ];
        let mut text = format!("{}\n{}", self.marker, self.verdict());
        // What is left out is said in a sentence, for which there has to be room.
        let room = limit.saturating_sub(1000);
        let mut left_out = Vec::new();
        for section in sections.into_iter().flatten() {
            let title = section.title.clone();
            let markdown = as_markdown(&[section]);
            // Links are no text that could be escaped, so they are made last.
            let markdown = self.linked(&title, markdown);
            if text.len() + markdown.len() < room {
                let _ = write!(text, "\n{markdown}");
            } else {
                left_out.push(title);
            }
        }
        if !left_out.is_empty() {
            let _ = write!(
                text,
                "\nLeft out, as a comment cannot be longer: {}. `kiln compare` shows all of it.\n",
                left_out.join("; ")
            );
        }
        text
    }

    fn verdict(&self) -> String {
        let failed = self.gates.iter().filter(|gate| gate.failed).count();
        let of = number::count(self.gates.len(), "gate");
        let run = self.runs.last();
        let broken = run.is_some_and(|run| run.status != RunStatus::Ok);
        let title = match (broken, failed, self.gates.len()) {
            (true, _, _) => "the run did not end well".to_owned(),
            (false, 0, 0) => self.changed(),
            (false, 0, _) => format!("{of} passed"),
            (false, failed, _) => format!("{failed} of {of} failed"),
        };
        let mut text = format!("## Kiln: {title}\n\n");
        let errors = run.into_iter().flat_map(|run| &run.stages).filter(|stage| stage.outcome == Outcome::Failed);
        let errors = errors.map(|stage| {
            let error = stage.error.as_deref().and_then(|error| error.lines().next()).unwrap_or_default();
            format!("stage {} failed: {error}", stage.name)
        });
        let sentences: Vec<String> = errors.chain(self.gates.iter().flat_map(gates::failures)).collect();
        for sentence in sentences.iter().take(SENTENCES) {
            let _ = writeln!(text, "- {}", escaped(&console::truncate_str(&names::escaped(sentence), 300, "...")));
        }
        if sentences.len() > SENTENCES {
            let _ = writeln!(text, "- and {} more", sentences.len() - SENTENCES);
        }
        if !sentences.is_empty() {
            text.push('\n');
        }
        let told = |what: &str, run: &RunSummary| {
            let commit = commit_of(run.git.as_ref());
            let of = if commit.is_empty() { String::new() } else { format!(" of {}", escaped(&commit)) };
            format!("{what}: run {}{of}", run.id)
        };
        let line = match self.comparison.runs.as_slice() {
            [run] => format!("{}. There is nothing to compare it with.", told("This", run)),
            [base, .., run] => format!("{} · {}", told("Base", base), told("This", run)),
            [] => String::new(),
        };
        text + &line + "\n"
    }

    /// What is told of metrics where there are no gates.
    fn changed(&self) -> String {
        let count = match self.over {
            Some(over) => over.rows.iter().filter(|row| row.stands_out()).count(),
            None => self.comparison.metrics.iter().filter(|row| row.differs()).count(),
        };
        match (self.runs.len(), count) {
            (0 | 1, _) => "a run".to_owned(),
            (_, 0) => "no metric changed".to_owned(),
            (_, count) => format!("{} changed", number::count(count, "metric")),
        }
    }

    /// Means and standard deviations over seeds; without any, the numbers.
    fn metrics(&self) -> Section {
        let Some(over) = self.over else { return metrics(&self.comparison.metrics, &self.comparison.runs, false) };
        let runs = self.comparison.runs.iter().map(|run| (run.id.clone(), Side::Right));
        let head = [("stage".to_owned(), Side::Left), ("metric".to_owned(), Side::Left)];
        let tail = [("delta".to_owned(), Side::Right), ("95% interval".to_owned(), Side::Left)];
        let mut grid = Grid::new(2, head.into_iter().chain(runs).chain(tail));
        let (mut same, mut details) = (0, 0);
        for row in &over.rows {
            if self.runs.len() > 1 && !row.means.differs() {
                same += 1;
            } else if row.means.detail() {
                details += 1;
            } else {
                grid.row(cells(row));
            }
        }
        let mut notes = vec![format!(
            "mean ± standard deviation (n) over `{}`; the interval is Welch's, and a difference whose interval holds 0 may be chance",
            over.axis
        )];
        if details > 0 {
            notes.push(format!("{} of single classes or components, too", number::count(details, "number")));
        }
        if same > 0 {
            notes.push(format!("{} the same", number::count(same, "number")));
        }
        let title = if grid.is_empty() { "no metric changed" } else { "metrics" };
        Section { title: title.into(), grid, notes }
    }

    /// A row a figure: before and now.
    fn figures(&self) -> Option<Section> {
        let run = self.runs.last()?;
        let base = (self.runs.len() > 1).then(|| &self.runs[0]);
        let mut grid = Grid::new(1, ["figure", "base", "this run"].map(|title| (title, Side::Left)));
        for stage in &run.stages {
            for (name, output) in stage.outputs.iter().filter(|(_, output)| output.role == Role::Figure) {
                let before = base.and_then(|base| base.stages.iter().find(|other| other.name == stage.name));
                let before = before.and_then(|stage| stage.outputs.get(name));
                let [was, is] =
                    [before, Some(output)].map(|output| output.map(|output| output.path.display().to_string()));
                let was = match before {
                    None => NONE.to_owned(),
                    Some(before) if before.digest == output.digest => "the same".to_owned(),
                    Some(_) => was.unwrap_or_default(),
                };
                grid.row([format!("{}.{name}", stage.name), was, is.unwrap_or_default()]);
            }
        }
        (!grid.is_empty()).then(|| Section { title: "figures".into(), grid, notes: vec![] })
    }

    /// Makes links of the paths in the table of figures.
    fn linked(&self, title: &str, markdown: String) -> String {
        if title != "figures" || self.artifacts.iter().all(Option::is_none) {
            return markdown;
        }
        let link = |cell: &str, at: Option<&str>| match at {
            Some(at) if cell != NONE && cell != "the same" => {
                format!("[{cell}]({})", address(at, &cell.replace('\\', "")))
            }
            _ => cell.to_owned(),
        };
        let lines = markdown.lines().enumerate().map(|(line, text)| {
            let cells: Vec<&str> = text.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect();
            match cells.as_slice() {
                // Title, blank line, head and rule.
                [figure, was, is] if line > 3 => {
                    format!("| {figure} | {} | {} |\n", link(was, self.artifacts[0]), link(is, self.artifacts[1]))
                }
                _ => format!("{text}\n"),
            }
        });
        lines.collect()
    }
}

fn cells(row: &OverRow) -> Vec<String> {
    let spreads = || row.spreads.iter().flatten();
    let precision = Precision::of(spreads().map(|spread| spread.mean)).telling(spreads().map(|spread| spread.mean));
    let precision = if precision == Precision::Whole && spreads().any(|spread| spread.sd.is_some_and(|sd| sd > 0.0)) {
        Precision::Decimals(2)
    } else {
        precision
    };
    let told = |spread: &Option<Spread>| match spread {
        None => NONE.to_owned(),
        Some(spread) => {
            let sd = spread.sd.map_or_else(String::new, |sd| format!(" ± {}", precision.show(sd)));
            let amiss =
                if spread.not_finite > 0 { format!(", {} not finite", spread.not_finite) } else { String::new() };
            format!("{}{sd} ({}{amiss})", precision.show(spread.mean), spread.n)
        }
    };
    let delta = row.means.ends().map_or(NONE.to_owned(), |(first, last)| precision.change(first, last));
    let interval = row.interval.map_or(NONE.to_owned(), |Interval { low, high }| {
        format!(
            "{} to {}{}",
            precision.show(low),
            precision.show(high),
            if row.stands_out() { "" } else { ", may be chance" }
        )
    });
    let names = [row.means.stage.clone(), row.means.metric.clone()];
    names.into_iter().chain(row.spreads.iter().map(told)).chain([delta, interval]).collect()
}

/// Where a file can be seen.
fn address(at: &str, path: &str) -> String {
    let mut written = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                written.push(char::from(byte))
            }
            _ => {
                let _ = write!(written, "%{byte:02X}");
            }
        }
    }
    if at.contains("{path}") {
        at.replace("{path}", &written)
    } else {
        format!("{}/{written}", at.trim_end_matches('/'))
    }
}
