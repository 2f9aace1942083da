//! Two runs in one checkout: what is put in place belongs to one at a time.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Project, Ran, mailbox, wait_for};

/// A model, and metrics of it; with `lr: 1` the model is long in coming.
fn study(mail: &Path) -> Project {
    let flag = |name: &str| mail.join(name).display().to_string();
    Project::new(&format!(
        "
            version: 1
            params: {{lr: 1}}
            stages:
              train:
                run: |
                  echo model ${{params.lr}} > out/model
                outputs: {{m: out/model}}
              eval:
                run: |
                  if test ${{params.lr}} = 1; then touch {}; while ! test -e {}; do sleep 0.05; done; fi
                  echo metrics of $(cat out/model) > out/metrics
                inputs: {{m: {{from: train.m}}}}
                outputs: {{e: out/metrics}}
        ",
        flag("begun"),
        flag("go-on")
    ))
}

fn start(project: &Project, args: &[&str]) -> Child {
    let mut command = project.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln")
}

fn ended(child: Child) -> Ran {
    Ran::from(child.wait_with_output().expect("wait for kiln"))
}

/// Gives a process that must not end time to do so.
fn is_waiting(child: &mut Child) {
    std::thread::sleep(Duration::from_millis(400));
    assert!(child.try_wait().expect("look at kiln").is_none(), "it waits");
}

#[test]
fn a_second_run_waits_and_says_for_whom() {
    let mail = mailbox();
    let project = study(mail.path());
    let first = start(&project, &["run"]);
    wait_for(&mail.path().join("begun"));
    let mut second = start(&project, &["run", "--set", "lr=9", "--force-overwrite"]);
    // With another cache it is the same checkout all the same.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let other = folder.path().join("cache").display().to_string();
    let mut third = start(&project, &["run", "--set", "lr=3", "--force-overwrite", "--cache", &other]);
    let mut fourth = start(&project, &["run", "--set", "lr=4", "--force-overwrite"]);
    is_waiting(&mut second);
    is_waiting(&mut third);
    is_waiting(&mut fourth);
    assert_eq!(project.read("out/model"), "model 1\n", "nothing was touched");
    // Those that only look do not wait.
    for args in
        [["status"].as_slice(), &["run", "--dry-run"], &["outputs"], &["why", "eval"], &["checkout", "latest", "-n"]]
    {
        let began = Instant::now();
        project.kiln(args);
        assert!(began.elapsed() < Duration::from_secs(60), "{args:?}");
    }
    let pid = first.id();
    std::fs::write(mail.path().join("go-on"), "").expect("write");
    let ran = ended(first);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // What one with another cache puts there the others do not know.
    let ran = ended(third);
    assert!(ran.stderr.contains("waiting for another Kiln"), "{}", ran.stderr);
    let mut waited = vec![];
    for child in [second, fourth] {
        let ran = ended(child);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("waiting for another Kiln that writes to this project"), "{}", ran.stderr);
        waited.push(ran.stderr);
    }
    assert!(waited[0].contains(&format!("process {pid}")) && waited[0].contains("`kiln run`"), "{}", waited[0]);
    let model = project.read("out/model");
    assert_eq!(project.read("out/metrics"), format!("metrics of {model}"), "of one run");
}

#[test]
fn a_checkout_waits_too() {
    let mail = mailbox();
    let project = study(mail.path());
    project.run(&["--set", "lr=2"]);
    let run = start(&project, &["run"]);
    wait_for(&mail.path().join("begun"));
    let mut checkout = start(&project, &["checkout", "latest"]);
    is_waiting(&mut checkout);
    std::fs::write(mail.path().join("go-on"), "").expect("write");
    assert_eq!(ended(run).code, Some(0));
    let ran = ended(checkout);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("waiting for another Kiln"), "{}", ran.stderr);
    let model = project.read("out/model");
    assert_eq!(project.read("out/metrics"), format!("metrics of {model}"), "of one run");
}

#[test]
fn one_that_waits_is_stopped_and_one_that_is_killed_holds_nothing() {
    let mail = mailbox();
    let project = study(mail.path());
    let mut first = start(&project, &["run"]);
    wait_for(&mail.path().join("begun"));
    let mut second = start(&project, &["run", "--set", "lr=9"]);
    is_waiting(&mut second);
    let pid = rustix::process::Pid::from_raw(i32::try_from(second.id()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupt");
    let ran = ended(second);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(project.read("out/model"), "model 1\n");
    first.kill().and_then(|()| first.wait()).expect("kill");
    let record = project.run(&["--set", "lr=9"]);
    assert_eq!(record.with("executed"), ["eval", "train"]);
    assert_eq!(project.read("out/metrics"), "metrics of model 9\n");
}

#[test]
fn runs_of_two_checkouts_go_side_by_side() {
    let mail = mailbox();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = folder.path().join("cache");
    let first = study(mail.path());
    let second = Project::with_cache(&first.read("pipeline.yaml"), &cache);
    let mut command = first.command(&["run", "--cache"]);
    let child = command.arg(&cache).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    wait_for(&mail.path().join("begun"));
    let record = second.run(&["--set", "lr=9"]);
    assert_eq!(record.with("executed").len(), 2);
    std::fs::write(mail.path().join("go-on"), "").expect("write");
    assert_eq!(ended(child).code, Some(0));
}
