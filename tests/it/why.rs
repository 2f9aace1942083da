//! `kiln why`: fields, old and new, in the stage and in those above it.

use serde_json::Value;

use crate::project::Project;

const CHAIN: &str = "\
version: 1
params: {greeting: hello, times: 2}
stages:
  say:
    run: printf '%s\\n' ${params.greeting} > out/said.txt
    outputs: {text: out/said.txt}
  score:
    run: \"wc -c < out/said.txt | awk '{print \\\"{\\\\\\\"length\\\\\\\": \\\" $1 \\\"}\\\"}' > out/score.json\"
    inputs: {text: {from: say.text}}
    outputs: {scores: {path: out/score.json, role: metrics}}
  report:
    run: cat out/score.json notes.txt > out/report.txt
    inputs: {scores: {from: score.scores}, notes: notes.txt}
    outputs: {text: out/report.txt}
  apart:
    run: seq ${params.times} > out/apart.txt
    outputs: {text: out/apart.txt}
";

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("notes.txt", "notes\n");
    project
}

fn why(project: &Project, args: &[&str]) -> String {
    let ran = project.kiln(&[&["why"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

fn json(project: &Project, args: &[&str]) -> Value {
    let ran = project.kiln(&[&["why", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.json()["stages"][0].clone()
}

#[test]
fn a_changed_parameter_is_named_with_both_values() {
    let project = chain();
    let run = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    project.edit("pipeline.yaml", "times: 2", "times: 3");
    let text = why(&project, &["apart"]);
    assert!(text.starts_with("apart is dirty: a run would execute it\n"), "{text}");
    assert!(text.contains("\"2\" => \"3\""), "{text}");
    assert!(text.contains(&format!("compared with run {run}")), "{text}");
    let json = json(&project, &["apart"]);
    assert_eq!(json["state"], "dirty");
    let field = &json["changes"][0]["fields"][0];
    assert_eq!((&field["what"], &field["change"]["new"]), (&"env".into(), &"3".into()), "{field}");
}

#[test]
fn an_upstream_change_is_followed_to_its_root() {
    let project = chain();
    project.run(&[]);
    project.edit("pipeline.yaml", "greeting: hello", "greeting: welcome");

    // Before anything is executed, what is below waits.
    let text = why(&project, &["report"]);
    assert!(text.starts_with("report is waiting"), "{text}");
    assert!(text.contains("nothing of its own changed; it waits for score"), "{text}");
    assert!(text.contains("above it, say\n") && text.contains("\"hello\" => \"welcome\""), "{text}");

    // Its own changes are told beside.
    project.write("notes.txt", "more notes\n");
    let text = why(&project, &["report"]);
    assert!(text.contains("input notes[notes.txt]: ") && text.contains("from notes.txt"), "{text}");

    // Once the stages above are executed, the artifacts and what made them differ.
    project.run(&["score"]);
    let text = why(&project, &["report"]);
    assert!(text.starts_with("report is dirty"), "{text}");
    assert!(text.contains("from score.scores (out/score.json)"), "{text}");
    assert!(text.contains("    length: 6 => 8\n"), "the field of the metrics file: {text}");
    assert!(text.contains("above it, score\n") && text.contains("above it, say\n"), "{text}");
    let json = json(&project, &["report"]);
    let stages: Vec<&str> =
        json["changes"].as_array().expect("stages").iter().map(|c| c["stage"].as_str().expect("a name")).collect();
    assert_eq!(stages, ["report", "score", "say"]);
    assert_eq!(json["changes"][1]["fields"][0]["stage"], "say");
}

#[test]
fn an_up_to_date_stage_shows_all_that_decides_it_and_who_executed_it() {
    let project = chain();
    let first = project.run(&[]);
    let run = first.0["id"].as_str().expect("an id").to_owned();
    project.run(&[]);
    let text = why(&project, &["report"]);
    assert!(text.starts_with("report is up to date"), "{text}");
    let digest = first.stage("score")["outputs"]["scores"]["digest"].as_str().expect("a digest");
    for part in [&digest[..12], "score.scores", "notes.txt", "out/report.txt", &format!("executed by run {run}")] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    assert!(text.contains(first.stage("report")["key"].as_str().expect("a key")), "{text}");
    let json = json(&project, &["report"]);
    assert_eq!((&json["state"], &json["execution"]["run"]), (&"up-to-date".into(), &run.into()));
}

#[test]
fn a_past_run_is_explained_against_the_one_before() {
    let project = chain();
    let first = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    project.edit("pipeline.yaml", "greeting: hello", "greeting: welcome");
    let second = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    project.edit("pipeline.yaml", "greeting: welcome", "greeting: goodbye").run(&[]);
    let text = why(&project, &["report", "--run", &second[..6]]);
    assert!(text.starts_with("report was executed\n"), "{text}");
    assert!(text.contains("\"hello\" => \"welcome\"") && text.contains("length: 6 => 8"), "{text}");
    assert!(text.contains(&format!("compared with run {first}")), "{text}");
    assert!(!text.contains("goodbye"), "{text}");
    let ran = project.kiln(&["why", "reprot", "--run", "latest"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("did you mean `report`?"), "{}", ran.stderr);
}

#[test]
fn a_stage_that_never_ran_and_one_that_lost_an_output() {
    let project = chain();
    assert!(why(&project, &["say"]).contains("never run before"));
    project.run(&[]);
    std::fs::remove_file(project.root().join("out/said.txt")).expect("remove");
    let text = why(&project, &["say"]);
    assert!(text.starts_with("say is restorable") && text.contains("not in place: out/said.txt"), "{text}");
}
