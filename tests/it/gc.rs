//! `kiln gc`: what nobody needs goes, and nothing else.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::git::{commit, git};
use crate::project::{Project, Ran, wait_for};

const WORD: &str = "\
version: 1
params: {word: one}
stages:
  say: {run: \"echo ${params.word} | tee out/said.txt\", outputs: {said: out/said.txt}}
  twice:
    run: set -x; mkdir out/twice; cp out/said.txt out/twice/a; cat out/said.txt out/said.txt > out/twice/b
    inputs: {said: {from: say.said}}
    outputs: {twice: out/twice}
";

/// A project that has run with each of these words.
fn spoken(words: &[&str]) -> Project {
    let project = Project::new(WORD);
    for word in words {
        project.run(&["--set", &format!("params.word={word}")]);
    }
    project
}

fn gc(project: &Project, args: &[&str]) -> serde_json::Value {
    let ran = project.kiln(&[&["gc", "--json", "--unrecorded", "0"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.json()
}

fn count(garbage: &serde_json::Value, what: &str) -> u64 {
    garbage["garbage"][what]["count"].as_u64().unwrap_or_else(|| panic!("{what} in {garbage}"))
}

fn files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        count += if entry.path().is_dir() { files(&entry.path()) } else { 1 };
    }
    count
}

fn is_sound(project: &Project) {
    let ran = project.kiln(&["verify"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_dry_run_deletes_nothing_and_says_what_would_go() {
    let project = spoken(&["one", "two", "three"]);
    let before = files(&project.root().join("cache"));
    let garbage = gc(&project, &["--keep-last", "1"]);
    assert_eq!(garbage["deleted"], false);
    // Two words: a file and a tree of two each, one file of which is the same.
    let counts = ["results", "blobs", "trees", "logs"].map(|what| count(&garbage, what));
    assert_eq!(counts, [4, 4, 2, 4], "{garbage}");
    assert!(garbage["bytes"].as_u64() > Some(0), "{garbage}");
    assert_eq!(files(&project.root().join("cache")), before);
    let ran = project.kiln(&["gc", "--keep-last", "1"]);
    assert!(ran.stdout.contains("would delete") && ran.stdout.contains("--delete"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&project.root().canonicalize().expect("root").display().to_string()), "{}", ran.stdout);
}

#[test]
fn the_last_runs_and_named_ones_are_kept_and_the_rest_is_executed_again() {
    let project = spoken(&["one", "two", "three", "four"]);
    let first = project.kiln(&["runs", "--json"]).json()["runs"][3]["id"].as_str().expect("an id").to_owned();
    let garbage = gc(&project, &["--keep-last", "2", "--keep", &first, "-y"]);
    assert_eq!((garbage["deleted"].as_bool(), count(&garbage, "results")), (Some(true), 2), "{garbage}");
    is_sound(&project);
    let run = |word: &str| project.run(&["--set", &format!("params.word={word}")]);
    assert_eq!(run("one").with("restored").len(), 2);
    assert_eq!(run("three").with("restored").len(), 2);
    assert_eq!(run("four").with("restored").len(), 2);
    assert_eq!(run("two").with("executed").len(), 2);
    assert_eq!(gc(&project, &[])["bytes"], 0);
    assert_eq!(project.kiln(&["runs", "--json"]).json()["runs"].as_array().expect("runs").len(), 8, "records stay");
}

#[test]
fn runs_that_reach_nothing_new_are_not_counted() {
    let project = spoken(&["one", "two", "two", "two", "two"]);
    let garbage = gc(&project, &["--keep-last", "2", "-y"]);
    assert_eq!(count(&garbage, "results"), 0, "{garbage}");
    let garbage = gc(&project, &["--keep-last", "1", "--drop-records", "-y"]);
    assert_eq!((count(&garbage, "results"), count(&garbage, "run records")), (2, 1), "{garbage}");
}

#[test]
fn what_lies_in_place_is_kept_whatever_runs_are() {
    let project = spoken(&["one", "two"]);
    assert_eq!(gc(&project, &["--keep-last", "0", "-y"])["kept"][0]["in_place"], 2);
    assert_eq!(project.run(&["--set", "params.word=two"]).with("up-to-date").len(), 2);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    assert_eq!(project.run(&["--set", "params.word=two"]).with("restored").len(), 2);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    let garbage = gc(&project, &["--keep-last", "0", "-y"]);
    assert_eq!(garbage["kept"][0]["artifacts"]["count"], 0, "{garbage}");
    let left = ["objects", "trees"].map(|folder| files(&project.root().join("cache").join(folder)));
    assert_eq!(left, [0, 0]);
    assert_eq!(project.run(&["--set", "params.word=two"]).with("executed").len(), 2);
}

#[test]
fn what_other_checkouts_reach_is_kept_until_they_are_forgotten() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let [mine, theirs] = [(); 2].map(|()| Project::with_cache(WORD, cache.path()));
    mine.run(&["--set", "params.word=mine"]);
    theirs.run(&["--set", "params.word=theirs"]);
    let garbage = gc(&mine, &["--keep-last", "1", "-y"]);
    assert_eq!((count(&garbage, "results"), garbage["kept"].as_array().map(Vec::len)), (0, Some(2)), "{garbage}");
    let folder = theirs.root().canonicalize().expect("root");
    drop(theirs);
    let garbage = gc(&mine, &["--keep-last", "1"]);
    let lost = garbage["kept"].as_array().expect("kept").iter().find(|kept| kept["here"] == false);
    assert_eq!(lost.expect("a project that is gone")["project"], folder.to_str().expect("UTF-8"));
    let garbage = gc(&mine, &["--keep-last", "1", "--forget", folder.to_str().expect("UTF-8"), "-y"]);
    assert_eq!((count(&garbage, "results"), count(&garbage, "run records")), (2, 1), "{garbage}");
    assert_eq!(mine.run(&["--set", "params.word=mine"]).with("up-to-date").len(), 2);
    assert_eq!(gc(&mine, &[])["kept"].as_array().map(Vec::len), Some(1));
}

/// Starts a run that shows by a file that its last stage has begun, and ends when another file is there.
fn held(project: &Project, flags: &Path) -> Child {
    let flag = |name: &str| flags.join(name).display().to_string();
    project.write(
        "pipeline.yaml",
        &format!(
            "{WORD}  slow:\n    run: touch {}; while ! test -e {}; do sleep 0.05; done; cat out/twice/b > out/slow.txt\n    \
             inputs: {{twice: {{from: twice.twice}}}}\n    outputs: {{slow: out/slow.txt}}\n",
            flag("begun"),
            flag("go-on")
        ),
    );
    let mut command = project.command(&["run", "--json", "--set", "params.word=live"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    wait_for(&flags.join("begun"));
    child
}

#[test]
fn nothing_is_deleted_under_a_live_run() {
    let project = spoken(&["one", "two"]);
    let flags = crate::project::mailbox();
    let child = held(&project, flags.path());
    // What the live run made so far is in no record, and what it is about to read must stay.
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    let before = files(&project.root().join("cache/objects"));
    let ran = project.kiln(&["gc", "--keep-last", "0", "--unrecorded", "0", "-y", "--no-wait"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("a run uses the cache"), "{}", ran.stderr);
    assert_eq!(files(&project.root().join("cache/objects")), before);

    // One that waits is let in when the run is over, and finds what that reached.
    let mut waiting = project.command(&["gc", "--keep-last", "1", "--unrecorded", "0", "-y", "--json"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    std::thread::sleep(Duration::from_millis(100));
    std::fs::write(flags.path().join("go-on"), "").expect("write");
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().with("executed").len(), 3);
    let gc = Ran::from(waiting.wait_with_output().expect("wait for kiln"));
    assert_eq!((gc.code, gc.json()["deleted"].as_bool()), (Some(0), Some(true)), "{}", gc.stderr);
    is_sound(&project);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    assert_eq!(project.run(&["--set", "params.word=live"]).with("restored").len(), 3);
}

#[test]
fn results_of_a_killed_run_are_kept_for_a_while() {
    let project = Project::new(WORD);
    let flags = crate::project::mailbox();
    let mut child = held(&project, flags.path());
    child.kill().expect("kill");
    child.wait().expect("wait for kiln");
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    let ran = project.kiln(&["gc", "--keep-last", "0", "-y", "--json"]);
    assert_eq!((ran.code, ran.json()["unrecorded"].as_u64()), (Some(0), Some(2)), "{}", ran.stdout);
    std::fs::write(flags.path().join("go-on"), "").expect("write");
    let record = project.run(&["--set", "params.word=live"]);
    assert_eq!(
        (record.with("restored"), record.with("executed")),
        (vec!["say".into(), "twice".into()], vec!["slow".into()])
    );
}

#[test]
fn killing_it_at_any_moment_loses_nothing_that_is_needed() {
    let words: Vec<String> = (0..12).map(|n| format!("word{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let project = spoken(&words[..4]);
    let expected = project.run(&["--set", "params.word=word3"]).digests();
    for round in 0..8u32 {
        project.run(&["--set", &format!("params.word={}", words[4 + round as usize])]);
        project.run(&["--set", "params.word=word3"]);
        let mut command = project.command(&["gc", "--keep-last", "1", "--unrecorded", "0", "-y"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start kiln");
        // No matter when: each moment is a fair one.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 3));
        child.kill().expect("kill");
        child.wait().expect("wait for kiln");
        is_sound(&project);
        let record = project.run(&["--set", "params.word=word3"]);
        assert_eq!((record.with("up-to-date").len(), record.digests() == expected), (2, true));
    }
    gc(&project, &["--keep-last", "1", "-y"]);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    assert_eq!(project.run(&["--set", "params.word=word3"]).with("restored").len(), 2);
    assert_eq!(gc(&project, &["--keep-last", "1"])["bytes"], 0);
}

#[test]
fn damaged_and_unfinished_files_go_after_a_while() {
    let project = spoken(&["one"]);
    let damaged = format!("cache/quarantine/{}-17", "0f".repeat(32));
    let leftovers = [damaged.as_str(), "cache/runs/.new-killed", "cache/.new-killed"];
    for file in leftovers {
        project.write(file, "left over");
    }
    let left = || leftovers.map(|file| project.root().join(file).exists());
    assert_eq!(project.kiln(&["gc", "-y"]).code, Some(0));
    assert_eq!(left(), [true; 3], "they are young");
    assert_eq!(count(&gc(&project, &["-y"]), "files put aside or unfinished"), 3);
    assert_eq!(left(), [false; 3]);
}

#[test]
fn what_has_no_name_of_kilns_stays() {
    let project = spoken(&["one"]);
    let theirs = [
        "cache/tmp/features.npy",
        "cache/tmp/exp-1/weights",
        "cache/logs/exp/run.log",
        "cache/logs/notes.txt",
        "cache/quarantine/sample.bin",
        "cache/runs/.new-ideas.txt",
        "cache/runs/a-b.json",
        "cache/pipelines/old.yaml",
        "cache/objects/notes.txt",
        "cache/objects/ab/notes.txt",
        "cache/.new-plan.md",
        "cache/notes/today.txt",
    ];
    for file in theirs {
        project.write(file, "theirs\n");
    }
    for n in 0..40 {
        project.write(&format!("cache/pipelines/{n}.yaml"), "theirs\n");
    }
    gc(&project, &["--keep-last", "0", "-y"]);
    project.run(&["--set", "params.word=two"]);
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    gc(&project, &["--keep-last", "0", "--drop-records", "-y"]);
    for file in theirs.map(str::to_owned).into_iter().chain((0..40).map(|n| format!("cache/pipelines/{n}.yaml"))) {
        assert_eq!(project.read(&file), "theirs\n", "{file}");
    }
}

#[test]
fn what_stands_for_a_branch_or_a_tag_of_git_is_kept() {
    let project = crate::git::project(WORD);
    let root = project.root().to_owned();
    commit(&root, "First");
    project.run(&[]);
    git(&root, &["tag", "v1"]);
    project.edit("pipeline.yaml", "word: one", "word: two");
    commit(&root, "Second");
    project.run(&[]);
    project.edit("pipeline.yaml", "word: two", "word: three");
    commit(&root, "Third");
    project.run(&[]);
    // Of each of these only a part, or something else.
    project.run(&["say"]);
    for word in ["four", "five", "six", "seven"] {
        project.run(&["--set", &format!("params.word={word}")]);
    }
    git(&root, &["checkout", "-q", "v1"]);
    let garbage = gc(&project, &["--keep-last", "1", "--delete"]);
    // Four, five and six, of no name: two results each; and so the second commit, which nobody names.
    assert_eq!(count(&garbage, "results"), 8, "{garbage}");
    is_sound(&project);
    std::fs::remove_dir_all(root.join("out")).expect("remove");
    assert_eq!(project.run(&[]).with("restored"), ["say", "twice"]);
    git(&root, &["checkout", "-q", "main"]);
    assert_eq!(project.run(&[]).with("restored"), ["say", "twice"]);
    assert_eq!(project.read("out/said.txt"), "three\n");
    git(&root, &["checkout", "-q", "main~1"]);
    assert_eq!(project.run(&[]).with("executed"), ["say", "twice"]);
}

#[test]
fn a_project_that_was_moved_keeps_what_its_tags_name() {
    let above = tempfile::tempdir().expect("a temporary folder");
    let (old, new) = (above.path().join("old"), above.path().join("new"));
    let kiln = |folder: &Path, args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kiln"));
        let ran =
            Ran::from(command.current_dir(folder).args(args).env_remove("KILN_CACHE").output().expect("start kiln"));
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
        ran
    };
    std::fs::create_dir(&old).expect("create folder");
    std::fs::write(old.join("pipeline.yaml"), WORD).expect("write");
    std::fs::write(old.join(".gitignore"), "/cache/\n/out/\n").expect("write");
    git(&old, &["init", "-q", "-b", "main"]);
    commit(&old, "First");
    kiln(&old, &["run"]);
    for word in ["two", "three"] {
        kiln(&old, &["run", "--set", &format!("params.word={word}")]);
    }
    std::fs::rename(&old, &new).expect("move");
    kiln(&new, &["gc", "--keep-last", "1", "--unrecorded", "0", "--delete"]);
    std::fs::remove_dir_all(new.join("out")).expect("remove");
    assert_eq!(kiln(&new, &["run", "--json"]).record().with("restored"), ["say", "twice"]);
}
