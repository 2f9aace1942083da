//! Where the user stands: projects are found from the folders in them, and what is printed can be found from there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::project::{Project, Ran};

const PIPELINE: &str = "\
version: 1
report: report.md
params: {x: 1}
stages:
  make:
    run: echo '{\"loss\":'${params.x}'}' > out/m.json; echo said
    inputs: {i: src/deep/in.txt}
    outputs: {m: {path: out/m.json, role: metrics}}
  fail:
    run: echo ${params.x} > out/f; exit $(cat src/code)
    inputs: {c: src/code}
    outputs: {f: out/f}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("report.md", "# R\n\n${metrics.make.loss}\n").write("src/deep/in.txt", "in").write("src/code", "0");
    project
}

/// A call from a folder of the project.
fn from(project: &Project, folder: &str, args: &[&str]) -> Ran {
    Ran::from(project.command(args).current_dir(project.root().join(folder)).output().expect("start kiln"))
}

/// Whether the words of a text that look like paths lead somewhere from a folder.
fn lead_somewhere(folder: &Path, text: &str) -> usize {
    // Reasons are recorded, and say where things are in the project.
    let lines = text.lines().filter(|line| !line.contains("not in place:") && !line.contains("echo"));
    let words = lines.flat_map(str::split_whitespace).map(|word| word.trim_matches(|c| "(),:`".contains(c)));
    let paths: Vec<&str> = words.filter(|word| word.contains("out/") || word.contains(".log")).collect();
    for path in &paths {
        assert!(folder.join(path).exists(), "{path} in {text}");
    }
    paths.len()
}

#[test]
fn every_command_finds_the_project_from_its_folders() {
    let project = project();
    let deep = project.root().join("src/deep");
    let ran = from(&project, "src/deep", &["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(lead_somewhere(&deep, &ran.stderr) >= 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("report: ../../out/report.html"), "{}", ran.stderr);
    assert_eq!(from(&project, "src", &["run", "--set", "x=2", "make"]).code, Some(0));
    let commands = [
        "status",
        "list",
        "why make",
        "show make",
        "show latest",
        "log make",
        "log make --path",
        "outputs",
        "compare",
        "compare --html",
        "compare --within",
        "compare --outputs",
        "history loss",
        "runs",
        "report",
        "graph",
        "checkout latest~1 --dry-run",
        "checkout latest~1",
        "trace",
        "gc",
        "verify",
        "run -n",
        "run",
        "run --check-determinism make",
    ];
    for command in commands {
        let args: Vec<&str> = command.split(' ').collect();
        let ran = from(&project, "src/deep", &args);
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.stderr);
        lead_somewhere(&deep, &ran.stdout);
        lead_somewhere(&deep, &ran.stderr);
    }
    let listed = from(&project, "src/deep", &["outputs"]).stdout;
    assert!(listed.contains("../../out/m.json"), "{listed}");
    assert!(project.root().join("out/compare.html").exists());
    assert!(!deep.join("cache").exists() && !deep.join("out").exists() && !project.root().join("src/cache").exists());
    // The record says the same from wherever the run was begun.
    let shown = from(&project, "src/deep", &["show", "latest", "--json"]).json();
    assert_eq!(shown["pipeline"], "pipeline.yaml");
}

#[test]
fn a_failed_stage_is_told_with_paths_that_lead_there() {
    let project = project();
    project.write("src/code", "3");
    let ran = from(&project, "src", &["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    lead_somewhere(&project.root().join("src"), &ran.stderr.replace("${params.x}", ""));
}

#[test]
fn files_on_the_command_line_are_where_the_user_stands() {
    let project = project();
    project.run(&[]);
    project.run(&["--set", "x=2"]);
    let ran = from(&project, "src", &["report", "-o", "deep/page.html"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "deep/page.html\n"), "{}", ran.stderr);
    assert!(project.root().join("src/deep/page.html").exists());
    let ran = from(&project, "src", &["compare", "--html=deep/c.html"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "deep/c.html\n"), "{}", ran.stderr);
    assert!(project.root().join("src/deep/c.html").exists());
    // A file that is named is not searched for.
    for args in [["list", "-f", "pipeline.yaml"], ["-f", "pipeline.yaml", "runs"]] {
        let ran = from(&project, "src", &args);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("`pipeline.yaml`"), "{}", ran.stderr);
    }
    assert_eq!(from(&project, "src", &["-f", "../pipeline.yaml", "list"]).code, Some(0));
}

#[test]
fn the_nearest_project_counts() {
    let project = project();
    project
        .write("team/pipeline.yaml", "version: 1\nstages: {inner: {run: echo > out/o, outputs: {o: out/o}}}\n")
        .write("team/sub/x", "");
    assert!(from(&project, "team/sub", &["list"]).stdout.contains("inner"));
    assert!(from(&project, "src", &["list"]).stdout.contains("make"));
    // A folder of that name is none.
    fs::create_dir_all(project.root().join("src/deep/pipeline.yaml/x")).expect("create folder");
    assert!(from(&project, "src/deep/pipeline.yaml/x", &["list"]).stdout.contains("make"));
    let nowhere = tempfile::tempdir().expect("a folder");
    let ran = Ran::from(project.command(&["run"]).current_dir(nowhere.path()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("pipeline.yaml") && ran.stderr.contains("--file"), "{}", ran.stderr);
}

#[test]
fn a_pipeline_of_somebody_else_in_a_shared_folder_does_not_count() {
    let project = project();
    fs::set_permissions(project.root(), fs::Permissions::from_mode(0o1777)).expect("share the folder");
    assert_eq!(from(&project, "src", &["list"]).code, Some(0), "one's own counts");
    // Only the superuser can give a file away.
    if std::os::unix::fs::chown(project.root().join("pipeline.yaml"), Some(65_534), None).is_ok() {
        assert_eq!(from(&project, "src", &["list"]).code, Some(2));
        assert_eq!(from(&project, ".", &["list"]).code, Some(0), "where the user stands it does");
        fs::set_permissions(project.root(), fs::Permissions::from_mode(0o755)).expect("close the folder");
        assert_eq!(from(&project, "src", &["list"]).code, Some(0));
    }
}

#[test]
fn mistakes_are_drawn_in_their_own_file() {
    let project = Project::new(
        "
            version: 1
            stages:
              prepare:
                run: cat raw.csv > out/c   # all is well here
                inputs: {raw: raw.csv}
                outputs: {c: out/c}
        ",
    );
    project.write("raw.csv", "").write("report.md", "all is well here\n");
    project.write(
        "team/pipeline.yaml",
        "version: 1\nreport: report.md\nstages:\n  train:\n    run: cat w > out/w\n    inputs: {w: wieghts.bin}\n    outputs: {w: out/w}\n",
    );
    project.write("team/report.md", "line one\n\n${metrics.trian.x}\n").write("team/sub/x", "");
    for (folder, args, prefix) in [
        (".", vec!["run", "team/pipeline.yaml"], "team/"),
        (".", vec!["-f", "team/pipeline.yaml", "list"], "team/"),
        ("team/sub", vec!["status"], "../"),
        ("team", vec!["status"], ""),
    ] {
        let ran = from(&project, folder, &args);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        for says in [
            format!("--> {prefix}pipeline.yaml:6:17"),
            format!("--> {prefix}report.md:3:1"),
            "wieghts.bin}".into(),
            "${metrics.trian.x}".into(),
        ] {
            assert!(ran.stderr.contains(&says), "{says}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("all is well"), "{}", ran.stderr);
    }
    let root = project.root().join("team/pipeline.yaml");
    let ran = from(&project, "team/sub", &["list", "-f", root.to_str().expect("UTF-8")]);
    assert!(ran.stderr.contains(&format!("--> {}:6:17", root.display())), "{}", ran.stderr);
    // What is wrong on the command line is drawn there.
    let ran = from(&project, ".", &["list", "--set", "x=1"]);
    assert!(ran.stderr.contains("--> --set x=1:1:1") && ran.stderr.contains("this mapping is empty"), "{}", ran.stderr);
}

#[cfg(feature = "stages")]
#[test]
fn a_mistake_in_a_model_is_drawn_in_the_model() {
    let project = Project::new("");
    project.write(
        "team/pipeline.yaml",
        "version: 1\nstages:\n  train:\n    uses: train\n    inputs: {train: t, validation: v, model: models/m.yaml}\n",
    );
    project
        .write("team/t", "")
        .write("team/v", "")
        .write("team/models/m.yaml", "name: m\nlayers:\n  - {type: banana}\n");
    let ran = project.kiln(&["run", "team/pipeline.yaml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--> team/models/m.yaml:3:") && ran.stderr.contains("{type: banana}"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_cannot_be_set_is_said_to_be_what_it_is() {
    let project = Project::new(
        "version: 1\nparams: {l: [1, 2, 3], n: 1, m: {a: 1}}\nstages: {s: {run: echo > out/o, outputs: {o: out/o}}}\n",
    );
    for (set, says) in [
        ("l.5=9", "this is a list; its items are 0 to 2"),
        ("n.a=9", "what comes before it is a number"),
        ("m.b=9", "`a`"),
        ("z=9", "known here: `l`, `n` and `m`"),
    ] {
        let ran = project.kiln(&["list", "--set", set]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{set}: {}", ran.stderr);
    }
}

#[test]
fn a_file_that_may_not_be_read_is_not_said_to_be_missing() {
    let project =
        Project::new("version: 1\nstages: {s: {run: cat in > out/o, inputs: {i: in}, outputs: {o: out/o}}}\n");
    project.write("in/x", "x");
    let closed = project.root().join("in/x");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("close the file");
    if fs::read(&closed).is_ok() {
        // The superuser reads it all the same; for all others the cause is told.
        return;
    }
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("cannot open in/x: Permission denied"), "{}", ran.stderr);
}

#[test]
fn what_is_meant_by_a_path_that_is_not_there() {
    let project = Project::new(
        "version: 1\nstages: {s: {run: 'true', inputs: {a: \"données.csv\", b: \"data/*.csv\", c: \"*/x.csv\"}, outputs: {o: out/o}}}\n",
    );
    project.write("donne\u{301}es.csv", "").write("data/a.csv", "").write("data/b.csv", "");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for says in [
        "the same letters in other characters: there `donne\\u{301}es.csv`, here `donn\\u{e9}es.csv`",
        "patterns such as `*` are not expanded; name the folder, `data`, or each file, `[data/a.csv, data/b.csv]`",
        "patterns such as `*` are not expanded; name each file, as a list",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("did you mean"), "{}", ran.stderr);
}
