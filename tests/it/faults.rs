//! Interruptions and damage: nothing lost, nothing wrong.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::project::{Project, Ran};

const TWO: &str = "\
version: 1
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  second:
    run: echo begun; sleep ${params.pause}; cat out/first.txt out/first.txt > out/second.txt
    inputs: {x: {from: first.x}}
    outputs: {x: out/second.txt}
params: {pause: 30}
";

/// Starts a run and waits until its second stage sleeps.
fn start(project: &Project) -> std::process::Child {
    start_with(project, "30")
}

fn start_with(project: &Project, pause: &str) -> std::process::Child {
    project.write("in.txt", "text\n");
    let mut command = project.command(&["run", "--json", "--set", &format!("params.pause={pause}")]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    let deadline = Instant::now() + Duration::from_secs(60);
    let begun = || {
        let pattern = project.root().join("cache/logs");
        walk(&pattern).iter().any(|p| std::fs::read_to_string(p).is_ok_and(|t| t.contains("begun")))
    };
    while !begun() {
        assert!(Instant::now() < deadline, "the second stage never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

fn signal(child: &std::process::Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("kill");
}

/// After a quick run with another pause nothing of the interrupted one is left to disturb.
fn recovers(project: &Project) {
    let record = project.run(&["--set", "params.pause=0"]);
    assert_eq!(record.outcome("second"), "executed");
    assert_eq!(project.read("out/second.txt"), "text\ntext\n");
    assert_eq!(project.run(&["--set", "params.pause=0"]).with("up-to-date").len(), 2);
    let left: Vec<_> = walk(&project.root().join("cache/tmp"));
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn ctrl_c_stops_the_children_and_records_the_run() {
    let project = Project::new(TWO);
    let child = start(&project);
    signal(&child, rustix::process::Signal::INT);
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let record = ran.record();
    assert_eq!(record.0["status"], "interrupted");
    assert_eq!((record.outcome("first"), record.outcome("second")), ("executed", "skipped"));
    assert!(!project.root().join("out/second.txt").exists());
    recovers(&project);
}

#[test]
fn kill_9_loses_only_the_stage_in_flight() {
    let project = Project::new(TWO);
    let child = start(&project);
    signal(&child, rustix::process::Signal::KILL);
    child.wait_with_output().expect("wait for kiln");
    let record = project.run(&["first"]);
    assert_eq!(record.outcome("first"), "up-to-date");
    recovers(&project);
}

#[test]
fn a_damaged_blob_is_never_handed_out() {
    let project = Project::new(TWO);
    project.write("in.txt", "text\n");
    let first = project.run(&["--set", "params.pause=0"]);
    for blob in walk(&project.root().join("cache/objects")) {
        let bytes = std::fs::read(&blob).expect("read blob");
        // As a failing disk would: the bytes change, nobody says so.
        let mode = std::fs::metadata(&blob).expect("stat").permissions();
        std::fs::remove_file(&blob).expect("remove blob");
        std::fs::write(&blob, bytes.iter().map(|b| b ^ 1).collect::<Vec<u8>>()).expect("write blob");
        std::fs::set_permissions(&blob, mode).expect("chmod");
    }
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    let again = project.run(&["--set", "params.pause=0"]);
    assert_eq!(again.with("executed"), ["first", "second"]);
    assert_eq!(first.digests(), again.digests());
    assert_eq!(project.read("out/second.txt"), "text\ntext\n");
}

#[test]
fn an_output_folder_that_turns_into_a_file_is_an_error_and_not_a_panic() {
    // By the time the pipeline is loaded, all is well; the command is slow enough for the folder to be replaced.
    let project = Project::new(TWO);
    let child = start_with(&project, "2");
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    project.write("out", "a file where a folder should be");
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("out/second.txt") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    let ran = project.kiln(&["run", "--set", "params.pause=0"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`out` is not a folder"), "{}", ran.stderr);
}
