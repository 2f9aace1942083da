//! A remote cache: what one checkout has executed, another has; and whatever is wrong with the remote costs time at most.

mod access;
mod faults;
mod named;
mod proxy;
mod scale;
#[cfg(feature = "stages")]
mod study;
mod training;
mod trust;
pub(crate) mod weed;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::project::{Project, Ran, files, mailbox, wait_for};

/// A text, something large from it, and a number from that.
const STUDY: &str = "\
version: 1
REMOTE
stages:
  upper:
    run: tr a-z A-Z < words.txt > out/upper.txt
    inputs: {words: words.txt}
    outputs: {text: out/upper.txt}
  large:
    run: mkdir out/tree; yes \"$(cat out/upper.txt)\" | head -c 200000 > out/tree/large; echo small > out/tree/small
    inputs: {text: {from: upper.text}}
    outputs: {tree: out/tree}
  model:
    run: cat out/tree/large out/tree/large > out/model.bin; cat out/tree/small >> out/model.bin
    inputs: {tree: {from: large.tree}}
    outputs: {model: out/model.bin}
  count:
    run: wc -c < out/model.bin > out/count.txt
    inputs: {model: {from: model.model}}
    outputs: {count: out/count.txt}
";

const ALL: [&str; 4] = ["count", "large", "model", "upper"];

/// A checkout of the study with a remote cache, and settings in the environment.
pub(crate) struct Checkout {
    pub(crate) project: Project,
    env: Vec<(String, String)>,
}

impl Checkout {
    /// `remote` is what the pipeline file says of it.
    pub(crate) fn of(remote: &str) -> Self {
        let remote = if remote.is_empty() { String::new() } else { format!("remote: {remote}") };
        let project = Project::new(&STUDY.replace("REMOTE", &remote));
        project.write("words.txt", "hello\n");
        Self { project, env: vec![] }
    }

    pub(crate) fn with(mut self, env: &[(&str, &str)]) -> Self {
        self.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    pub(crate) fn kiln(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().expect("start kiln"))
    }

    /// A call of the binary, ready to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        for name in std::env::vars_os().map(|(name, _)| name) {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("KILN_") || text == "CI" || text.starts_with("HTTP") {
                command.env_remove(&name);
            }
        }
        // Nothing of this machine's user counts.
        command.env("HOME", self.project.root()).env("NO_PROXY", "127.0.0.1");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A run that has to succeed: which stages it executed, and which it restored.
    pub(crate) fn run(&self, args: &[&str]) -> (Vec<String>, Vec<String>, Ran) {
        let ran = self.kiln(&[&["run", "--json"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let record = ran.record();
        (record.with("executed"), record.with("restored"), ran)
    }

    /// That all outputs are what they should be.
    pub(crate) fn is_right(&self) {
        assert_eq!(self.project.read("out/count.txt").trim(), "400006");
        assert_eq!(self.project.read("out/upper.txt"), "HELLO\n");
        assert_eq!(self.project.read("out/tree/small"), "small\n");
        assert!(self.project.read("out/tree/large").starts_with("HELLO\nHELLO\n"));
        assert_eq!(self.project.read("out/model.bin").len(), 400_006);
    }
}

pub(crate) fn warnings(ran: &Ran) -> usize {
    ran.stderr.lines().filter(|line| line.contains("warning:")).count()
}

/// A folder that is a remote cache, and its URL.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("file://{}", folder.path().display());
    let made = Checkout::of(&url).kiln(&["remote", "init"]);
    assert_eq!((made.code, made.stdout), (Some(0), format!("{url} is a cache now\n")), "{}", made.stderr);
    (folder, url)
}

#[test]
fn what_one_checkout_executed_another_restores() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    let (executed, _, ran) = first.run(&[]);
    assert_eq!(executed, ALL, "{}", ran.stderr);
    assert!(ran.stderr.contains("remote cache: 0 of 4 results found, "), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 results sent"), "{}", ran.stderr);
    let second = Checkout::of(&url);
    let (executed, restored, ran) = second.run(&[]);
    assert_eq!((executed.as_slice(), restored.as_slice()), (&[][..], &ALL.map(str::to_owned)[..]), "{}", ran.stderr);
    second.is_right();
    let record = ran.json();
    assert_eq!((&record["remote"]["asked"], &record["remote"]["found"]), (&4.into(), &4.into()));
    // Who has all of it asks nothing of anybody.
    std::fs::remove_dir_all(folder.path()).expect("remove the remote cache");
    std::fs::create_dir(folder.path()).expect("an empty folder");
    let (executed, restored, ran) = second.run(&[]);
    assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 0, 0), "{}", ran.stderr);
}

#[test]
fn what_is_put_into_a_folder_of_a_group_is_the_groups() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mode = |path: &Path| std::fs::metadata(path).expect("look").permissions().mode() & 0o7777;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o2770)).expect("chmod");
    let checkout = Checkout::of(&format!("file://{}", folder.path().display()));
    // Large enough for an upload in parts.
    checkout.project.edit("pipeline.yaml", "head -c 200000", "head -c 20000000");
    for args in [&["remote", "init"][..], &["run"], &["tag", "latest", "paper"], &["remote", "check"]] {
        let command = checkout.command(args);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(checkout.project.root());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let ran = Ran::from(shell.output().expect("start kiln"));
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
    }
    let all = files(folder.path());
    assert!(all.len() > 8, "{all:?}");
    for file in all {
        assert_eq!(mode(&file) & 0o060, 0o060, "{}", file.display());
        for above in file.ancestors().skip(1).take_while(|above| *above != folder.path()) {
            assert_eq!(mode(above) & 0o2070, 0o2070, "{}", above.display());
        }
    }
}

#[test]
fn a_lazy_run_fetches_what_a_changed_stage_needs_and_nothing_else() {
    let (_folder, url) = folder();
    Checkout::of(&url).run(&[]);
    let second = Checkout::of(&url);
    second.project.edit("pipeline.yaml", "wc -c < out/model.bin", "wc -c < out/model.bin | tr -d ' '");
    let (executed, _, ran) = second.run(&["--lazy"]);
    assert_eq!(executed, ["count"], "{}", ran.stderr);
    assert_eq!(second.project.read("out/count.txt"), "400006\n");
    assert!(!second.project.root().join("out/model.bin").exists() && !second.project.root().join("out/tree").exists());
    let sizes = files(&second.project.root().join("cache/objects"))
        .into_iter()
        .map(|path| std::fs::metadata(path).expect("look").len());
    let large: Vec<u64> = sizes.filter(|size| *size > 16 << 10).collect();
    assert_eq!(large, [400_006], "the model, and not what it was made of");
    // The next run knows what was promised, and goes on from there.
    let (executed, restored, ran) = second.run(&["--lazy"]);
    assert_eq!((executed.len(), restored.len()), (0, 0), "{}", ran.stderr);
    // What is asked for comes.
    let (executed, _, ran) = second.run(&[]);
    assert_eq!(executed.len(), 0, "{}", ran.stderr);
    second.is_right();
    // Why a stage is executed is told from what was promised.
    let third = Checkout::of(&url);
    third.run(&["--lazy"]);
    third.project.edit("pipeline.yaml", "tr a-z A-Z", "tr a-y A-Y");
    let record = third.kiln(&["run", "--lazy", "--json"]).record();
    assert_eq!(record.with("executed"), ["upper"]);
    assert!(record.reasons("upper").starts_with("command, line 1: "), "{}", record.reasons("upper"));
}

#[test]
fn pushing_and_pulling_execute_nothing() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    let (executed, _, _) = first.run(&["--offline"]);
    assert_eq!(executed, ALL);
    let second = Checkout::of(&url);
    let pulled = second.kiln(&["pull"]);
    assert_eq!(pulled.code, Some(1), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("upper: no result there"), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("0 stages put in place, 0 there already, 4 without a result"), "{}", pulled.stderr);

    let pushed = first.kiln(&["push"]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("4 results sent"), "{}", pushed.stderr);
    let again = first.kiln(&["push"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(
        again.stderr.contains("remote cache: nothing to do\n4 results were sent before; `--again` asks"),
        "{}",
        again.stderr
    );
    let again = first.kiln(&["push", "--again", "upper"]);
    assert!(again.stderr.contains("1 result sent"), "{}", again.stderr);

    let pulled = second.kiln(&["pull", "model"]);
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    assert_eq!(second.project.read("out/model.bin").len(), 400_006);
    assert!(!second.project.root().join("out/tree").exists());
    let pulled = second.kiln(&["pull"]);
    assert!(pulled.stderr.contains("3 stages put in place, 1 there already, 0 without a result"), "{}", pulled.stderr);
    second.is_right();
    let (executed, restored, _) = second.run(&["--offline"]);
    assert_eq!((executed.len(), restored.len()), (0, 0));

    // What is in the way is said with what to do about it on a line of its own.
    second.project.write("out/model.bin", "mine");
    let pulled = second.kiln(&["pull", "model"]);
    assert_eq!(pulled.code, Some(1), "{}", pulled.stderr);
    assert!(
        pulled.stderr.contains("`out/model.bin` is in the way") && pulled.stderr.contains("\n  hint: move it aside")
    );

    // A cache that was deleted, and made anew by somebody else, has nothing of what was sent to it.
    for entry in std::fs::read_dir(folder.path()).expect("the remote") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("remove");
    }
    assert_eq!(first.kiln(&["push"]).code, Some(2));
    assert_eq!(Checkout::of(&url).kiln(&["remote", "init"]).code, Some(0));
    let pushed = first.kiln(&["push"]);
    assert!(pushed.stderr.contains("4 results sent"), "{}", pushed.stderr);
}

#[test]
fn what_was_left_to_be_sent_is_sent_by_the_next_run() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&["--offline", "upper"]);
    // A read-only folder takes nothing. (The superuser's writes are stopped by a file in the place of a folder.)
    std::fs::write(folder.path().join("ac"), "").expect("a file");
    let (executed, _, ran) = first.run(&[]);
    assert_eq!(executed, ["count", "large", "model"], "{}", ran.stderr);
    assert!(ran.stderr.contains("3 results of this run or earlier ones are still to be sent"), "{}", ran.stderr);
    std::fs::remove_file(folder.path().join("ac")).expect("remove the file");
    first.project.write("words.txt", "hello \n");
    let (executed, _, ran) = first.run(&[]);
    assert_eq!(executed, ALL);
    assert!(ran.stderr.contains("7 results sent"), "{}", ran.stderr);
}

#[test]
fn a_folder_that_goes_away_gets_nothing_and_has_it_later() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&["--offline", "upper"]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let aside = elsewhere.path().join("cache");
    // As when a file system is no longer mounted: in the middle of a run there is an empty folder.
    let mail = mailbox();
    let wait = "touch $MAIL/at; while [ ! -e $MAIL/go ]; do sleep 0.01; done; wc -c <";
    first.project.edit("pipeline.yaml", "wc -c <", wait);
    first.project.edit("pipeline.yaml", "    inputs: {model:", "    env: {pass: [MAIL]}\n    inputs: {model:");
    let mut running = first.command(&["run", "--json"]);
    let running =
        running.env("MAIL", mail.path()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start kiln");
    wait_for(&mail.path().join("at"));
    // What is being sent at the moment is not to come between.
    while files(&folder.path().join("ac")).len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::fs::rename(folder.path(), &aside).expect("move it away");
    std::fs::create_dir(folder.path()).expect("an empty folder");
    std::fs::write(mail.path().join("go"), "").expect("a file");
    let ran = Ran::from(running.wait_with_output().expect("wait for kiln"));
    assert_eq!((ran.code, warnings(&ran)), (Some(0), 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("the folder is gone, or its mark"), "{}", ran.stderr);
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
    std::fs::remove_dir(folder.path()).expect("nothing was written there");
    // It is not there at all: one warning.
    let ran = first.kiln(&["run", "--json"]);
    assert_eq!((ran.code, warnings(&ran)), (Some(0), 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot find the folder"), "{}", ran.stderr);
    let made = first.kiln(&["remote", "init"]);
    assert_eq!((made.code, made.stderr.contains("cannot find the folder")), (Some(2), true), "{}", made.stderr);
    let pushed = first.kiln(&["push"]);
    assert_eq!(pushed.code, Some(1), "{}", pushed.stderr);
    std::fs::rename(&aside, folder.path()).expect("it is there again");
    assert_eq!(first.kiln(&["push"]).code, Some(0));
    let second = Checkout::of(&url);
    second.project.write("pipeline.yaml", &first.project.read("pipeline.yaml"));
    let (executed, restored, ran) = second.run(&[]);
    assert_eq!((executed.len(), restored.len()), (0, 4), "{}", ran.stderr);
}

#[test]
fn what_lies_in_place_and_is_the_result_of_the_remote_is_not_in_the_way() {
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&[]);
    // As in a clone of a repository that has the outputs, too.
    let second = Checkout::of(&url);
    for path in ["out/upper.txt", "out/model.bin", "out/count.txt", "out/tree/large", "out/tree/small"] {
        second.project.write(path, &first.project.read(path));
    }
    let (executed, _, ran) = second.run(&[]);
    assert_eq!(executed, Vec::<String>::new(), "{}", ran.stderr);
    // What is something else stays.
    let third = Checkout::of(&url);
    third.project.write("out/upper.txt", "mine\n");
    let ran = third.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("`out/upper.txt` is in the way"), "{}", ran.stderr);
    assert_eq!(third.project.read("out/upper.txt"), "mine\n");
}

#[test]
fn an_execution_takes_the_place_of_an_adopted_result_and_not_the_other_way_round() {
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    first.project.write("out/upper.txt", "SAID\n");
    assert_eq!(first.kiln(&["adopt", "upper"]).code, Some(0));
    assert!(first.kiln(&["push", "upper"]).stderr.contains("1 result sent"), "it is the only one");
    let ran = first.kiln(&["run", "upper", "--force", "upper"]);
    assert!(ran.stderr.contains("upper: its outputs are others than those that were adopted"), "{}", ran.stderr);
    let restored = |checkout: &Checkout| {
        assert_eq!(checkout.kiln(&["run", "upper"]).code, Some(0));
        checkout.project.read("out/upper.txt")
    };
    assert_eq!(restored(&Checkout::of(&url)), "HELLO\n");
    let second = Checkout::of(&url);
    second.project.write("out/upper.txt", "SAID\n");
    assert_eq!(second.kiln(&["adopt", "upper"]).code, Some(0));
    assert_eq!(second.kiln(&["push", "upper"]).code, Some(0));
    assert_eq!(restored(&Checkout::of(&url)), "HELLO\n");
}

#[test]
fn why_a_result_could_not_be_sent_is_told() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&["--offline", "upper"]);
    let file = folder.path().join("ac");
    std::fs::write(&file, "").expect("a file in the place of a folder");
    // One failure is not enough to leave the remote cache alone.
    let pushed = first.kiln(&["push", "upper"]);
    assert_eq!((pushed.code, warnings(&pushed)), (Some(1), 1), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("not all results could be sent"), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("Not a directory"), "{}", pushed.stderr);
    std::fs::remove_file(&file).expect("remove the file");
    let pushed = first.kiln(&["push", "upper"]);
    assert_eq!((pushed.code, warnings(&pushed)), (Some(0), 0), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("remote cache: 1 result sent"), "{}", pushed.stderr);
}

#[test]
fn a_mistake_is_told_with_its_place_and_nothing_runs() {
    let (folder, _) = folder();
    let there = folder.path().display();
    std::fs::create_dir(folder.path().join("empty")).expect("create folder");
    for (remote, place, part) in [
        ("s4://bucket/x".to_owned(), "pipeline.yaml:2:9", "`s4` is no scheme of a remote cache"),
        ("{url: 's3://B/x'}".to_owned(), "pipeline.yaml:2:15", "cannot be the name of a bucket"),
        ("{lazy: true}".to_owned(), "pipeline.yaml:2:9", "`remote` has no `url`"),
        ("{url: 's3://bucket', accses: read}".to_owned(), "pipeline.yaml:2:30", "unknown key `accses`"),
        ("{url: 's3://bucket', accept: [kiln]}".to_owned(), "pipeline.yaml:2:39", "`kiln` is no public key"),
        (format!("file://{there}/missing"), "pipeline.yaml:2:9", "cannot find the folder"),
        (format!("file://{there}/empty"), "pipeline.yaml:2:9", "there is no cache of Kiln's"),
        ("s3://bucket/prefix".to_owned(), "pipeline.yaml:2:9", "there are no credentials for S3"),
        ("gs://bucket/prefix".to_owned(), "pipeline.yaml:2:9", "there are no credentials for Google Cloud Storage"),
        ("az://bucket/prefix".to_owned(), "pipeline.yaml:2:9", "the storage account of Azure is not named"),
    ] {
        let checkout = Checkout::of(&remote);
        let ran = checkout.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{remote}: {}", ran.stderr);
        assert!(ran.stderr.contains(place) && ran.stderr.contains(part), "{remote}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint") || ran.stderr.contains("help"), "{remote}: {}", ran.stderr);
        assert!(!checkout.project.root().join("out").exists(), "{remote}");
    }
    for (remote, place, part) in [
        ("{url: 's3://bucket', access: all}", "pipeline.yaml:2:38", "`access` has to be `read`, `write` or `both`"),
        ("{url: 's3://bucket', wait: soon}", "pipeline.yaml:2:36", "`wait` has to be a duration such as"),
    ] {
        let ran = Checkout::of(remote).kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{remote}: {}", ran.stderr);
        assert!(ran.stderr.contains(place) && ran.stderr.contains(part), "{remote}: {}", ran.stderr);
    }
    // The command line says it as well, and counts for more than the file.
    let ran = Checkout::of("s3://bucket/prefix").kiln(&["run", "--remote", &format!("file://{there}/empty")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("kiln remote init"), "{}", ran.stderr);
    let ran = Checkout::of("s3://bucket/prefix").kiln(&["run", "--offline"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn garbage_is_what_was_not_used_and_what_nothing_names() {
    let (folder, url) = folder();
    let first = Checkout::of(&url);
    first.run(&[]);
    let all = || files(folder.path()).len();
    let before = all();
    let gc = first.kiln(&["remote", "gc"]);
    assert_eq!(gc.code, Some(0), "{}", gc.stderr);
    assert!(gc.stdout.contains("0 results that were not used and 0 objects that nothing names"), "{}", gc.stdout);
    // A result that goes leaves contents that nothing names; young ones stay.
    let results = files(&folder.path().join("ac"));
    for result in &results {
        std::fs::remove_file(result).expect("remove a result");
    }
    let gc = first.kiln(&["remote", "gc", "--delete"]);
    assert!(gc.stdout.contains("0 objects that nothing names deleted"), "{}", gc.stdout);
    std::fs::write(folder.path().join("cas/notes.txt"), "mine").expect("write");
    let gc = first.kiln(&["remote", "gc", "--delete", "--grace", "0"]);
    assert_eq!(gc.code, Some(0), "{}", gc.stderr);
    assert_eq!(all(), 2, "the mark, and what is somebody's: {before} before, {}", gc.stdout);
    // What a write that was cut short left is not shown by any listing.
    let left = folder.path().join("cas/ab/12#1");
    std::fs::create_dir_all(left.parent().expect("a folder")).expect("create folder");
    std::fs::write(&left, "half").expect("write");
    std::fs::write(folder.path().join("cas/ab/notes#1"), "mine").expect("write");
    let gc = first.kiln(&["remote", "gc", "--delete"]);
    assert!(gc.stdout.contains("0 objects that nothing names deleted") && left.exists(), "{}", gc.stdout);
    let gc = first.kiln(&["remote", "gc", "--delete", "--grace", "0"]);
    assert!(gc.stdout.contains("1 object that nothing names deleted: 4 B"), "{}", gc.stdout);
    assert!(!left.exists() && folder.path().join("cas/ab/notes#1").exists());
    std::fs::remove_file(folder.path().join("cas/ab/notes#1")).expect("remove");
    // It costs an execution.
    let (executed, _, ran) = Checkout::of(&url).run(&[]);
    assert_eq!((executed.len(), warnings(&ran)), (4, 0), "{}", ran.stderr);
    let gc = first.kiln(&["remote", "gc", "--delete", "--unused", "0", "--grace", "0"]);
    assert!(gc.stdout.contains("4 results that were not used"), "{}", gc.stdout);
    assert_eq!(all(), 2);
}

/// The only file in a folder of a remote cache that is this large.
fn of_size(folder: &Path, size: u64) -> std::path::PathBuf {
    let found = files(folder).into_iter().find(|path| std::fs::metadata(path).expect("look").len() == size);
    found.unwrap_or_else(|| panic!("nothing of {size} bytes in {}", folder.display()))
}
