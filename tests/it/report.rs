//! The report of a run and the page that compares runs: what stands in them, when they are made, how a browser shows them.

use std::path::Path;

use crate::browser;
use crate::project::{Project, Ran};

const PIPELINE: &str = r#"version: 1
report: report.md
params:
  rate: 0.5
  published: {small: {score: 0.25, fit.seconds: 2}, large: {score: 0.75}, huge: {score: 0.9}}
stages:
  fit:
    matrix: {size: {small: 3, large: 5}}
    run: |
      awk -v r="${params.rate}" -v s="${matrix.size}" 'BEGIN { print "step,score,loss"
        for (i = 1; i <= 6; i++) print i "," 1 - r / (i + s) "," r / i }' > ${outputs.history}
      awk -F, 'END { printf "{\"score\": %s, \"steps\": %s}", $2, $1 }' ${outputs.history} > ${outputs.metrics}
    outputs:
      history: {path: "out/${label.size}/history.csv", role: series}
      metrics: {path: "out/${label.size}/metrics.json", role: metrics}
  judge:
    matrix: {from: fit}
    run: "cat ${inputs.metrics} > ${outputs.metrics}"
    inputs: {metrics: {from: fit.metrics}}
    outputs: {metrics: {path: "out/${label.size}/judged.json", role: metrics}}
  draw:
    run: |
      { echo '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="300"><rect width="900" height="300" fill="navy"/>'
        printf '<!-- '; cat ${inputs.metrics}; echo ' --></svg>'; } > ${outputs.svg}
    inputs: {metrics: {from: "fit[*].metrics"}}
    outputs: {svg: {path: out/plot.svg, role: figure}}
"#;

const REPORT: &str = r#"# How well two sizes *fit*

The small one reaches ${metrics.fit[size=small].score:.2%} with a rate of ${params.rate}.

## Stages

${graph}

## Figures

[The plot](#draw-svg) is dark.

![A dark box](${outputs.draw.svg} "Figure 1. Drawn from ${run.stages} stages.")

![Score and loss by step](${outputs.fit[size=small].history} "Figure 2. The small one.")

## Numbers

### Side by side

${table.variants(judge.score as Score, fit.seconds as Seconds): Table 1. Both sizes.}

${table.beside(params.published as paper, judge.score as Score): The paper and this run.}

### The run before

${table.previous}

### All

${table.metrics}

${table.params}

${table.stages}
"#;

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("report.md", REPORT);
    project
}

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// What a reader sees of a page: its text without the tags.
fn text(page: &str) -> String {
    let body = &page[page.find("<main").expect("a body")..];
    let mut text = String::new();
    for part in body.split('<') {
        text += part.split_once('>').map_or(part, |(_, text)| text);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_run_ends_in_a_report_and_past_runs_have_theirs() {
    let project = project();
    let first = project.run(&[]);
    let page = project.read("out/report.html");
    for needed in [
        "The small one reaches 94.44% with a rate of 0.5.",
        "Figure 1. Drawn from 5 stages.",
        "Table 1. Both sizes. size Score Seconds small 0.9444",
        // A row a size, the paper's, this run's, and the difference.
        "small 0.2500 0.9444 +0.6944 large 0.7500 0.9545 +0.2045 huge 0.9000 \u{2013} \u{2013}",
        "There is no run before this one.",
        "Input metrics fit[size=small].metrics",
    ] {
        assert!(text(&page).contains(needed), "`{needed}` in {}", text(&page));
    }
    assert!(page.contains("<title>How well two sizes fit</title>"), "markup in a heading is no part of the title");
    for foreign in ["<script", "src=\"http", "@import", "url("] {
        assert!(!page.contains(foreign), "`{foreign}`: the page holds all it shows");
    }

    // A run that does nothing leaves the page, byte for byte; one of a single stage has nothing to say on all of it.
    project.run(&[]);
    project.run(&["fit[size=small]", "--set", "rate=0.9"]);
    assert_eq!(project.read("out/report.html"), page);

    project.run(&["--set", "rate=0.8"]);
    let second = text(&project.read("out/report.html"));
    assert!(second.contains("reaches 91.11% with a rate of 0.8."), "{second}");
    assert!(second.contains("Parameters that differ"), "{second}");

    let id = first.0["id"].as_str().expect("an id");
    let ran = good(project.kiln(&["report", id]));
    assert_eq!(ran.stdout, format!("out/report-{id}.html\n"));
    assert!(text(&project.read(ran.stdout.trim())).contains("reaches 94.44%"));
    let ran = good(project.kiln(&["report", id, "--output", "-"]));
    assert!(text(&ran.stdout).contains("reaches 94.44%"));
}

#[test]
fn what_a_run_does_not_have_is_said_in_its_place() {
    let project = project();
    project.edit("pipeline.yaml", "      { echo '<svg", "      exit 3; { echo '<svg");
    project.edit("report.md", "judge.score as Score, fit", "score as Score, fit");
    project.edit("report.md", "[size=small].score:", "[size=small].scor:");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`fit[size=small]` has no metric `scor` (did you mean `score`?)"), "{}", ran.stderr);
    let page = text(&project.read("out/report.html"));
    for needed in [
        "(missing: `fit[size=small]` has no metric `scor`)",
        "Missing: A dark box `draw` failed",
        // Two stages have a score: a heading over both would tell them apart by nothing.
        "Missing: `score` is the name of several columns.",
    ] {
        assert!(page.contains(needed), "`{needed}` in {page}");
    }
}

#[test]
fn pages_read_well_in_a_browser() {
    let Some(mut browser) = browser::browser("how the pages of a small pipeline look") else { return };
    let project = project();
    project.run(&[]);
    project.run(&["--set", "rate=0.8"]);
    browser::check(&mut browser, &project.root().join("out/report.html"), 1);
    browser::print(&mut browser);

    good(project.kiln(&["compare", "latest~1", "latest", "--html"]));
    browser::check(&mut browser, &project.root().join("out/compare.html"), 2);
    let page = text(&project.read("out/compare.html"));
    let order = ["Parameters that differ", "Metrics that differ", "fit[size=small].history", "draw.svg"];
    let places = order.map(|part| page.find(part).unwrap_or_else(|| panic!("`{part}` in {page}")));
    assert!(places.is_sorted(), "{order:?} at {places:?}");

    // A pipeline that names no report has one of Kiln's making, and what failed is shown as that.
    let plain =
        Project::new(&PIPELINE.replace("report: report.md\n", "").replace("{ echo '<svg", "exit 3; { echo '<svg"));
    assert_eq!(plain.kiln(&["run"]).code, Some(1));
    let page = good(plain.kiln(&["report"]));
    browser::check(&mut browser, &plain.root().join(Path::new(page.stdout.trim())), 0);
}

#[test]
fn a_sentence_depends_on_the_numbers_of_the_run() {
    let project = project();
    project.write(
        "report.md",
        r#"# Conditions

The small one is ${if metrics.fit[size=small].score:.3 < metrics.fit[size=large].score:.3}worse${else}no worse${end}, the
plot ${if params.rate < 0.4}pale${else}dark${end}.

${if metrics.fit[size=large].score - metrics.fit[size=small].score > 0.5}
They are far apart.

${graph}

${else}
${if params.rate = 0.5}
They are close, with the usual rate.
${end}

![A dark box](${outputs.draw.svg} "Figure 1. ${if params.rate > 0.4}Dark${else}Pale${end}.")
${end}

It is known that ${if metrics.fit[size=small].scor > 0}never said${else}nor this${end}.
"#,
    );
    project.run(&[]);
    let html = project.read("out/report.html");
    let page = text(&html);
    for text in ["The small one is worse, the plot dark.", "They are close, with the usual rate.", "Figure 1. Dark."] {
        assert!(page.contains(text), "{text}: {page}");
    }
    for text in ["far apart", "pale", "Pale", "never said", "nor this", "${"] {
        assert!(!page.contains(text), "{text}: {page}");
    }
    assert!(!html.contains("class=\"dag\""), "the graph is in the other text");
    assert!(page.contains("has no metric `scor`"), "what cannot be decided is told: {page}");
    project.edit("pipeline.yaml", "rate: 0.5", "rate: 0.25");
    project.run(&[]);
    let page = text(&project.read("out/report.html"));
    assert!(page.contains("plot pale.") && page.contains("Figure 1. Pale.") && !page.contains("usual rate"), "{page}");
}
