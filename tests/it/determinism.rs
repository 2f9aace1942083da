//! `kiln run --check-determinism`: two executions are compared, and nothing is published.

use crate::project::Project;

const NOISE: &str = "\
version: 1
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  noise:
    run: echo begin; head -c 16 /dev/urandom | od -x | tee out/noise.txt; cat out/first.txt > out/same.txt
    inputs: {x: {from: first.x}}
    outputs: {noise: out/noise.txt, same: out/same.txt}
";

#[test]
fn a_stage_that_differs_is_shown_with_both_digests_and_logs() {
    let project = Project::new(NOISE);
    project.write("in.txt", "text\n");
    let ran = project.kiln(&["run", "--check-determinism", "noise", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let checked = ran.json();
    let differences = checked["stages"][0]["differences"].as_array().expect("differences");
    assert_eq!((differences.len(), differences[0]["output"].as_str()), (1, Some("noise")), "{checked}");
    assert_ne!(differences[0]["digests"][0], differences[0]["digests"][1]);
    assert_eq!(checked["stages"][0]["log_difference"]["line"], 2);
    for log in checked["stages"][0]["logs"].as_array().expect("logs") {
        let text = std::fs::read_to_string(log.as_str().expect("a path")).expect("read log");
        assert!(text.starts_with("begin\n"), "{text}");
    }
    // What it needs was brought up to date; of itself there is neither a result nor an output.
    assert!(!project.root().join("out/noise.txt").exists());
    let record = project.run(&[]);
    assert_eq!((record.outcome("first"), record.outcome("noise")), ("up-to-date", "executed"));
    let kept = record.digests()["noise.noise"].clone();
    let ran = project.kiln(&["run", "--check-determinism", "noise"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    for text in ["not deterministic", "output noise", &kept, "they differ in line 2"] {
        assert!(ran.stdout.contains(text), "`{text}` in {}", ran.stdout);
    }
    assert_eq!(project.run(&[]).digests()["noise.noise"], kept);
}

#[test]
fn a_stage_that_comes_out_the_same_is_said_to() {
    let project = Project::new(NOISE);
    project.write("in.txt", "text\n");
    let ran = project.kiln(&["run", "--check-determinism", "first"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("first: the same outputs twice"), "{}", ran.stdout);
    assert_eq!(project.run(&["first"]).with("executed"), ["first"]);
}

#[test]
fn a_stage_that_fails_says_so() {
    let project = Project::new("version: 1\nstages:\n  bad: {run: echo broken; exit 3, outputs: {x: out/x.txt}}\n");
    let ran = project.kiln(&["run", "--check-determinism", "bad"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("the first execution failed") && ran.stderr.contains("broken"), "{}", ran.stderr);
}
