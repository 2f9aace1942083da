//! Data and outputs behind symbolic links: on another disk, in another place of the project, as single files, nested in folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::project::{Project, mailbox};

/// Puts a link in a project in the place of what may be there.
fn link(project: &Project, target: impl AsRef<Path>, name: &str) {
    let path = project.root().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("create folder");
    let _ = fs::remove_file(&path);
    symlink(target, path).expect("make a link");
}

/// Another disk: a file system in memory, which the project is not on.
fn disk() -> (TempDir, PathBuf) {
    let disk = mailbox();
    let path = disk.path().to_owned();
    (disk, path)
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("create folder");
    fs::write(path, text).expect("write file");
}

const READS: &str = "\
version: 1
stages:
  read:
    run: cat data/a.txt one.txt mixed/disk/b.txt mixed/near.txt > out/all.txt
    inputs: {data: data, one: one.txt, mixed: mixed}
    outputs: {all: out/all.txt}
";

/// A project that reads what lies on a disk, through links of every kind.
fn reads(disk: &Path) -> Project {
    let project = Project::new(READS);
    write(disk.join("v1/a.txt"), "a\n");
    write(disk.join("v1/deep/b.txt"), "b\n");
    symlink("v1", disk.join("now")).expect("make a link");
    link(&project, disk.join("now"), "data");
    link(&project, disk.join("v1/a.txt"), "one.txt");
    link(&project, disk.join("v1/deep"), "mixed/disk");
    project.write("mixed/own.txt", "own\n");
    link(&project, "own.txt", "mixed/near.txt");
    project
}

#[test]
fn what_lies_behind_links_is_read_and_its_changes_are_seen() {
    let (_disk, disk) = disk();
    let project = reads(&disk);
    assert_eq!(project.run(&[]).with("executed"), ["read"]);
    assert_eq!(project.read("out/all.txt"), "a\na\nb\nown\n");
    assert_eq!(project.run(&[]).with("up-to-date"), ["read"]);

    fs::write(disk.join("v1/a.txt"), "A\n").expect("write");
    assert_eq!(project.run(&[]).with("executed"), ["read"]);
    assert_eq!(project.read("out/all.txt"), "A\nA\nb\nown\n");
    fs::write(disk.join("v1/deep/b.txt"), "B\n").expect("write");
    assert!(project.kiln(&["status"]).stdout.contains("dirty"));
    assert_eq!(project.run(&[]).with("executed"), ["read"]);
    assert_eq!(project.read("out/all.txt"), "A\nA\nB\nown\n");

    // Another link in the middle of the way, with other content behind it, and with the same.
    write(disk.join("v2/a.txt"), "new\n");
    fs::remove_file(disk.join("now")).and_then(|()| symlink("v2", disk.join("now"))).expect("point elsewhere");
    assert_eq!(project.run(&[]).with("executed"), ["read"]);
    assert_eq!(project.read("out/all.txt"), "new\nA\nB\nown\n");
    write(disk.join("v3/a.txt"), "new\n");
    link(&project, disk.join("v3"), "data");
    assert_eq!(project.run(&[]).with("up-to-date"), ["read"]);
}

#[test]
fn the_key_is_the_content_wherever_that_lies() {
    let (_disk, disk) = disk();
    let linked = reads(&disk);
    let plain = Project::new(READS);
    plain.write("data/a.txt", "a\n").write("data/deep/b.txt", "b\n").write("one.txt", "a\n");
    plain.write("mixed/disk/b.txt", "b\n").write("mixed/own.txt", "own\n");
    link(&plain, "own.txt", "mixed/near.txt");
    assert_eq!(linked.run(&[]).stage("read")["key"], plain.run(&[]).stage("read")["key"]);
}

const WRITES: &str = "\
version: 1
params: {x: 1}
stages:
  make:
    run: mkdir -p out/made/deep; echo ${params.x} > out/made/deep/f; echo ${params.x} > out/x.txt
    outputs: {folder: out/made, file: out/x.txt}
  use:
    run: cat out/x.txt out/made/deep/f > other/deep/all.txt
    inputs: {x: {from: make.file}, folder: {from: make.folder}}
    outputs: {all: other/deep/all.txt}
";

#[test]
fn outputs_go_through_links_of_their_folders() {
    let (_disk, disk) = disk();
    let project = Project::new(WRITES);
    fs::create_dir_all(disk.join("scratch")).expect("create folder");
    link(&project, disk.join("scratch"), "out");
    fs::create_dir(project.root().join("real")).expect("create folder");
    link(&project, "real", "other");
    assert!(project.kiln(&["run", "-n"]).stdout.contains("execute"));
    assert_eq!(project.run(&[]).with("executed").len(), 2);
    assert_eq!(fs::read_to_string(disk.join("scratch/made/deep/f")).expect("the output"), "1\n");
    assert_eq!(project.read("real/deep/all.txt"), "1\n1\n");
    for name in ["out", "other"] {
        assert!(project.root().join(name).is_symlink(), "{name} is still a link");
    }
    assert!(project.kiln(&["run", "-n"]).stdout.starts_with("2 of 2"));
    assert_eq!(project.run(&[]).with("up-to-date").len(), 2);

    // Other results take the place of these, folders too, and nothing else is left there.
    assert_eq!(project.run(&["--set", "x=2"]).with("executed").len(), 2);
    assert_eq!(fs::read_to_string(disk.join("scratch/made/deep/f")).expect("the output"), "2\n");
    let mut names: Vec<_> =
        fs::read_dir(disk.join("scratch")).expect("list").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["made", "x.txt"]);
    let ran = project.kiln(&["checkout", "latest~1"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read_to_string(disk.join("scratch/made/deep/f")).expect("the output"), "1\n");
    assert!(project.kiln(&["outputs"]).stdout.contains("out/made"));

    // What lies in place behind a link is what `gc` keeps.
    let ran = project.kiln(&["gc", "--delete", "--keep-last", "0", "--unrecorded", "0"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    fs::remove_file(disk.join("scratch/x.txt")).expect("remove");
    assert_eq!(project.run(&[]).with("restored"), ["make"]);
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
}

#[test]
fn a_link_that_is_made_later_is_taken() {
    let (_disk, disk) = disk();
    let project = Project::new(WRITES);
    project.run(&[]);
    // The user moves the results to a larger disk.
    for name in ["made", "x.txt"] {
        let copied =
            std::process::Command::new("cp").arg("-r").arg(project.root().join("out").join(name)).arg(&disk).status();
        assert!(copied.expect("start cp").success());
    }
    fs::remove_dir_all(project.root().join("out")).expect("remove");
    link(&project, &disk, "out");
    assert_eq!(project.run(&[]).with("up-to-date").len(), 2);
    assert_eq!(project.run(&["--set", "x=2"]).with("executed").len(), 2);
    assert_eq!(fs::read_to_string(disk.join("x.txt")).expect("the output"), "2\n");
}

/// What a pipeline is refused with.
fn refusal(project: &Project) -> String {
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn a_link_that_leads_nowhere_is_told_as_one() {
    let source = "version: 1\nstages: {s: {run: cat data/x > out/o, inputs: {d: PATH}, outputs: {o: out/o}}}\n";
    let cases = [
        ("data", "data", "data", "round in a circle"),
        ("data", "away", "data/x", "round in a circle"),
        ("data", "/nowhere/at/all", "data", "`/nowhere/at/all`, which does not exist"),
        ("data", "/nowhere/at/all", "data/x", "`/nowhere/at/all`, which does not exist"),
        ("data", "pipeline.yaml", "data/x", "not a folder"),
    ];
    for (name, target, path, says) in cases {
        let project = Project::new(&source.replace("PATH", path));
        link(&project, target, name);
        link(&project, "data", "away");
        let said = refusal(&project);
        assert!(said.contains(says), "{name} -> {target}: {said}");
        assert!(said.contains("`data`"), "{said}");
    }
    // In a folder, this shows when it is read.
    let project = Project::new(&source.replace("PATH", "data"));
    for (target, says) in [("/nowhere/at/all", "does not exist"), ("..", "round in a circle")] {
        project.write("data/x", "x");
        link(&project, if target == ".." { project.root().to_owned() } else { target.into() }, "data/bad");
        let ran = project.kiln(&["run"]);
        if target == ".." {
            link(&project, project.root().join("data"), "data/bad");
        }
        let ran = if target == ".." { project.kiln(&["run"]) } else { ran };
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("data/bad is a symbolic link"), "{}", ran.stderr);
    }
}

#[test]
fn an_output_behind_a_broken_link_is_refused_before_anything_runs() {
    let project = Project::new("version: 1\nstages: {s: {run: touch ran > out/o, outputs: {o: out/deep/o}}}\n");
    for (target, says) in [
        ("/nowhere", "`/nowhere`, which does not exist"),
        ("out", "round in a circle"),
        ("pipeline.yaml", "not a folder"),
    ] {
        link(&project, target, "out");
        let said = refusal(&project);
        assert!(said.contains("cannot write `out/deep/o`") && said.contains(says), "{said}");
    }
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn what_meets_behind_a_link_is_refused() {
    let two = "version: 1\nstages:\n  a: {run: x, outputs: {o: OUT_A}}\n  b: {run: x, inputs: {i: IN_B}, outputs: {o: OUT_B}}\n";
    let cases = [
        // link, target, a's output, b's input, b's output, what is said
        ("b", "a", "a/x", "in.txt", "b/x", "the outputs `a/x` and `b/x` meet"),
        ("b", "a", "a/z", "in.txt", "b/z/y", "the outputs `a/z` and `b/z/y` meet"),
        ("b", "a", "a/x", "b/x", "out/y", "`b/x` and the output `a/x` of stage `a` meet"),
        ("b", "a", "a/x", "b", "out/y", "`b` and the output `a/x` of stage `a` meet"),
        ("in", "a/x", "a/x", "in", "out/y", "meet behind a symbolic link"),
        ("here", "data", "here/x", "data", "out/y", "let the link lead to another folder"),
        ("here", ".", "here/pipeline.yaml", "in.txt", "out/y", "this is the pipeline file"),
        ("here", ".", "here/.git/hooks/x", "in.txt", "out/y", "the repository"),
        ("here", ".", "a/x", "here", "out/y", "holds the project itself"),
        ("up", "..", "a/x", "up", "out/y", "holds the project itself"),
    ];
    for (name, target, out_a, in_b, out_b, says) in cases {
        let project = Project::new(&two.replace("OUT_A", out_a).replace("IN_B", in_b).replace("OUT_B", out_b));
        project.write("in.txt", "in").write("a/x", "made before").write("data/in", "in");
        link(&project, target, name);
        let said = refusal(&project);
        assert!(said.contains(says), "{name} -> {target}: {said}");
    }
}

#[test]
fn links_are_looked_at_in_every_run() {
    let project = Project::new(
        "
            version: 1
            stages:
              a: {run: echo 1 > a/x, outputs: {o: a/x}}
              b: {run: echo 2 > b/x, outputs: {o: b/x}}
        ",
    );
    project.run(&[]);
    project.run(&[]);
    fs::remove_dir_all(project.root().join("b")).expect("remove");
    link(&project, "a", "b");
    assert!(refusal(&project).contains("meet behind a symbolic link"));
}

#[test]
fn links_between_folders_have_an_end() {
    let project =
        Project::new("version: 1\nstages: {s: {run: 'true > out/o', inputs: {d: data}, outputs: {o: out/o}}}\n");
    for i in 0..12 {
        project.write(&format!("data/{i}/file"), "x");
        for j in 0..12 {
            link(&project, project.root().join(format!("data/{j}")), &format!("data/{i}/to-{j}"));
        }
    }
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("circle") || ran.stderr.contains("more than"), "{}", ran.stderr);
    // Without circles there are still more ways than anybody can mean.
    let project =
        Project::new("version: 1\nstages: {s: {run: 'true > out/o', inputs: {d: data}, outputs: {o: out/o}}}\n");
    for i in 0..20 {
        project.write(&format!("data/{i}/file"), "x");
        for j in 0..i {
            link(&project, project.root().join(format!("data/{j}")), &format!("data/{i}/to-{j}"));
        }
    }
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("lead to more than"), "{}", ran.stderr);
}

#[test]
fn the_guard_opens_what_is_declared_behind_a_link_and_no_more() {
    let (_disk, disk) = disk();
    let project = Project::new(
        "version: 1\nstages: {s: {run: cat data/known.txt data/secret.txt > out/o, inputs: {k: data/known.txt}, outputs: {o: out/o}}}\n",
    );
    write(disk.join("known.txt"), "known");
    write(disk.join("secret.txt"), "secret");
    link(&project, &disk, "data");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`data/secret.txt` is a file of the project that the stage does not declare"),
        "{}",
        ran.stderr
    );
}

/// A built-in kind reads its sources where they lie: behind links in the project to a place in it that the guard hides.
#[cfg(feature = "stages")]
#[test]
fn a_kind_reads_through_links() {
    let project = Project::on_the_sample("  none: 0\n", "");
    project.run(&["fetch"]);
    let got = |name: &str| {
        let folder = project.root().join(format!("out/fetch/{name}"));
        fs::read_dir(folder).expect("list").flatten().next().expect("a file").path()
    };
    let (images, labels) = (got("images"), got("labels"));
    let other = Project::new(
        "
            version: 1
            stages:
              import:
                uses: import
                inputs: {images: data/images, labels: labels}
        ",
    );
    other.write("hidden/none", "");
    fs::copy(images, other.root().join("hidden/images")).expect("copy");
    fs::copy(labels, other.root().join("hidden/labels")).expect("copy");
    link(&other, "hidden", "data");
    link(&other, "hidden/labels", "labels");
    assert_eq!(other.run(&[]).with("executed"), ["import"]);
}

#[test]
fn a_link_in_a_folder_that_leads_to_a_store_is_refused() {
    const READS: &str =
        "version: 1\nstages: {s: {run: 'ls data/x > out/o || true', inputs: {d: data}, outputs: {o: out/o}}}\n";
    let disk = tempfile::tempdir().expect("a folder");
    // Another project's store is a store as well.
    let other = Project::new("version: 1\nstages: {s: {run: 'echo > out/o', outputs: {o: out/o}}}\n");
    other.run(&[]);
    let elsewhere = disk.path().join("kiln");
    for (cache, target) in [
        (None, "../cache"),
        (None, "../cache/objects"),
        (None, "../cache/actions.log"),
        (Some(elsewhere.as_path()), elsewhere.to_str().expect("UTF-8")),
        (Some(&elsewhere), disk.path().to_str().expect("UTF-8")),
        (None, other.root().join("cache").to_str().expect("UTF-8")),
        (None, other.root().to_str().expect("UTF-8")),
    ] {
        let project = cache.map_or_else(|| Project::new(READS), |cache| Project::with_cache(READS, cache));
        project.write("data/file", "x");
        project.run(&[]);
        link(&project, target, "data/x");
        for args in [&["run", "-n"][..], &["run"]] {
            let ran = project.kiln(args);
            let said = ran.stdout + &ran.stderr;
            assert_eq!(ran.code, Some(2), "as if the input were such a link: {target}: {said}");
            assert!(said.contains("data/x") && said.contains("leads into Kiln's store"), "{target}: {said}");
        }
        fs::remove_file(project.root().join("data/x")).expect("remove");
        assert_eq!(project.run(&[]).outcome("s"), "up-to-date");
    }
}

#[test]
fn a_stage_that_fails_is_told_beside_a_link_to_a_store() {
    let project = Project::new(
        "
        version: 1
        stages:
          reads: {run: ls data > out/o, inputs: {d: data}, outputs: {o: out/o}}
          fails: {run: 'exit 3', outputs: {p: out/p}}
        ",
    );
    project.write("data/file", "x");
    fs::create_dir(project.root().join("cache")).expect("a folder");
    link(&project, "../cache", "data/x");
    let ran = project.kiln(&["run", "--keep-going", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let kinds = record["stages"].as_array().expect("a list").iter().map(|stage| stage["failure"]["kind"].as_str());
    assert_eq!(kinds.collect::<Vec<_>>(), [Some("leads-into-store"), Some("exited")]);
    assert_eq!(project.kiln(&["run", "reads"]).code, Some(2));
}
