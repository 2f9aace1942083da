//! What programs leave beside the files of a person: no part of an input folder, no change of an output, no reason to do anything.

use std::time::{Duration, SystemTime};

use crate::project::{Project, Ran};

const FOLDER: &str = "\
version: 1
stages:
  list:
    run: find lib | sort > out/list.txt; cat lib/helper.py >> out/list.txt
    inputs: {lib: lib}
    outputs: {x: out/list.txt}
";

/// What is left over in a folder `lib` with `helper.py` and a folder `sub`.
const LEFT: [&str; 12] = [
    "lib/__pycache__/helper.cpython-311.pyc",
    "lib/sub/__pycache__/deep.cpython-311.pyc",
    "lib/.ipynb_checkpoints/a-checkpoint.ipynb",
    "lib/.DS_Store",
    "lib/Thumbs.db",
    "lib/helper.pyc",
    "lib/.helper.py.swp",
    "lib/helper.py~",
    "lib/.#helper.py",
    "lib/.mypy_cache/3.11/x.json",
    "lib/.pytest_cache/README.md",
    "lib/.ruff_cache/x",
];

fn project() -> Project {
    let project = Project::new(FOLDER);
    project.write("lib/helper.py", "X = 41\n").write("lib/sub/deep.py", "Y = 1\n").write("lib/data.pyc", "data\n");
    project
}

#[test]
fn what_is_left_over_is_no_part_of_an_input() {
    let project = project();
    project.run(&[]);
    let listed = project.read("out/list.txt");
    for left in LEFT {
        project.write(left, "left over\n");
        assert_eq!(project.run(&[]).outcome("list"), "up-to-date", "{left}");
    }
    // Nor does a command find it.
    std::fs::remove_dir_all(project.root().join("cache")).expect("remove the cache");
    assert_eq!(project.run(&["--force-overwrite"]).outcome("list"), "executed");
    assert_eq!(project.read("out/list.txt"), listed);
    assert!(listed.contains("lib/data.pyc"), "one without a source is somebody's own: {listed}");
    project.write("lib/helper.py", "X = 42\n");
    assert_eq!(project.run(&[]).outcome("list"), "executed");
}

#[test]
fn what_is_named_itself_is_taken() {
    let project = Project::new(
        "
            version: 1
            stages:
              s:
                run: cat lib/__pycache__/a.pyc data.txt~ > out/x; ls lib >> out/x
                inputs: {lib: lib, a: lib/__pycache__, b: data.txt~}
                outputs: {x: out/x}
        ",
    );
    project.write("lib/a.py", "").write("lib/__pycache__/a.pyc", "compiled\n").write("data.txt~", "backup\n");
    project.run(&[]);
    assert_eq!(project.read("out/x"), "compiled\nbackup\n__pycache__\na.py\n");
    project.write("data.txt~", "other\n");
    assert_eq!(project.run(&[]).outcome("s"), "executed");
}

#[test]
fn an_output_that_was_used_by_hand_is_unchanged() {
    let project = Project::new(
        "
            version: 1
            stages:
              make:
                run: mkdir -p out/lib; echo 'X = 1' > out/lib/helper.py
                outputs: {lib: out/lib}
              use:
                run: cat out/lib/helper.py > out/x
                inputs: {lib: {from: make.lib}}
                outputs: {x: out/x}
        ",
    );
    project.run(&[]);
    project.write("out/lib/__pycache__/helper.cpython-311.pyc", "left over\n");
    let record = project.run(&[]);
    assert_eq!(record.with("up-to-date"), ["make", "use"]);
    assert_eq!(project.read("out/lib/__pycache__/helper.cpython-311.pyc"), "left over\n");
    let checked = project.kiln(&["checkout", "latest"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    // A file of a person is a change.
    project.write("out/lib/helper.py", "X = 2\n");
    assert!(project.run_or_refusal() != "up-to-date");
}

#[test]
fn python_by_hand_and_in_a_stage_do_not_meet() {
    let python = std::process::Command::new("python3").arg("--version").output().is_ok();
    assert!(python || std::env::var_os("CI").is_none(), "no python3 on this machine");
    if !python {
        return;
    }
    let project = Project::new(
        "version: 1\nstages:\n  t: {run: python3 train.py > out/t, inputs: {s: train.py, l: lib}, outputs: {o: out/t}}\n",
    );
    project.write("lib/helper.py", "X = 41\n").write("train.py", "from lib.helper import X; print(X)\n");
    project.run(&[]);
    let mut by_hand = std::process::Command::new("python3");
    by_hand.env_remove("PYTHONDONTWRITEBYTECODE").env_remove("PYTHONPYCACHEPREFIX");
    let by_hand = by_hand.arg("train.py").current_dir(project.root()).output();
    assert!(by_hand.is_ok_and(|output| output.status.success()));
    assert!(project.root().join("lib/__pycache__").is_dir());
    assert_eq!(project.run(&[]).outcome("t"), "up-to-date");
    project.edit("train.py", "print(X)", "print(X + 1)");
    assert_eq!((project.run(&[]).outcome("t"), project.read("out/t").as_str()), ("executed", "42\n"));
}

#[test]
fn what_python_compiles_in_an_output_is_told_apart() {
    let project = Project::new(
        "
            version: 1
            stages:
              lib:
                run: mkdir -p out/lib/__pycache__; echo 'X = 1' > out/lib/a.py; cat /proc/sys/kernel/random/uuid > out/lib/__pycache__/a.pyc
                outputs: {lib: out/lib}
              any: {run: cat /proc/sys/kernel/random/uuid > out/any, outputs: {any: out/any}}
        ",
    );
    project.run(&[]);
    let ran = project.kiln(&["run", "--force", "lib", "lib"]);
    assert!(ran.stderr.contains("lib is not deterministic"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: `env: {PYTHONDONTWRITEBYTECODE"), "{}", ran.stderr);
    assert!(project.root().join("out/lib/__pycache__/a.pyc").exists(), "it is part of the output");
    let ran = project.kiln(&["run", "--force", "any", "any"]);
    assert!(ran.stderr.contains("any is not deterministic") && !ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn inputs_keep_the_times_of_the_originals() {
    let project = Project::new(
        "
            version: 1
            stages:
              make: {run: echo made > out/made, outputs: {x: out/made}}
              s:
                run: stat -c %Y data data/a data/b in > out/x; test out/made -nt in
                inputs: {data: data, in: in, made: {from: make.x}}
                outputs: {x: out/x}
        ",
    );
    project.write("data/a", "a").write("data/b", &"b".repeat(100_000)).write("in", "in");
    let mut times = String::new();
    for (path, seconds) in
        [("data/a", 1_000_000_000), ("data/b", 1_100_000_000), ("in", 1_200_000_000), ("data", 1_300_000_000)]
    {
        let file = std::fs::File::open(project.root().join(path)).expect("open");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("set the time");
    }
    for seconds in [1_300_000_000, 1_000_000_000, 1_100_000_000, 1_200_000_000] {
        times += &format!("{seconds}\n");
    }
    project.run(&[]);
    assert_eq!(project.read("out/x"), times);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let project = project();
    std::os::unix::fs::symlink("/nowhere/else", project.root().join("lib/away")).expect("link");
    let ran = project.kiln(&["run", "--json"]);
    let error = ran.record().stage("list")["error"].as_str().expect("an error").to_owned();
    assert_eq!(error, "cannot read lib: lib/away is a symbolic link to /nowhere/else, which does not exist");
    std::fs::remove_file(project.root().join("lib/away")).expect("remove");
    if rustix::process::geteuid().is_root() {
        return;
    }
    let file = project.root().join("lib/helper.py");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("chmod");
    let error = project.kiln(&["run", "--json"]).record().stage("list")["error"].as_str().expect("an error").to_owned();
    assert_eq!(error, "cannot read lib: cannot open lib/helper.py: Permission denied (os error 13)");
}

impl Project {
    /// What a run says of the first stage, be it that something is in the way.
    fn run_or_refusal(&self) -> String {
        let ran: Ran = self.kiln(&["run", "--json"]);
        ran.record().outcome("make").to_owned()
    }
}

#[test]
fn what_is_left_over_in_an_output_is_in_nobodys_way() {
    let project = Project::new(
        "
            version: 1
            params: {x: 1}
            stages:
              make:
                run: mkdir -p out/lib/sub; echo ${params.x} | tee out/lib/helper.py > out/lib/sub/deep.py
                outputs: {lib: out/lib}
        ",
    );
    // Where nothing of Kiln's was yet, and later beside what it made.
    for (x, left) in (1..).zip(LEFT) {
        let left = format!("out/{left}");
        project.write(&left, "left over\n");
        for args in [&["run", "-n"][..], &["run"]] {
            let ran = project.kiln(&[args, &["--set", &format!("x={x}")]].concat());
            assert_eq!(ran.code, Some(0), "{left}: {}{}", ran.stdout, ran.stderr);
        }
        assert_eq!(project.read("out/lib/helper.py"), format!("{x}\n"), "{left}");
    }
    // What is not left over stays, wherever it lies.
    for own in ["notes.txt", "__pycache__/notes.txt", ".ipynb_checkpoints/plan.ipynb", "sub/data.pyc", "swp/x~/a"] {
        let own = format!("out/lib/{own}");
        project.write(&own, "my own\n").write("out/lib/__pycache__/helper.cpython-311.pyc", "left over\n");
        let ran = project.kiln(&["run", "--set", "x=other"]);
        assert_eq!(ran.code, Some(1), "{own}: {}", ran.stderr);
        assert!(ran.stderr.contains(&own) && !ran.stderr.contains("helper.cpython"), "{own}: {}", ran.stderr);
        assert_eq!(project.read(&own), "my own\n");
        std::fs::remove_file(project.root().join(&own)).expect("remove");
    }
    assert_eq!(project.kiln(&["run", "--set", "x=other"]).code, Some(0));
    assert!(!project.root().join("out/lib/__pycache__").exists(), "the folder is the new one");
}
