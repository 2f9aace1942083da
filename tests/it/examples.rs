//! The examples: real packages, killed and made longer, to the same bits as a run that was never stopped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::project::{Project, Ran, Record};

/// The folder of a Python that has scikit-learn.
fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("KILN_TEST_PYTHON").map(PathBuf::from);
    let found =
        named.into_iter().chain(std::env::split_paths(&path)).chain([PathBuf::from("/usr/bin")]).find(|folder| {
            let mut command = Command::new(folder.join("python3"));
            command.args(["-c", "import sklearn"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "no python3 here has scikit-learn");
    if found.is_none() {
        eprintln!("SKIPPED: no python3 here has scikit-learn");
    }
    found
}

/// A copy of an example, whose commands find the module in its source folder.
fn example(name: &str) -> Project {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(folder.join("pipeline.yaml")).expect("its pipeline");
    let project = Project::new(&text.replace("    run: python3", "    env: {pass: [PYTHONPATH]}\n    run: python3"));
    for entry in std::fs::read_dir(&folder).expect("an example").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "py") {
            std::fs::copy(&path, project.root().join(entry.file_name())).expect("copy");
        }
    }
    project
}

fn command(project: &Project, python: &Path, args: &[&str]) -> Command {
    let path = format!("{}:{}", python.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = project.command(args);
    command.env("PATH", path).env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("python/src"));
    command
}

fn run(project: &Project, python: &Path, args: &[&str]) -> Record {
    let ran = Ran::from(command(project, python, &[&["run", "--json"], args].concat()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.record()
}

#[test]
fn scikit_learn_goes_on_to_the_same_bits() {
    let Some(python) = python() else { return };
    let project = example("sklearn");
    let resumed = |record: &Record| record.stage("train")["resumed"]["step"].as_u64();
    let five = run(&project, &python, &[]);
    assert_eq!((five.outcome("train"), resumed(&five)), ("executed", None));
    let eight = run(&project, &python, &["--set", "epochs=8"]);
    assert_eq!((eight.outcome("data"), resumed(&eight)), ("up-to-date", Some(5)));
    assert!(eight.stage("train")["metrics"]["accuracy"].as_f64().expect("an accuracy") > 0.8);
    assert_eq!(resumed(&run(&project, &python, &["--set", "epochs=6"])), Some(6));
    let shown = command(&project, &python, &["show", "train"]).output().expect("start kiln");
    let shown = Ran::from(shown).stdout;
    assert!(shown.contains("states") && shown.contains("epoch  1 to 6  "), "{shown}");

    let straight = example("sklearn");
    let whole = run(&straight, &python, &["--set", "epochs=8"]);
    assert_eq!(resumed(&whole), None);
    assert_eq!(whole.digests(), eight.digests());

    let killed = example("sklearn");
    for moment in [900, 1300, 1700] {
        let mut command = command(&killed, &python, &["run", "--set", "epochs=8"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start kiln");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = rustix::process::kill_process(Pid::from_child(&child), Signal::KILL);
        child.wait().expect("wait for kiln");
    }
    assert_eq!(run(&killed, &python, &["--set", "epochs=8"]).digests(), whole.digests());
}
