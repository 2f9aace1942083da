//! `kiln checkout`: a past run's outputs come back, and nothing that somebody wrote is lost.

use crate::project::Project;

const WORD: &str = "\
version: 1
params: {word: one}
stages:
  say:
    matrix: {n: [1, 2]}
    run: \"echo ${params.word}${matrix.n} > ${outputs.said}\"
    outputs: {said: \"out/${matrix.n}.txt\"}
  all:
    run: mkdir out/all; cat ${inputs.said} > out/all/all.txt
    inputs: {said: {from: \"say[*].said\"}}
    outputs: {all: out/all}
";

/// A project that has run with the word `one`, then with `two`.
fn twice() -> Project {
    let project = Project::new(WORD);
    project.run(&[]);
    project.run(&["--set", "params.word=two"]);
    project
}

fn steps(ran: &crate::project::Ran) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let json = ran.json();
    json["outputs"].as_array().expect("outputs").iter().map(|o| (text(&o["path"]), text(&o["step"]))).collect()
}

#[test]
fn a_past_runs_outputs_come_back() {
    let project = twice();
    let ran = project.kiln(&["checkout", "latest~1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("writing out/1.txt"), "{}", ran.stderr);
    assert_eq!(project.read("out/all/all.txt"), "one1\none2\n");
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    let ran = project.kiln(&["checkout", "latest~1", "say[n=2]", "--json"]);
    assert_eq!((ran.code, steps(&ran)), (Some(0), vec![("out/2.txt".into(), "write".into())]));
    assert_eq!((project.read("out/1.txt"), project.read("out/2.txt")), ("one1\n".into(), "two2\n".into()));
}

#[test]
fn what_was_changed_by_hand_is_not_overwritten_unless_forced() {
    let project = twice();
    project.write("out/1.txt", "by hand\n").write("out/all/notes.txt", "notes\n");
    let ran = project.kiln(&["checkout", "latest~1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("refused out/1.txt") && ran.stdout.contains("refused out/all"), "{}", ran.stdout);
    assert_eq!((project.read("out/1.txt"), project.read("out/2.txt")), ("by hand\n".into(), "two2\n".into()));
    assert_eq!(project.read("out/all/notes.txt"), "notes\n");
    let ran = project.kiln(&["checkout", "latest~1", "--force"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((project.read("out/1.txt"), project.read("out/all/all.txt")), ("one1\n".into(), "one1\none2\n".into()));
}

#[test]
fn a_dry_run_says_what_would_be_written() {
    let project = twice();
    let ran = project.kiln(&["checkout", "latest~1", "--dry-run", "all"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("would write out/all: all.all"), "{}", ran.stderr);
    assert_eq!(project.read("out/1.txt"), "two1\n");
}

#[test]
fn what_the_cache_no_longer_has_is_named_and_the_rest_written() {
    let project = twice();
    let records = project.kiln(&["runs", "--json"]).json();
    let first = records["runs"][1]["id"].as_str().expect("an id").to_owned();
    assert_eq!(project.kiln(&["gc", "--keep-last", "1", "--unrecorded", "0", "-y"]).code, Some(0));
    project.run(&["say[n=1]"]);
    let ran = project.kiln(&["checkout", &first, "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let expected = [("out/1.txt", "in-place"), ("out/2.txt", "gone"), ("out/all", "gone")];
    assert_eq!(steps(&ran), expected.map(|(path, step)| (path.to_owned(), step.to_owned())));
    assert!(project.kiln(&["checkout", &first]).stdout.contains("the cache no longer has"));
}

#[test]
fn a_link_is_followed_as_in_a_run_and_not_where_nothing_may_be_written() {
    let project = twice();
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let lead = |target: &std::path::Path| {
        let out = project.root().join("out");
        let _ = std::fs::remove_file(&out);
        std::os::unix::fs::symlink(target, out).expect("link");
    };
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    for (target, says) in [("/nowhere", "does not exist"), ("cache", "leads to the cache"), ("out", "cannot be found")]
    {
        lead(target.as_ref());
        let ran = project.kiln(&["checkout", "latest", "--force"]);
        assert_eq!(ran.code, Some(1), "{target}: {}", ran.stderr);
        assert!(ran.stdout.contains(says), "{target}: {}", ran.stdout);
    }
    lead(elsewhere.path());
    let ran = project.kiln(&["checkout", "latest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("all/all.txt")).expect("an output"), "two1\ntwo2\n");
}

#[test]
fn a_stage_that_the_run_does_not_have_is_a_mistake() {
    let project = twice();
    let ran = project.kiln(&["checkout", "latest", "says"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
    assert!(ran.stderr.contains("`says`") && ran.stderr.contains("say, all"), "{}", ran.stderr);
}
