//! Run records and `compare`.

use crate::project::Project;

const SCORE: &str = "\
version: 1
params: {rate: 0.1}
stages:
  score:
    matrix: {model: [a, b]}
    run: \"echo '{\\\"accuracy\\\": '${params.rate}'}' > ${outputs.scores}\"
    outputs: {scores: {path: \"out/${matrix.model}.json\", role: metrics}}
";

#[test]
fn compare_shows_metrics_parameters_and_outcomes_of_the_last_two_runs() {
    let project = Project::new(SCORE);
    project.run(&[]);
    project.edit("pipeline.yaml", "rate: 0.1", "rate: 0.25").run(&[]);
    let ran = project.kiln(&["compare"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for text in ["rate", "0.1", "0.25", "accuracy", "score[model=a]", "executed", "+0.15"] {
        assert!(ran.stdout.contains(text), "`{text}` in\n{}", ran.stdout);
    }
    assert!(project.kiln(&["compare", "--json"]).json().is_object());
    assert!(project.kiln(&["compare", "--markdown"]).stdout.contains("| "));
}

#[test]
fn within_puts_variants_side_by_side() {
    let project = Project::new(SCORE);
    project.run(&[]);
    let ran = project.kiln(&["compare", "--within", "latest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows: Vec<&str> = ran.stdout.lines().filter(|l| l.contains("0.1")).collect();
    assert_eq!(rows.len(), 2, "{}", ran.stdout);
}

#[test]
fn runs_are_named_by_prefix_and_by_latest() {
    let project = Project::new(SCORE);
    let first = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    let second = project.run(&["--set", "rate=0.3"]).0["id"].as_str().expect("an id").to_owned();
    assert_ne!(first, second);
    for names in [["latest~1", "latest"], [&first, &second], [&first[..6], &second[..6]]] {
        let ran = project.kiln(&["compare", "--json", names[0], names[1]]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let json = ran.json().to_string();
        assert!(json.contains(&first) && json.contains(&second), "{json}");
    }
    let ran = project.kiln(&["compare", "nosuchrun", "latest"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("nosuchrun"), "{}", ran.stderr);
    let ran = project.kiln(&["runs"]);
    assert!(ran.stdout.contains(&first) && ran.stdout.contains(&second), "{}", ran.stdout);
}

#[test]
fn compare_without_two_runs_says_what_to_do() {
    let project = Project::new(SCORE);
    let ran = project.kiln(&["compare"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("kiln run"), "{}", ran.stderr);
}

#[test]
fn asking_where_no_project_is_leaves_nothing_behind() {
    let project = Project::new(SCORE);
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove the pipeline");
    for command in ["compare", "runs", "run"] {
        let ran = project.kiln(&[command]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("pipeline.yaml"), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(project.root()).expect("list").count(), 0);
}

#[test]
fn what_is_said_as_json_is_an_object_with_a_version() {
    let project = Project::new(SCORE);
    project.write("in.txt", "1\n");
    let _ = project.kiln(&["run"]);
    let lists = [("list", "stages"), ("outputs", "outputs"), ("kinds", "kinds"), ("runs", "runs"), ("graph", "stages")];
    for (command, holds) in lists {
        let said = project.kiln(&[command, "--json"]).json();
        assert_eq!(said["version"], 1, "{command}: {said}");
        assert!(said[holds].is_array(), "{command}: {said}");
    }
    let said = project.kiln(&["show", "score", "--json"]).json();
    assert!(said["version"] == 1 && said["stages"].is_array(), "{said}");
}
