//! Which environment of Python counts: the one whose packages the command imports, however it names it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::project::{Project, Ran, Record};

/// A stage that runs `command`, whose input is `t.py` and whose output is `out/a`.
fn pipeline(command: &str) -> String {
    format!(
        "version: 1\nenvironment: auto\nstages:\n  a:\n    run: {command}\n    env: {{PYTHONDONTWRITEBYTECODE: \"1\"}}\n    inputs: {{script: t.py}}\n    outputs: {{x: out/a}}\n"
    )
}

fn project(command: &str) -> Project {
    let project = Project::new(&pipeline(command));
    project.write("t.py", "import alpha\nopen('out/a', 'a').write(alpha.version)\n");
    project
}

/// Makes a folder an environment whose interpreter is the system's.
fn environment(prefix: &Path) {
    let python = String::from_utf8(
        std::process::Command::new("python3")
            .args([
                "-c",
                "import sys, os; print(os.path.realpath(sys.executable)); print('%d.%d' % sys.version_info[:2])",
            ])
            .output()
            .expect("python3")
            .stdout,
    );
    let python = python.expect("text");
    let (python, version) = python.trim().split_once('\n').expect("two lines");
    fs::create_dir_all(prefix.join("bin")).expect("bin");
    fs::create_dir_all(prefix.join(format!("lib/python{version}/site-packages"))).expect("site-packages");
    fs::write(prefix.join("pyvenv.cfg"), format!("home = {}\n", Path::new(python).parent().expect("bin").display()))
        .expect("pyvenv.cfg");
    for name in ["python", "python3"] {
        symlink(python, prefix.join("bin").join(name)).expect("an interpreter");
    }
}

fn site_packages(prefix: &Path) -> PathBuf {
    let folders = fs::read_dir(prefix.join("lib")).expect("lib").flatten();
    folders.map(|entry| entry.path().join("site-packages")).find(|path| path.is_dir()).expect("site-packages")
}

/// Puts `alpha` of a version into a folder of packages.
fn alpha(packages: &Path, version: &str) {
    for entry in fs::read_dir(packages).expect("packages").flatten() {
        if entry.file_name().to_string_lossy().starts_with("alpha-") {
            fs::remove_dir_all(entry.path()).expect("remove the old one");
        }
    }
    fs::write(packages.join("alpha.py"), format!("version = '{version}'\n")).expect("the module");
    let info = packages.join(format!("alpha-{version}.dist-info"));
    fs::create_dir_all(&info).expect("a folder");
    fs::write(info.join("METADATA"), "Metadata-Version: 2.1\n").expect("METADATA");
    fs::write(info.join("RECORD"), format!("alpha.py,sha256={version},1\n")).expect("RECORD");
}

/// Runs with folders in front of `PATH`.
fn run_with(project: &Project, folders: &[PathBuf]) -> Record {
    let usual = std::env::var_os("PATH").expect("PATH");
    let path = std::env::join_paths(folders.iter().cloned().chain(std::env::split_paths(&usual))).expect("PATH");
    let ran = Ran::from(project.command(&["run", "--json"]).env("PATH", path).output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.record()
}

fn executes(project: &Project, folders: &[PathBuf]) -> bool {
    run_with(project, folders).with("executed") == ["a"]
}

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

#[test]
fn a_command_that_names_another_interpreter_uses_its_packages() {
    let elsewhere = TempDir::new().expect("a folder");
    let (active, other) = (elsewhere.path().join("active"), elsewhere.path().join("other"));
    for prefix in [&active, &other] {
        environment(prefix);
        alpha(&site_packages(prefix), "1");
    }
    symlink("python3", other.join("bin/python3.99")).expect("another name");
    let folders = [active.join("bin"), other.join("bin")];
    let project = project("python3.99 t.py");
    assert!(executes(&project, &folders) && !executes(&project, &folders));
    alpha(&site_packages(&other), "2");
    assert!(executes(&project, &folders), "what it imports has changed");
    assert_eq!(project.read("out/a"), "2");
    alpha(&site_packages(&active), "2");
    assert!(!executes(&project, &folders), "it imports nothing of the other");
}

#[test]
fn a_script_uses_the_environment_that_its_first_line_names() {
    let elsewhere = TempDir::new().expect("a folder");
    let (prefix, active) = (elsewhere.path().join("env"), elsewhere.path().join("active"));
    for prefix in [&prefix, &active] {
        environment(prefix);
        alpha(&site_packages(prefix), "1");
    }
    let script =
        format!("#!{}\nimport alpha\nopen('out/a', 'w').write(alpha.version)\n", prefix.join("bin/python").display());
    for (command, uses_active) in [
        ("./t.py", false),
        ("./${inputs.script}", false),
        (r#"timeout 60 \"$PWD/t.py\""#, false),
        ("python3 --version && ./t.py", true),
    ] {
        let project = project(&format!("\"{command}\""));
        program(&project.root().join("t.py"), &script);
        let folders = [active.join("bin")];
        alpha(&site_packages(&prefix), "1");
        assert!(executes(&project, &folders) && !executes(&project, &folders), "{command}");
        alpha(&site_packages(&prefix), "2");
        assert!(executes(&project, &folders), "{command}");
        assert_eq!(project.read("out/a"), "2");
        alpha(&site_packages(&active), "3");
        assert_eq!(executes(&project, &folders), uses_active, "{command}");
        alpha(&site_packages(&active), "1");
    }
}

#[test]
fn a_script_after_an_activation_uses_that_environment_alone() {
    let elsewhere = TempDir::new().expect("a folder");
    let active = elsewhere.path().join("active");
    environment(&active);
    alpha(&site_packages(&active), "1");
    let project = project(". .venv/bin/activate && ./t.py");
    let prefix = project.root().join(".venv");
    environment(&prefix);
    program(&prefix.join("bin/activate"), &format!("PATH={}:$PATH\n", prefix.join("bin").display()));
    alpha(&site_packages(&prefix), "1");
    program(
        &project.root().join("t.py"),
        "#!/usr/bin/env python3\nimport alpha\nopen('out/a', 'w').write(alpha.version)\n",
    );
    let folders = [active.join("bin")];
    assert!(executes(&project, &folders) && !executes(&project, &folders));
    alpha(&site_packages(&active), "2");
    assert!(!executes(&project, &folders));
    alpha(&site_packages(&prefix), "3");
    assert!(executes(&project, &folders));
    assert_eq!(project.read("out/a"), "3");
}

#[test]
fn a_comment_names_no_environment() {
    let elsewhere = TempDir::new().expect("a folder");
    let active = elsewhere.path().join("active");
    environment(&active);
    alpha(&site_packages(&active), "1");
    let project = project("\"# was .va/bin/python t.py\\nrm -f out/a; python3 t.py\"");
    environment(&project.root().join(".va"));
    let folders = [active.join("bin")];
    assert!(executes(&project, &folders) && !executes(&project, &folders));
    alpha(&site_packages(&active), "2");
    assert!(executes(&project, &folders));
    assert_eq!(project.read("out/a"), "2");
}

#[test]
fn an_interpreter_that_is_not_there_or_does_not_answer_fails_no_stage() {
    let elsewhere = TempDir::new().expect("a folder");
    // As Python 2, which does not know `-I`; and one that answers nothing.
    let old = "#!/bin/sh\n[ \"$1\" = -I ] && exit 2\n[ \"$1\" = -E ] && { echo 2.7.18; echo /nowhere; exit; }\necho old > out/a\n";
    program(&elsewhere.path().join("python2"), old);
    program(&elsewhere.path().join("python3.99"), "#!/bin/sh\nexit 127\n");
    let folders = [elsewhere.path().to_owned()];
    for command in ["python2 t.py", "python3.99 || echo other > out/a", "python4 || echo other > out/a"] {
        let project = project(command);
        assert!(executes(&project, &folders) && !executes(&project, &folders), "{command}");
    }
}

#[test]
fn of_two_environments_the_packages_of_both_count() {
    let project = project("rm -f out/a; .va/bin/python t.py; .vb/bin/python t.py");
    for name in [".va", ".vb"] {
        environment(&project.root().join(name));
        alpha(&site_packages(&project.root().join(name)), "1");
    }
    assert!(executes(&project, &[]) && !executes(&project, &[]));
    alpha(&site_packages(&project.root().join(".va")), "2");
    let record = run_with(&project, &[]);
    assert_eq!(record.reasons("a"), "environment: alpha 1 => 2, 1");
    assert_eq!(project.read("out/a"), "21");
    alpha(&site_packages(&project.root().join(".vb")), "2");
    assert!(executes(&project, &[]));
    assert_eq!(project.read("out/a"), "22");
}

#[test]
fn a_shim_is_asked_each_time_which_python_it_stands_for() {
    let elsewhere = TempDir::new().expect("a folder");
    let (shim, version) = (elsewhere.path().join("shims/python3"), elsewhere.path().join("version"));
    // What it says to Kiln's question, and the program that it starts otherwise, depend on a file, as pyenv's.
    let text = "#!/bin/sh\nversion=$(cat VERSION)\n[ \"$1\" = -I ] && { echo $version; echo /nowhere; exit; }\necho $version > out/a\n";
    program(&shim, &text.replace("VERSION", &version.display().to_string()));
    fs::write(&version, "3.10.13\n").expect("a version");
    let project = project("python3 t.py");
    let folders = [elsewhere.path().join("shims")];
    assert!(executes(&project, &folders) && !executes(&project, &folders));
    fs::write(&version, "3.12.1\n").expect("a version");
    let record = run_with(&project, &folders);
    assert_eq!(record.reasons("a"), "environment: python 3.10.13 => 3.12.1");
    assert_eq!(project.read("out/a"), "3.12.1\n");
}

#[test]
fn the_environment_s_own_package_goes_before_that_of_the_system() {
    let project = project(".venv/bin/python t.py");
    let elsewhere = TempDir::new().expect("a folder");
    let prefix = project.root().join(".venv");
    environment(&prefix);
    fs::write(prefix.join("pyvenv.cfg"), "include-system-site-packages = true\n").expect("pyvenv.cfg");
    // The folder of the system sorts behind that of the environment.
    let system = elsewhere.path().join("zz");
    fs::create_dir_all(&system).expect("a folder");
    let text = "#!/bin/sh\n[ \"$1\" = -I ] && { echo 3.11.0; echo SYSTEM; exit; }\nexec env PYTHONPATH=OWN:SYSTEM python3 \"$@\"\n";
    let text = text.replace("OWN", &site_packages(&prefix).display().to_string());
    fs::remove_file(prefix.join("bin/python3")).expect("remove");
    fs::remove_file(prefix.join("bin/python")).expect("remove");
    program(&prefix.join("bin/python"), &text.replace("SYSTEM", &system.display().to_string()));
    alpha(&system, "1");
    alpha(&site_packages(&prefix), "2");
    project.write("t.py", "import alpha\nopen('out/a', 'w').write(alpha.version)\n");
    assert!(executes(&project, &[]) && !executes(&project, &[]));
    assert_eq!(project.read("out/a"), "2");
    alpha(&site_packages(&prefix), "3");
    assert!(executes(&project, &[]), "this one is imported");
    assert_eq!(project.read("out/a"), "3");
    alpha(&system, "1.1");
    assert!(!executes(&project, &[]), "this one is not");
}

#[test]
fn an_editable_install_of_the_folders_above_leaves_out_the_project() {
    let above = TempDir::new().expect("a folder");
    let above = above.path().canonicalize().expect("a path");
    let prefix = above.join(".venv");
    environment(&prefix);
    for (path, text) in [("src/alpha/__init__.py", ""), ("src/alpha/dist/__init__.py", "version = 'd1'\n")] {
        fs::create_dir_all(above.join(path).parent().expect("a folder")).expect("a folder");
        fs::write(above.join(path), text).expect("a source");
    }
    let info = site_packages(&prefix).join("alpha-1.dist-info");
    fs::create_dir_all(&info).expect("a folder");
    fs::write(info.join("RECORD"), "__editable__.alpha-1.pth,,\n").expect("RECORD");
    fs::write(
        info.join("direct_url.json"),
        format!("{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}", above.display()),
    )
    .expect("direct_url.json");
    fs::write(site_packages(&prefix).join("__editable__.alpha-1.pth"), above.join("src").display().to_string())
        .expect("the path");
    let folder = above.join("exp [1]");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("pipeline.yaml"), pipeline(&format!("{} t.py", prefix.join("bin/python").display())))
        .expect("the pipeline");
    fs::write(folder.join("t.py"), "from alpha import dist\nopen('out/a', 'w').write(dist.version)\n").expect("t.py");
    let kiln = Project::new("");
    let run = || {
        let ran = Ran::from(kiln.command(&["run", "--json"]).current_dir(&folder).output().expect("start kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.record()
    };
    assert_eq!(run().with("executed"), ["a"]);
    assert_eq!(run().with("up-to-date"), ["a"], "what Kiln itself writes below does not count");
    fs::write(above.join("src/alpha/dist/__init__.py"), "version = 'd2'\n").expect("a source");
    assert_eq!(run().with("executed"), ["a"], "a package may be called `dist`");
    assert_eq!(fs::read_to_string(folder.join("out/a")).expect("the output"), "d2");
}

#[test]
fn conda_says_which_build_it_is_of_what_has_no_record() {
    let project = project("conda/bin/python t.py");
    let prefix = project.root().join("conda");
    environment(&prefix);
    fs::create_dir_all(prefix.join("conda-meta")).expect("a folder");
    fs::remove_file(prefix.join("pyvenv.cfg")).expect("remove");
    fs::write(prefix.join("conda-meta/alpha-1-py311_0.json"), "{}").expect("of conda");
    fs::create_dir_all(site_packages(&prefix).join("alpha-1-py3.11.egg-info")).expect("a folder");
    project.write("t.py", "open('out/a', 'w').write('x')\n");
    assert!(executes(&project, &[]) && !executes(&project, &[]));
    fs::rename(prefix.join("conda-meta/alpha-1-py311_0.json"), prefix.join("conda-meta/alpha-1-py311_1.json"))
        .expect("another build");
    assert_eq!(run_with(&project, &[]).reasons("a"), "environment: alpha 1 (py311_0) => 1 (py311_1)");
}
