//! The traces of a run: other terminals see how it goes on, and a run that was killed is listed with what it had done.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Project, mailbox, wait_for};

/// A stage that is quick, one that is restored later, and one that goes on until a file is there.
fn project(mail: &Path) -> Project {
    Project::new(&format!(
        r#"
            version: 1
            stages:
              quick: {{run: echo q > out/q, outputs: {{o: out/q}}}}
              train:
                matrix: {{seed: [1, 2]}}
                run: echo seed ${{matrix.seed}}; touch {0}/${{matrix.seed}}; while ! test -e {0}/go; do sleep 0.01; done; echo the end; cp out/q ${{outputs.o}}
                inputs: {{i: {{from: quick.o}}}}
                outputs: {{o: "out/t-${{matrix.seed}}"}}
              last: {{run: cat out/t-* > out/last, inputs: {{i: {{from: "train[*].o"}}}}, outputs: {{o: out/last}}}}
        "#,
        mail.display()
    ))
}

/// Starts a run and waits until its second stage is under way, and its trace says so.
fn start(project: &Project, mail: &Path) -> Child {
    let mut command = project.command(&["run", "-j1"]);
    let child = command.stderr(Stdio::null()).spawn().expect("start kiln");
    wait_for(&mail.join("1"));
    let deadline = Instant::now() + Duration::from_secs(60);
    let known = || project.kiln(&["status", "--json"]).json()["runs"][0]["under_way"][0]["name"] == "train[seed=1]";
    // What a command says can be read a moment later.
    while !known() || project.kiln(&["log", "train[seed=1]"]).stdout != "seed 1\n" {
        assert!(Instant::now() < deadline, "it is not said that the stage is under way");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn a_run_that_goes_on_is_seen_from_another_terminal() {
    let mail = mailbox();
    let project = project(mail.path());
    let mut child = start(&project, mail.path());
    let run = project.kiln(&["runs", "--json"]).json()["runs"][0].clone();
    assert_eq!((&run["status"], &run["outcomes"]["executed"]), (&"running".into(), &1.into()), "{run}");
    assert_eq!(run["under_way"][0]["name"], "train[seed=1]");
    let id = run["id"].as_str().expect("an id").to_owned();
    let runs = project.kiln(&["runs"]).stdout;
    assert!(runs.contains("running") && runs.contains("under way: train[seed=1]"), "{runs}");
    let status = project.kiln(&["status"]).stdout;
    assert!(status.contains(&format!("run {id} goes on for")) && status.contains("  train[seed=1]  "), "{status}");
    let shown = project.kiln(&["show", &id]).stdout;
    assert!(shown.contains("running") && shown.contains("under way"), "{shown}");
    assert!(!shown.contains("skipped") && !shown.contains("not finished"), "{shown}");
    let shown = project.kiln(&["show", "train[seed=1]"]).stdout;
    assert!(shown.contains("under way in run") && shown.matches("under way").count() == 1, "{shown}");

    let ran = project.kiln(&["log", "train[seed=1]"]);
    assert_eq!(ran.stdout, "seed 1\n");
    assert!(ran.stderr.contains(&format!("run {id} goes on: `train[seed=1]` has said so far")), "{}", ran.stderr);
    let follow = |stage: &str| {
        let mut command = project.command(&["log", "-f", stage]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln")
    };
    // One that is under way, and one whose turn comes later.
    let mut followers = [follow("train[seed=1]"), follow("train[seed=2]")];
    let mut said = [0; 7];
    let out = followers[0].stdout.as_mut().expect("standard output");
    out.read_exact(&mut said).expect("what it has said");
    assert_eq!(&said, b"seed 1\n");
    std::fs::write(mail.path().join("go"), "").expect("write");
    let [first, second] = followers.map(|child| child.wait_with_output().expect("wait"));
    assert_eq!((first.status.code(), String::from_utf8_lossy(&first.stdout).as_ref()), (Some(0), "the end\n"));
    assert_eq!(String::from_utf8_lossy(&second.stdout), "seed 2\nthe end\n");

    assert!(child.wait().expect("wait").success());
    let runs = project.kiln(&["runs", "--json"]).json();
    let runs = runs["runs"].as_array().expect("runs");
    assert_eq!((runs.len(), &runs[0]["id"], &runs[0]["status"]), (1, &id.into(), &"ok".into()));
    assert!(traces(&project).is_empty());
}

#[test]
fn a_run_that_was_killed_is_listed_with_what_it_had_done() {
    let mail = mailbox();
    let project = project(mail.path());
    let mut child = start(&project, mail.path());
    child.kill().and_then(|()| child.wait().map(drop)).expect("kill kiln");

    let run = project.kiln(&["runs", "--json"]).json()["runs"][0].clone();
    assert_eq!((&run["status"], &run["outcomes"]["executed"]), (&"killed".into(), &1.into()), "{run}");
    let id = run["id"].as_str().expect("an id").to_owned();
    let record = project.kiln(&["show", &id[..4], "--json"]).record();
    assert_eq!((record.outcome("quick"), record.outcome("train[seed=1]")), ("executed", "skipped"));
    assert_eq!(record.reasons("train[seed=1]"), "under way when the run was killed");
    assert!(record.stage("quick")["outputs"]["o"]["digest"].is_string());
    let shown = project.kiln(&["show", &id]).stdout;
    assert!(shown.contains("killed") && shown.contains("not finished"), "{shown}");
    let ran = project.kiln(&["log", "train[seed=1]"]);
    assert_eq!(ran.stdout, "seed 1\n");
    assert!(ran.stderr.contains(&format!("run {id} was killed: `train[seed=1]` had said")), "{}", ran.stderr);
    assert_eq!(project.kiln(&["log", "train[seed=1]", "-f"]).stdout, "seed 1\n", "it does not go on");
    assert!(!project.kiln(&["status"]).stdout.contains("goes on"));

    // A line that was cut short, and one that a later Kiln wrote, are passed over.
    let trace = traces(&project).pop().expect("a trace");
    let text = std::fs::read_to_string(&trace).expect("read");
    let lines = "{\"at\":9.0,\"event\":\"of-tomorrow\",\"x\":1}\n{\"at\":9.5,\"event\":\"up-to-";
    std::fs::write(&trace, text + lines).expect("write");
    assert_eq!(project.kiln(&["runs", "--json"]).json()["runs"][0]["id"], *id);

    std::fs::write(mail.path().join("go"), "").expect("write");
    assert_eq!(project.run(&[]).outcome("last"), "executed");
    let runs = project.kiln(&["runs", "--json"]).json();
    assert_eq!(runs["runs"].as_array().expect("runs").len(), 2);
    let ran = project.kiln(&["log", "train[seed=1]"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("seed 1\nthe end\n", ""), "that one ended");
    // It is kept as long as results that no record names.
    assert_eq!(project.kiln(&["gc", "--delete"]).code, Some(0));
    assert_eq!(traces(&project).len(), 1);
    assert_eq!(project.kiln(&["gc", "--delete", "--unrecorded", "0"]).code, Some(0));
    assert!(traces(&project).is_empty());
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
}

#[test]
fn an_old_log_is_not_taken_for_that_of_a_run_that_goes_on() {
    let mail = mailbox();
    let project = Project::new(&format!(
        "
            version: 1
            params: {{x: old}}
            stages:
              first:
                run: |
                  touch {0}/${{params.x}}
                  test ${{params.x}} = old || while ! test -e {0}/go; do sleep 0.01; done
                  echo ${{params.x}} > out/a
                outputs: {{o: out/a}}
              second: {{run: cat out/a; cp out/a out/b, inputs: {{i: {{from: first.o}}}}, outputs: {{o: out/b}}}}
        ",
        mail.path().display()
    ));
    let old = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    let mut command = project.command(&["run", "--set", "x=new"]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("start kiln");
    wait_for(&mail.path().join("new"));
    let ran = project.kiln(&["log", "second"]);
    assert_eq!(ran.stdout, "old\n");
    let told = format!("goes on and has not executed `second`; this is of run {old}");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    // What says nothing is no reason to show what was said before.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ran = project.kiln(&["log", "first"]);
        assert_eq!(ran.stdout, "");
        if ran.stderr.contains("goes on: `first` has said nothing so far") {
            break;
        }
        assert!(Instant::now() < deadline, "{}", ran.stderr);
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::write(mail.path().join("go"), "").expect("write");
    assert!(child.wait().expect("wait").success());
    let ran = project.kiln(&["log", "second"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("new\n", ""));
}

/// The files of traces.
fn traces(project: &Project) -> Vec<std::path::PathBuf> {
    let runs = std::fs::read_dir(project.root().join("cache/runs")).expect("list").flatten();
    runs.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "events")).collect()
}
