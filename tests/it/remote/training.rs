//! A training goes on from what somebody else began: its last state travels, and no other.

use super::folder;
use crate::project::{Project, Ran, files};

/// Each epoch leaves a state of its own that is too large to travel within a result.
const SCRIPT: &str = "set -eu
step=$KILN_STEP
sum=0
if [ -n \"${KILN_RESUME-}\" ]; then sum=$(head -n 1 \"$KILN_RESUME/state\"); fi
while [ \"$step\" -lt \"$KILN_PARAM_epochs\" ]; do
    step=$((step + 1))
    sum=$((sum + step))
    mkdir \"$KILN_STATES/new\"
    { echo $sum; yes $step | head -c 100000; } > \"$KILN_STATES/new/state\"
    mv \"$KILN_STATES/new\" \"$KILN_STATES/$step\"
    if [ $step = 2 ] && [ \"$FAIL\" = yes ]; then exit 3; fi
done
echo $sum > out/model
";

const PIPELINE: &str = "
    version: 1
    remote: URL
    params: {epochs: 3}
    stages:
      train:
        run: sh train.sh
        with: {epochs: \"${params.epochs}\"}
        steps: {parameter: epochs, unit: epoch}
        env: {pass: [FAIL]}
        inputs: {script: train.sh}
        outputs: {model: out/model}
";

fn project(url: &str) -> Project {
    let project = Project::new(&PIPELINE.replace("URL", url));
    project.write("train.sh", SCRIPT);
    project
}

fn train(project: &Project, args: &[&str], fail: &str) -> Ran {
    let mut command = project.command(&[&["run", "--json"], args].concat());
    command.env_remove("CI").env_remove("KILN_REMOTE_ACCESS").env("FAIL", fail);
    Ran::from(command.output().expect("start kiln"))
}

fn resumed(ran: &Ran) -> Option<u64> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.record().stage("train")["resumed"]["step"].as_u64()
}

#[test]
fn a_colleague_goes_on_with_the_last_epoch() {
    let (folder, url) = folder();
    let none = "no";
    assert_eq!(resumed(&train(&project(&url), &[], none)), None);
    let large = files(&folder.path().join("cas")).len();
    assert_eq!(large, 1, "the last state, and no other");

    let second = project(&url);
    let plan = second.kiln(&["run", "--dry-run", "--set", "epochs=5"]).stdout;
    assert!(plan.contains("goes on from epoch 3"), "{plan}");
    assert_eq!(resumed(&train(&second, &["--set", "epochs=5"], none)), Some(3));
    assert_eq!(second.read("out/model"), "15\n");
    // A third has both.
    let third = project(&url);
    assert_eq!(resumed(&train(&third, &["--set", "epochs=6"], none)), Some(5));
    assert_eq!(third.read("out/model"), "21\n");
    let fourth = train(&project(&url), &["--set", "epochs=5"], none);
    assert_eq!(fourth.record().with("executed"), Vec::<String>::new());
}

#[test]
fn what_a_training_that_failed_had_done_is_there_for_others() {
    let (_folder, url) = folder();
    let ran = train(&project(&url), &[], "yes");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let second = project(&url);
    assert_eq!(resumed(&train(&second, &[], "no")), Some(2));
    assert_eq!(second.read("out/model"), "6\n");
}

#[test]
fn what_tries_a_stage_takes_what_that_needs_from_the_cache() {
    let (_folder, url) = folder();
    let pipeline = "
        version: 1
        remote: URL
        params: {epochs: 4}
        stages:
          data: {run: yes 7 | head -c 100000 > out/data, outputs: {data: out/data}}
          train:
            run: head -n 1 out/data; sh train.sh
            with: {epochs: \"${params.epochs}\"}
            steps: {parameter: epochs, unit: epoch}
            env: {pass: [FAIL]}
            inputs: {script: train.sh, data: {from: data.data}}
            outputs: {model: out/model}
    ";
    let checkout = || {
        let project = Project::new(&pipeline.replace("URL", &url));
        project.write("train.sh", SCRIPT);
        project
    };
    let tried = |project: &Project, args: &[&str]| {
        let mut command = project.command(args);
        command.env_remove("CI").env_remove("KILN_REMOTE_ACCESS").env("FAIL", "no");
        Ran::from(command.output().expect("start kiln"))
    };
    // One brings up to date what it needs, and so sends it.
    let ran = tried(&checkout(), &["run", "--check-resume", "train"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("data: executed"), "{}", ran.stderr);
    for args in [
        &["run", "--check-resume", "train"][..],
        &["run", "--check-determinism", "train"],
        &["shell", "train", "--", "head", "-n", "1", "out/data"],
    ] {
        let project = checkout();
        let ran = tried(&project, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("data: executed"), "{args:?}: {}", ran.stderr);
        assert!(!project.root().join("out/data").exists(), "{args:?}");
    }
    // A shell finds the state that another checkout left.
    assert_eq!(resumed(&train(&checkout(), &["--set", "epochs=2"], "no")), None);
    let ran = tried(&checkout(), &["shell", "train", "--", "sh", "-c", "echo $KILN_STEP"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "2\n"), "{}", ran.stderr);
    // Nobody is asked who is not to be.
    let ran = tried(&checkout(), &["shell", "train", "--offline", "--", "sh", "-c", "echo $KILN_STEP"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "0\n"), "{}", ran.stderr);
}
