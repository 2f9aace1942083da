//! What Kiln did not make is not replaced, by whatever puts something in place; what it made is, as ever.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::project::{Project, Ran, Record, mailbox, wait_for};

/// A pipeline of one command with one output.
fn one(run: &str, output: &str) -> String {
    format!("version: 1\nparams: {{word: one}}\nstages:\n  make: {{run: \"{run}\", outputs: {{o: {output}}}}}\n")
}

const FOLDER: &str =
    "mkdir -p ${outputs.o}; echo ${params.word} > ${outputs.o}/a; echo ${params.word}b > ${outputs.o}/b";
const FILE: &str = "mkdir -p $(dirname ${outputs.o}); echo ${params.word} > ${outputs.o}";

/// Says that a run failed because of this path, and what to do.
fn is_told(text: &str, path: &str) {
    for part in [&format!("`{path}`"), "is in the way", "Kiln did not make", "move it aside", "--force-overwrite"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A run, a dry run and the status all say that this is in the way. The command leaves a sign if it is executed all the same.
fn refuses(project: &Project, args: &[&str], path: &str) -> Ran {
    let dry = project.kiln(&[&["run", "--dry-run"], args].concat());
    assert_eq!(dry.code, Some(1), "{}", dry.stdout);
    is_told(&dry.stdout, path);
    let status = project.kiln(&[&["status", "--json"], args].concat());
    is_told(&status.stdout, path);
    assert!(status.stdout.contains("\"broken\""), "{}", status.stdout);
    let ran = project.kiln(&[&["run", "--json"], args].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    is_told(&ran.stderr, path);
    assert!(ran.record().with("executed").is_empty(), "{}", ran.stdout);
    ran
}

const SET: &[&str] = &["--set", "word=two"];

#[test]
fn a_folder_of_the_users_is_not_replaced_and_the_stage_does_not_run() {
    let mail = mailbox();
    let sign = mail.path().join("executed");
    let project = Project::new(&one(&format!("touch {}; {FOLDER}", sign.display()), "src"));
    project.write("src/main.rs", "precious\n").write("src/.git/HEAD", "ref\n");
    let ran = refuses(&project, &[], "src");
    assert!(ran.stderr.contains("`src/.git/HEAD`, `src/main.rs`"), "{}", ran.stderr);
    assert!(!sign.exists(), "nothing was executed");
    assert_eq!((project.read("src/main.rs"), project.read("src/.git/HEAD")), ("precious\n".into(), "ref\n".into()));

    // One way out.
    std::fs::rename(project.root().join("src"), project.root().join("mine")).expect("move aside");
    assert_eq!(project.run(&[]).with("executed"), ["make"]);
    assert_eq!((project.read("src/a"), project.read("mine/main.rs")), ("one\n".into(), "precious\n".into()));
    // The other.
    project.write("src/main.rs", "precious\n");
    refuses(&project, &[], "src");
    let ran = project.kiln(&["run", "--dry-run", "--force-overwrite"]);
    assert_eq!((ran.code, ran.stdout.contains("restore")), (Some(0), true), "{}", ran.stdout);
    let ran = project.kiln(&["run", "--json", "--force-overwrite"]);
    assert_eq!(ran.record().with("restored"), ["make"]);
    assert!(!project.root().join("src/main.rs").exists());
    // Nothing of it is lost.
    let kept = kept_aside(&ran, "src");
    assert!(kept.starts_with(project.root().join("cache").canonicalize().expect("cache")), "{kept:?}");
    assert_eq!(std::fs::read_to_string(kept.join("main.rs")).expect("kept"), "precious\n");
    assert_eq!(std::fs::read_to_string(kept.join("a")).expect("kept"), "one\n");
}

/// Where a run says that it moved what was in the way at a path.
fn kept_aside(ran: &Ran, path: &str) -> PathBuf {
    let (_, rest) = ran.stderr.split_once(&format!("`{path}` was not Kiln's: it is in `")).expect(&ran.stderr);
    PathBuf::from(rest.split_once('`').expect("a quoted path").0)
}

#[test]
fn of_what_is_replaced_each_file_and_link_is_kept_and_what_is_kilns_is_not() {
    let project = Project::new(&one(FILE, "out/labels.csv"));
    project.write("labels/mine.csv", "mine\n");
    std::fs::create_dir(project.root().join("out")).expect("create folder");
    symlink("../labels/mine.csv", project.root().join("out/labels.csv")).expect("link");
    let ran = project.kiln(&["run", "--json", "--force-overwrite"]);
    assert_eq!(ran.record().with("executed"), ["make"]);
    let kept = kept_aside(&ran, "out/labels.csv");
    assert_eq!(std::fs::read_link(&kept).expect("a link"), Path::new("../labels/mine.csv"));
    assert_eq!(project.read("labels/mine.csv"), "mine\n");
    // A result of Kiln's is replaced without a word, and so is one that was edited, but that one is kept.
    let ran = project.kiln(&["run", "--json", "--force-overwrite", "--set", "word=two"]);
    assert_eq!(
        (ran.record().with("executed"), ran.stderr.contains("was not Kiln's")),
        (vec!["make".to_owned()], false)
    );
    project.write("out/labels.csv", "corrected by hand\n");
    let ran = project.kiln(&["run", "--json", "--force-overwrite", "--set", "word=two"]);
    assert_eq!(std::fs::read_to_string(kept_aside(&ran, "out/labels.csv")).expect("kept"), "corrected by hand\n");
    assert_eq!(project.read("out/labels.csv"), "two\n");
}

#[test]
fn a_file_of_the_users_is_not_replaced() {
    for there in ["a script", ""] {
        let project = Project::new(&one(FILE, "train.py"));
        project.write("train.py", there);
        refuses(&project, &[], "train.py");
        assert_eq!(project.read("train.py"), there);
        assert_eq!(project.run(&["--force-overwrite"]).with("executed"), ["make"]);
        assert_eq!(project.run(SET).with("executed"), ["make"], "what is there is Kiln's now");
    }
}

#[test]
fn an_output_that_was_edited_is_not_lost() {
    let project = Project::new(&one(FILE, "out/labels.csv"));
    project.run(&[]);
    project.write("out/labels.csv", "corrected by hand\n");
    refuses(&project, &[], "out/labels.csv");
    refuses(&project, SET, "out/labels.csv");
    is_told(&project.kiln(&["run", "--force", "make"]).stderr, "out/labels.csv");
    let ran = project.kiln(&["checkout", "latest", "--force-overwrite", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(project.read("out/labels.csv"), "corrected by hand\n");
    // Put back, it is Kiln's again.
    project.write("out/labels.csv", "one\n");
    assert_eq!(project.run(&[]).with("up-to-date"), ["make"]);
    assert_eq!(project.run(SET).with("executed"), ["make"]);
}

#[test]
fn of_a_folder_only_what_is_not_kilns_counts() {
    let project = Project::new(&one(FOLDER, "out/model"));
    std::fs::create_dir_all(project.root().join("out/model/empty")).expect("create folder");
    assert_eq!(project.run(&[]).with("executed"), ["make"], "empty folders are nobody's");
    // A file less: all that is there is Kiln's.
    std::fs::remove_file(project.root().join("out/model/a")).expect("remove");
    assert_eq!(project.run(&[]).with("restored"), ["make"]);
    std::fs::remove_file(project.root().join("out/model/a")).expect("remove");
    assert_eq!(project.run(SET).with("executed"), ["make"]);
    // A file more, and one that was edited.
    project.write("out/model/notes.txt", "notes\n").write("out/model/b", "edited\n");
    let ran = refuses(&project, &[], "out/model");
    assert!(ran.stderr.contains("`out/model/b`, `out/model/notes.txt`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("out/model/a`"), "{}", ran.stderr);
    assert_eq!(
        (project.read("out/model/notes.txt"), project.read("out/model/b")),
        ("notes\n".into(), "edited\n".into())
    );
    // A folder of a run before with one of its files from yet another is Kiln's.
    std::fs::remove_file(project.root().join("out/model/notes.txt")).expect("remove");
    project.write("out/model/b", "oneb\n");
    assert_eq!(project.run(&[]).with("restored"), ["make"]);
}

#[test]
fn what_is_there_is_kilns_whatever_became_of_its_stage() {
    let project = Project::new(&one(FILE, "out/a"));
    project.run(&[]);
    // A file becomes a folder, and a file again.
    project.write("pipeline.yaml", &one(FOLDER, "out/a"));
    assert_eq!(project.run(&[]).with("executed"), ["make"]);
    project.write("pipeline.yaml", &one(&FILE.replace("echo", "echo new"), "out/a"));
    assert_eq!(project.run(&[]).with("executed"), ["make"]);
    // Another stage makes it.
    project.write("pipeline.yaml", &one(&FILE.replace("echo", "echo newer"), "out/a").replace("make:", "other:"));
    assert_eq!(project.run(&[]).with("executed"), ["other"]);
    assert_eq!(project.read("out/a"), "newer one\n");

    // Two files become a folder, and the folder's files outputs of their own.
    let two = "version: 1\nstages:\n  a: {run: echo a > out/m/a, outputs: {o: out/m/a}}\n  b: {run: echo b > out/m/b, outputs: {o: out/m/b}}\n";
    let project = Project::new(two);
    project.run(&[]);
    project.write("pipeline.yaml", &one(FOLDER, "out/m"));
    assert_eq!(project.run(&[]).with("executed"), ["make"]);
    project.write("pipeline.yaml", &two.replace("echo a", "echo A").replace("echo b", "echo B"));
    assert_eq!(project.run(&[]).with("executed"), ["a", "b"]);
    assert_eq!((project.read("out/m/a"), project.read("out/m/b")), ("A\n".into(), "B\n".into()));
}

#[test]
fn a_project_that_was_moved_or_copied_goes_on() {
    let project = Project::new(&one(FILE, "out/a"));
    project.run(&[]);
    let copy = tempfile::tempdir().expect("a temporary folder");
    let status = std::process::Command::new("cp").arg("-r").arg(project.root()).arg(copy.path().join("p")).status();
    assert!(status.expect("start cp").success());
    let kiln = |args: &[&str]| {
        let mut command = project.command(args);
        Ran::from(command.current_dir(copy.path().join("p")).output().expect("start kiln"))
    };
    let ran = kiln(&["run", "--json", "--set", "word=two"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().with("executed"), ["make"]);
}

#[test]
fn results_of_other_checkouts_are_kilns() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let [first, clone] = [(); 2].map(|()| Project::with_cache(&one(FILE, "out/a"), cache.path()));
    first.run(&[]);
    first.run(SET);
    // Outputs that came with a clone: the same as the result's, and those of an earlier one.
    clone.write("out/a", "one\n");
    assert_eq!(clone.run(&[]).with("up-to-date"), ["make"]);
    assert_eq!(clone.run(SET).with("restored"), ["make"]);
    assert_eq!(clone.run(&["--set", "word=three"]).with("executed"), ["make"]);
    // What one checkout made elsewhere is not known to have been here.
    let other = Project::with_cache(&one(&FILE.replace("echo", "echo not"), "data.csv"), cache.path());
    other.write("data.csv", "three\n");
    refuses(&other, &[], "data.csv");
}

#[test]
fn with_a_new_cache_one_flag_is_enough() {
    let project = Project::new(
        r#"
            version: 1
            params: {word: one}
            stages:
              a: {run: "echo ${params.word} > out/a", outputs: {o: out/a}}
              b: {run: cat out/a > out/b, inputs: {a: {from: a.o}}, outputs: {o: out/b}}
        "#,
    );
    project.run(&[]);
    for entry in std::fs::read_dir(project.root().join("cache")).expect("list").flatten() {
        let path = entry.path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("remove");
    }
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    is_told(&ran.stderr, "out/a");
    assert!(ran.stderr.contains("the cache is new"), "{}", ran.stderr);
    let before = std::fs::metadata(project.root().join("out/a")).and_then(|m| m.modified()).expect("a time");
    assert_eq!(project.run(&["--force-overwrite"]).with("executed"), ["a", "b"]);
    let after = std::fs::metadata(project.root().join("out/a")).and_then(|m| m.modified()).expect("a time");
    assert_eq!(before, after, "the same content stays as it is");
    assert_eq!(project.run(SET).with("executed"), ["a", "b"]);
}

#[test]
fn one_output_in_the_way_stops_its_stage_and_what_needs_it() {
    let project = Project::new(
        "
            version: 1
            stages:
              two: {run: echo 1 > out/1; echo 2 > out/2, outputs: {one: out/1, two: out/2}}
              last: {run: cat out/2 > out/last, inputs: {i: {from: two.two}}, outputs: {o: out/last}}
              first: {run: echo > out/first, outputs: {o: out/first}}
              late: {run: cat out/first > out/late, inputs: {i: {from: first.o}}, outputs: {o: out/late}}
        ",
    );
    project.write("out/2", "mine\n").write("out/late", "mine, too\n");
    let dry = project.kiln(&["run", "--dry-run"]);
    for stage in ["two", "late"] {
        assert!(dry.stdout.lines().any(|line| line.starts_with("fail") && line.contains(stage)), "{}", dry.stdout);
    }
    let ran = project.kiln(&["run", "--json", "--keep-going"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = ran.record();
    assert_eq!(
        (record.with("failed"), record.with("executed")),
        (vec!["late".into(), "two".into()], vec!["first".into()])
    );
    assert!(ran.stderr.contains("late will fail when its turn comes"), "{}", ran.stderr);
    assert_eq!((project.read("out/2"), project.read("out/late")), ("mine\n".into(), "mine, too\n".into()));
    assert!(!project.root().join("out/1").exists(), "nothing of a stage that failed");
}

#[test]
fn links_and_pipes_are_somebodys() {
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(elsewhere.path().join("big"), "on another disk\n").expect("write");
    let at = |project: &Project| -> PathBuf { project.root().join("model") };
    let link = |target: &Path| {
        let project = Project::new(&one(FILE, "model"));
        symlink(target, at(&project)).expect("link");
        project
    };
    for project in [link(&elsewhere.path().join("big")), link(elsewhere.path()), link(Path::new("nowhere"))] {
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("`model` is in the way: it is a symbolic link"), "{}", ran.stderr);
        assert!(at(&project).is_symlink());
        let ran = project.kiln(&["run", "--force-overwrite"]);
        assert_eq!((ran.code, project.read("model")), (Some(0), "one\n".into()), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("big")).expect("read"), "on another disk\n");
    let project = Project::new(&one(FILE, "model"));
    let made = std::process::Command::new("mkfifo").arg(at(&project)).status();
    assert!(made.expect("start mkfifo").success());
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("`model` is in the way") && ran.stderr.contains("FIFO"), "{}", ran.stderr);
}

#[test]
fn what_is_put_there_while_a_stage_runs_stays_and_the_result_too() {
    let mail = mailbox();
    let (begun, go_on) = (mail.path().join("begun"), mail.path().join("go-on"));
    let wait = format!("touch {}; while ! test -e {}; do sleep 0.05; done; {FILE}", begun.display(), go_on.display());
    let project = Project::new(&one(&wait, "out/a"));
    let mut command = project.command(&["run", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    wait_for(&begun);
    project.write("out/a", "mine\n");
    std::fs::write(&go_on, "").expect("write");
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    is_told(&ran.stderr, "out/a");
    assert_eq!(project.read("out/a"), "mine\n");
    assert_eq!(project.run(&["--force-overwrite"]).with("restored"), ["make"], "nothing is made twice");
}

#[test]
fn what_a_killed_run_left_is_kilns() {
    let mail = mailbox();
    let begun = mail.path().join("begun");
    let project = Project::new(&format!(
        "{}  slow: {{run: \"touch {}; sleep 100; cat out/a > out/b\", inputs: {{i: {{from: make.o}}}}, outputs: {{o: out/b}}}}\n",
        one(FILE, "out/a"),
        begun.display()
    ));
    let mut child = project.command(&["run"]).stderr(Stdio::null()).spawn().expect("start kiln");
    wait_for(&begun);
    child.kill().and_then(|()| child.wait()).expect("kill");
    assert_eq!(project.read("out/a"), "one\n");
    assert_eq!(project.run(&["--set", "word=two", "make"]).with("executed"), ["make"]);
}

#[test]
fn what_was_made_is_known_when_its_result_is_gone() {
    let project = Project::new(&one(FILE, "out/a"));
    project.run(&[]);
    std::fs::rename(project.root().join("out/a"), project.root().join("aside")).expect("move");
    assert_eq!(project.kiln(&["gc", "--keep-last", "0", "--unrecorded", "0", "-y"]).code, Some(0));
    std::fs::rename(project.root().join("aside"), project.root().join("out/a")).expect("move");
    assert_eq!(project.run(SET).with("executed"), ["make"]);
}

#[test]
fn an_edit_among_many_stages_is_not_lost() {
    let mut pipeline = "version: 1\nstages:\n".to_owned();
    for n in 0..70 {
        pipeline += &format!("  s{n}: {{run: cat in/{n} > out/{n}, inputs: {{i: in/{n}}}, outputs: {{o: out/{n}}}}}\n");
    }
    let project = Project::new(&pipeline);
    for n in 0..70 {
        project.write(&format!("in/{n}"), "before\n");
    }
    assert_eq!(project.kiln(&["run"]).code, Some(0));
    project.write("out/7", "by hand\n").write("in/8", "after\n");
    let ran = project.kiln(&["run", "--keep-going"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    is_told(&ran.stderr, "out/7");
    assert_eq!((project.read("out/7"), project.read("out/8")), ("by hand\n".into(), "after\n".into()));
}

#[test]
fn a_page_takes_the_place_of_a_page_of_kilns_only() {
    let project = Project::new(&format!("report: r.md\n{}", one(FILE, "out/a")));
    project.write("r.md", "# Study\n").write("out/r.html", "mine\n");
    let dry = project.kiln(&["run", "--dry-run"]);
    assert!(dry.stderr.contains("no report") && dry.stderr.contains("`out/r.html` is in the way"), "{}", dry.stderr);
    // What the stages made is not less for that.
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in ["no report", "`out/r.html` is in the way", "it is no page of Kiln's", "--force-overwrite"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!((project.read("out/r.html"), project.read("out/a")), ("mine\n".into(), "one\n".into()));
    assert_eq!(project.kiln(&["run", "--force-overwrite", "--force", "make"]).code, Some(0));
    assert!(project.read("out/r.html").contains("Study"));
    assert_eq!(project.kiln(&["run", "--set", "word=two"]).code, Some(0), "a page of Kiln's");

    // Whatever else writes pages.
    let page = project.read("out/r.html");
    project.write("out/r.html", &page.replace("Study", "My study"));
    for args in [
        ["report"].as_slice(),
        &["report", "-o", "r.md"],
        &["report", "-o", "pipeline.yaml"],
        &["compare", "--html=r.md"],
        &["report", "-o", "cache/actions.log"],
        &["compare", "--html=cache/new.html"],
    ] {
        let before = ["r.md", "pipeline.yaml", "out/r.html"].map(|file| project.read(file));
        let ran = project.kiln(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
        assert_eq!(["r.md", "pipeline.yaml", "out/r.html"].map(|file| project.read(file)), before, "{args:?}");
    }
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    assert_eq!(project.kiln(&["report", "--force-overwrite"]).code, Some(0));
    assert_eq!(project.kiln(&["compare", "--html"]).code, Some(0));
    assert_eq!(project.kiln(&["compare", "--html"]).code, Some(0), "a page of Kiln's");
}

#[test]
fn what_keeps_an_output_folder_in_a_repository_is_in_nobodys_way_and_stays() {
    let project = Project::new(&one(FOLDER, "models"));
    let kept = || (project.read("models/.gitkeep"), project.read("models/.gitignore"));
    let there = (String::new(), "*\n!.gitkeep\n".to_owned());
    project.write("models/.gitkeep", "").write("models/.gitignore", &there.1);
    assert_eq!(project.run(&[]).with("executed"), ["make"]);
    assert_eq!(kept(), there);
    assert_eq!(project.run(&[]).with("up-to-date"), ["make"]);
    assert_eq!(project.run(SET).with("executed"), ["make"]);
    assert_eq!((project.read("models/a"), kept()), ("two\n".into(), there.clone()));
    assert_eq!(project.run(&[]).with("restored"), ["make"]);
    assert_eq!((project.read("models/a"), kept()), ("one\n".into(), there.clone()));
    // As `git clean` and `git checkout` leave it.
    std::fs::remove_dir_all(project.root().join("models")).expect("remove");
    project.write("models/.gitkeep", "").write("models/.gitignore", &there.1);
    assert_eq!(project.kiln(&["status"]).stdout.lines().next(), Some("restorable  make  not in place: models"));
    assert_eq!(project.run(&[]).with("restored"), ["make"]);
    assert_eq!(kept(), there);
    assert_eq!(project.kiln(&["checkout", "latest"]).code, Some(0));
    // They come and go, and nothing happens; what else is there is somebody's.
    std::fs::remove_file(project.root().join("models/.gitkeep")).expect("remove");
    assert_eq!(project.run(&[]).with("up-to-date"), ["make"]);
    project.write("models/sub/.gitkeep", "");
    refuses(&project, SET, "models");
}

#[test]
fn a_placeholder_that_a_stage_made_is_its_output() {
    let project = Project::new(&one(
        "mkdir ${outputs.o}; echo ${params.word} > ${outputs.o}/.gitignore; echo x > ${outputs.o}/a",
        "out/site",
    ));
    project.run(&[]);
    assert_eq!(project.read("out/site/.gitignore"), "one\n");
    project.run(SET);
    assert_eq!(project.read("out/site/.gitignore"), "two\n");
    project.write("out/site/.gitignore", "mine\n");
    let ran = refuses(&project, &[], "out/site");
    assert!(ran.stderr.contains("`out/site/.gitignore`"), "{}", ran.stderr);
    assert_eq!(project.read("out/site/.gitignore"), "mine\n");
}

#[test]
fn a_placeholder_of_somebodys_is_not_lost_to_an_output() {
    let own = "mkdir -p ${outputs.o}; echo '*' > ${outputs.o}/.gitignore; echo ${params.word} > ${outputs.o}/a";
    // The output gets one of its own, where somebody has another.
    let project = Project::new(&one(FOLDER, "models"));
    project.write("models/.gitignore", "mine\n");
    project.run(&[]);
    project.write("pipeline.yaml", &one(own, "models"));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    is_told(&ran.stderr, "models");
    assert!(ran.stderr.contains("models/.gitignore"), "{}", ran.stderr);
    assert_eq!(project.read("models/.gitignore"), "mine\n");
    let ran = project.kiln(&["run", "--force-overwrite", "--json"]);
    assert_eq!(std::fs::read_to_string(kept_aside(&ran, "models").join(".gitignore")).expect("kept"), "mine\n");
    assert_eq!(project.read("models/.gitignore"), "*\n");
    // One of its own and one of somebody's.
    project.write("models/.gitkeep", "");
    assert_eq!(project.run(&[]).with("up-to-date"), ["make"]);
    assert_eq!(project.run(SET).with("executed"), ["make"]);
    assert_eq!((project.read("models/.gitkeep"), project.read("models/a")), (String::new(), "two\n".into()));
    assert_eq!(project.run(SET).with("up-to-date"), ["make"]);

    // The output becomes a file.
    let project = Project::new(&one(FOLDER, "models"));
    project.write("models/.gitkeep", "");
    project.run(&[]);
    project.write("pipeline.yaml", &one(FILE, "models"));
    assert!(project.kiln(&["run"]).stderr.contains("`models/.gitkeep`"));
    assert!(project.root().join("models/.gitkeep").exists());

    // A stage that is gone leaves the folder as it was.
    project.write("pipeline.yaml", &one(FILE, "other"));
    assert_eq!(project.kiln(&["outputs", "--stale", "--delete"]).code, Some(0));
    let left: Vec<_> = std::fs::read_dir(project.root().join("models")).expect("list").flatten().collect();
    assert_eq!(left.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), [".gitkeep"]);
}

#[test]
fn what_lies_beside_a_placeholder_is_adopted_kept_and_mended_as_what_it_is() {
    let project = Project::new(&one(FOLDER, "models"));
    let digest = |record: &Record| record.stage("make")["outputs"]["o"].clone();
    let expected = digest(&project.run(&[]));
    let project = Project::new(&one(FOLDER, "models"));
    project.write("models/.gitkeep", "").write("models/a", "one\n").write("models/b", "oneb\n");
    assert_eq!(project.kiln(&["adopt", "make"]).code, Some(0));
    assert_eq!(digest(&project.run(&[])), expected);
    // Of the last run only: what lies in place stays.
    let garbage = project.kiln(&["gc", "--keep-last", "0", "--unrecorded", "0", "--delete"]);
    assert_eq!(garbage.code, Some(0), "{}", garbage.stderr);
    assert_eq!(project.run(&[]).with("up-to-date"), ["make"]);
    std::fs::remove_dir_all(project.root().join("cache/objects")).expect("remove");
    let verified = project.kiln(&["verify"]);
    assert!(project.run(&[]).with("executed").is_empty(), "{}{}", verified.stdout, verified.stderr);
    std::fs::remove_file(project.root().join("models/a")).expect("remove");
    assert_eq!(project.run(&[]).with("restored"), ["make"], "{}{}", verified.stdout, verified.stderr);
}
