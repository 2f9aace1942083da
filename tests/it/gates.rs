//! `compare` as a gate, over an axis and with digests; `history`.

use serde_json::json;

use crate::project::Project;

/// Accuracy is `base` and a little for each seed; one variant of `score` a seed and model.
const SCORE: &str = "\
version: 1
params: {base: 50}
stages:
  score:
    matrix: {model: [a, b], seed: [1, 2, 4]}
    run: >-
      awk -v b=\"${params.base}\" -v s=\"${matrix.seed}\"
      'BEGIN { printf \"{\\\"accuracy\\\": %.2f, \\\"by\\\": {\\\"top\\\": 1}}\", (b + s) / 100 }' > ${outputs.scores}
    outputs: {scores: {path: \"out/${matrix.model}-${matrix.seed}.json\", role: metrics}}
  other:
    matrix: {fold: [x, y]}
    run: echo ${matrix.fold} > ${outputs.text}
    outputs: {text: \"out/${matrix.fold}.txt\"}
";

fn two_runs() -> Project {
    let project = Project::new(SCORE);
    project.run(&[]);
    project.edit("pipeline.yaml", "base: 50", "base: 49").run(&[]);
    project
}

#[test]
fn a_gate_fails_with_the_stage_the_metric_and_both_values() {
    let project = two_runs();
    let ran = project.kiln(&["compare", "--fail-if", "score[model=a,seed=1].accuracy < -0.002"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let expected =
        "gate `score[model=a,seed=1].accuracy < -0.002` failed: score[model=a,seed=1]: accuracy 0.51 => 0.5 (-0.01)";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 of 1 gate failed"), "{}", ran.stdout);
    // Exactly one hundredth lost is not more than one hundredth, whatever binary makes of it.
    for (gate, code) in [
        ("accuracy < -0.01", 0),
        ("score.accuracy <= -0.01", 1),
        ("accuracy < -2%", 0),
        ("accuracy < -1.9%", 1),
        ("value(score[*].accuracy) < 0.5", 0),
        ("value(accuracy) > 0.52", 1),
    ] {
        let ran = project.kiln(&["compare", "--json", "--fail-if", "accuracy > 0", "--fail-if", gate]);
        assert_eq!(ran.code, Some(code), "{gate}: {}", ran.stderr);
        let gates = &ran.json()["gates"];
        assert_eq!(gates[0]["failed"], false);
        assert_eq!((&gates[1]["gate"], &gates[1]["failed"]), (&json!(gate), &json!(code == 1)));
        assert_eq!(gates[1]["metrics"].as_array().map(Vec::len), Some(6), "{gate}");
    }
}

#[test]
fn a_gate_never_passes_because_there_was_nothing_to_check() {
    let project = two_runs();
    for (gate, hint) in [
        ("acuracy < 0", "did you mean `accuracy`?"),
        ("accuracy", "METRIC OP NUMBER"),
        ("accuracy < much", "METRIC OP NUMBER"),
    ] {
        let ran = project.kiln(&["compare", "--fail-if", gate]);
        assert_eq!(ran.code, Some(2), "{gate}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint) && ran.stdout.is_empty(), "{gate}: {}", ran.stderr);
    }
    // The last run has lost the metric.
    project.edit("pipeline.yaml", "'BEGIN { printf", "'BEGIN { exit 1; printf");
    assert_eq!(project.kiln(&["run", "--keep-going"]).code, Some(1));
    let ran = project.kiln(&["compare", "--fail-if", "accuracy < -0.5"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("no number in the last run"), "{}", ran.stderr);
    // And only the last run has it.
    project.edit("pipeline.yaml", "exit 1; ", "").run(&[]);
    let ran = project.kiln(&["compare", "--fail-if", "accuracy < -0.5"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was checked"), "{}", ran.stderr);
}

#[test]
fn within_a_run_gates_are_on_values() {
    let project = two_runs();
    let ran = project.kiln(&["compare", "--within", "latest", "--fail-if", "value(accuracy) < 0.51"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("score[model=b,seed=1]: accuracy is 0.5"), "{}", ran.stderr);
    let ran = project.kiln(&["compare", "--within", "latest", "--fail-if", "accuracy < 0.51"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("value(accuracy)"), "{}", ran.stderr);
}

#[test]
fn by_an_axis_puts_variants_together() {
    let project = two_runs();
    let ran = project.kiln(&["compare", "--within", "latest~1", "--by", "seed", "--json", "--columns", "accuracy"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let table = ran.json();
    assert_eq!((&table["by"], &table["axes"]), (&json!("seed"), &json!(["model"])));
    let rows = table["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let spread = &row["values"]["accuracy"];
        // 0.51, 0.52, 0.54: deviations from 1.57/3 squared sum to 14/30000, over 2.
        let (mean, sd) = (spread["mean"].as_f64().expect("mean"), spread["sd"].as_f64().expect("sd"));
        assert!((mean - 1.57 / 3.0).abs() < 1e-12 && (sd - (14.0_f64 / 60_000.0).sqrt()).abs() < 1e-12, "{spread}");
        assert_eq!((&spread["n"], &row["n"]), (&json!(3), &json!(3)));
    }
    // Without `--within` the latest run; text and Markdown.
    let ran = project.kiln(&["compare", "--by", "seed"]);
    assert!(ran.stdout.contains("0.5133 ± 0.0153"), "{}", ran.stdout);
    let ran = project.kiln(&["compare", "--by", "seed", "--markdown", "--sort", "-model"]);
    let rows: Vec<&str> = ran.stdout.lines().filter(|line| line.contains('±') && line.starts_with('|')).collect();
    assert!(rows[0].starts_with("| b | 3 | 0.5133 ± 0.0153 |") && rows[1].starts_with("| a |"), "{}", ran.stdout);
    let ran = project.kiln(&["compare", "--by", "sed"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("did you mean `seed`?"), "{}", ran.stderr);
}

#[test]
fn metrics_sort_and_outputs_show_their_digests() {
    let project = two_runs();
    let ran = project.kiln(&["compare", "--json", "--columns", "accuracy", "--sort", "-stage"]);
    assert_eq!(ran.json()["metrics"][0]["stage"], "score[model=b,seed=4]");
    assert_eq!(project.kiln(&["compare", "--sort", "delt"]).code, Some(2));
    let digest = project.kiln(&["compare", "--json"]).json()["stages"][0]["outputs"][0]["digests"][1].clone();
    let digest = digest.as_str().expect("a digest")[..8].to_owned();
    let ran = project.kiln(&["compare", "--outputs"]);
    assert!(ran.stdout.contains("outputs that differ") && ran.stdout.contains(&digest), "{digest}: {}", ran.stdout);
    assert!(!project.kiln(&["compare"]).stdout.contains("outputs that differ"));
}

#[test]
fn history_follows_a_metric_over_the_runs() {
    let project = two_runs();
    project.edit("pipeline.yaml", "base: 49", "base: 52").run(&[]);
    let ran = project.kiln(&["history", "accuracy", "score[model=a,seed=1]"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .filter(|line| line.contains(" ok "))
        .map(|line| line.split_whitespace().rev().take(2).collect())
        .collect();
    assert_eq!(rows, [["-", "0.5100"], ["-0.0100", "0.5000"], ["+0.0300", "0.5300"]], "{}", ran.stdout);
    let history = project.kiln(&["history", "score.acc*", "--json", "--last", "2"]).json();
    assert_eq!(history["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(history["metrics"].as_array().map(Vec::len), Some(6));
    assert_eq!(history["metrics"][0]["values"], json!([0.5, 0.53]));
    let ran = project.kiln(&["history", "accuracy", "--html"]);
    assert_eq!(ran.stdout, "out/history.html\n", "{}", ran.stderr);
    let page = project.read("out/history.html");
    assert!(page.contains("6 metrics over the runs") && page.matches("<svg").count() >= 6, "{page}");
    assert!(page.contains("0.5300"), "{page}");
    // Once more over a page of Kiln's, and never over anything else.
    assert_eq!(project.kiln(&["history", "accuracy", "--html"]).code, Some(0));
    project.write("out/history.html", "mine");
    assert_eq!(project.kiln(&["history", "accuracy", "--html"]).code, Some(2));
    for (args, hint) in [(["history", "acuracy"].as_slice(), "`accuracy`"), (&["history", "accuracy", "scor"], "score")]
    {
        let ran = project.kiln(args);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    }
}

#[test]
fn a_run_is_not_judged_by_itself() {
    let project = Project::new(SCORE);
    project.run(&[]);
    let gate = ["--fail-if", "accuracy < 0"];
    let ran = project.kiln(&[&["compare", "latest", "latest"][..], &gate].concat());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for part in ["is compared with itself: no gate can fail", "`kiln run` makes a run of the project as it is"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let ran = project.kiln(&["compare", "latest", "latest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("note: run ") && ran.stderr.contains("is compared with itself"), "{}", ran.stderr);
    // A second run of the same is another one.
    project.run(&[]);
    let ran = project.kiln(&[&["compare"][..], &gate].concat());
    assert_eq!((ran.code, ran.stderr.contains("itself")), (Some(0), false), "{}", ran.stderr);
}
