//! The guard: what a stage does not declare it cannot read, and what is not its own it cannot write.

use std::fmt::Write as _;
use std::path::Path;

use crate::project::{Project, Ran};

/// Whether this kernel guards stages. Where it does not, the tests of the guard say so and pass, unless `CI` is set: there they fail.
fn guarded() -> bool {
    let project = stage("true", "");
    let ran = project.kiln(&["run"]);
    let absent = ran.stderr.contains("has no Landlock");
    assert!(!absent || std::env::var_os("CI").is_none(), "this kernel has no Landlock, so the guard is not exercised");
    if absent {
        eprintln!("SKIPPED: this kernel has no Landlock, so the guard is not exercised");
    }
    !absent
}

/// A project with one stage that runs a script and writes `out/x.txt`.
fn stage(script: &str, more: &str) -> Project {
    let mut pipeline = String::from("version: 1\nparams: {root: none, other: none}\nstages:\n  s:\n    run: |\n");
    for line in script.lines() {
        let _ = writeln!(pipeline, "      {line}");
    }
    let _ = write!(pipeline, "      echo done > out/x.txt\n    outputs: {{x: out/x.txt}}\n{more}");
    let project = Project::new(&pipeline);
    project.write("secret.txt", "a secret\n").write("data/known.txt", "known\n").write("data/more.txt", "more\n");
    project
}

/// Runs a project's stage, telling it where the project is.
fn run(project: &Project) -> Ran {
    let root = project.root().canonicalize().expect("the project");
    project.kiln(&["run", "--json", "--set", &format!("params.root={}", root.display())])
}

/// The error of a stage that must fail.
fn failure(project: &Project) -> String {
    let ran = run(project);
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    assert!(!project.root().join("out/x.txt").exists());
    ran.record().stage("s")["error"].as_str().expect("an error").to_owned()
}

fn succeeds(project: &Project) {
    let ran = run(project);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn an_undeclared_file_cannot_be_read_and_the_error_names_it() {
    if !guarded() {
        return;
    }
    for script in [
        "cat ${params.root}/secret.txt",
        "cat ../../../../secret.txt",
        "sh -c 'sh -c \"cat \\\"$0\\\"/secret.txt\" \"$0\"' ${params.root}",
        "ln -s ${params.root} link; cat link/secret.txt",
        "cd ${params.root}; cat secret.txt",
        "cat /proc/$PPID/cwd/secret.txt; cat ${params.root}/secret.txt",
        "awk '{ print }' ${params.root}/secret.txt",
        "python3 -c 'import sys; print(open(sys.argv[1]).read())' ${params.root}/secret.txt",
        "cp ${params.root}/secret.txt out/",
        "ln ${params.root}/secret.txt out/link; cat out/link",
        ". ${params.root}/secret.txt",
    ] {
        let error = failure(&stage(script, ""));
        assert!(!error.contains("a secret"), "{script}: {error}");
        let hint = "hint: `secret.txt` is a file of the project that the stage does not declare";
        // The shell's folder is not in the log.
        let told = error.contains(hint) || script.starts_with("cd ");
        let refused = error.to_lowercase().contains("denied") || error.contains("cross-device");
        assert!(told && refused, "{script}: {error}");
    }
}

#[test]
fn a_project_path_that_is_not_declared_is_told_as_well() {
    let error = failure(&stage("cat data/known.txt", ""));
    assert!(
        error.contains("hint: `data/known.txt` is a file of the project that the stage does not declare"),
        "{error}"
    );
    // What is nowhere is not a file of the project.
    let error = failure(&stage("cat data/unknown.txt", ""));
    assert!(!error.contains("hint:"), "{error}");
}

#[test]
fn nothing_lists_the_project_or_the_cache() {
    if !guarded() {
        return;
    }
    for script in ["ls ${params.root}", "ls ${params.root}/data", "ls ${params.root}/cache", "ls ../.."] {
        let error = failure(&stage(script, ""));
        assert!(error.contains("denied"), "{script}: {error}");
    }
}

#[test]
fn nothing_is_written_outside_the_scratch_directory() {
    if !guarded() {
        return;
    }
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(elsewhere.path().join("there"), "there\n").expect("write");
    let there = elsewhere.path().display();
    for script in [
        format!("echo x > {there}/new"),
        format!("echo x >> {there}/there"),
        format!("rm {there}/there"),
        format!("mkdir {there}/folder"),
        format!("mv {there}/there {there}/moved"),
        format!("touch {there}/new"),
        format!("truncate -s 0 {there}/there"),
        format!("ln -s /etc {there}/link"),
        format!("echo x > out/y; mv out/y {there}/y"),
        "echo x > ${params.root}/new".into(),
        "echo x > ${params.root}/data/known.txt".into(),
        "echo x > ${params.root}/out/y.txt".into(),
        "rm -r ${params.root}/data".into(),
        "echo x > ${params.root}/cache/version".into(),
        "mkfifo ${params.root}/fifo".into(),
    ] {
        let project = stage(&script, "");
        project.write("out/y.txt", "y\n");
        let error = failure(&project);
        assert!(error.contains("denied") || error.contains("cross-device"), "{script}: {error}");
        assert_eq!(std::fs::read_to_string(elsewhere.path().join("there")).expect("read"), "there\n");
        assert_eq!(std::fs::read_dir(elsewhere.path()).expect("list").count(), 1, "{script}");
        for (path, text) in [("data/known.txt", "known\n"), ("out/y.txt", "y\n"), ("secret.txt", "a secret\n")] {
            assert_eq!(project.read(path), text, "{script}");
        }
    }
    let error = failure(&stage(&format!("echo x > {there}/new"), ""));
    assert!(error.contains(&format!("hint: `{there}/new` is outside the stage's scratch directory")), "{error}");
}

#[test]
fn mounts_and_devices_are_no_way_around() {
    if !guarded() {
        return;
    }
    for script in [
        "unshare -Urm sh -c 'mkdir m; mount --bind \"$0\" m; cat m/secret.txt' ${params.root}",
        "mknod disk b 254 0; head -c 1 disk",
        "ls /dev/shm > /dev/null; for d in /dev/[svn][dvx]*; do head -c 1 $d; exit 1; done",
    ] {
        let error = failure(&stage(script, ""));
        assert!(!error.contains("a secret"), "{script}: {error}");
    }
}

#[test]
fn no_process_outside_is_signalled() {
    if !guarded() {
        return;
    }
    // The shell's parent is Kiln. Kernels before 6.12 do not keep a stage from this.
    let project = stage("kill -0 $PPID && exit 0; kill -0 $$", "");
    succeeds(&project);
}

#[test]
fn declared_inputs_devices_and_temporary_files_work() {
    let script = "\
cat data/known.txt data/more.txt > /dev/null
test \"$(cat data/sub/deep.txt)\" = deep
head -c 8 /dev/urandom | od -x > $TMPDIR/noise; head -c 4 /dev/zero > \"$HOME/zero\"
echo heard > /dev/stderr
mkdir -p work/a work/b; echo a > work/a/x; mv work/a/x work/b/x; ln work/b/x work/b/y; rm -r work
awk 'BEGIN { print \"awk\" }'
python3 -c 'import json, tempfile; tempfile.TemporaryFile().write(b\"x\"); print(json.dumps({}))'
cat /etc/passwd /proc/self/status > /dev/null
cat <<END > /dev/null
here
END";
    let project = stage(script, "    inputs: {all: data}\n");
    project.write("data/sub/deep.txt", "deep\n");
    succeeds(&project);
    assert_eq!(project.read("out/x.txt"), "done\n");
}

#[test]
fn shared_memory_and_locks_of_python_work() {
    let script = "\
cat > p.py <<END
import multiprocessing
def f(x):
    return x * x
if __name__ == '__main__':
    with multiprocessing.Pool(2) as pool:
        assert pool.map(f, [1, 2]) == [1, 4]
END
python3 p.py";
    succeeds(&stage(script, ""));
}

#[test]
fn a_cache_elsewhere_is_hidden_and_works() {
    if !guarded() {
        return;
    }
    let cache = tempfile::tempdir().expect("a temporary folder");
    let pipeline = "\
version: 1
params: {cache: none}
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  second:
    run: |
      if cat ${params.cache}/version || ls ${params.cache}; then exit 1; fi
      cat out/first.txt > out/second.txt
    inputs: {x: {from: first.x}}
    outputs: {x: out/second.txt}
";
    let project = Project::with_cache(pipeline, cache.path());
    project.write("in.txt", "text\n");
    let set = format!("params.cache={}", cache.path().canonicalize().expect("the cache").display());
    project.run(&["--set", &set]);
    assert_eq!(project.read("out/second.txt"), "text\n");
}

#[test]
fn inputs_are_read_only() {
    for (script, more) in [
        ("echo x >> data/known.txt", "    inputs: {x: data/known.txt}\n"),
        ("echo x > data/known.txt", "    inputs: {x: data}\n"),
        ("rm data/known.txt; echo x > data/known.txt", "    inputs: {x: data/known.txt}\n"),
    ] {
        let project = stage(script, more);
        let error = failure(&project);
        let stopped = error.contains("denied") || error.contains("changed its input data/known.txt");
        assert!(stopped, "{script}: {error}");
        assert_eq!(project.read("data/known.txt"), "known\n");
        // Without the guard permissions stop everybody but the superuser, who is found out afterwards.
        let ran = Ran::from(project.command(&["run"]).env("KILN_GUARD", "off").output().expect("start kiln"));
        assert_eq!(ran.code, Some(1), "{script}: {}", ran.stderr);
        assert_eq!(project.read("data/known.txt"), "known\n");
    }
    // What only deletes its own copy, as `gunzip` does, is let go on.
    succeeds(&stage("rm -f data/known.txt", "    inputs: {x: data/known.txt}\n"));
}

#[test]
fn a_folder_and_a_file_of_it_can_both_be_inputs() {
    succeeds(&stage("cat data/known.txt data/more.txt", "    inputs: {a: data/known.txt, b: data}\n"));
}

#[test]
fn a_toolchain_of_the_project_on_path_works() {
    let project = stage("tool", "");
    let folder = project.root().join(".venv/bin");
    project.write(".venv/bin/tool", "#!/bin/sh\necho tool\n");
    executable(&folder.join("tool"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    let output = project.command(&["run", "--json"]).env("PATH", path).output().expect("start kiln");
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

#[test]
fn without_the_guard_a_run_says_so_once() {
    let project = stage("true", "  t: {run: echo t > out/t.txt, outputs: {t: out/t.txt}}\n");
    let output = project.command(&["run"]).env("KILN_GUARD", "off").output().expect("start kiln");
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("nothing keeps stages from").count(), 1, "{}", ran.stderr);
    let checked = ["run", "--check-determinism", "s", "--check-determinism", "t"];
    let ran = Ran::from(project.command(&checked).env("KILN_GUARD", "off").output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("nothing keeps stages from").count(), 1, "{}", ran.stderr);
}

#[test]
fn the_superuser_has_no_more_rights_than_it_needs() {
    if !guarded() {
        return;
    }
    // Reading all files, becoming another user, ports below 1024, locked memory.
    let kept = 1u64 << 2 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 14;
    let project = stage("sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/self/status > out/caps", "");
    project.edit("pipeline.yaml", "{x: out/x.txt}", "{x: out/x.txt, caps: out/caps}");
    succeeds(&project);
    let rights = u64::from_str_radix(project.read("out/caps").trim(), 16).expect("a set of rights");
    assert_eq!(rights & !kept, 0, "{rights:x}");
    let inputs = "    inputs: {x: data/known.txt}\n";
    for script in ["echo x >> data/known.txt", "cp secret data/known.txt", "sh -c 'echo x >> data/known.txt'"] {
        let error = failure(&stage(&format!("echo > secret; {script}"), inputs));
        assert!(error.contains("denied"), "{script}: {error}");
    }
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // In a container the files are often another user's, who lets nobody else read them.
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let there = elsewhere.path().join("there");
    let project = stage(&format!("cat data/known.txt {}", there.display()), inputs);
    for file in [there, project.root().join("data/known.txt")] {
        std::fs::write(&file, "known\n").expect("write");
        std::os::unix::fs::chown(&file, Some(1000), Some(1000)).expect("chown");
        readable_by_its_owner(&file);
    }
    succeeds(&project);
}

fn readable_by_its_owner(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}

#[test]
fn what_is_unpacked_belongs_to_who_unpacks_it() {
    let project =
        stage("tar -xf data/some.tar; echo more >> some/text; echo x > some/new", "    inputs: {x: data/some.tar}\n");
    project.write("some/text", "text\n");
    let mut tar = std::process::Command::new("tar");
    tar.args(["--owner=1000", "--group=1000", "--numeric-owner", "--mode=u+rwX,go=", "-cf", "data/some.tar", "some"]);
    if !tar.current_dir(project.root()).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no GNU tar on this machine");
        return;
    }
    succeeds(&project);
}

#[test]
fn what_the_caller_has_open_is_not_handed_on() {
    let project = stage("if { cat <&9; } 2> error; then exit 9; fi", "");
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(project.root()).args(["-c", "exec 9< secret.txt; exec \"$0\" run", env!("CARGO_BIN_EXE_kiln")]);
    let ran = Ran::from(shell.env_remove("KILN_CACHE").output().expect("start a shell"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
