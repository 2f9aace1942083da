//! Metrics and series of command stages: JSON and CSV files that they write, and what is said of wrong ones.

use serde_json::{Value, json};

use crate::project::Project;

/// A stage that writes `text` as an output with a role.
fn writes(role: &str, file: &str, text: &str) -> (Option<i32>, Value) {
    let project = Project::new(&format!(
        "version: 1\nstages:\n  score:\n    run: cp given ${{outputs.o}}\n    inputs: {{given: given}}\n    \
         outputs: {{o: {{path: out/{file}, role: {role}}}}}\n"
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
fn a_wrong_file_is_told_of() {
    for (role, file, text, expected) in [
        ("metrics", "m.json", "accuracy: 0.5", "not a JSON metrics file"),
        ("metrics", "m.json", r#"{"loss": NaN}"#, "JSON has no NaN"),
        ("metrics", "m.json", "[1]", "must hold a JSON object"),
        ("metrics", "m.csv", "step,loss\n1,2\n2,3\n", "one row under its header and not 2"),
        ("metrics", "m.csv", "metric,value\naccuracy,high\n", "`high` in line 2 is no number"),
        ("metrics", "m.csv", "metric,value\na,1\na,2\n", "line 3 gives `a` a second time"),
        ("metrics", "m.csv", "a,b\n1\n", "not a CSV metrics file"),
        ("series", "s.csv", "step,loss\none,2\n", "`one` in line 2 is no number"),
        ("series", "s.csv", "step,loss\n1\n", "not a CSV file of series"),
        ("series", "s.csv", "loss\n1\n", "two columns or more"),
    ] {
        let (code, stage) = writes(role, file, text);
        let error = stage["error"].as_str().unwrap_or_default();
        assert_eq!(code, Some(1), "{text}");
        assert!(error.starts_with("output `o`: ") && error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_folder_holds_no_metrics() {
    let project = Project::new(
        "version: 1\nstages:\n  score:\n    run: mkdir ${outputs.o}\n    outputs: {o: {path: out/m, role: metrics}}\n",
    );
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1));
    let error = ran.record().stage("score")["error"].to_string();
    assert!(error.contains("has to be a file, and is a folder"), "{error}");
}
