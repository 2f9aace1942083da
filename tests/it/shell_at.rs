//! `kiln shell`, and `kiln run --keep`: looking around where a stage runs.

use std::path::PathBuf;

use crate::project::{Project, Ran};

const PIPELINE: &str = "version: 1
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  train:
    run: |
      echo partial > out/model
      exit 3
    with: {rate: 0.5}
    env: {COLOUR: blue}
    inputs: {script: src/train.py, x: {from: first.x}}
    outputs: {model: out/model}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("in.txt", "x\n").write("src/train.py", "1\n").write("secret.txt", "secret\n");
    project
}

fn shell(project: &Project, script: &str) -> Ran {
    project.kiln(&["shell", "train", "--", "sh", "-c", script])
}

#[test]
fn a_program_finds_what_the_stage_would_find_and_nothing_else() {
    let project = project();
    let ran = shell(&project, "cat out/first.txt src/train.py; echo $KILN_PARAM_rate $COLOUR; cat secret.txt; ls");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, "x\n1\n0.5 blue\nout\nsrc\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("secret.txt"), "{}", ran.stderr);
    // What it needs was brought up to date; of itself there is neither a result nor an output.
    assert_eq!(project.run(&["first"]).with("up-to-date"), ["first"]);
    let ran = shell(&project, "echo 1 > out/model; exit 7");
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert!(!project.root().join("out/model").exists());
    // The limits hold.
    let secret = project.root().canonicalize().expect("a root").join("secret.txt");
    let ran = shell(&project, &format!("cat {}", secret.display()));
    assert!(ran.stdout.is_empty() && ran.stderr.contains("denied"), "{}{}", ran.stdout, ran.stderr);
    let ran = project.kiln(&["shell", "*"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("are several stages"), "{}", ran.stderr);
    let ran = project.kiln(&["shell", "trian"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("train"), "{}", ran.stderr);
}

#[test]
fn the_folder_of_a_failure_is_kept_if_that_is_asked_for() {
    let project = project();
    let ran = project.kiln(&["run"]);
    assert!(!ran.stderr.contains("its folder is kept"), "{}", ran.stderr);
    let ran = project.kiln(&["run", "--keep", "train"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let text = ran.stderr.split("its folder is kept in ").nth(1).unwrap_or_else(|| panic!("{}", ran.stderr));
    let kept = PathBuf::from(text.split(" for a week").next().expect("a path"));
    let text = |path: &str| std::fs::read_to_string(kept.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!((text("project/out/model"), text("project/out/first.txt")), ("partial\n".into(), "x\n".into()));
    assert_eq!(text("params.json"), "{\"rate\":0.5}");
    let ran = project.kiln(&["gc", "--delete", "--unrecorded", "0"]);
    assert!(ran.stdout.contains("1 salvaged folders") && !kept.exists(), "{}", ran.stdout);
}

#[test]
fn the_folder_of_a_stage_that_was_stopped_is_kept_too() {
    let mail = crate::project::mailbox();
    let ready = mail.path().join("ready");
    let project = Project::new(&format!(
        "version: 1\nstages:\n  train: {{run: 'echo half > out/model; touch {}; sleep 600', outputs: {{m: out/model}}}}\n",
        ready.display()
    ));
    let mut command = project.command(&["run", "--keep", "train"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let child = child.expect("start kiln");
    crate::project::wait_for(&ready);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("signal");
    let output = child.wait_with_output().expect("wait for kiln");
    let said = String::from_utf8_lossy(&output.stderr);
    let text = said.split("its folder is kept in ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let kept = PathBuf::from(text.split(" for a week").next().expect("a path"));
    assert_eq!(std::fs::read_to_string(kept.join("project/out/model")).expect("the model"), "half\n");
}

/// What is said on a terminal where a program is started and lines are typed; with its code. Nothing where there is no way to make a terminal.
fn typed(project: &Project, line: &str, lines: &str) -> Option<(String, Option<i32>)> {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "there is no `script` to make a terminal");
        return None;
    }
    let mut command = std::process::Command::new("script");
    command
        .args(["-qec", line, "/dev/null"])
        .current_dir(project.root())
        .env_remove("KILN_CACHE")
        .env("SHELL", "/bin/sh");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("start script");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), lines.as_bytes()).expect("type");
    let output = child.wait_with_output().expect("wait for script");
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code()))
}

const KILN: &str = env!("CARGO_BIN_EXE_kiln");

#[test]
fn a_shell_on_a_terminal_is_told_what_the_command_is() {
    let project = project();
    let line = format!("{KILN} shell train");
    let Some((said, code)) = typed(&project, &line, "cat src/train.py; echo is-$((2 * 21)); exit 5\n") else { return };
    for text in ["what is written here is lost", "echo partial > out/model", "is-42", "train$ "] {
        assert!(said.contains(text), "`{text}` in {said}");
    }
    assert_eq!(code, Some(5), "{said}");
}

#[test]
fn a_program_that_is_stopped_gives_the_terminal_back_and_goes_on_later() {
    let project = project();
    // As Ctrl-Z does.
    let stops = format!("{KILN} shell train -- sh -c 'kill -TSTP $$; read line; echo got-$line; exit 7'");
    let lines = format!("{stops}\necho jobs-$(jobs | grep -c kiln)\nfg\nx$((1))\necho code-$?\nexit\n");
    let Some((said, _)) = typed(&project, "bash --norc -i", &lines) else { return };
    for text in ["jobs-1", "got-x$((1))", "code-7"] {
        assert!(said.contains(text), "`{text}` in {said}");
    }
}
