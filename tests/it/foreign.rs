//! Folders that are somebody else's: no store is made of them, and nothing in them is touched, nor in a store by paths of a pipeline.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::project::{Project, files};

const ONE: &str = "\
version: 1
stages:
  a: {run: echo x > out/a, outputs: {o: out/a}}
";

/// Every command that has to do with a store.
const COMMANDS: [&[&str]; 17] = [
    &["run"],
    &["run", "--dry-run"],
    &["run", "--check-determinism", "a"],
    &["status"],
    &["why", "a"],
    &["list"],
    &["graph"],
    &["show", "a"],
    &["log", "a"],
    &["outputs"],
    &["compare"],
    &["history", "accuracy"],
    &["runs"],
    &["report"],
    &["checkout", "latest"],
    &["verify"],
    &["trace"],
];

/// The content of every file below a folder, and its time.
fn content(folder: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let read = |path: &Path| {
        let time = std::fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a time");
        (std::fs::read(path).expect("read"), time)
    };
    files(folder).into_iter().map(|path| (path.display().to_string(), read(&path))).collect()
}

/// Every command refuses the cache, says why, and changes nothing in it.
fn is_refused(project: &Project, arguments: &[&str], cache: &Path) {
    let before = content(cache);
    let all = COMMANDS.iter().copied().chain([["gc"].as_slice(), &["gc", "--delete", "--unrecorded", "0"]]);
    for command in all {
        let ran = project.kiln(&[command, arguments].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("is no store of Kiln's"), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("--cache"), "{command:?}: {}", ran.stderr);
        assert_eq!(content(cache), before, "{command:?}");
    }
    assert!(!project.root().join("out").exists());
}

#[test]
fn a_folder_of_somebody_elses_is_no_store() {
    let project = Project::new(ONE);
    project.write("cache/tmp/features.npy", "weeks of work\n").write("cache/version", "dataset 1.2\n");
    project.write("cache/logs/exp/l", "mine\n").write("cache/tmp/exp-0123456789abcdef/f", "mine\n");
    is_refused(&project, &[], &project.root().join("cache"));
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("it holds `logs`, `tmp`, `version`"), "{}", ran.stderr);

    for [name, file] in [["data", "a.csv"], ["with-version", "version"], ["with-objects", "objects/ab/notes"]] {
        let project = Project::new(ONE);
        let folder = project.root().join(name);
        project.write(&format!("{name}/{file}"), "mine\n");
        is_refused(&project, &["--cache", name], &folder);
        is_refused(&project, &["--cache", folder.to_str().expect("UTF-8")], &folder);
        symlink(&folder, project.root().join("link")).expect("link");
        is_refused(&project, &["--cache", "link"], &folder);
    }
    // The project itself, and a file.
    is_refused(&Project::new(ONE), &["--cache", "."], Path::new("/nowhere"));
    is_refused(&Project::new(ONE), &["--cache", "pipeline.yaml"], Path::new("/nowhere"));
}

#[test]
fn the_mark_of_somebody_elses_folder_proves_nothing() {
    let project = Project::new(ONE);
    // What looks like a store and is none: no checksum of it is right.
    for (file, text) in [
        ("actions.log", "kl"),
        ("memo.log", "x"),
        ("runs/20260101T000000.000000Z-aaaaaaaa.json", "{}\n{}\n"),
        ("objects/ab/cdef", "text"),
    ] {
        project.write(&format!("cache/{file}"), text);
    }
    let blob = format!("cache/objects/ab/{}", "cd".repeat(31));
    project.write(&blob, "not what its name says");
    is_refused(&project, &[], &project.root().join("cache"));
}

#[test]
fn a_folder_with_nothing_of_anybodys_is_taken() {
    let project = Project::new(ONE);
    project.write("cache/README.md", "about\n").write("cache/.gitignore", "objects\n");
    std::fs::create_dir(project.root().join("cache/lost+found")).expect("create folder");
    // What a process leaves that is killed when it is about to make a store.
    project.write("cache/.new-a1b2c3", "kiln sto");
    assert_eq!(project.run(&[]).with("executed"), ["a"]);
    assert_eq!(project.read("cache/.gitignore"), "objects\n", "theirs stays");
    // Stores of older Kilns have none: it comes when they are next written to, and not before.
    std::fs::remove_file(project.root().join("cache/.gitignore")).expect("remove");
    assert_eq!(project.kiln(&["status"]).code, Some(0));
    assert!(!project.root().join("cache/.gitignore").exists());
    project.write("pipeline.yaml", &ONE.replace("out/a", "out/b"));
    project.run(&[]);
    assert!(project.read("cache/.gitignore").contains("\n*\n"));
    let empty = Project::new(ONE);
    std::fs::create_dir_all(empty.root().join("cache/tmp")).expect("create folder");
    assert_eq!(empty.run(&[]).with("executed"), ["a"]);
}

#[test]
fn a_folder_in_which_a_store_was_about_to_be_made_is_taken() {
    let made = Project::new(ONE);
    made.run(&[]);
    let ignore = made.read("cache/.gitignore");
    // Killed while it wrote the file, and when it had written it. The same text is seen when another process makes the store right now.
    for written in [&ignore[..80], &ignore] {
        let project = Project::new(ONE);
        project.write("cache/.new-a1b2c3", written);
        assert_eq!(project.run(&[]).with("executed"), ["a"]);
    }
    let theirs = Project::new(ONE);
    theirs.write("cache/.new-a1b2c3", &"x".repeat(80));
    is_refused(&theirs, &[], &theirs.root().join("cache"));
}

#[test]
fn a_store_without_a_sound_mark_is_known_by_what_it_holds() {
    for (harm, text) in [("removed", None), ("emptied", Some("")), ("damaged", Some("kiln store 1 00000000\n"))] {
        for kept in ["actions.log", "memo.log", "runs", "objects", ""] {
            let project = Project::new(ONE);
            project.run(&[]);
            let cache = project.root().join("cache");
            for entry in std::fs::read_dir(&cache).expect("list") {
                let (name, path) = entry.map(|e| (e.file_name(), e.path())).expect("an entry");
                // All of it, or one thing alone.
                if !kept.is_empty() && name != kept {
                    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                        .expect("remove");
                }
            }
            match text {
                Some(text) => drop(project.write("cache/version", text)),
                None => drop(std::fs::remove_file(cache.join("version"))),
            }
            let ran = project.kiln(&["runs"]);
            assert_eq!(ran.code, Some(0), "{harm}, {kept}: {}", ran.stderr);
            let ran = project.kiln(&["run", "--force", "a", "--force-overwrite"]);
            assert_eq!(ran.code, Some(0), "{harm}, {kept}: {}", ran.stderr);
            assert!(project.read("cache/version").starts_with("kiln store 1 "), "{harm}, {kept}");
        }
    }
}

#[test]
fn a_store_keeps_itself_out_of_a_repository() {
    let project = Project::new(ONE);
    project.run(&[]);
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args).current_dir(project.root());
        let output = command.output().expect("start git");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    assert_eq!(git(&["ls-files"]), "out/a\npipeline.yaml\n");
    // As in Kiln's own repository: a file that is to be committed stays so.
    project.write("cache/README.md", "about\n");
    git(&["add", "cache/README.md"]);
    assert_eq!(git(&["ls-files", "cache"]), "cache/README.md\n");
}

/// A pipeline of one stage with this input and output.
fn pipeline(input: &str, output: &str) -> String {
    let inputs = if input.is_empty() { String::new() } else { format!("inputs: {{i: {input}}}, ") };
    format!(
        "version: 1\nstages:\n  a: {{run: 'mkdir -p \"${{outputs.o}}\"; echo x > \"${{outputs.o}}\"/x', {inputs}outputs: {{o: {output}}}}}\n"
    )
}

#[test]
fn no_path_of_a_pipeline_leads_into_a_store() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let absolute = |project: &Project, path: &str| project.root().join(path).display().to_string();
    // The cache, the input, the output, and what is said of it.
    let cases: [(&str, &str, &str, &str); 12] = [
        ("out", "", "out/actions.log", "`out/` is Kiln's store"),
        ("out", "", "out/objects", "`out/` is Kiln's store"),
        ("./out/", "", "out", "`out/` is Kiln's store"),
        ("ABSOLUTE/store", "", "store/objects", "`store/` is Kiln's store"),
        ("sub/../store", "", "store/x", "`store/` is Kiln's store"),
        ("cache", "", "cache/x", "`cache/` is Kiln's store"),
        ("data/kc", "", "data", "Kiln's store is in it: `data/kc/`"),
        ("data/kc", "data", "out/a", "Kiln's store is in it: `data/kc/`"),
        ("data/kc", "data/kc/version", "out/a", "`data/kc/` is Kiln's store"),
        ("store", "link", "out/a", "`link/` is Kiln's store"),
        ("store", "link/objects", "out/a", "`link/` is Kiln's store"),
        ("deep/store", "around", "out/a", "Kiln's store is in it"),
    ];
    for made in [false, true] {
        for (cache, input, output, said) in cases {
            if !made && input.starts_with(['l', 'a']) {
                continue;
            }
            let project = Project::new(&pipeline(input, output));
            std::fs::create_dir_all(project.root().join("sub")).expect("create folder");
            std::fs::create_dir_all(project.root().join("data")).expect("create folder");
            let cache = &cache.replace("ABSOLUTE", &absolute(&project, ""));
            if made {
                project.write("one.yaml", "version: 1\nstages:\n  b: {run: echo > other/b, outputs: {o: other/b}}\n");
                assert_eq!(project.kiln(&["run", "one.yaml", "--cache", cache]).code, Some(0), "{cache}");
                symlink("store", project.root().join("link")).expect("link");
                symlink("deep", project.root().join("around")).expect("link");
            }
            let ran = project.kiln(&["run", "--cache", cache]);
            let all = format!("{cache}, {input}, {output}, {made}: {}", ran.stderr);
            assert_eq!(ran.code, Some(2), "{all}");
            assert!(ran.stderr.contains(said) && ran.stderr.contains("pipeline.yaml:3:"), "{all}");
            assert!(ran.stderr.contains("hint: "), "{all}");
            if made {
                assert_eq!(project.kiln(&["verify", "--cache", cache]).code, Some(0), "{all}");
            }
        }
    }
    // One that was checked when the store was elsewhere.
    let project = Project::new(&pipeline("", "store/x"));
    let store = outside.path().join("store").display().to_string();
    assert_eq!(project.kiln(&["run", "--cache", &store]).code, Some(0));
    std::fs::remove_dir_all(project.root().join("store")).expect("remove");
    std::fs::rename(&store, project.root().join("store")).expect("move");
    symlink(project.root().join("store"), &store).expect("link");
    let ran = project.kiln(&["run", "--cache", &store]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`store/` is Kiln's store"), "{}", ran.stderr);
}

#[test]
fn a_folder_called_cache_is_as_any_other_unless_it_is_a_store() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let project = Project::with_cache(&pipeline("cache/words", "cache/out"), outside.path());
    project.write("cache/words", "a\n");
    assert_eq!(project.run(&[]).with("executed"), ["a"]);
    assert_eq!(project.read("cache/out/x"), "x\n");

    let used = Project::new(ONE);
    used.run(&[]);
    used.write("pipeline.yaml", &pipeline("", "cache/objects"));
    let elsewhere = outside.path().join("other").display().to_string();
    let ran = used.kiln(&["run", "--cache", &elsewhere]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`cache/` is Kiln's store"), "{}", ran.stderr);
    assert_eq!(used.kiln(&["verify", "--json"]).json()["blobs"]["count"], 1);
}

#[test]
fn a_report_is_not_rendered_into_the_store() {
    let project = Project::new(&format!("report: r.md\n{}", ONE.replace("out/a", "made/a")));
    project.write("r.md", "# Study\n");
    let ran = project.kiln(&["run", "--cache", "out"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`out/` is Kiln's store"), "{}", ran.stderr);
}

#[test]
fn commands_that_look_write_nothing() {
    let looks: Vec<&[&str]> = COMMANDS
        .iter()
        .copied()
        .filter(|command| {
            !["verify", "report"].contains(&command[0]) && (command[0] != "run" || command.contains(&"--dry-run"))
        })
        .map(|command| if command[0] == "checkout" { &["checkout", "latest", "--dry-run"] } else { command })
        .chain([["gc"].as_slice()])
        .collect();
    let project = Project::new(ONE);
    for command in &looks {
        let ran = project.kiln(command);
        assert!(!ran.stderr.contains("cannot"), "{command:?}: {}", ran.stderr);
        assert!(!project.root().join("cache").exists(), "{command:?}");
    }
    project.run(&[]);
    // Much to learn of what is there, and damage to be seen.
    project.write("out/a", "changed\n").edit("pipeline.yaml", "echo x", "echo y");
    let blob = files(&project.root().join("cache/objects")).remove(0);
    std::fs::remove_file(&blob).and_then(|()| std::fs::write(&blob, "z\n")).expect("damage");
    let before = content(&project.root().join("cache"));
    for command in looks {
        let ran = project.kiln(command);
        assert_eq!(content(&project.root().join("cache")), before, "{command:?}");
        // There is too little to compare, and who would put something in place finds the edit in his way.
        let nothing_to_say = ["compare", "history", "run", "checkout"].contains(&command[0]);
        assert!(ran.code == Some(0) || nothing_to_say, "{command:?}: {}", ran.stderr);
    }
}
