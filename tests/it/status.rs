//! `kiln status`: what it says is what a run then does.

use std::collections::BTreeMap;

use crate::project::{Project, Ran};

/// A matrix in the middle, a gathering end, and a stage apart.
const FAN: &str = "\
version: 1
params: {least: 1, suffix: x}
stages:
  upper:
    run: tr a-z A-Z < words.txt > out/upper.txt
    inputs: {words: words.txt}
    outputs: {text: out/upper.txt}
  long:
    matrix: {extra: [0, 1, 2]}
    run: awk -v n=${params.least} -v e=${matrix.extra} 'length($0) >= n + e' out/upper.txt > ${outputs.text}
    inputs: {text: {from: upper.text}}
    outputs: {text: \"out/long-${matrix.extra}.txt\"}
  all:
    run: cat ${inputs.parts} > out/all.txt
    inputs: {parts: {from: \"long[*].text\"}}
    outputs: {text: out/all.txt}
  apart:
    run: printf %s ${params.suffix} > out/apart.txt
    outputs: {text: out/apart.txt}
";

fn fan() -> Project {
    let project = Project::new(FAN);
    project.write("words.txt", "kiln\nclay\nfire\n");
    project
}

fn states(ran: &Ran) -> BTreeMap<String, String> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let json = ran.json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let stages = json["stages"].as_array().expect("stages").iter();
    stages.map(|stage| (text(&stage["name"]), text(&stage["state"]))).collect()
}

/// Asks for the status, runs, and holds one against the other.
fn agrees(project: &Project, edit: &str) {
    let before = states(&project.kiln(&["status", "--json"]));
    let record = project.run(&[]);
    assert_eq!(before.len(), record.0["stages"].as_array().expect("stages").len());
    for (name, state) in &before {
        let outcome = record.outcome(name);
        let fits: &[&str] = match state.as_str() {
            "up-to-date" => &["up-to-date"],
            "dirty" => &["executed"],
            "restorable" => &["restored"],
            "waiting" => &["executed", "up-to-date", "restored"],
            _ => &[],
        };
        assert!(fits.contains(&outcome), "after {edit}: {name} was {state}, and the run found it {outcome}");
    }
    let after = states(&project.kiln(&["status", "--json"]));
    assert!(after.values().all(|state| state == "up-to-date"), "after {edit}: {after:?}");
}

#[test]
fn status_and_run_agree_after_every_edit() {
    let project = fan();
    agrees(&project, "nothing");
    agrees(&project, "a first run");
    project.edit("pipeline.yaml", "least: 1", "least: 4");
    agrees(&project, "a parameter");
    project.edit("pipeline.yaml", "least: 4", "least: 1");
    agrees(&project, "the parameter put back");
    project.write("words.txt", "Kiln\nClay\nFire\n");
    agrees(&project, "a source that comes out the same");
    project.write("words.txt", "kiln\nash\n");
    agrees(&project, "a source");
    // What a run before left there: Kiln's, and no longer what it should be.
    project.write("out/long-1.txt", "KILN\nCLAY\nFIRE\n");
    std::fs::remove_file(project.root().join("out/apart.txt")).expect("remove");
    agrees(&project, "outputs that are not in place");
    project.edit("pipeline.yaml", "extra: [0, 1, 2]", "extra: [0, 1, 2, 3]");
    agrees(&project, "one more variant");
    project.write("pipeline.yaml", &project.read("pipeline.yaml").replace("apart:", "aside:"));
    agrees(&project, "a renamed stage");
    std::fs::remove_dir_all(project.root().join("cache/objects")).expect("remove the blobs");
    std::fs::remove_file(project.root().join("out/long-2.txt")).expect("remove");
    agrees(&project, "lost blobs");
}

#[test]
fn the_states_are_told_with_their_reasons_and_variants_share_a_line() {
    let project = fan();
    project.run(&[]);
    project.edit("pipeline.yaml", "least: 1", "least: 4");
    std::fs::remove_file(project.root().join("out/apart.txt")).expect("remove");
    let ran = project.kiln(&["status"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [long, all, apart, counts] = lines[..] else { panic!("{}", ran.stdout) };
    assert!(long.starts_with("dirty") && long.contains("long[extra=0..2] (3)"), "{long}");
    assert!(long.contains("\"1\" => \"4\""), "{long}");
    assert!(all.starts_with("waiting") && all.ends_with("for long[extra=0..2] (3)"), "{all}");
    assert!(apart.starts_with("restorable") && apart.contains("out/apart.txt"), "{apart}");
    assert_eq!(counts, "6 stages: 1 up to date, 3 dirty, 1 restorable, 1 waiting");

    let all = project.kiln(&["status", "--all"]).stdout;
    assert_eq!(all.lines().count(), 7, "{all}");
    assert!(all.lines().any(|line| line.starts_with("up to date") && line.contains("upper")), "{all}");

    let json = project.kiln(&["status", "--json"]).json();
    assert_eq!(json["counts"]["dirty"], 3);
    let stage = |name: &str| json["stages"].as_array().expect("stages").iter().find(|s| s["name"] == name).cloned();
    let long = stage("long[extra=1]").expect("a variant");
    assert_eq!((&long["stage"], &long["variant"]["extra"]), (&"long".into(), &"1".into()));
    assert_eq!(stage("all").expect("a stage")["waits_for"].as_array().expect("names").len(), 3);
}

#[test]
fn targets_are_shown_with_what_they_need_and_nothing_is_done() {
    let project = fan();
    let ran = project.kiln(&["status", "upper"]);
    assert_eq!(ran.stdout, "dirty       upper  never run before\n1 stage: 1 dirty\n");
    assert!(!project.root().join("out").exists());
    let names: Vec<String> = states(&project.kiln(&["status", "--json", "long[extra=1]"])).into_keys().collect();
    assert_eq!(names, ["long[extra=1]", "upper"]);
    let ran = project.kiln(&["status", "uper"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("did you mean `upper`?"), "{}", ran.stderr);
}

#[test]
fn the_reason_after_a_failure_is_what_changed_since_the_last_good_run() {
    let project = fan();
    project.run(&[]);
    project.edit("pipeline.yaml", "printf %s ${params.suffix}", "exit 3; printf %s ${params.suffix}");
    assert_eq!(project.kiln(&["run", "apart"]).code, Some(1));
    let failed = project.kiln(&["status", "apart"]).stdout;
    assert!(failed.contains("its last execution gave no result; command, line 1"), "{failed}");
    project.edit("pipeline.yaml", "exit 3; printf %s", "printf '%s\\n'");
    let mended = project.kiln(&["status", "apart"]).stdout;
    assert!(mended.contains("command, line 1") && !mended.contains("exit 3"), "{mended}");
}
