//! A stage that ended well and gave no result: what it made can be fetched.

use std::path::{Path, PathBuf};

use crate::project::{Project, Ran, files, mailbox, wait_for};

/// A stage that counts how often it is executed, and makes `made` of its outputs.
fn project(made: &str, outputs: &str) -> (Project, tempfile::TempDir) {
    let mailbox = mailbox();
    let count = mailbox.path().join("count");
    let pipeline = format!(
        "version: 1\nstages:\n  train:\n    run: |\n      echo trained >> {}\n      {made}\n    inputs: {{data: data}}\n    outputs: {outputs}\n",
        count.display()
    );
    let project = Project::new(&pipeline);
    project.write("data/x", "much data\n");
    (project, mailbox)
}

fn trained(mailbox: &tempfile::TempDir) -> usize {
    std::fs::read_to_string(mailbox.path().join("count")).expect("count").lines().count()
}

/// The folder that a failed run names.
fn place(ran: &Ran) -> PathBuf {
    let text = ran.stderr.split("what it wrote is kept in ").nth(1).unwrap_or_else(|| panic!("{}", ran.stderr));
    PathBuf::from(text.split(" for a week").next().expect("a path"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_missing_output_does_not_cost_the_others() {
    let (project, mailbox) = project(
        "mkdir -p out/log; echo weights > out/model; echo line > out/log/events; echo x > out/typo",
        "{model: out/model, log: out/log, plot: out/plot.png}",
    );
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("did not write its output `plot` (out/plot.png)"), "{}", ran.stderr);
    let kept = place(&ran);
    assert_eq!(files(&kept), ["out/log/events", "out/model", "out/typo"].map(|file| kept.join(file)));
    assert_eq!((text(&kept.join("out/model")), text(&kept.join("out/typo"))), ("weights\n".into(), "x\n".into()));
    assert!(ran.stderr.contains("out/log/events, out/model, out/typo"), "{}", ran.stderr);
    // Nothing is put in place of a stage that failed, and without the output that is missing the rest is its result.
    assert!(!project.root().join("out/model").exists());
    project.edit("pipeline.yaml", ", plot: out/plot.png", "");
    let record = project.run(&[]);
    assert_eq!((record.outcome("train"), trained(&mailbox)), ("restored", 1));
    assert_eq!((project.read("out/model"), project.read("out/log/events")), ("weights\n".into(), "line\n".into()));
    // It is garbage in time, and nothing else there is.
    let stranger = kept.with_file_name("notes");
    std::fs::create_dir(&stranger).expect("create folder");
    project.kiln(&["gc", "--delete"]);
    assert!(kept.exists());
    let ran = project.kiln(&["gc", "--delete", "--unrecorded", "0"]);
    assert!(ran.stdout.contains("1 salvaged folders"), "{}", ran.stdout);
    assert!(!kept.exists() && stranger.exists());
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
}

#[test]
fn an_output_that_cannot_be_kept_does_not_cost_the_others() {
    for (made, what) in [
        ("mkfifo out/f", "out/f is a FIFO"),
        ("ln -s /etc/passwd out/f", "out/f is a symbolic link"),
        (
            "mkdir out/f; echo a > out/f/a; ln -s /etc/passwd out/f/l",
            "out/f/l is a symbolic link that leaves its folder",
        ),
        ("mkdir out/f; mkfifo out/f/fifo", "out/f/fifo is a FIFO"),
        ("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"out/f\")'", "out/f is a socket"),
    ] {
        if made.starts_with("python3") && std::process::Command::new("python3").arg("-V").output().is_err() {
            continue;
        }
        let (project, mailbox) = project(
            &format!("echo weights > out/model; {made}"),
            "{model: out/model, f: {path: out/f, role: metrics}}",
        );
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("output `f`: {what}")), "{made}: {}", ran.stderr);
        let kept = place(&ran);
        assert_eq!(text(&kept.join("out/model")), "weights\n");
        assert!(std::fs::symlink_metadata(kept.join("out/f")).is_ok(), "{made}");
        project.edit("pipeline.yaml", ", f: {path: out/f, role: metrics}", "");
        assert_eq!((project.run(&[]).outcome("train"), trained(&mailbox)), ("restored", 1), "{made}");
    }
}

#[test]
fn links_that_stay_in_an_output_may_be_absolute() {
    let (project, _mailbox) = project(
        "mkdir -p out/model/best; echo 5 > out/model/epoch5; ln -s \"$PWD/out/model/epoch5\" out/model/last; \
         ln -s \"$PWD/out/model/epoch5\" out/model/best/it",
        "{model: out/model}",
    );
    project.run(&[]);
    assert_eq!((project.read("out/model/last"), project.read("out/model/best/it")), ("5\n".into(), "5\n".into()));
    let link = |path: &str| std::fs::read_link(project.root().join(path)).expect("a link");
    assert_eq!((link("out/model/last"), link("out/model/best/it")), ("epoch5".into(), "../epoch5".into()));
}

#[test]
fn a_command_that_changed_its_input_keeps_what_it_made() {
    let (project, _mailbox) =
        project("echo weights > out/model; chmod -R u+w data; echo more >> data/x", "{model: out/model}");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("changed its input data/x"), "{}", ran.stderr);
    assert_eq!(files(&place(&ran)), [place(&ran).join("out/model")]);
    assert_eq!(project.read("data/x"), "much data\n");
}

#[test]
fn where_nothing_was_made_nothing_is_kept() {
    let (project, _mailbox) = project("true", "{model: out/model}");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("did not write its output `model`") && !ran.stderr.contains("is kept"),
        "{}",
        ran.stderr
    );
    assert!(files(&project.root().join("cache/salvaged")).is_empty());
    // Nor is there anything of a stage that failed.
    project.edit("pipeline.yaml", "\n      true\n", "\n      echo half > out/model; exit 3\n");
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("exit status: 3") && !ran.stderr.contains("is kept"), "{}", ran.stderr);
}

#[test]
fn what_was_being_taken_when_a_run_was_stopped_is_kept() {
    use rustix::process::{Pid, Signal, kill_process};

    let (project, mailbox) = project(
        "mkdir -p out/tree; echo weights > out/a; echo small > out/tree/small; truncate -s 1T out/tree/big; touch DONE",
        "{a: out/a, tree: out/tree}",
    );
    let done = mailbox.path().join("done");
    project.edit("pipeline.yaml", "DONE", &done.display().to_string());
    let child = project.command(&["run"]).stderr(std::process::Stdio::piped()).spawn().expect("start kiln");
    wait_for(&done);
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).expect("signal");
    let ran = Ran::from(child.wait_with_output().expect("wait"));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted while its outputs were taken into the cache"), "{}", ran.stderr);
    let kept = place(&ran);
    assert_eq!(files(&kept), ["out/a", "out/tree/big", "out/tree/small"].map(|file| kept.join(file)));
    assert_eq!((text(&kept.join("out/a")), text(&kept.join("out/tree/small"))), ("weights\n".into(), "small\n".into()));
    assert_eq!(std::fs::metadata(kept.join("out/tree/big")).expect("big").len(), 1 << 40);
}
