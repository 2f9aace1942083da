//! The end of a run in a few lines: how the stages fared, what failed and why, and where the results are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kiln::compare::Counts;
use kiln::engine::last_lines;
use kiln::kind::Role;
use kiln::record::{Outcome, RunRecord, RunStatus, StageRecord};

use super::look::{Look, one_line};
use super::names::escaped;
use super::number::{self, Precision};
use super::stand;

/// So many failed stages are told in full, and so many lines of each log.
const FAILURES: usize = 10;
const LOG_LINES: usize = 10;
/// So many warnings are told.
const WARNINGS: usize = 10;
/// So many metrics files and so many figures are listed.
const FILES: usize = 20;
/// So many numbers stand beside a metrics file.
const NUMBERS: usize = 4;

/// The end of `run`, for standard error. Reads the last lines of the logs of failed stages.
pub(crate) fn summary(run: &RunRecord, look: &Look) -> String {
    let counts = Counts::of_run(run);
    let mut text = failures(run, look);
    text += &warnings(run.stages.iter().map(|stage| (stage.name.as_str(), &stage.warnings[..])), look);
    let _ = writeln!(text, "{}: {} in {}", headline(run, look), fared(&counts), number::duration(run.seconds));
    if let Some(traffic) = &run.remote {
        let _ = writeln!(text, "{}", super::remote::traffic(traffic));
    }
    if counts.executed + counts.restored > 0 {
        text += &results(run, look);
    } else if let Some((files, folder)) = unchanged(run) {
        let _ =
            writeln!(text, "{} of metrics and figures under {}", number::count(files, "file"), stand::shown(&folder));
    }
    text
}

/// A line a warning; of many the first.
pub(super) fn warnings<'s>(stages: impl Iterator<Item = (&'s str, &'s [String])>, look: &Look) -> String {
    let all = stages.flat_map(|(name, warnings)| warnings.iter().map(move |warning| (name, warning)));
    let mut text = String::new();
    let mut more = 0;
    for (position, (name, warning)) in all.enumerate() {
        if position < WARNINGS {
            let _ = writeln!(text, "{} {name}: {}", look.yellow("warning:"), one_line(warning));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let _ = writeln!(text, "{}", number::count(more, "more warning"));
    }
    text
}

/// `3 executed`, `38 up to date`: what there is of each outcome.
pub(super) fn counted(counts: &Counts) -> Vec<String> {
    let all = [
        (counts.executed, "executed"),
        (counts.restored, "restored"),
        (counts.up_to_date, "up to date"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
    ];
    all.into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", Precision::Whole.show(n as f64)))
        .collect()
}

fn fared(counts: &Counts) -> String {
    if counts.total() == 0 { "no stages".to_owned() } else { counted(counts).join(", ") }
}

fn headline(run: &RunRecord, look: &Look) -> String {
    match run.status {
        RunStatus::Ok => look.green(&format!("run {}", run.id)),
        RunStatus::Failed => look.red(&format!("run {} failed", run.id)),
        RunStatus::Interrupted => look.yellow(&format!("run {} was interrupted", run.id)),
        RunStatus::Running => format!("run {} goes on", run.id),
        RunStatus::Killed => look.yellow(&format!("run {} was killed", run.id)),
    }
}

/// The failed stages of a run, with their errors and the ends of their logs.
pub(super) fn failures(run: &RunRecord, look: &Look) -> String {
    let failed: Vec<&StageRecord> = run.stages.iter().filter(|stage| stage.outcome == Outcome::Failed).collect();
    let mut text = String::new();
    for stage in failed.iter().take(FAILURES) {
        let _ = writeln!(text, "{}", look.red(&format!("{} failed", stage.name)));
        let error: Vec<&str> = stage.error.as_deref().unwrap_or_default().lines().collect();
        for line in &error {
            let _ = writeln!(text, "  {}", one_line(line));
        }
        let Some(log) = &stage.log else { continue };
        let _ = writeln!(text, "  log: {}", stand::shown(log));
        // How a command ended comes with the end of its log.
        if error.iter().filter(|line| !line.starts_with("hint: ")).count() < 2 {
            for line in last_lines(&run.origin.project.join(log), LOG_LINES) {
                let _ = writeln!(text, "  | {}", one_line(&line));
            }
        }
    }
    if failed.len() > FAILURES {
        let more: Vec<&str> = failed[FAILURES..].iter().map(|stage| stage.name.as_str()).collect();
        let _ = writeln!(text, "{} failed: {}", number::count(more.len(), "more stage"), more.join(", "));
    }
    text
}

/// The outputs of `role`: the stage that has them, their names and paths.
fn outputs(run: &RunRecord, role: Role) -> impl Iterator<Item = (&StageRecord, &str, &Path)> {
    let done =
        |stage: &&StageRecord| matches!(stage.outcome, Outcome::Executed | Outcome::UpToDate | Outcome::Restored);
    run.stages.iter().filter(done).flat_map(move |stage| {
        stage
            .outputs
            .iter()
            .filter(move |(_, output)| output.role == role)
            .map(move |(name, output)| (stage, name.as_str(), output.path.as_path()))
    })
}

fn results(run: &RunRecord, look: &Look) -> String {
    let metrics: Vec<(String, String)> =
        outputs(run, Role::Metrics).map(|(stage, name, path)| (stand::shown(path), numbers(stage, name))).collect();
    let figures: Vec<(String, String)> = figures(run).into_iter().map(|path| (path, String::new())).collect();
    section("metrics", &metrics, look) + &section("figures", &figures, look)
}

fn section(title: &str, lines: &[(String, String)], look: &Look) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let shown = &lines[..lines.len().min(FILES)];
    let width = shown.iter().map(|(path, _)| console::measure_text_width(path)).max().unwrap_or(0);
    let mut text = format!("{}\n", look.bold(title));
    for (path, rest) in shown {
        let pad = " ".repeat(width - console::measure_text_width(path));
        let _ = writeln!(text, "{}", format!("  {path}{pad}  {rest}").trim_end());
    }
    if lines.len() > FILES {
        let _ = writeln!(text, "  and {} more", lines.len() - FILES);
    }
    text
}

/// The first few numbers of an output of a stage; those nested under a key only if it has no others.
fn numbers(stage: &StageRecord, output: &str) -> String {
    let several = stage.outputs.values().filter(|output| output.role == Role::Metrics).count() > 1;
    // Of several outputs each number begins with the name of its own.
    let own = |name: &'_ str| match several {
        true => name.strip_prefix(output)?.strip_prefix('.').map(str::to_owned),
        false => Some(name.to_owned()),
    };
    let all = stage.metrics.iter().filter_map(|(name, value)| Some((own(name)?, *value)));
    let (nested, plain): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name.contains('.'));
    let chosen = if plain.is_empty() { nested } else { plain };
    let show = |(name, value): (String, f64)| format!("{} {}", escaped(&name), Precision::of([value]).show(value));
    chosen.into_iter().take(NUMBERS).map(show).collect::<Vec<_>>().join("  ")
}

/// Figures in the order of the run, one line for the formats of one figure: `out/accuracy/figure.{png,svg}`.
fn figures(run: &RunRecord) -> Vec<String> {
    let mut order: Vec<PathBuf> = Vec::new();
    let mut formats: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (_, _, path) in outputs(run, Role::Figure) {
        let stem = path.with_extension("");
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let known = formats.entry(stem.clone()).or_insert_with(|| {
            order.push(stem);
            vec![]
        });
        known.push(extension);
    }
    let show = |stem: PathBuf| {
        let stem_text = stand::shown(&stem);
        match &formats[&stem][..] {
            [one] if one.is_empty() => stem_text,
            [one] => format!("{stem_text}.{one}"),
            several => format!("{stem_text}.{{{}}}", several.join(",")),
        }
    };
    order.into_iter().map(show).collect()
}

/// How many metrics files and figures there are, and the folder that holds them all.
fn unchanged(run: &RunRecord) -> Option<(usize, PathBuf)> {
    let paths: Vec<&Path> =
        outputs(run, Role::Metrics).chain(outputs(run, Role::Figure)).map(|(_, _, path)| path).collect();
    let mut folder = paths.first()?.parent()?.to_path_buf();
    while !paths.iter().all(|path| path.starts_with(&folder)) {
        folder.pop();
    }
    let shown = if folder.as_os_str().is_empty() { run.origin.project.clone() } else { folder };
    Some((paths.len(), shown))
}

#[cfg(test)]
mod tests {
    use super::super::records::{run, stage};
    use super::*;

    fn evaluated(model: u32) -> super::super::records::Builder {
        let folder = format!("out/evaluate/{model}");
        stage(&format!("evaluate[model={model}]"))
            .output("metrics", &format!("{folder}/metrics.json"), Role::Metrics, 1)
            .output("predictions", &format!("{folder}/predictions.csv"), Role::Data, 2)
            .metric("accuracy", 0.97321)
            .metric("loss", 0.1234)
            .metric("macro.f1", 0.9)
            .metric("images", 1000.0)
    }

    #[test]
    fn it_says_where_metrics_and_figures_are() {
        let figure = stage("accuracy")
            .executed(1.0, "input metrics changed")
            .output("png", "out/accuracy/figure.png", Role::Figure, 3)
            .output("svg", "out/accuracy/figure.svg", Role::Figure, 4);
        let text = summary(
            &run("kqzvbnme", vec![evaluated(1).record(), evaluated(12).record(), figure.record()]),
            &Look::default(),
        );
        let expected = "\
run kqzvbnme: 1 executed, 2 up to date in 12.5 s
metrics
  out/evaluate/1/metrics.json   accuracy 0.9732  images 1,000  loss 0.1234
  out/evaluate/12/metrics.json  accuracy 0.9732  images 1,000  loss 0.1234
figures
  out/accuracy/figure.{png,svg}
";
        assert_eq!(text, expected);
    }

    #[test]
    fn where_nothing_was_done_it_is_brief() {
        let text = summary(&run("kqzvbnme", vec![evaluated(1).record(), evaluated(2).record()]), &Look::default());
        assert_eq!(text, "run kqzvbnme: 2 up to date in 12.5 s\n2 files of metrics and figures under out/evaluate\n");
        assert_eq!(summary(&run("kqzvbnme", vec![]), &Look::default()), "run kqzvbnme: no stages in 12.5 s\n");
    }

    #[test]
    fn a_failure_shows_its_error_and_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut log: Vec<u8> = (0..5000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        log.extend(b"\x1b[31mbad\xff thing\x1b[0m\n\n");
        std::fs::write(folder.path().join("train.log"), log).unwrap();
        let failed = stage("train[model=5]").failed("cannot put it in place\nhint: look at it", "train.log").record();
        let ended = stage("ended").failed("exit status 3\nwhile training", "train.log").record();
        let missing = stage("other").failed("killed", "gone.log").record();
        let mut record = run(
            "kqzvbnme",
            vec![failed, ended, missing, stage("s").outcome(Outcome::Skipped, "train failed").record()],
        );
        record.origin.project = folder.path().to_owned();
        let text = summary(&record, &Look::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "train[model=5] failed",
                "  cannot put it in place",
                "  hint: look at it",
                "  log: train.log",
                "  | line 4991"
            ]
        );
        assert_eq!(
            lines[13..18],
            ["  | bad\u{fffd} thing", "ended failed", "  exit status 3", "  while training", "  log: train.log"]
        );
        assert_eq!(lines[18..21], ["other failed", "  killed", "  log: gone.log"]);
        assert_eq!(lines[21..], ["run kqzvbnme failed: 3 failed, 1 skipped in 12.5 s"]);
    }

    #[test]
    fn long_lists_are_cut() {
        let stages = (0..50).map(|i| evaluated(i).executed(1.0, "").record()).collect();
        let text = summary(&run("kqzvbnme", stages), &Look::default());
        assert!(text.ends_with("  and 30 more\n"), "{text}");
        let failed = (0..15).map(|i| stage(&format!("s{i}")).failed("no", "none").record()).collect();
        assert!(
            summary(&run("kqzvbnme", failed), &Look::default())
                .contains("5 more stages failed: s10, s11, s12, s13, s14\n")
        );
    }
}
