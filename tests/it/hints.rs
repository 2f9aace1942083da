//! Hints: given where something bears them out, and nowhere else; the same for the superuser and for others.

use std::path::Path;
use std::process::Command;

use crate::project::{Project, Ran};

/// A project with one stage that runs a script, writes `out/x` and has these further lines.
fn project(script: &str, more: &str) -> Project {
    let script: String = script.lines().map(|line| format!("      {line}\n")).collect();
    let project =
        Project::new(&format!("version: 1\nstages:\n  s:\n    run: |\n{script}    outputs: {{x: out/x}}\n{more}"));
    project.write("secret.txt", "a secret\n").write("src/common/text.py", "WORD = 'x'\n").write("in.txt", "in\n");
    project.write("src/train.py", "import common.text\n").write("tool.sh", "#!/bin/sh\necho tool\n");
    project
}

/// The error of the stage, which must fail.
fn failure_of(project: &Project, variables: &[(&str, &str)]) -> String {
    let mut command = project.command(&["run", "--json"]);
    let ran = Ran::from(command.envs(variables.iter().copied()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    ran.record().stage("s")["error"].as_str().expect("an error").to_owned()
}

fn failure(script: &str, more: &str) -> String {
    failure_of(&project(script, more), &[])
}

fn hinted(error: &str, hint: &str) {
    assert!(error.contains(&format!("hint: {hint}")), "{hint}\n{error}");
}

fn guarded() -> bool {
    let ran = project("true", "").kiln(&["run"]);
    let absent = ran.stderr.contains("has no Landlock");
    assert!(!absent || std::env::var_os("CI").is_none(), "this kernel has no Landlock");
    !absent
}

/// Whether there is a program; where there is none in CI, the test fails.
fn there_is(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "no {program} on this machine");
    found
}

#[test]
fn what_only_looks_like_a_file_gives_none() {
    for script in [
        "echo 'ValueError: class src not found' >&2; exit 1",
        "echo 'curl: (22) The requested URL returned error: 403 Access denied for https://host/api/v1/x' >&2; exit 22",
        "echo 'curl: (22) error: 403 Permission denied for https://host/src/train.py' >&2; exit 22",
        "echo 'KeyError: secret' >&2; exit 1",
        "echo 'the table src does not exist' >&2; exit 1",
        "cat data/unknown.txt",
        "no_such_tool",
        "echo 'Permission denied (publickey).' >&2; exit 255",
        "echo '/bin/sh: 1: fork: Permission denied' >&2; exit 1",
    ] {
        let error = failure(script, "");
        assert!(!error.contains("hint:"), "{script}: {error}");
    }
}

#[test]
fn what_is_not_declared_is_named() {
    for (script, hint) in [
        ("cat secret.txt", "`secret.txt` is a file of the project that the stage does not declare"),
        ("ls src", "`src` is a folder of the project that the stage does not declare"),
        ("sh tool.sh", "`tool.sh` is a file of the project"),
        ("./tool.sh", "`tool.sh` is a file of the project"),
        ("while read x; do echo $x; done < secret.txt", "`secret.txt` is a file of the project"),
        ("echo 'Error: secret.txt does not exist' >&2; exit 1", "`secret.txt` is a file of the project"),
        ("cat made/by/other.txt", "`made/by/other.txt` is what `other.y` writes, and the stage does not declare it"),
    ] {
        let other = "  other: {run: \"sleep 0; echo > made/by/other.txt\", outputs: {y: made/by/other.txt}}\n";
        hinted(&failure(script, other), hint);
    }
}

#[test]
fn an_input_that_is_written_to_or_executed_is_told() {
    if !guarded() {
        return;
    }
    let inputs = "    inputs: {a: in.txt, b: tool.sh, c: src}\n";
    let read_only = "`in.txt` is an input, and inputs are read-only";
    for (script, hint) in [
        ("echo >> in.txt", read_only),
        ("echo x | tee -a in.txt", read_only),
        ("rm src/train.py", "`src/train.py` is an input, and inputs are read-only"),
        ("mkdir src/new", "`src/new` is an input, and inputs are read-only"),
        ("./tool.sh", "`tool.sh` is not executable; `chmod +x tool.sh`, or write `sh tool.sh`"),
        ("exec ./tool.sh | cat", "`tool.sh` is not executable; `chmod +x tool.sh`, or write `sh tool.sh`"),
    ] {
        hinted(&failure(script, inputs), hint);
    }
    if there_is("python3") {
        hinted(&failure("python3 -c 'open(\"in.txt\", \"a\")'", inputs), read_only);
        let start = "python3 -c 'import subprocess; subprocess.run([\"./tool.sh\"])'";
        hinted(&failure(start, inputs), "`tool.sh` is not executable");
    }
    let direct = "version: 1\nstages:\n  s: {run: [./tool.sh], inputs: {a: tool.sh}, outputs: {x: out/x}}\n";
    let project = project("true", "");
    project.write("pipeline.yaml", direct);
    hinted(&failure_of(&project, &[]), "`tool.sh` is not executable");
}

#[test]
fn a_path_of_the_project_is_to_be_written_as_it_is_declared() {
    if !guarded() {
        return;
    }
    let project = project("cat ${params.root}/in.txt", "    inputs: {a: in.txt}\nparams: {root: none}\n");
    let root = project.root().canonicalize().expect("the project");
    project.edit("pipeline.yaml", "root: none", &format!("root: {}", root.display()));
    hinted(&failure_of(&project, &[]), "the stage has a copy of `in.txt` of its own; write `in.txt` for");
    project.edit("pipeline.yaml", "cat ${params.root}/in.txt", "echo > ${params.root}/out/x");
    hinted(&failure_of(&project, &[]), "a stage writes in a folder of its own; write `out/x` for");
}

#[test]
fn a_module_that_is_not_declared_is_named_with_where_python_looks() {
    if !there_is("python3") {
        return;
    }
    for (script, more, hint) in [
        (
            "python3 src/train.py",
            "    inputs: {a: src/train.py}\n",
            "`src/common` is in the project, and the stage does not declare it; name it under `inputs`",
        ),
        (
            "python3 -c 'import common'",
            "",
            "`src/common` is in the project, and the stage does not declare it; name it under `inputs`, and add `env: {PYTHONPATH: src}`",
        ),
        (
            "python3 -c 'import common.text'",
            "    inputs: {a: src}\n",
            "`src/common` is an input, and Python does not look in `src`; add `env: {PYTHONPATH: src}`",
        ),
        (
            "python3 -c 'import common.text'",
            "    inputs: {a: src/train.py}\n    env: {PYTHONPATH: src}\n",
            "`src/common` is in the project, and the stage does not declare it; name it under `inputs`",
        ),
    ] {
        hinted(&failure(script, more), hint);
    }
    let declared = project("python3 src/train.py; echo > out/x", "    inputs: {a: src}\n");
    declared.run(&[]);
    let error = failure("python3 -c 'import no_such_module_anywhere'", "");
    assert!(!error.contains("hint:"), "{error}");
}

#[test]
fn a_variable_that_is_set_outside_is_told() {
    let set = [("KILN_TEST_TOKEN", "very secret")];
    let hint = "`KILN_TEST_TOKEN` is set where Kiln was started, and a command sees only what its stage names; \
                add `env: {pass: [KILN_TEST_TOKEN]}`";
    for script in ["echo $KILN_TEST_TOKEN", "echo $${KILN_TEST_TOKEN:?must be set}", "echo $KILN_TEST_TOKEN | cat"] {
        hinted(&failure_of(&project(script, ""), &set), hint);
        let error = failure_of(&project(script, ""), &[]);
        assert!(!error.contains("hint:"), "{script}: {error}");
    }
    if there_is("python3") {
        let script = "python3 -c 'import os; os.environ[\"KILN_TEST_TOKEN\"]'";
        hinted(&failure_of(&project(script, ""), &set), hint);
    }
}

#[test]
fn the_repository_is_not_seen_and_that_is_told() {
    if !guarded() || !there_is("git") {
        return;
    }
    let project = project("git rev-parse HEAD > out/x", "");
    let init = Command::new("git").args(["init", "-q"]).current_dir(project.root()).status();
    assert!(init.is_ok_and(|status| status.success()));
    hinted(&failure_of(&project, &[]), "a stage does not see the repository");
}

/// An environment with a program `tool` in it, and something that looks like Python's `activate`.
fn with_environment(script: &str) -> Project {
    let project = project(script, "");
    let root = project.root().canonicalize().expect("the project");
    project.write(".venv/pyvenv.cfg", "home = /usr/bin\n").write(".venv/bin/tool", "#!/bin/sh\necho tool\n");
    project.write(".venv/bin/activate", &format!("PATH={}/.venv/bin:$PATH\n", root.display()));
    executable(&project.root().join(".venv/bin/tool"));
    project
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

#[test]
fn an_environment_of_the_project_works_by_its_path() {
    for script in [
        ".venv/bin/tool > out/x",
        "./.venv/bin/tool > out/x",
        "\"$PWD/.venv/bin/tool\" > out/x",
        ". .venv/bin/activate\ntool > out/x",
        "cd out; ../.venv/bin/tool > x",
    ] {
        let project = with_environment(script);
        project.run(&[]);
        assert_eq!(project.read("out/x"), "tool\n", "{script}");
        assert_eq!(project.run(&[]).outcome("s"), "up-to-date");
    }
    let project = with_environment("true");
    project.write("pipeline.yaml", "version: 1\nstages:\n  s: {run: [.venv/bin/tool], outputs: {x: out/x}}\n");
    let error = failure_of(&project, &[]);
    assert!(error.contains("did not write its output") && error.contains("tool"), "{error}");
    // What is no environment is a folder like any other.
    let project = with_environment(".venv/bin/tool > out/x");
    std::fs::remove_file(project.root().join(".venv/pyvenv.cfg")).expect("remove");
    hinted(&failure_of(&project, &[]), "`.venv/bin/tool` is a file of the project");
    if guarded() {
        let project = with_environment("cat .venv/bin/../pyvenv.cfg > out/x");
        project.run(&[]);
        let project = with_environment("cp -r .venv copy; echo > out/x");
        hinted(&failure_of(&project, &[]), "`.venv` is an environment of the project");
    }
}

#[test]
fn a_success_whose_log_complains_says_so_for_good() {
    let said =
        "it ended well, and its log complains: `secret.txt` is a file of the project that the stage does not declare";
    for script in ["cat secret.txt > out/x || true", "n=$(cat secret.txt | wc -l) || true\necho > out/x"] {
        let project = project(script, "");
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches(said).count(), 1, "{}", ran.stderr);
        for args in [&["status"][..], &["show", "s"], &["show", "s", "--json"], &["show", "latest", "--json"]] {
            let told = project.kiln(args).stdout;
            assert!(told.contains(said), "{args:?}: {told}");
        }
        // It is not lost with the next run, nor where another checkout restores it.
        let again = project.run(&[]);
        assert_eq!(again.outcome("s"), "up-to-date");
        std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
        let again = project.run(&[]);
        assert_eq!(again.outcome("s"), "restored");
        assert!(again.stage("s")["warnings"][0].as_str().is_some_and(|text| text.starts_with(said)), "{}", again.0);
    }
    for script in
        ["echo 'all is well with secret.txt' > out/x", "cat unknown.txt > out/x || true", "cat in.txt > out/x"]
    {
        let ran = project(script, "    inputs: {a: in.txt}\n").kiln(&["run"]);
        assert!(ran.code == Some(0) && !ran.stderr.contains("warning"), "{script}: {}", ran.stderr);
    }
}

#[test]
fn uv_run_is_to_be_the_environment_that_it_has_made() {
    // What uv says where it is.
    let uv = "#!/bin/sh\necho 'error: failed to open file `/p/pyproject.toml`: Permission denied (os error 13)' >&2\nexit 2\n";
    let project = project("./uv run --frozen train.py", "    inputs: {uv: uv, script: src/train.py}\n");
    project.write("uv", uv).write("pyproject.toml", "[project]\nname = 'x'\n");
    executable(&project.root().join("uv"));
    let begin = "`uv run` looks for the project in the folders above, of which a stage sees nothing; ";
    let end = "write `.venv/bin/python train.py` for `uv run train.py`";
    hinted(&failure_of(&project, &[]), &format!("{begin}call `uv sync` in the project, and {end}"));
    project.write(".venv/pyvenv.cfg", "");
    hinted(&failure_of(&project, &[]), &format!("{begin}{end}"));
}
