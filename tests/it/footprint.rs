//! Runs that find out from files alone what there is to do, and what must not pass for nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::project::{Project, Ran};

/// Enough stages for the record to have pages.
const STAGES: usize = 70;

/// Many copies of many files, and one stage that takes from one of them.
fn many() -> Project {
    copies(STAGES)
}

fn copies(count: usize) -> Project {
    let mut pipeline = String::from("version: 1\nstages:\n");
    for i in 0..count {
        pipeline += &format!("  s{i}: {{run: cat in/{i} > out/{i}, inputs: {{i: in/{i}}}, outputs: {{o: out/{i}}}}}\n");
    }
    pipeline += "  last: {run: grep -v bad out/7 > out/last; cat out/7 >> out/last, inputs: {i: {from: s7.o}}, outputs: {o: out/last}}\n";
    let project = Project::new(&pipeline);
    for i in 0..count {
        project.write(&format!("in/{i}"), &format!("{i:03}\n"));
    }
    // What was written a moment ago cannot be told from what is written now.
    std::thread::sleep(std::time::Duration::from_millis(30));
    project
}

/// How many stages of the last run ended as this says, by its record.
fn last(project: &Project, outcome: &str) -> usize {
    let shown = project.kiln(&["show", "latest", "--json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let record: Value = shown.json();
    let stages = record["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), STAGES + 1);
    assert!(stages.iter().all(|s| s["key"].is_string() && s["outputs"]["o"]["digest"].is_string()));
    assert_eq!(stages[0]["name"], "s0");
    stages.iter().filter(|s| s["outcome"] == outcome).count()
}

fn run(project: &Project) {
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Runs until it is known what a run looks like that does nothing; returns where that is kept.
fn settled(project: &Project) -> PathBuf {
    for _ in 0..2 {
        run(project);
    }
    assert_eq!(last(project, "up-to-date"), STAGES + 1);
    kept_as(project, "footprint")
}

/// The file with this extension that is kept beside the pipeline.
fn kept_as(project: &Project, extension: &str) -> PathBuf {
    let folder = fs::read_dir(project.root().join("cache/pipelines")).expect("the folder").flatten();
    let mut found = folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension));
    found.next().expect("a kept file")
}

#[test]
fn a_run_of_many_stages_that_changes_nothing_shares_its_record_and_says_the_same() {
    let project = many();
    run(&project);
    assert_eq!(last(&project, "executed"), STAGES + 1);
    settled(&project);
    let records = || fs::read_dir(project.root().join("cache/runs")).expect("runs").flatten();
    let largest = records().map(|entry| entry.metadata().expect("a file").len()).min().expect("a record");
    assert!(largest < 5000, "a record of a run that did nothing has {largest} bytes");
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("71 up to date"), "{}", ran.stderr);
    // The long way round says the same.
    let record = project.run(&[]);
    assert_eq!(record.with("up-to-date").len(), STAGES + 1);
    let gc = project.kiln(&["gc", "--delete"]);
    assert_eq!(gc.code, Some(0), "{}", gc.stderr);
    assert_eq!(last(&project, "up-to-date"), STAGES + 1);
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
}

#[test]
fn whatever_changes_is_noticed() {
    let project = many();
    settled(&project);
    let root = project.root();

    // The same size, and the time set back.
    let source = root.join("in/7");
    let before = fs::metadata(&source).expect("a file").modified().expect("a time");
    project.write("in/7", "xyz\n");
    fs::File::options().write(true).open(&source).and_then(|f| f.set_modified(before)).expect("set the time");
    run(&project);
    assert_eq!(last(&project, "executed"), 2);
    assert_eq!(project.read("out/last"), "xyz\nxyz\n");

    settled(&project);
    fs::remove_file(root.join("out/9")).expect("an output");
    run(&project);
    assert_eq!(last(&project, "restored"), 1);
    assert_eq!(project.read("out/9"), "009\n");

    settled(&project);
    project.write("out/9", "abc\n");
    assert_eq!(project.kiln(&["run"]).code, Some(1), "an edit is not replaced");
    assert_eq!(project.read("out/9"), "abc\n");
    assert_eq!(project.kiln(&["run", "--force-overwrite"]).code, Some(0));
    assert_eq!(last(&project, "restored"), 1);
    assert_eq!(project.read("out/9"), "009\n");

    settled(&project);
    project.edit("pipeline.yaml", "cat in/3 >", "cat in/3 in/3 >");
    run(&project);
    assert_eq!(last(&project, "executed"), 1);
    assert_eq!(project.read("out/3"), "003\n003\n");

    settled(&project);
    fs::remove_file(root.join("in/60")).expect("a source");
    assert_eq!(project.kiln(&["run"]).code, Some(2), "a source that is gone is a mistake");
    project.write("in/60", "060\n");

    settled(&project);
    fs::remove_file(root.join("cache/actions.log")).expect("the results");
    run(&project);
    assert_eq!(last(&project, "executed"), STAGES + 1);
}

#[test]
fn only_what_a_change_can_reach_is_looked_at() {
    let project = many();
    settled(&project);
    project.write("in/7", "new\n");
    let ran = Ran::from(project.command(&["run"]).env("KILN_LOG", "kiln=debug").output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("reached=2 stages=71"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 executed, 69 up to date"), "{}", ran.stderr);
    assert_eq!(last(&project, "executed"), 2);
    let shown = project.kiln(&["show", "latest", "--json"]).record();
    assert!(shown.reasons("s7").contains("in/7"), "{}", shown.reasons("s7"));
    assert!(shown.reasons("last").contains("out/7"), "{}", shown.reasons("last"));
    // The same record as the long way round gives.
    project.write("in/7", "007\n");
    let long = project.run(&[]);
    settled(&project);
    for text in ["new\n", "007\n"] {
        project.write("in/7", text);
        run(&project);
    }
    assert_eq!(project.kiln(&["show", "latest", "--json"]).record().digests(), long.digests());

    // What fails is told of, and is not forgotten.
    settled(&project);
    project.write("in/7", "bad\n");
    for _ in 0..2 {
        let failed = project.kiln(&["run"]);
        assert_eq!(failed.code, Some(1));
        assert!(failed.stderr.contains("last failed"), "{}", failed.stderr);
    }
    project.write("in/7", "good\n");
    run(&project);
    assert_eq!(project.read("out/last"), "good\ngood\n");
    assert_eq!(last(&project, "executed"), 2);
}

#[test]
fn what_is_kept_of_a_pipeline_is_not_trusted() {
    let project = many();
    let footprint = settled(&project);
    for path in [footprint.clone(), footprint.with_extension("")] {
        let whole = fs::read(&path).expect("a kept file");
        for at in [3, 20, 60, 100, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).expect("write");
            run(&project);
            assert_eq!(last(&project, "up-to-date"), STAGES + 1);
        }
        fs::write(&path, &whole[..whole.len() / 3]).expect("write");
        run(&project);
        assert_eq!(last(&project, "up-to-date"), STAGES + 1);
    }
}

#[test]
fn files_that_several_threads_look_at_are_all_looked_at() {
    // More than a thousand files: three sections.
    let count = 600;
    let project = copies(count);
    let says = |what: &str| {
        let ran = Ran::from(project.command(&["run"]).env("KILN_LOG", "kiln=debug").output().expect("start kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains(what), "{what}: {}", ran.stderr);
        ran.stderr.contains("only these can have changed")
    };
    says("601 executed");
    says("601 up to date");
    says("601 up to date");
    for changed in [1, 2, 255, 256, 300, 511, 512, 599] {
        project.write(&format!("in/{changed}"), "new\n");
        assert!(says("1 executed, 600 up to date"));
        assert_eq!(project.read(&format!("out/{changed}")), "new\n");
    }
    project.write("in/0", "new\n");
    fs::remove_file(project.root().join("out/599")).expect("an output");
    assert!(says("1 executed, 1 restored, 599 up to date"));

    // A section that is damaged is not believed, and what changed is found by an ordinary run.
    let footprint = kept_as(&project, "footprint");
    for share in [4, 3, 2, 1] {
        let mut bytes = fs::read(&footprint).expect("the footprint");
        let at = bytes.len() / share - 1;
        bytes[at] ^= 1;
        fs::write(&footprint, &bytes).expect("write");
        project.write("in/400", &format!("{share}\n"));
        assert!(!says("1 executed, 600 up to date"), "a damaged footprint was believed");
        assert_eq!(project.read("out/400"), format!("{share}\n"));
        says("601 up to date");
    }
}

#[test]
fn a_damaged_page_is_made_again() {
    let project = many();
    settled(&project);
    let record = fs::read_dir(project.root().join("cache/runs")).expect("runs").flatten().next().expect("a record");
    let text = fs::read_to_string(record.path()).expect("a record");
    let line: Value = serde_json::from_str(text.lines().nth(1).expect("two lines")).expect("JSON");
    let page = line["pages"][0].as_str().expect("a page");
    let blob = project.root().join("cache/objects").join(&page[..2]).join(&page[2..]);
    let mut bytes = fs::read(&blob).expect("the blob of the page");
    bytes[50] ^= 1;
    fs::remove_file(&blob).and_then(|()| fs::write(&blob, &bytes)).expect("write");
    // It is told; what reads all puts it aside, the next ordinary run makes it again, and all is well.
    let shown = project.kiln(&["show", "latest", "--json"]);
    assert_ne!(shown.code, Some(0));
    assert!(shown.stderr.contains("kiln verify"), "{}", shown.stderr);
    assert_eq!(project.kiln(&["verify"]).code, Some(1));
    run(&project);
    assert_eq!(last(&project, "up-to-date"), STAGES + 1);
}

#[test]
fn a_pipeline_with_metrics_and_a_report_shows_them_though_nothing_was_looked_at() {
    let project = many();
    let metrics = "  last: {run: 'printf \"{\\\"lines\\\": %d}\" $(wc -l < out/7) > out/last', inputs: {i: {from: s7.o}}, outputs: {o: {path: out/last, role: metrics}}}\n";
    let pipeline = project.read("pipeline.yaml").replace("version: 1\n", "version: 1\nreport: report.md\n");
    let (before, _) = pipeline.split_once("  last:").expect("the last stage");
    project.write("pipeline.yaml", &format!("{before}{metrics}"));
    project.write("report.md", "# Lines\n\nThere are ${metrics.last.lines:.0} lines.\n");
    std::thread::sleep(std::time::Duration::from_millis(30));
    let footprint = settled(&project);
    assert!(project.read("out/report.html").contains("There are 1 lines."));
    let quiet = || {
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stderr + &ran.stdout
    };
    // The long way round says the same; only names of runs and times differ.
    let said =
        |text: &str| text.lines().filter(|line| !line.starts_with("run ")).map(str::to_owned).collect::<Vec<_>>();
    let short = quiet();
    fs::remove_file(&footprint).expect("the footprint");
    assert_eq!(said(&short), said(&quiet()));
    assert!(short.contains("report: out/report.html"), "{short}");
    assert_eq!(last(&project, "up-to-date"), STAGES + 1);

    settled(&project);
    fs::remove_file(project.root().join("out/report.html")).expect("the page");
    quiet();
    assert!(project.read("out/report.html").contains("There are 1 lines."));
    project.write("report.md", "# Lines\n\nIn all ${metrics.last.lines:.0} lines.\n");
    quiet();
    assert!(project.read("out/report.html").contains("In all 1 lines."));

    settled(&project);
    project.write("in/7", "0\n7\n");
    quiet();
    assert_eq!(last(&project, "executed"), 2);
    assert!(project.read("out/report.html").contains("In all 2 lines."));

    settled(&project);
    project.write("out/last", "{\"lines\": 9}");
    assert_eq!(project.kiln(&["run"]).code, Some(1), "an edit is not replaced");
}

/// What is kept of pipelines, with the inode of each: what is written anew has another.
fn kept(project: &Project) -> BTreeMap<PathBuf, u64> {
    let found = fs::read_dir(project.root().join("cache/pipelines")).into_iter().flatten().flatten();
    found.map(|entry| (entry.path(), entry.metadata().expect("a file").ino())).collect()
}

#[test]
fn a_link_to_the_program_is_the_same_program() {
    let project = many();
    settled(&project);
    let before = kept(&project);
    let program = Path::new(env!("CARGO_BIN_EXE_kiln"));
    let folder = tempfile::tempdir_in(program.parent().expect("a folder")).expect("a temporary folder");
    let link = folder.path().join("kiln");
    fs::hard_link(program, &link).expect("a hard link");
    run(&project);
    let mut linked = std::process::Command::new(&link);
    let ran = Ran::from(linked.arg("run").current_dir(project.root()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(kept(&project), before);
}

#[test]
fn a_look_leaves_a_large_pipeline_for_the_next_look() {
    let numbers: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
    let project = Project::new(&format!(
        "version: 1\nstages:\n  s: {{matrix: {{i: [{}]}}, run: 'echo > ${{outputs.o}}', outputs: {{o: 'o/${{matrix.i}}'}}}}\n",
        numbers.join(",")
    ));
    assert_eq!(project.kiln(&["why", "s[i=7]"]).code, Some(0));
    assert!(!project.root().join("cache").exists(), "who only looks makes no cache");
    project.write("small.yaml", "version: 1\nstages:\n  a: {run: 'echo > a', outputs: {a: a}}\n");
    assert_eq!(project.kiln(&["run", "small.yaml"]).code, Some(0));
    let before = kept(&project);
    let why = project.kiln(&["why", "s[i=7]"]);
    let after = kept(&project);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(project.kiln(&["why", "s[i=7]"]).stdout, why.stdout);
    assert_eq!(kept(&project), after, "it was read once more");
}

#[test]
fn parameters_from_files_are_looked_at_whatever_is_kept() {
    let mut pipeline = String::from("version: 1\nparams: params.yaml\nstages:\n");
    for i in 0..STAGES {
        pipeline += &format!("  s{i}: {{run: 'echo ${{params.word}} > out/{i}', outputs: {{o: out/{i}}}}}\n");
    }
    let project = Project::new(&pipeline);
    project.write("params.yaml", "word: one\n");
    std::thread::sleep(std::time::Duration::from_millis(30));
    run(&project);

    // What a first run keeps is not believed of other parameters, even if it is lost which files they come from.
    for word in ["two", "three"] {
        fs::remove_file(kept_as(&project, "params")).expect("the list of the files");
        project.write("params.yaml", &format!("word: {word}\n"));
        run(&project);
        assert_eq!(project.read("out/5"), format!("{word}\n"));
    }
    fs::remove_file(project.root().join("params.yaml")).expect("the parameters");
    assert_eq!(project.kiln(&["run"]).code, Some(2), "parameters that are gone are a mistake");
}
