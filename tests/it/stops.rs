//! Stopping a run: signals are heard whatever is computed, stages get their grace, and what was done is recorded.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::project::{Project, Ran, mailbox, wait_for};

fn start(project: &Project, args: &[&str]) -> Child {
    let mut command = project.command(&[&["run", "--json"], args].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("send a signal");
}

/// Waits for the end of a process that was told to stop. What it computes would take it minutes.
fn ends(mut child: Child) -> Ran {
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("look at kiln").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it was not heard");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ran::from(child.wait_with_output().expect("wait for kiln"))
}

/// Makes a file of a terabyte that takes no room.
fn huge(path: &Path) {
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(path).expect("open");
    file.set_len(1 << 40).expect("a sparse file");
}

#[test]
fn it_is_heard_while_an_output_is_captured() {
    let mail = mailbox();
    let file = mail.path().join("written");
    let project = Project::new(&format!(
        "version: 1\nstages:\n  big: {{run: truncate -s 1T out/big; touch {}, outputs: {{big: out/big}}}}\n",
        file.display()
    ));
    for which in [Signal::INT, Signal::TERM, Signal::HUP] {
        let child = start(&project, &[]);
        wait_for(&file);
        std::fs::remove_file(&file).expect("remove");
        std::thread::sleep(Duration::from_millis(100));
        signal(&child, which);
        let ran = ends(child);
        assert_eq!(ran.code, Some(130), "{which:?}: {}", ran.stderr);
        let record = ran.record();
        assert_eq!((record.outcome("big"), &record.0["status"]), ("skipped", &"interrupted".into()), "{which:?}");
    }
    assert_eq!(std::fs::read_dir(project.root().join("cache/tmp")).expect("list").count(), 0);
}

#[test]
fn it_is_heard_while_a_source_is_read() {
    let project = Project::new(
        "version: 1\nstages:\n  read: {run: wc -c in > out/size, inputs: {i: in}, outputs: {size: out/size}}\n",
    );
    huge(&project.root().join("in"));
    let child = start(&project, &[]);
    let traced = || {
        let runs = std::fs::read_dir(project.root().join("cache/runs")).into_iter().flatten().flatten();
        runs.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "events"))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !traced() {
        assert!(Instant::now() < deadline, "the run never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, Signal::INT);
    let ran = ends(child);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(ran.record().outcome("read"), "skipped");
}

#[test]
fn a_large_output_that_is_read_delays_no_other_stage() {
    let mail = mailbox();
    let file = mail.path().join("executed");
    let project = Project::new(&format!(
        r#"
            version: 1
            params: {{word: a}}
            stages:
              big: {{run: echo small > out/big, outputs: {{big: out/big}}}}
              small: {{run: "echo ${{params.word}} > out/small", outputs: {{small: out/small}}}}
              next: {{run: cp out/small out/next; touch {}, inputs: {{i: {{from: small.small}}}}, outputs: {{next: out/next}}}}
        "#,
        file.display()
    ));
    project.run(&[]);
    std::fs::remove_file(&file).expect("it was executed");
    huge(&project.root().join("out/big"));
    let mut child = start(&project, &["--set", "params.word=b"]);
    wait_for(&file);
    assert_eq!(child.try_wait().expect("look at kiln"), None, "the output is still being read");
    signal(&child, Signal::INT);
    let ran = ends(child);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(ran.record().outcome("small"), "executed");
}

#[test]
fn a_stage_is_asked_to_end_when_the_terminal_goes_away() {
    let mail = mailbox();
    let mail = mail.path().display();
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              train:
                run: |
                  trap 'echo weights > {mail}/saved; exit 1' TERM
                  touch {mail}/begun
                  while :; do sleep 0.05; done
                outputs: {{o: out/o}}
        "
    ));
    let begun = Path::new(&mail.to_string()).join("begun");
    let child = start(&project, &[]);
    wait_for(&begun);
    // As a terminal that goes away does, more than once.
    signal(&child, Signal::HUP);
    signal(&child, Signal::HUP);
    let ran = ends(child);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(ran.record().0["status"], "interrupted");
    assert!(begun.with_file_name("saved").exists(), "the stage was not asked");
    assert_eq!(project.kiln(&["runs", "--json"]).json()["runs"][0]["status"], "interrupted");
}

#[test]
fn nohup_is_heeded() {
    let mail = mailbox();
    let mail = mail.path();
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              s:
                run: touch {0}/begun; while ! test -e {0}/go; do sleep 0.01; done; echo x > out/o
                outputs: {{o: out/o}}
        ",
        mail.display()
    ));
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" run --json", env!("CARGO_BIN_EXE_kiln")]);
    command.current_dir(project.root()).env_remove("KILN_CACHE").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("start kiln");
    wait_for(&mail.join("begun"));
    signal(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(200));
    std::fs::write(mail.join("go"), "").expect("write");
    let ran = ends(child);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().outcome("s"), "executed");
}

#[test]
fn a_second_ctrl_c_kills() {
    let mail = mailbox();
    let file = mail.path().join("begun");
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              s:
                run: |
                  trap '' TERM
                  echo $$ > {0}.new; mv {0}.new {0}
                  while :; do sleep 0.05; done
                outputs: {{o: out/o}}
        ",
        file.display()
    ));
    let child = start(&project, &[]);
    wait_for(&file);
    signal(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    let ran = ends(child);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    // It did not wait for the stage's grace to write a record.
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    let runs = project.kiln(&["runs", "--json"]).json();
    assert_eq!(runs["runs"][0]["status"], "killed");
    let pid = std::fs::read_to_string(&file).expect("a process");
    let deadline = Instant::now() + Duration::from_secs(30);
    while Path::new("/proc").join(pid.trim()).exists() {
        assert!(Instant::now() < deadline, "the stage lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dry_run_is_stopped_as_any_program() {
    let project =
        Project::new("version: 1\nstages:\n  s: {run: wc -c in > out/o, inputs: {i: in}, outputs: {o: out/o}}\n");
    project.write("in", "x").run(&[]);
    huge(&project.root().join("in"));
    let mut command = project.command(&["run", "-n"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start kiln");
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, Signal::INT);
    assert_eq!(ends(child).code, None, "it was ended by the signal");
}
