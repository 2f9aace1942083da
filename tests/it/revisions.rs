//! Runs named by revisions, tags of runs, and where a file comes from.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::git::{commit, git, project};
use crate::project::{Project, Ran, files};

const PIPELINE: &str = "version: 1
params: {rate: 1}
stages:
  words:
    run: cp words.txt out/words.txt
    inputs: {words: words.txt}
    outputs: {words: out/words.txt}
  fit:
    run: 'echo \"{\\\"loss\\\": ${params.rate}}\" > out/loss.json; echo ${params.rate} > out/model.bin'
    inputs: {words: {from: words.words}}
    outputs: {loss: {path: out/loss.json, role: metrics}, model: out/model.bin}
";

/// A repository with three commits, of which the first and the last were run.
fn history() -> (Project, [String; 3]) {
    let project = project(PIPELINE);
    let one = commit(project.root(), "One");
    git(project.root(), &["tag", "v1"]);
    project.run(&[]);
    project.edit("pipeline.yaml", "rate: 1", "rate: 2");
    let two = commit(project.root(), "Two");
    project.edit("pipeline.yaml", "rate: 2", "rate: 3");
    let three = commit(project.root(), "Three");
    project.run(&[]);
    (project, [one, two, three])
}

/// A call with a cache folder of the user's own.
fn kiln(project: &Project, home: &Path, args: &[&str]) -> Ran {
    Ran::from(project.command(args).env("XDG_CACHE_HOME", home).output().expect("start kiln"))
}

/// The commits of the runs that were compared, and the values of the loss.
fn compared(project: &Project, args: &[&str]) -> (Vec<String>, Vec<f64>) {
    let ran = project.kiln(&[&["compare", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
    let json = ran.json();
    let commits = json["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["git"]["commit"].as_str().unwrap_or_default().to_owned());
    let row = json["metrics"].as_array().expect("metrics").iter().find(|row| row["metric"] == "loss").expect("a loss");
    (commits.collect(), row["values"].as_array().expect("values").iter().filter_map(Value::as_f64).collect())
}

#[test]
fn runs_are_named_by_branches_tags_hashes_and_ranges() {
    let (project, [one, _, three]) = history();
    let expected = (vec![one.clone(), three.clone()], vec![1.0, 3.0]);
    git(project.root(), &["branch", "old", "v1"]);
    let short = one[..10].to_owned();
    let last = [
        "v1",
        "HEAD~2",
        "old",
        "refs/heads/old",
        one.as_str(),
        short.as_str(),
        "HEAD^^",
        "old..",
        "v1..main",
        "old...HEAD",
    ];
    for name in last {
        assert_eq!(compared(&project, &[name]), expected, "{name}");
    }
    assert_eq!(compared(&project, &["--base", "v1"]), expected);
    assert_eq!(compared(&project, &["v1", "HEAD"]), expected);
    assert_eq!(compared(&project, &["HEAD", "v1"]).1, [3.0, 1.0]);
    // Everything that takes a run takes a revision, and says which run that is.
    let shown = project.kiln(&["show", "v1", "--json"]);
    assert_eq!(shown.record().0["git"]["commit"], one.as_str());
    assert!(shown.stderr.contains("v1 is commit") && shown.stderr.contains("(One)"), "{}", shown.stderr);
    assert_eq!(project.kiln(&["checkout", "v1"]).code, Some(0));
    assert_eq!(project.read("out/model.bin"), "1\n");
}

#[test]
fn a_clean_run_goes_before_one_with_changes_which_is_said_to_have_some() {
    let (project, [_, _, three]) = history();
    project.edit("pipeline.yaml", "rate: 3", "rate: 4").run(&[]);
    assert_eq!(compared(&project, &["HEAD", "latest"]), (vec![three.clone(), three.clone()], vec![3.0, 4.0]));
    let four = commit(project.root(), "Four");
    // Only a run with changes: of the commit before it, with what was then committed.
    let ran = project.kiln(&["compare", "HEAD"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("there is no run of commit {} (Four)", &four[..9])), "{}", ran.stderr);
    project.edit("pipeline.yaml", "rate: 4", "rate: 5").run(&[]);
    let ran = project.kiln(&["show", "HEAD", "--json"]);
    assert!(ran.stderr.contains("with changes that were not committed"), "{}", ran.stderr);
    assert_eq!(ran.record().0["params"]["rate"], 5);
}

#[test]
fn no_gate_is_held_against_a_run_of_changed_files() {
    let (project, _) = history();
    project.edit("pipeline.yaml", "rate: 3", "rate: 5");
    let four = commit(project.root(), "Four");
    // Edited and run before it is committed: the one run of the commit is of other files.
    project.edit("pipeline.yaml", "rate: 5", "rate: 1").run(&[]);
    let gate = ["--fail-if", "loss < 0"];
    for command in [&["compare", "HEAD"][..], &["ci", "--base", "HEAD"]] {
        let ran = project.kiln(&[command, &gate].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("had changes that were not committed: a gate would judge other code"),
            "{}",
            ran.stderr
        );
    }
    // Without a gate it serves, and that is said.
    assert_eq!(project.kiln(&["compare", "HEAD"]).code, Some(0));
    // The commit as it is.
    let home = tempfile::tempdir().expect("a folder");
    let ran = kiln(&project, home.path(), &[&["compare", "--run", "HEAD"], &gate[..]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("{} (Four): no run yet; it is run now", &four[..9])), "{}", ran.stderr);
    assert!(ran.stderr.contains("5 => 1 (-4)"), "{}", ran.stderr);
}

#[test]
fn a_commit_with_a_submodule_says_that_it_is_missing() {
    let (project, _) = history();
    let (other, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    git(other.path(), &["init", "-q", "-b", "main", "."]);
    std::fs::write(other.path().join("s.txt"), "s").expect("a file");
    commit(other.path(), "S");
    let url = other.path().display().to_string();
    git(project.root(), &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    let pipeline = project.read("pipeline.yaml");
    project.write("pipeline.yaml", &(pipeline + "  count:\n    run: ls sub | wc -l > out/count\n    inputs: {sub: sub/}\n    outputs: {count: out/count}\n"));
    commit(project.root(), "Four");
    project.edit("pipeline.yaml", "rate: 3", "rate: 4");
    commit(project.root(), "Five");
    project.run(&[]);
    let ran = kiln(&project, home.path(), &["compare", "--run", "HEAD~1"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`sub` does not exist"), "{}", ran.stderr);
}

#[test]
fn a_commit_with_the_same_files_serves_as_well() {
    let (project, [_, _, three]) = history();
    git(project.root(), &["checkout", "-q", "-b", "again", "v1"]);
    git(project.root(), &["checkout", "-q", "main", "--", "pipeline.yaml"]);
    let squashed = commit(project.root(), "All at once");
    let ran = project.kiln(&["show", "again", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().0["git"]["commit"], three.as_str());
    assert!(ran.stderr.contains("which has the same files"), "{}", ran.stderr);
    assert_ne!(squashed, three);
}

#[test]
fn names_of_runs_go_before_revisions_and_those_before_beginnings() {
    let (project, [one, _, three]) = history();
    let id = project.kiln(&["show", "latest", "--json"]).record().0["id"].as_str().expect("an id").to_owned();
    // A branch with the name of a run does not hide the run; one that is the beginning of the name does.
    git(project.root(), &["branch", &id, "v1"]);
    git(project.root(), &["branch", "latest", "v1"]);
    for name in [id.as_str(), "latest"] {
        assert_eq!(project.kiln(&["show", name, "--json"]).record().0["git"]["commit"], three.as_str(), "{name}");
    }
    git(project.root(), &["branch", &id[..4], "v1"]);
    assert_eq!(project.kiln(&["show", &id[..4], "--json"]).record().0["git"]["commit"], one.as_str());
    assert_eq!(project.kiln(&["show", &id[..5], "--json"]).record().0["git"]["commit"], three.as_str());
    // A tag of Kiln's goes before one of Git's.
    assert_eq!(project.kiln(&["tag", &id, "v1"]).code, Some(0));
    assert_eq!(project.kiln(&["show", "v1", "--json"]).record().0["git"]["commit"], three.as_str());
}

#[test]
fn a_commit_without_a_run_is_run_beside_the_project() {
    let (project, [one, two, _]) = history();
    let home = tempfile::tempdir().expect("a folder");
    let ran = kiln(&project, home.path(), &["compare", "HEAD~1"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("kiln compare --run HEAD~1"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("`{}` (One), 1 commit before it, has one", &one[..9])), "{}", ran.stderr);

    // What is not committed, the index and what lies in place stay as they are.
    project.write("words.txt", "edited\n").write("staged.txt", "new\n");
    git(project.root(), &["add", "staged.txt"]);
    let state = || {
        (
            git(project.root(), &["status", "--porcelain"]),
            project.read("out/model.bin"),
            git(project.root(), &["worktree", "list"]),
        )
    };
    let before = state();
    let ran = kiln(&project, home.path(), &["compare", "HEAD~1", "--run", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(state(), before);
    let json = ran.json();
    assert_eq!(json["runs"][0]["git"]["commit"], two.as_str());
    assert_eq!((&json["runs"][0]["git"]["dirty"], &json["runs"][0]["counts"]["restored"]), (&false.into(), &1.into()));
    assert_eq!(json["runs"][0]["counts"]["executed"], 1);
    let left: Vec<PathBuf> = files(home.path()).into_iter().filter(|file| !file.ends_with("lock")).collect();
    assert!(left.is_empty(), "{left:?}");

    // It has a run now, which is none of the project's last.
    let ran = kiln(&project, home.path(), &["compare", "HEAD~1", "--json"]);
    assert_eq!(ran.json()["runs"][0]["id"], json["runs"][0]["id"]);
    assert_eq!(project.kiln(&["show", "latest", "--json"]).record().0["params"]["rate"], 3);
}

#[test]
fn a_run_of_a_commit_that_is_interrupted_leaves_no_files() {
    let (project, _) = history();
    let mailbox = crate::project::mailbox();
    let sign = mailbox.path().join("begun");
    let slow = format!(
        "version: 1\nstages: {{slow: {{run: 'touch {}; sleep 60; true > a', outputs: {{a: out/a}}}}}}\n",
        sign.display()
    );
    project.write("pipeline.yaml", &slow);
    commit(project.root(), "Slow");
    project.write("pipeline.yaml", PIPELINE);
    commit(project.root(), "Quick");
    project.run(&[]);
    let home = tempfile::tempdir().expect("a folder");
    let mut child =
        project.command(&["compare", "HEAD~1", "--run"]).env("XDG_CACHE_HOME", home.path()).spawn().expect("kiln");
    crate::project::wait_for(&sign);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signal");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    let left: Vec<PathBuf> = files(home.path()).into_iter().filter(|file| !file.ends_with("lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_name_that_is_nothing_is_told_with_what_a_shallow_clone_lacks() {
    let (project, _) = history();
    let ran = project.kiln(&["compare", "nothing"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no run is called `nothing`"), "{}", ran.stderr);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", project.root().display());
    git(elsewhere.path(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let kiln = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command
            .current_dir(elsewhere.path().join("shallow"))
            .args(args)
            .env("KILN_CACHE", project.root().join("cache"));
        Ran::from(command.output().expect("start kiln"))
    };
    // The runs of the same commit in another checkout are found, as the cache is the same.
    let ran = kiln(&["show", "HEAD", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().0["params"]["rate"], 3);
    let ran = kiln(&["compare", "main...HEAD~2"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("git fetch --unshallow"), "{}", ran.stderr);
}

#[test]
fn tags_keep_runs_from_gc_and_are_listed_moved_and_dropped() {
    let (project, [one, ..]) = history();
    assert_eq!(project.kiln(&["tag", "HEAD~2", "paper"]).code, Some(0));
    let list = project.kiln(&["tag"]);
    assert!(list.stdout.contains("paper") && list.stdout.contains(&one[..9]), "{}", list.stdout);
    assert_eq!(project.kiln(&["tag", "--json"]).json()["tags"][0]["name"], "paper");

    // Twelve newer ones push it out of the last; the tag keeps it, and without the tag it goes.
    for rate in 10..12 {
        project.write("pipeline.yaml", &PIPELINE.replace("rate: 1", &format!("rate: {rate}"))).run(&[]);
    }
    assert_eq!(
        project.kiln(&["gc", "--keep-last", "1", "--unrecorded", "0", "--drop-records", "--delete"]).code,
        Some(0)
    );
    assert_eq!(project.kiln(&["checkout", "paper", "--force-overwrite"]).code, Some(0));
    assert_eq!(project.read("out/model.bin"), "1\n");

    let taken = project.kiln(&["tag", "latest", "paper"]);
    assert_eq!(taken.code, Some(2));
    assert!(taken.stderr.contains("`--force`"), "{}", taken.stderr);
    assert_eq!(project.kiln(&["tag", "latest", "paper", "--force"]).code, Some(0));
    assert_eq!(project.kiln(&["show", "paper", "--json"]).record().0["params"]["rate"], 11);
    for unfit in ["latest", "abcdefgh", "a b", "a..b", "../x"] {
        assert_eq!(project.kiln(&["tag", "latest", unfit]).code, Some(2), "{unfit}");
    }
    assert_eq!(project.kiln(&["tag", "--delete", "paper"]).code, Some(0));
    let gone = project.kiln(&["tag", "--delete", "paper"]);
    assert_eq!(gone.code, Some(2));
    assert!(gone.stderr.contains("no run is tagged `paper`"), "{}", gone.stderr);
}

#[test]
fn lists_show_commit_and_file() {
    let (project, [one, _, three]) = history();
    let runs = project.kiln(&["runs"]).stdout;
    assert!(runs.contains(&format!("{} main", &one[..9])) && runs.contains(&three[..9]), "{runs}");
    let history = project.kiln(&["history", "loss"]).stdout;
    assert!(history.contains(&one[..9]) && history.contains(&three[..9]), "{history}");
    let runs = project.kiln(&["runs", "--json"]).json();
    assert_eq!(runs["runs"][1]["git"]["commit"], one.as_str());
}

#[test]
fn a_file_in_hand_is_told_by_its_content() {
    let (project, [one, ..]) = history();
    assert_eq!(project.kiln(&["checkout", "v1"]).code, Some(0));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let hand = elsewhere.path().join("model from ada.bin");
    std::fs::copy(project.root().join("out/model.bin"), &hand).expect("copy");
    assert_eq!(project.kiln(&["checkout", "latest"]).code, Some(0));
    let hand = hand.to_str().expect("text");
    let shown = project.kiln(&["show", hand, "--json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let json = shown.json();
    assert_eq!(
        (&json["stage"]["name"], &json["output"], &json["git"]["commit"]),
        (&"fit".into(), &"model".into(), &one.as_str().into())
    );
    let shown = project.kiln(&["show", hand]).stdout;
    assert!(shown.contains("fit.model (out/model.bin)") && shown.contains(&one), "{shown}");
    std::fs::write(hand, "nobody's\n").expect("write");
    let none = project.kiln(&["show", hand]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("no run in this cache made"), "{}", none.stderr);
}
