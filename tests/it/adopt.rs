//! Taking over what was made before there was a pipeline.

use crate::project::Project;

const PIPELINE: &str = "
    version: 1
    stages:
      prepare:
        run: tr a-z A-Z < words.txt > data/upper.txt
        inputs: {words: words.txt}
        outputs: {upper: data/upper.txt}
      train:
        run: sh train.sh
        matrix: {seed: [1, 2]}
        inputs: {script: train.sh, upper: {from: prepare.upper}}
        outputs:
          model: \"models/${matrix.seed}\"
          metrics: {path: \"models/${matrix.seed}.json\", role: metrics}
";

/// A project whose stages were run by hand, which took days.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("words.txt", "hello\n").write("train.sh", "echo this takes days >&2; exit 1\n");
    project.write("data/upper.txt", "HELLO\n");
    for seed in [1, 2] {
        project.write(&format!("models/{seed}/weights"), &format!("weights {seed}\n"));
        project.write(&format!("models/{seed}.json"), &format!("{{\"accuracy\": 0.{seed}}}\n"));
    }
    project
}

#[test]
fn what_lies_there_before_the_first_run_may_be_adopted() {
    let project = Project::new("version: 1\nstages:\n  a: {run: 'echo 1 > out/a', outputs: {x: out/a}}\n");
    project.write("out/a", "by hand\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let hint = "hint: if that is what `a` gives, `kiln adopt 'a'` takes it for its result";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    assert_eq!(project.kiln(&["adopt", "a"]).code, Some(0));
    assert_eq!(
        (project.run(&[]).with("up-to-date"), project.read("out/a")),
        (vec!["a".to_owned()], "by hand\n".into())
    );
}

#[test]
fn what_lies_in_place_is_taken_for_the_results_of_its_stages() {
    let project = project();
    let ran = project.kiln(&["adopt", "prepare", "train"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches(": adopted, not executed").count(), 3, "{}", ran.stderr);
    let record = project.run(&[]);
    assert_eq!(record.with("up-to-date").len(), 3);
    assert_eq!(record.stage("train[seed=2]")["metrics"]["accuracy"], 0.2);
    let why = project.kiln(&["why", "train[seed=1]"]).stdout;
    assert!(why.contains("adopted from the files in place"), "{why}");
    // They are results as any other: put back where they are gone, kept from what is not Kiln's, made anew for other inputs.
    std::fs::remove_dir_all(project.root().join("models/1")).expect("remove it");
    assert_eq!(project.run(&[]).with("restored"), ["train[seed=1]"]);
    assert_eq!(project.read("models/1/weights"), "weights 1\n");
    let again = project.kiln(&["adopt", "train"]);
    assert_eq!(again.stderr.matches("it has a result already").count(), 2, "{}", again.stderr);
    project.write("train.sh", "mkdir models/$1; exit 1\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "another script is executed");
    assert_eq!(project.read("models/2/weights"), "weights 2\n", "a failure costs nothing that was there");
}

#[test]
fn what_cannot_be_adopted_is_told_and_nothing_is_taken() {
    let project = project();
    let ran = project.kiln(&["adopt", "train"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("train[seed=1]: not adopted: `prepare`, which it needs, has no result"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: name `prepare` as well, run it, or `kiln pull` it"), "{}", ran.stderr);
    std::fs::remove_file(project.root().join("models/2.json")).expect("remove it");
    let ran = project.kiln(&["adopt", "prepare", "train"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("`train[seed=2]` has the output `models/2.json`, and it is not there"),
        "{}",
        ran.stderr
    );
    assert!(project.kiln(&["status"]).stdout.contains("prepare"), "it is dirty as before");
    std::os::unix::fs::symlink("1.json", project.root().join("models/2.json")).expect("a link");
    let ran = project.kiln(&["adopt", "prepare", "train"]);
    assert!(ran.stderr.contains("`models/2.json`, and it is a link"), "{}", ran.stderr);
    project.write("pipeline.yaml", "version: 1\nstages:\n  f: {uses: copy, outputs: {}}\n");
    assert_eq!(project.kiln(&["adopt", "f"]).code, Some(2));
}

#[test]
fn what_was_adopted_gives_way_to_what_is_adopted_or_executed_later() {
    let project = project();
    project.kiln(&["adopt", "prepare", "train"]);
    // Edited by hand.
    project.write("models/1/weights", "better\n");
    let ran = project.kiln(&["adopt", "train"]);
    assert!(ran.stderr.contains("train[seed=1]: adopted, not executed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("train[seed=2]: it has a result already"), "{}", ran.stderr);
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    // What it takes is not what lies there.
    project.write("data/upper.txt", "WRONG\n").write("models/2/weights", "of something else\n");
    let ran = project.kiln(&["adopt", "train"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains(
            "train[seed=2]: not adopted: it takes `data/upper.txt`, and what lies there is not the result of `prepare`"
        ),
        "{}",
        ran.stderr
    );
    // What is executed goes before what was said.
    assert_eq!(project.kiln(&["adopt", "prepare"]).code, Some(0));
    let ran = project.kiln(&["run", "prepare", "--force", "prepare"]);
    assert!(ran.stderr.contains("prepare: its outputs are others than those that were adopted"), "{}", ran.stderr);
    assert_eq!(project.read("data/upper.txt"), "HELLO\n");
    assert_eq!(project.run(&["prepare"]).with("up-to-date"), ["prepare"]);
    // And is not adopted away.
    project.write("data/upper.txt", "WRONG\n");
    let ran = project.kiln(&["adopt", "prepare"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("it was executed here, and something else lies in place"), "{}", ran.stderr);
}
