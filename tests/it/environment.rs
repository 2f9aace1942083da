//! The environment of a command in its key: packages by name and version, lock files, and who is told that theirs is not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::project::Project;

const PIPELINE: &str = "\
version: 1
environment: auto
stages:
  all:
    run: .venv/bin/python -c 'import alpha; print(alpha.version)' > out/all
    outputs: {x: out/all}
  some:
    run: .venv/bin/python -c 'print(1)' > out/some
    environment: {from: auto, only: [Beta_Package]}
    outputs: {x: out/some}
  none:
    run: .venv/bin/python -c 'print(2)' > out/none
    environment: none
    outputs: {x: out/none}
";

/// A project with a virtual environment that has two packages.
fn project(pipeline: &str) -> Project {
    let project = Project::new(pipeline);
    environment(&project);
    project
}

/// Makes a virtual environment in a project.
pub(crate) fn environment(project: &Project) {
    let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(project.root().join(".venv")).output();
    let made = made.expect("python3, with its module venv");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    install(project, "alpha", "1.0", "one");
    install(project, "beta.package", "1.0", "one");
}

fn packages(project: &Project) -> PathBuf {
    let lib = fs::read_dir(project.root().join(".venv/lib")).expect("an environment");
    let python = lib.flatten().map(|entry| entry.path()).find(|path| path.is_dir()).expect("a version of Python");
    python.join("site-packages")
}

/// Puts a package in place as an installer does.
pub(crate) fn install(project: &Project, name: &str, version: &str, content: &str) {
    let folder = packages(project);
    for entry in fs::read_dir(&folder).expect("site-packages").flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("{name}-")) {
            fs::remove_dir_all(entry.path()).expect("remove the old one");
        }
    }
    let module = name.replace('.', "_");
    let info = format!("{name}-{version}.dist-info");
    let source = format!("version = '{version}'\ncontent = '{content}'\n");
    let record =
        format!("{module}/__init__.py,sha256={content},{}\n{info}/INSTALLER,,\n{info}/RECORD,,\n", source.len());
    for (path, text) in [
        (format!("{module}/__init__.py"), source.as_str()),
        (format!("{info}/METADATA"), "Metadata-Version: 2.1\n"),
        (format!("{info}/INSTALLER"), "pip\n"),
        (format!("{info}/RECORD"), record.as_str()),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create folder");
        fs::write(path, text).expect("write file");
    }
}

#[test]
fn an_upgrade_executes_what_uses_the_package_and_says_so() {
    let project = project(PIPELINE);
    project.run(&[]);
    assert_eq!(project.read("out/all"), "1.0\n");
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    install(&project, "alpha", "2.0", "two");
    let status = project.kiln(&["status"]).stdout;
    assert!(status.contains("environment: alpha 1.0 => 2.0"), "{status}");
    let why = project.kiln(&["why", "all"]).stdout;
    assert!(why.contains("alpha 1.0 => 2.0"), "{why}");
    // What is in the key of the last result can be seen.
    let shown = project.kiln(&["show", "all"]).stdout;
    let listed: Vec<&str> = shown.lines().skip_while(|line| !line.contains("environment in the key")).collect();
    assert!(listed.iter().any(|line| line.split_whitespace().eq(["alpha", "1.0"])), "{shown}");
    let json = project.kiln(&["show", "all", "--json"]).json();
    let alpha = json["stages"][0]["environment"]["alpha"].as_str().unwrap_or_default().to_owned();
    assert!(alpha.starts_with("1.0 ("), "{json}");
    let record = project.run(&[]);
    assert_eq!(record.with("executed"), ["all"]);
    assert_eq!(record.reasons("all"), "environment: alpha 1.0 => 2.0");
    assert_eq!(project.read("out/all"), "2.0\n");
    // The same version with other files, a package that comes, and one that goes.
    install(&project, "beta.package", "1.0", "other");
    assert_eq!(project.run(&[]).with("executed"), ["all", "some"]);
    install(&project, "gamma", "3.1", "one");
    assert!(project.run(&[]).reasons("all").contains("gamma 3.1 added"));
    fs::remove_dir_all(packages(&project).join("gamma-3.1.dist-info")).expect("remove");
    // As it was before: nothing is executed.
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
}

#[test]
fn a_script_that_is_run_by_hand_executes_nothing() {
    let project = project(PIPELINE);
    project.run(&[]);
    let python = project.root().join(".venv/bin/python");
    let by_hand =
        Command::new(python).args(["-c", "import alpha, beta_package"]).env_remove("PYTHONDONTWRITEBYTECODE").status();
    assert!(by_hand.expect("start Python").success());
    assert!(packages(&project).join("alpha/__pycache__").is_dir());
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
}

#[test]
fn a_package_that_is_not_there_is_told() {
    let project = project(&PIPELINE.replace("Beta_Package", "beta-pakage"));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no such package in .venv"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `beta-package`?"), "{}", ran.stderr);
}

#[test]
fn status_tells_once_of_packages_that_are_in_no_key() {
    let without = PIPELINE.replace("environment: auto\n", "");
    let project = project(&without);
    project.run(&[]);
    let status = project.kiln(&["status"]).stdout;
    assert!(status.contains("the packages in .venv are not in the key of all\n"), "{status}");
    assert_eq!(status.matches("hint:").count(), 1, "{status}");
    // Whoever has it now has it from then on.
    project.write("pipeline.yaml", PIPELINE);
    let record = project.run(&[]);
    assert_eq!(record.with("executed"), ["all"]);
    assert!(!project.kiln(&["status"]).stdout.contains("not in the key"));
}

#[test]
fn where_there_is_no_environment_keys_are_as_they_were() {
    let pipeline = "version: 1\nstages:\n  a: {run: echo 1 > out/a, outputs: {x: out/a}}\n";
    let project = Project::new(pipeline);
    project.run(&[]);
    project.write("pipeline.yaml", &pipeline.replace("stages:", "environment: auto\nstages:"));
    assert_eq!(project.run(&[]).with("up-to-date"), ["a"]);
}

#[test]
fn a_lock_file_counts_by_what_it_says_of_packages() {
    let pipeline = "\
version: 1
environment: uv.lock
stages:
  all: {run: echo 1 > out/all, outputs: {x: out/all}}
  some:
    run: echo 2 > out/some
    environment: {from: uv.lock, only: [numpy]}
    outputs: {x: out/some}
";
    let project = Project::new(pipeline);
    let lock = |torch: &str| {
        format!(
            "version = 1\n\n[[package]]\nname = \"numpy\"\nversion = \"2.1.0\"\n\n[[package]]\nname = \"torch\"\nversion = \"{torch}\"\n"
        )
    };
    project.write("uv.lock", &lock("2.9.1"));
    project.run(&[]);
    project.write("uv.lock", &format!("# another comment\n{}", lock("2.9.1")));
    assert_eq!(project.run(&[]).with("up-to-date").len(), 2);
    project.write("uv.lock", &lock("2.10.0"));
    let record = project.run(&[]);
    assert_eq!(record.with("executed"), ["all"]);
    assert_eq!(record.reasons("all"), "environment: torch 2.9.1 => 2.10.0");
    fs::remove_file(project.root().join("uv.lock")).expect("remove");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stderr.matches("the lock file `uv.lock` cannot be read").count(), 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("pipeline.yaml:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no such file"), "{}", ran.stderr);
}

#[test]
fn other_lock_files_name_packages_too() {
    let of = |file: &str| {
        format!("version: 1\nenvironment: {file}\nstages:\n  a: {{run: echo 1 > out/a, outputs: {{x: out/a}}}}\n")
    };
    let cases = [
        (
            "requirements.txt",
            "# pinned\ntorch==2.9.1 \\\n    --hash=sha256:aa\nnumpy==2.1.0\n",
            "torch==2.9.1",
            "torch==2.10.0",
        ),
        (
            "renv.lock",
            "{\"R\": {\"Version\": \"4.4.1\"}, \"Packages\": {\"torch\": {\"Version\": \"2.9.1\", \"Hash\": \"a\"}}}",
            "2.9.1",
            "2.10.0",
        ),
    ];
    for (file, text, from, to) in cases {
        let project = Project::new(&of(file));
        project.write(file, text);
        project.run(&[]);
        project.write(file, &text.replace(from, to));
        assert_eq!(project.run(&[]).reasons("a"), "environment: torch 2.9.1 => 2.10.0", "{file}");
    }
    // Of a format that is not known the whole counts.
    let project = Project::new(&of("some.spec"));
    project.write("some.spec", "torch 2.9.1\n");
    project.run(&[]);
    project.write("some.spec", "torch 2.10.0\n");
    assert_eq!(project.run(&[]).outcome("a"), "executed");
}

#[test]
fn a_package_may_have_several_lines_and_stand_in_several_files() {
    let of = |files: &str| {
        format!("version: 1\nenvironment: {files}\nstages:\n  a: {{run: echo 1 > out/a, outputs: {{x: out/a}}}}\n")
    };
    let edits = [
        // Two platforms, and what begins with the name of a protocol.
        (
            "requirements.txt",
            "numpy==1.26.0; python_version < '3.12'\nnumpy==2.1.0; python_version >= '3.12'\n",
            "1.26.0",
        ),
        ("requirements.txt", "https://host/a-1.whl\nhttps://host/b-1.whl\n", "a-1"),
        // A comment is not continued.
        ("requirements.txt", "numpy==1\n# see C:\\notes\\\ntorch==2\n", "torch==2"),
        // A file with options, and its own lines.
        ("requirements.txt", "-r base.txt\ntorch==2.9.1\n", "torch==2.9"),
    ];
    for (file, text, from) in edits {
        let project = Project::new(&of(file));
        project.write("base.txt", "-c deps/pins.txt\nnumpy==1\n").write("deps/pins.txt", "scipy==1\n");
        project.write(file, text);
        project.run(&[]);
        assert_eq!(project.run(&[]).outcome("a"), "up-to-date");
        project.write(file, &text.replacen(from, "9.9", 1));
        assert_eq!(project.run(&[]).outcome("a"), "executed", "{text}");
    }
    let project = Project::new(&of("requirements.txt"));
    // What is referred to, also by what is referred to; in a circle, too.
    project.write("requirements.txt", "-r base.txt\n").write("base.txt", "-cdeps/pins.txt\nnumpy==1\n");
    project.write("deps/pins.txt", "--requirement=../more.txt\n").write("more.txt", "scipy==1\n");
    project.run(&[]);
    project.write("more.txt", "scipy==2\n");
    assert_eq!(project.run(&[]).reasons("a"), "environment: scipy 1 => 2");
    project.write("deps/pins.txt", "-r ../requirements.txt\n-r ../more.txt\n-r gone.txt\n");
    assert_eq!(project.run(&[]).outcome("a"), "executed");
    assert_eq!(project.run(&[]).outcome("a"), "up-to-date");
    // Two files: both count, in their order.
    let project = Project::new(&of("[requirements.txt, requirements-gpu.txt]"));
    project.write("requirements.txt", "torch==1\n").write("requirements-gpu.txt", "torch==1\n");
    project.run(&[]);
    project.write("requirements.txt", "torch==2\n");
    assert_eq!(project.run(&[]).reasons("a"), "environment: torch 1 => 2, 1");
}

#[test]
fn single_packages_are_found_in_a_file_with_options() {
    let project = Project::new(
        "version: 1\nenvironment: {from: requirements.txt, only: [numpy]}\nstages:\n  a: {run: echo 1 > out/a, outputs: {x: out/a}}\n",
    );
    project.write("requirements.txt", "--no-binary :all:\nnumpy==1\nscipy==1\n");
    project.run(&[]);
    project.write("requirements.txt", "--no-binary :all:\nnumpy==1\nscipy==2\n");
    assert_eq!(project.run(&[]).outcome("a"), "up-to-date");
    project.write("requirements.txt", "--no-binary :all:\nnumpy==2\nscipy==2\n");
    assert_eq!(project.run(&[]).reasons("a"), "environment: numpy 1 => 2");
}
