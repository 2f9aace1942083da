//! Metrics and series of command stages: JSON and CSV files that they write, and what is said of wrong ones.

use serde_json::{Value, json};

use crate::project::Project;

/// A stage that writes `text` as an output with a role.
fn writes(role: &str, file: &str, text: &str) -> (Option<i32>, Value) {
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              score:
                run: cp given ${{outputs.o}}
                inputs: {{given: given}}
                outputs: {{o: {{path: out/{file}, role: {role}}}}}
        "
    ));
    let ran = project.write("given", text).kiln(&["run", "--json"]);
    (ran.code, ran.record().stage("score").clone())
}

#[test]
fn metrics_come_from_json_and_from_csv() {
    let (code, stage) =
        writes("metrics", "m.json", r#"{"accuracy": 0.5, "fine": true, "by": [1, {"x": 2}], "note": "x"}"#);
    assert_eq!(
        (code, &stage["metrics"]),
        (Some(0), &json!({"accuracy": 0.5, "fine": 1.0, "by.0": 1.0, "by.1.x": 2.0}))
    );
    let (code, stage) = writes("metrics", "m.csv", "metric,value\naccuracy,0.5\nmacro.f1, 1e-3\n");
    assert_eq!((code, &stage["metrics"]), (Some(0), &json!({"accuracy": 0.5, "macro.f1": 0.001})));
    let (code, stage) = writes("metrics", "m.csv", "model,accuracy,loss\nbig,0.5,2\n");
    assert_eq!((code, &stage["metrics"]), (Some(0), &json!({"accuracy": 0.5, "loss": 2.0})));
    let (code, _) = writes("series", "s.csv", "step,loss\n1,0.5\n2,\n");
    assert_eq!(code, Some(0));
}

#[test]
fn a_wrong_file_costs_its_numbers_and_nothing_else() {
    for (role, file, text, expected) in [
        ("metrics", "m.yaml", "accuracy: 0.5", "a metrics file is JSON unless its name ends in `.csv`"),
        ("metrics", "m.json", "accuracy: 0.5", "not a JSON metrics file"),
        ("metrics", "m.json", "[1]", "must hold a JSON object"),
        ("metrics", "m.json", "", "it is empty"),
        ("metrics", "m.csv", "step,loss\n1,2\n2,3\n", "one row under its header and not 2"),
        ("metrics", "m.csv", "metric;value\naccuracy;0.5\n", "semicolons seem to separate its 2 columns"),
        ("metrics", "m.csv", "a,b\n1\n", "not a CSV metrics file"),
        ("series", "s.csv", "step,loss\none,2\n", "`one` in line 2 is no number"),
        ("series", "s.csv", "step,loss\n1\n", "not a CSV file of series"),
        ("series", "s.csv", "loss\n1\n", "two columns or more"),
    ] {
        let (code, stage) = writes(role, file, text);
        assert_eq!((code, &stage["outcome"], &stage["metrics"]), (Some(0), &json!("executed"), &json!({})), "{text}");
        let warning = stage["warnings"][0].as_str().unwrap_or_default();
        assert!(
            warning.starts_with(&format!("output `o` (out/{file}): ")) && warning.contains(expected),
            "{text}: {warning}"
        );
    }
    let (code, stage) = writes("metrics", "m.json", "{\"accuracy\": 0.5}");
    assert_eq!((code, &stage["warnings"]), (Some(0), &json!([])));
}

#[test]
fn of_a_folder_its_files_of_metrics_count() {
    let of = |writes: &str| {
        let project = Project::new(
            "
            version: 1
            stages:
              score:
                run: sh score.sh
                inputs: {script: score.sh}
                outputs: {o: {path: out/m, role: metrics}}
            ",
        );
        project.write(
            "score.sh",
            &format!("mkdir -p out/m/deep\necho '{{\"b\": 9}}' > out/m/deep/other.json\n{writes}\n"),
        );
        let record = project.run(&[]);
        (record.stage("score")["metrics"].clone(), record.stage("score")["warnings"].clone())
    };
    let (metrics, warnings) = of("echo x > out/m/a.txt");
    assert_eq!(metrics, json!({}));
    assert!(warnings[0].to_string().contains("there is no `metrics.json` in this folder"), "{warnings}");
    // As DVCLive writes them: one file among others.
    let (metrics, warnings) = of("echo '{\"acc\": 0.5}' > out/m/metrics.json; echo '[' > out/m/other.json");
    assert_eq!((metrics, warnings), (json!({"acc": 0.5}), json!([])));
    let (metrics, _) =
        of("echo '{\"acc\": 0.5}' > out/m/train.json; printf 'metric,value\nacc,0.25\n' > out/m/test.csv");
    assert_eq!(metrics, json!({"train.acc": 0.5, "test.acc": 0.25}));
}

/// A stage that trains for so long that nobody wants it to do so again, and then writes what `given` holds beside its model.
const TRAIN: &str = "\
version: 1
stages:
  train:
    run: echo trained >> /dev/shm/NAME; echo weights > out/model; cp given out/m.yaml
    inputs: {given: given}
    outputs: {model: out/model, m: {path: out/m.yaml, role: metrics}}
  use:
    run: cat out/model > out/used
    inputs: {model: {from: train.model}}
    outputs: {used: out/used}
";

#[test]
fn a_result_with_a_bad_file_is_a_result_and_says_so_each_time() {
    let mailbox = crate::project::mailbox();
    let count = mailbox.path().join("count");
    let project = Project::new(&TRAIN.replace("/dev/shm/NAME", count.to_str().expect("a path")));
    project.write("given", "accuracy: 0.5\n");
    let trained = || std::fs::read_to_string(&count).expect("count").lines().count();
    let says = |text: &str, label: &str| {
        assert!(text.contains("output `m` (out/m.yaml): not a JSON metrics file") && text.contains(label), "{text}")
    };
    let warned = |text: &str| says(text, "warning: ");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    warned(&ran.stderr);
    assert_eq!((project.read("out/model"), project.read("out/used")), ("weights\n".into(), "weights\n".into()));
    // Up to date, restored, looked at: each says it, and nothing is trained.
    warned(&project.kiln(&["run"]).stderr);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    warned(&project.kiln(&["run"]).stderr);
    warned(&project.kiln(&["status"]).stdout);
    says(&project.kiln(&["show", "train"]).stdout, "warning  output `m`");
    assert!(project.kiln(&["status", "--json"]).stdout.contains("not a JSON metrics file"));
    assert_eq!(trained(), 1);
    // Another role is another way to read it: no training either, and all is filed.
    project.edit("pipeline.yaml", "role: metrics", "role: data");
    let dry = project.kiln(&["run", "--dry-run"]);
    assert!(dry.stdout.contains("2 of 2 stages are up to date"), "{}", dry.stdout);
    let record = project.run(&[]);
    assert_eq!((record.with("up-to-date").len(), trained()), (2, 1));
    assert_eq!(record.stage("train")["warnings"], json!([]));
    project.edit("pipeline.yaml", "role: data", "role: series");
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    let record = project.run(&[]);
    assert_eq!((record.outcome("train"), trained()), ("restored", 1));
    assert!(record.reasons("train").contains("(data) => out/m.yaml (series)"), "{}", record.reasons("train"));
    let ran = project.kiln(&["gc", "--keep-last", "1", "--delete"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((project.run(&[]).with("up-to-date").len(), trained()), (2, 1));
}

#[test]
fn a_file_that_becomes_metrics_is_read_and_not_made_again() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              score:
                run: "echo '{\"loss\": 2}' > out/m.json; date +%N > out/when"
                outputs: {m: {path: out/m.json, role: data}, when: out/when}
        "#,
    );
    let before = project.run(&[]).digests();
    project.edit("pipeline.yaml", "role: data", "role: metrics");
    let record = project.run(&[]);
    assert_eq!((record.outcome("score"), record.digests()), ("up-to-date", before));
    assert_eq!(record.stage("score")["metrics"], json!({"loss": 2.0}));
}

#[test]
fn what_is_left_out_is_told_once_on_the_terminal_and_in_the_log() {
    let project = Project::new(
        "version: 1\nstages:\n  score: {run: cp given out/m.json, inputs: {given: given}, \
         outputs: {m: {path: out/m.json, role: metrics}}}\n",
    );
    let text = r#"{"accuracy": "0.9312", "loss": NaN, "a\n\u001b[2Jb": null, "x": 1, "x": 2, "name": "resnet"}"#;
    project.write("given", text);
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines = [
        "out/m.json: left out, for no number: `accuracy` is the text \"0.9312\", `a\\n\\u{1b}[2Jb` is null",
        "out/m.json: there more than once, and the last counts: `x`",
        "out/m.json: not finite: `loss` is NaN",
    ];
    let log = project.kiln(&["log", "score"]).stdout;
    for line in lines {
        assert!(ran.stderr.contains(&format!("score: {line}\n")), "{line}\n{}", ran.stderr);
        assert!(log.contains(line), "{line}\n{log}");
    }
    assert!(!project.kiln(&["run"]).stderr.contains("left out"));
}
