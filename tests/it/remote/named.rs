//! Runs that have a name in the remote cache: a tag that somebody gave, or a commit.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Checkout, folder};
use crate::git::{commit, git};
use crate::project::{Ran, files};

/// The runs that a comparison is of, first to last.
fn compared(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let comparison: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let runs = comparison["runs"].as_array().expect("runs").iter();
    runs.map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
}

/// The only file in a folder of the cache.
fn only(folder: &Path) -> PathBuf {
    let [file] = files(folder).try_into().expect("one file");
    file
}

fn id(ran: &Ran) -> String {
    ran.record().0["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_tagged_run_can_be_compared_with_in_another_clone() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    let paper = id(&first.run(&[]).2);
    let tagged = first.kiln(&["tag", "latest", "paper"]);
    assert_eq!(tagged.code, Some(0), "{}", tagged.stderr);
    assert!(tagged.stderr.contains(&format!("run {paper} is `paper`, in {url} as well")), "{}", tagged.stderr);

    let second = Checkout::of(&url);
    let alone = second.kiln(&["compare", "paper"]);
    assert!(alone.stderr.contains("`paper` is compared with the last run here, and there is none"), "{}", alone.stderr);
    second.project.write("words.txt", "other\n");
    let own = id(&second.run(&[]).2);
    let ran = second.kiln(&["compare", "paper", "--json"]);
    assert!(ran.stderr.contains(&format!("paper is run {paper} in {url}, made on ")), "{}", ran.stderr);
    assert_eq!(compared(&ran), [paper.clone(), own.clone()]);
    assert!(second.kiln(&["compare", "paper"]).stdout.contains("upper"), "it tells what differs");
    let listed = second.kiln(&["tag", "--shared"]);
    assert_eq!(listed.stdout, format!("{paper}  paper\n"), "{}", listed.stderr);
    let offline = second.kiln(&["compare", "paper", "--offline"]);
    assert_eq!(offline.code, Some(2));
    assert!(offline.stderr.contains("paper"), "{}", offline.stderr);

    // The name is somebody's already.
    let taken = second.kiln(&["tag", "latest", "paper"]);
    assert_eq!(taken.code, Some(2));
    assert!(taken.stderr.contains(&format!("run {paper} is tagged `paper` in {url} already")), "{}", taken.stderr);
    assert!(second.kiln(&["tag"]).stderr.contains("there are no tags"));
    assert_eq!(second.kiln(&["tag", "latest", "paper", "--offline"]).code, Some(0));
    let pushed = second.kiln(&["push"]);
    assert!(pushed.stderr.contains(&format!("has run {paper} as `paper`")), "{}", pushed.stderr);
    // Nor is it taken from the other run.
    let deleted = second.kiln(&["tag", "--delete", "paper"]);
    assert_eq!(deleted.code, Some(2));
    assert!(
        deleted.stderr.contains(&format!("`paper` is run {own} here, and run {paper} in {url}")),
        "{}",
        deleted.stderr
    );
    assert_eq!(second.kiln(&["tag", "--shared"]).stdout, format!("{paper}  paper\n"));
    assert_eq!(second.kiln(&["tag", "--delete", "paper", "--offline"]).code, Some(0));

    // Garbage is collected around what it is of.
    let gc = first.kiln(&["remote", "gc", "--unused", "0", "--grace", "0", "--delete"]);
    assert_eq!(gc.code, Some(0), "{}", gc.stderr);
    let third = Checkout::of(&url);
    let (executed, restored, ran) = third.run(&[]);
    assert_eq!(
        (executed.len(), restored.len()),
        (0, 4),
        "what the tagged run gave stays: {}\n{}",
        ran.stderr,
        gc.stdout
    );
    third.project.write("words.txt", "other\n");
    assert_eq!(third.run(&["--remote-access", "read"]).0.len(), 4, "what the other gave does not");

    // A server that lies is not believed.
    let (tag, record) = (only(&folder.path().join("tags")), only(&folder.path().join("runs")));
    for (file, why) in [(&tag, "damaged"), (&record, "record no more")] {
        let sound = fs::read(file).expect("read");
        let mut spoilt = sound.clone();
        *spoilt.last_mut().expect("a byte") ^= 1;
        fs::write(file, spoilt).expect("spoil it");
        let ran = second.kiln(&["compare", "paper"]);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        fs::write(file, sound).expect("mend it");
    }
    // What is said of one name is said of no other.
    assert_eq!(second.kiln(&["tag", "latest", "other"]).code, Some(0));
    let other = files(&folder.path().join("tags")).into_iter().find(|path| *path != tag).expect("another tag");
    fs::copy(&tag, &other).expect("copy");
    let ran = third.kiln(&["compare", "other"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("damaged"), "{}", ran.stderr);

    // The name is given to another run, and taken away.
    assert_eq!(second.kiln(&["tag", "latest", "paper", "--force"]).code, Some(0));
    assert_eq!(compared(&third.kiln(&["compare", "paper", "--json"]))[0], own);
    assert_eq!(second.kiln(&["tag", "--delete", "paper"]).code, Some(0));
    let ran = third.kiln(&["compare", "paper"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn a_name_that_no_accepted_key_signed_is_refused() {
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&[]);
    assert_eq!(first.kiln(&["tag", "latest", "paper"]).code, Some(0));
    let public = first.kiln(&["remote", "keygen", "key"]).stdout.trim().to_owned();
    let strict = Checkout::of(&format!("{{url: '{url}', accept: ['{public}']}}"));
    let mine = id(&strict.run(&["--offline"]).2);
    let ran = strict.kiln(&["compare", "paper"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no accepted key signed"), "{}", ran.stderr);
    // Without the key nothing is sent, and that is no error.
    let tagged = strict.kiln(&["tag", "latest", "mine"]);
    assert!(tagged.code == Some(0) && !tagged.stderr.contains("as well"), "{}", tagged.stderr);
    // With it, it is.
    let secret = first.project.root().join("key");
    let signer = strict.with(&[("KILN_SIGNING_KEY", secret.to_str().expect("UTF-8"))]);
    let pushed = signer.kiln(&["push"]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    let reader = Checkout::of(&format!("{{url: '{url}', accept: ['{public}']}}"));
    reader.run(&[]);
    assert_eq!(compared(&reader.kiln(&["compare", "mine", "--json"]))[0], mine);
}

#[test]
fn a_run_of_a_commit_is_found_by_the_commit_in_another_clone() {
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    let root = first.project.root();
    git(root, &["init", "-q", "-b", "main"]);
    first.project.write(".gitignore", "/cache/\n/out/\n");
    commit(root, "Begin");
    let base = id(&first.run(&[]).2);
    // The same repository, another checkout of it with a cache of its own, and a change.
    let second = Checkout::of(&url);
    let other = second.project.root();
    fs::remove_file(other.join("pipeline.yaml")).expect("remove");
    fs::remove_file(other.join("words.txt")).expect("remove");
    git(other, &["init", "-q"]);
    git(other, &["pull", "-q", root.to_str().expect("UTF-8"), "main"]);
    second.project.write("words.txt", "other\n");
    commit(other, "Change");
    let own = id(&second.run(&[]).2);
    let ran = second.kiln(&["compare", "HEAD~1", "--json"]);
    assert_eq!(compared(&ran), [base, own], "{}", ran.stderr);
    // A run with changes that are in no commit is that of none.
    first.project.write("words.txt", "dirty\n");
    first.run(&[]);
    let ran = second.kiln(&["compare", "HEAD~1", "--offline"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("there is no run of commit"), "{}", ran.stderr);
}

#[test]
fn a_clone_without_the_data_has_the_results_of_its_commit() {
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    let root = first.project.root();
    // The data are in no repository.
    first.project.write(".gitignore", "/cache/\n/out/\n/words.txt\n");
    git(root, &["init", "-q", "-b", "main"]);
    let made = commit(root, "First");
    let run = id(&first.run(&[]).2);
    assert_eq!(first.kiln(&["tag", "latest", "paper"]).code, Some(0));

    let second = Checkout::of(&url);
    for file in ["pipeline.yaml", "words.txt"] {
        fs::remove_file(second.project.root().join(file)).expect("remove");
    }
    git(second.project.root(), &["clone", "-q", &root.display().to_string(), "."]);
    let said = "warning: `words.txt` is not here, so nothing is known of what depends on that";
    for args in [&["status"][..], &["list"], &["outputs"], &["graph"], &["push"]] {
        let ran = second.kiln(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches(said).count(), 1, "{args:?}: {}", ran.stderr);
    }
    for args in [&["remote", "check"][..], &["tag", "--shared"], &["compare", "paper", "paper"]] {
        let ran = second.kiln(args);
        assert_eq!((ran.code, ran.stderr.contains("words.txt")), (Some(0), false), "{args:?}: {}", ran.stderr);
    }
    let status = second.kiln(&["status"]).stdout;
    assert!(status.contains("upper") && status.contains("words.txt"), "{status}");
    let ran = second.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`words.txt` does not exist"), "{}", ran.stderr);

    let pulled = second.kiln(&["pull"]);
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    assert!(pulled.stderr.contains(&format!("HEAD is run {run} in {url}")), "{}", pulled.stderr);
    let told = format!("note: `words.txt` is not here, and taken to be what it was in run {run}, that of this commit");
    assert!(pulled.stderr.contains(&told) && !pulled.stderr.contains("warning"), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("4 stages put in place"), "{}", pulled.stderr);
    second.is_right();
    // What depends on the results only is known by its key: an edit has no result.
    second.project.edit("pipeline.yaml", "wc -c < out/model.bin", "wc -c  < out/model.bin");
    let pulled = second.kiln(&["pull"]);
    assert_eq!(pulled.code, Some(1), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("count: no result there"), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("0 stages put in place, 3 there already"), "{}", pulled.stderr);
    // A run takes the data to be what they were, and executes what changed.
    let record = second.kiln(&["run", "--allow-missing", "--json"]).record();
    assert_eq!((record.with("executed"), record.with("up-to-date").len()), (vec!["count".to_owned()], 3));
    let third = second.kiln(&["run", "--allow-missing", "--dry-run"]);
    assert_eq!((third.code, third.stdout.contains("execute")), (Some(0), false), "{}", third.stdout);
    // Whose command is another cannot do without them.
    second.project.edit("pipeline.yaml", "tr a-z A-Z", "tr a-y A-Y");
    let ran = second.kiln(&["run", "--allow-missing", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.record().stage("upper")["error"]
            .as_str()
            .expect("an error")
            .starts_with("`words.txt` is not here, and the stage has to be executed"),
        "{}",
        ran.stderr
    );
    // Nor is another path what that one was.
    second.project.edit("pipeline.yaml", "tr a-y A-Y < words.txt", "tr a-z A-Z < words.txt");
    second.project.edit("pipeline.yaml", "{words: words.txt}", "{words: others.txt}");
    let ran = second.kiln(&["run", "--allow-missing", "--json"]);
    assert_eq!((ran.code, ran.record().outcome("upper")), (Some(1), "failed"), "{}", ran.stderr);
    second.project.edit("pipeline.yaml", "{words: others.txt}", "{words: words.txt}");
    // With the data everything is as ever.
    second
        .project
        .edit("pipeline.yaml", "wc -c  < out/model.bin", "wc -c < out/model.bin")
        .write("words.txt", "hello\n");
    assert_eq!(second.run(&[]).0, Vec::<String>::new());
    assert_eq!(git(second.project.root(), &["rev-parse", "HEAD"]), made);
}
