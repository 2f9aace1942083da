//! What run records say of Git: real repositories, made with the `git` program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::project::{Project, Record};

const PIPELINE: &str = "version: 1
params: {rate: 1}
stages:
  fit:
    run: 'echo \"{\\\"loss\\\": ${params.rate}}\" > out/loss.json; cp words.txt out/copy.txt'
    inputs: {words: words.txt}
    outputs: {loss: {path: out/loss.json, role: metrics}, copy: out/copy.txt}
";

/// `git` in a folder, with nobody's configuration; what it said.
pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(args);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env_remove("GIT_DIR");
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
        .env("GIT_CONFIG_VALUE_0", "always");
    let ran = command.output().expect("git is there");
    assert!(ran.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text").trim().to_owned()
}

/// Commits all that is there and tells the commit.
pub(crate) fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-qm", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A project in a repository of its own, on `main`, nothing of it committed.
pub(crate) fn project(pipeline: &str) -> Project {
    let project = Project::new(pipeline);
    project.write("words.txt", "one two\n").write(".gitignore", "/cache/\n/out/\n");
    git(project.root(), &["init", "-q", "-b", "main"]);
    project
}

fn said(record: &Record) -> Value {
    record.0["git"].clone()
}

/// `kiln run --json` in another folder of the test's.
fn run_in(folder: &Path, set: &[(&str, &Path)]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.current_dir(folder).args(["run", "--json"]).env_remove("KILN_CACHE").envs(set.iter().copied());
    let ran = command.output().expect("start kiln");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("a record")
}

#[test]
fn a_record_says_commit_branch_and_difference() {
    let project = project(PIPELINE);
    // Before the first commit there is a branch and no commit.
    let unborn = said(&project.run(&[]));
    assert_eq!((&unborn["branch"], &unborn["commit"]), (&Value::from("main"), &Value::Null), "{unborn}");

    let first = commit(project.root(), "Begin");
    let clean = said(&project.run(&[]));
    assert_eq!(clean["commit"], first.as_str());
    assert_eq!(clean["tree"], git(project.root(), &["rev-parse", "HEAD^{tree}"]).as_str());
    assert_eq!((&clean["dirty"], &clean["pipeline"]), (&Value::from(false), &Value::from("pipeline.yaml")));
    assert!(clean.get("difference").is_none(), "{clean}");

    // An edit is a difference; the same edit is the same one, whether it is staged or not, and another one is another.
    project.edit("pipeline.yaml", "rate: 1", "rate: 2");
    let edited = said(&project.run(&[]));
    assert_eq!((&edited["commit"], &edited["dirty"]), (&Value::from(first.as_str()), &Value::from(true)));
    git(project.root(), &["add", "-A"]);
    assert_eq!(said(&project.run(&[]))["difference"], edited["difference"]);
    project.edit("pipeline.yaml", "rate: 2", "rate: 3");
    assert_ne!(said(&project.run(&[]))["difference"], edited["difference"]);

    // A detached head has no branch.
    git(project.root(), &["stash", "-q"]);
    git(project.root(), &["checkout", "-q", "--detach"]);
    let detached = said(&project.run(&[]));
    assert!(detached.get("branch").is_none() && detached["commit"] == first.as_str(), "{detached}");
    assert_eq!(git(project.root(), &["status", "--porcelain"]), "");
}

#[test]
fn what_only_the_index_has_is_a_difference() {
    let project = project(PIPELINE);
    let first = commit(project.root(), "Begin");
    project.write("words.txt", "one two three\n");
    let second = commit(project.root(), "More");
    assert_eq!(said(&project.run(&[]))["dirty"], false);
    // The files are what the index says, and it is not what the commit says.
    git(project.root(), &["reset", "-q", "--soft", &first]);
    let staged = said(&project.run(&[]));
    assert_eq!((&staged["commit"], &staged["dirty"]), (&Value::from(first), &Value::from(true)), "{staged}");
    git(project.root(), &["reset", "-q", "--soft", &second]);
    assert_eq!(said(&project.run(&[]))["dirty"], false);
    // Announced, and nothing of it in the index yet.
    project.write("notes.txt", "of no stage\n");
    git(project.root(), &["add", "--intent-to-add", "notes.txt"]);
    assert_eq!(said(&project.run(&[]))["dirty"], true);
    // An index that does not say of what tree it is.
    git(project.root(), &["rm", "-q", "--cached", "notes.txt"]);
    git(project.root(), &["read-tree", "--empty"]);
    git(project.root(), &["add", "-A", ":!notes.txt"]);
    assert_eq!(said(&project.run(&[]))["dirty"], false);
}

#[test]
fn nothing_of_git_decides_a_key() {
    let project = project(PIPELINE);
    commit(project.root(), "Begin");
    let first = project.run(&[]);
    project.write("notes.txt", "of no stage\n");
    let second = commit(project.root(), "Notes");
    let after = project.run(&[]);
    assert_eq!(said(&after)["commit"], second.as_str());
    assert_eq!(after.outcome("fit"), "up-to-date");
    assert_eq!(first.stage("fit")["key"], after.stage("fit")["key"]);
}

#[test]
fn outputs_that_are_tracked_make_no_difference_and_an_untracked_pipeline_file_does() {
    let project = project(PIPELINE);
    project.write(".gitignore", "/cache/\n");
    project.run(&[]);
    commit(project.root(), "With outputs");
    project.edit("pipeline.yaml", "rate: 1", "rate: 5");
    commit(project.root(), "Another rate");
    let record = project.run(&[]);
    assert_eq!(record.outcome("fit"), "executed");
    assert!(git(project.root(), &["status", "--porcelain"]).contains("out/loss.json"));
    assert_eq!(said(&record)["dirty"], false);
    // The next one, with nothing to do, says the same.
    assert_eq!(said(&project.run(&[]))["dirty"], false);
    project.write("other.yaml", PIPELINE);
    assert_eq!(said(&project.run(&["other.yaml"]))["dirty"], true);
}

#[test]
fn a_project_in_no_repository_has_no_commit() {
    let project = Project::new(PIPELINE);
    project.write("words.txt", "one\n");
    let ran = project.command(&["run", "--json"]).env("GIT_CEILING_DIRECTORIES", "/").output().expect("start kiln");
    let record: Value = serde_json::from_slice(&ran.stdout).expect("a record");
    assert!(record.get("git").is_none(), "{record}");
    assert!(!String::from_utf8_lossy(&ran.stderr).contains("Git"));
}

#[test]
fn a_project_that_the_repository_around_it_ignores_has_no_commit() {
    let home = tempfile::tempdir().expect("a folder");
    git(home.path(), &["init", "-q", "-b", "main"]);
    std::fs::write(home.path().join(".gitignore"), "*\n!.gitignore\n").expect("write");
    commit(home.path(), "Settings");
    let study = home.path().join("study");
    std::fs::create_dir(&study).expect("a folder");
    std::fs::write(study.join("pipeline.yaml"), PIPELINE).expect("write");
    std::fs::write(study.join("words.txt"), "one\n").expect("write");
    assert!(run_in(&study, &[]).get("git").is_none());
}

#[test]
fn shallow_clones_worktrees_submodules_and_git_dir() {
    let project = project(PIPELINE);
    commit(project.root(), "Begin");
    project.write("words.txt", "three\n");
    let head = commit(project.root(), "Words");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let place = |name: &str| -> PathBuf { elsewhere.path().canonicalize().expect("a folder").join(name) };
    let url = format!("file://{}", project.root().display());

    git(elsewhere.path(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let shallow = run_in(&place("shallow"), &[]);
    assert_eq!((&shallow["git"]["commit"], &shallow["git"]["dirty"]), (&head.as_str().into(), &false.into()));

    git(project.root(), &["worktree", "add", "-q", "-b", "side", place("tree").to_str().expect("text")]);
    let tree = run_in(&place("tree"), &[]);
    assert_eq!((&tree["git"]["commit"], &tree["git"]["branch"]), (&head.as_str().into(), &"side".into()));

    // The pipeline in a submodule is told by the submodule's commit; around it, a submodule at another commit is a difference.
    let around = place("around");
    std::fs::create_dir(&around).expect("a folder");
    git(&around, &["init", "-q", "-b", "main"]);
    git(&around, &["submodule", "--quiet", "add", &url, "part"]);
    std::fs::write(around.join("pipeline.yaml"), "version: 1\nstages: {a: {run: 'true > a', outputs: {a: a}}}\n")
        .expect("write");
    std::fs::write(around.join(".gitignore"), "/cache/\n/a\n").expect("write");
    let outer = commit(&around, "With a part");
    let part = run_in(&around.join("part"), &[]);
    assert_eq!(part["git"]["commit"], head.as_str());
    let whole = run_in(&around, &[]);
    assert_eq!((&whole["git"]["commit"], &whole["git"]["dirty"]), (&outer.as_str().into(), &false.into()));
    git(&around.join("part"), &["checkout", "-q", "HEAD~1"]);
    assert_eq!(run_in(&around, &[])["git"]["dirty"], true);

    // A bare repository beside the files, as for dotfiles: the environment says where.
    git(elsewhere.path(), &["clone", "-q", "--bare", &url, "bare.git"]);
    let files = place("files");
    std::fs::create_dir(&files).expect("a folder");
    for name in ["pipeline.yaml", "words.txt", ".gitignore"] {
        std::fs::copy(project.root().join(name), files.join(name)).expect("copy");
    }
    let set = [("GIT_DIR", place("bare.git")), ("GIT_WORK_TREE", files.clone())];
    let bare = run_in(&files, &set.each_ref().map(|(name, path)| (*name, path.as_path())));
    assert_eq!((&bare["git"]["commit"], &bare["git"]["branch"]), (&head.as_str().into(), &"main".into()));
}

#[test]
fn a_repository_that_cannot_be_read_is_a_warning() {
    let project = project(PIPELINE);
    commit(project.root(), "Begin");
    // A format that is for a later Git.
    git(project.root(), &["config", "core.repositoryformatversion", "1"]);
    git(project.root(), &["config", "extensions.refStorage", "reftable"]);
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = ran.stderr.matches("the run record has no commit").count();
    let record = ran.record();
    assert!(record.0.get("git").is_none() || told == 0, "{}", record.0);
    assert!(told <= 1);

    // Damage.
    std::fs::write(project.root().join(".git/config"), "[core\nnonsense").expect("write");
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("the run record has no commit").count(), 1, "{}", ran.stderr);
}

#[test]
fn somebody_elses_repository_is_not_asked_unless_it_is_said_to_be_safe() {
    let project = project(PIPELINE);
    let head = commit(project.root(), "Begin");
    // Only the superuser can give it to somebody else.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let own = |uid: u32| {
        for path in [project.root().join(".git"), project.root().to_owned()] {
            std::os::unix::fs::chown(path, Some(uid), None).expect("chown");
        }
    };
    own(12345);
    let ran =
        project.command(&["run", "--json"]).env("HOME", "/nonexistent").env_remove("SUDO_UID").output().expect("kiln");
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("belongs to another user").count(), 1, "{text}");
    assert!(text.contains("git config --global --add safe.directory"), "{text}");
    let record: Value = serde_json::from_slice(&ran.stdout).expect("a record");
    assert!(record.get("git").is_none());

    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join(".gitconfig"), "[safe]\n\tdirectory = *\n").expect("write");
    let ran = project.command(&["run", "--json"]).env("HOME", home.path()).output().expect("kiln");
    let record: Value = serde_json::from_slice(&ran.stdout).expect("a record");
    assert_eq!(record["git"]["commit"], head.as_str());
    own(0);
}
