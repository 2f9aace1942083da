//! Which shell runs a script, and what it takes for a failure.

use std::path::Path;
use std::process::Command;

use crate::project::{Project, Ran, Record};

/// A project with a stage `s` that runs a script and writes `out/x`.
fn project(script: &str, more: &str) -> Project {
    let script: String = script.lines().map(|line| format!("      {line}\n")).collect();
    let project =
        Project::new(&format!("version: 1\nstages:\n  s:\n    run: |\n{script}    outputs: {{x: out/x}}\n{more}"));
    project.write("words.txt", "one\ntwo\n");
    project
}

/// The error of a script that must fail.
fn failure(script: &str, more: &str) -> String {
    let ran = project(script, more).kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1), "{script}: {}", ran.stderr);
    ran.record().stage("s")["error"].as_str().expect("an error").to_owned()
}

/// What a script writes that must succeed.
fn written(script: &str, more: &str) -> String {
    let project = project(script, more);
    project.run(&[]);
    project.read("out/x")
}

/// A folder of links to the programs that scripts here need, without bash, to be the whole of `PATH`.
fn without_bash() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = std::env::var_os("PATH").expect("PATH");
    for name in ["sh", "cat", "wc", "head", "yes", "true", "tee"] {
        let mut places = std::env::split_paths(&path).map(|place| place.join(name));
        let program = places.find(|file| file.is_file()).expect("a program");
        std::os::unix::fs::symlink(program, folder.path().join(name)).expect("link");
    }
    folder
}

fn with_path(project: &Project, path: &Path, args: &[&str]) -> Ran {
    Ran::from(project.command(args).env("PATH", path).output().expect("start kiln"))
}

fn knows_pipefail(shell: &str) -> bool {
    let asked = Command::new(shell).args(["-c", "set -o pipefail"]).output();
    asked.is_ok_and(|output| output.status.success())
}

fn there_is_bash() -> bool {
    let found = knows_pipefail("bash");
    assert!(found || std::env::var_os("CI").is_none(), "no bash on this machine");
    found
}

#[test]
fn a_pipe_fails_if_any_part_of_it_does() {
    if !there_is_bash() {
        return;
    }
    for script in [
        "cat missing.txt | wc -l > out/x",
        "no_such_tool | tee out/x",
        "cat missing.txt | cat | wc -l > out/x\necho next",
        "n=$(cat missing.txt | wc -l)\necho $n > out/x",
        "f() { cat missing.txt | wc -l; }\nf > out/x",
        "( cat missing.txt | wc -l ) > out/x",
        "echo 'cat missing.txt | wc -l > out/x' > lib.sh\n. ./lib.sh",
        "eval 'cat missing.txt | wc -l > out/x'",
        "yes | false\necho > out/x",
        "yes | head -1 > out/x\nfalse\necho next",
        "yes | head -1 > out/x\n(false)\necho next",
        "yes | head -1 > out/x\nfalse | cat",
    ] {
        let error = failure(script, "");
        assert!(error.starts_with("exit status: "), "{script}: {error}");
        assert!(!error.contains("next"), "{script}: {error}");
    }
    assert_eq!(written("cat missing.txt | cat > out/x || true", ""), "");
    assert_eq!(written("if false | true; then echo yes; else echo no; fi > out/x", ""), "no\n");
}

#[test]
fn a_part_of_a_pipe_that_was_not_read_to_its_end_is_no_failure() {
    if !there_is_bash() {
        return;
    }
    for script in [
        "yes | head -1 > out/x",
        "yes | head -1 > out/x\necho next",
        "x=$(yes | head -1)\necho $x > out/x",
        "( yes | head -1 ) > out/x",
        "f() { yes | head -1; }\nf > out/x",
        "yes | cat | { read x; echo $x; } > out/x",
        "for i in 1 2; do yes | head -1 > out/x; done",
        "trap 'echo bye' EXIT\nyes | head -1 > out/x\necho next",
        "set +e\nyes | head -1 > out/x\nset -e\necho next",
    ] {
        for more in ["", "    shell: bash\n"] {
            assert_eq!(written(script, more), "y\n", "{script} {more}");
        }
    }
    // Who stops itself is not stopped by its reader.
    let error = failure("yes | head -1 > out/x\nsh -c 'kill -PIPE $$'\necho next", "");
    assert!(error.contains("hint: a part of a pipe was stopped because a later part"), "{error}");
}

#[test]
fn a_script_means_the_same_with_a_pipe_and_without() {
    for (plain, piped) in [
        (r"echo 'a\tb' > out/x", r"echo 'a\tb' | cat > out/x"),
        (r"echo -n a > out/x", r"echo -n a | cat > out/x"),
        ("set -- a b\necho $# $2 > out/x", "set -- a b\necho $# $2 | cat > out/x"),
        ("echo $${BASH_ENV-unset} > out/x", "echo $${BASH_ENV-unset} | cat > out/x"),
    ] {
        assert_eq!(written(plain, ""), written(piped, ""), "{piped}");
    }
    let error = failure("x=$(false; echo 1)\necho $x | cat > out/x", "");
    assert!(error.starts_with("exit status: 1"), "{error}");
}

#[test]
fn a_stage_or_the_file_chooses_the_shell() {
    let arrays = "a=(1 2)\necho $${#a[@]} > out/x";
    if there_is_bash() {
        assert_eq!(written(arrays, "    shell: bash\n"), "2\n");
        assert_eq!(written(arrays, "shell: bash\n"), "2\n");
        let shown = project(arrays, "    shell: bash\n").kiln(&["show", "s"]);
        assert!(shown.stdout.contains("bash -eu -o pipefail"), "{}", shown.stdout);
    }
    let counted = "cat missing.txt | wc -l > out/x";
    let shown = project(counted, "    shell: sh\n").kiln(&["show", "s"]);
    assert!(shown.stdout.contains("/bin/sh -eu"), "{}", shown.stdout);
    // The stage's own goes before the file's.
    if !knows_pipefail("/bin/sh") {
        assert_eq!(written(counted, "    shell: sh\nshell: bash\n"), "0\n");
    }
}

#[test]
fn the_shell_counts_where_it_is_another_language() {
    let run = |project: &Project| -> Record { project.run(&[]) };
    let project = project("echo 1 > out/x", "");
    assert_eq!(run(&project).outcome("s"), "executed");
    project.edit("pipeline.yaml", "version: 1\n", "version: 1\nshell: sh\n");
    assert_eq!(run(&project).outcome("s"), "up-to-date");
    if there_is_bash() {
        project.edit("pipeline.yaml", "shell: sh", "shell: bash");
        let record = run(&project);
        assert_eq!((record.outcome("s"), record.reasons("s").as_str()), ("executed", "shell: sh => bash"));
        let why = project.kiln(&["why", "s"]).stdout;
        assert!(why.contains("shell"), "{why}");
    }
}

#[test]
fn without_bash_a_run_says_what_pipes_are_worth() {
    let path = without_bash();
    let project = project("cat missing.txt | wc -l > out/x", "  t: {run: true | cat > out/y, outputs: {y: out/y}}\n");
    let ran = with_path(&project, path.path(), &["run"]);
    if knows_pipefail("/bin/sh") {
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    } else {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("no shell here knows pipefail").count(), 1, "{}", ran.stderr);
    }
}
