//! Whose runs are whose: pipeline files of one folder, projects that were moved or copied, and those that share a cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::hash::canonical_json;
use serde_json::Value;
use tempfile::TempDir;

use crate::project::{Project, Ran};

const FIT: &str = "\
version: 1
params: {lr: 1}
report: page.md
stages:
  fit:
    run: \"echo '{\\\"acc\\\": '${params.lr}'}' > ${outputs.m}\"
    outputs: {m: {path: out/fit.json, role: metrics}}
";

const DATA: &str = "\
version: 1
report: page.md
stages:
  collect: {run: echo rows > out/rows, outputs: {o: out/rows}}
";

/// Two pipeline files in a folder: `train.yaml` with two runs, then `data.yaml` with one.
fn two_files() -> Project {
    let project = Project::new(FIT);
    fs::rename(project.root().join("pipeline.yaml"), project.root().join("train.yaml")).expect("rename");
    project.write("data.yaml", DATA).write("page.md", "# Page of ${run.pipeline}\n");
    for args in [&["run", "train.yaml"][..], &["run", "train.yaml", "--set", "lr=2"], &["run", "data.yaml"]] {
        good(project.kiln(args));
    }
    project
}

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran
}

fn ids(ran: &Ran) -> Vec<String> {
    let runs = ran.json()["runs"].as_array().expect("runs").clone();
    runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn runs_are_those_of_the_pipeline_file() {
    let project = two_files();
    let train = |args: &[&str]| project.kiln(&[&["-f", "train.yaml"], args].concat());
    let data = |args: &[&str]| project.kiln(&[&["-f", "data.yaml"], args].concat());
    let (of_train, of_data) = (ids(&good(train(&["runs", "--json"]))), ids(&good(data(&["runs", "--json"]))));
    assert_eq!((of_train.len(), of_data.len()), (2, 1));

    let compared = good(train(&["compare", "--json"])).json();
    assert_eq!(compared["metrics"][0]["delta"], 1.0, "{compared}");
    assert!(good(train(&["compare", "--fail-if", "acc < -0.01"])).stdout.contains("fit"));
    assert_eq!(train(&["compare", "--fail-if", "acc > 0.5"]).code, Some(1));
    assert_eq!(good(train(&["history", "acc", "--json"])).json()["runs"].as_array().map(Vec::len), Some(2));
    assert!(data(&["history", "acc"]).stderr.contains("no metric"));
    for (asked, latest) in
        [(good(train(&["show", "latest"])), &of_train[0]), (good(data(&["show", "latest"])), &of_data[0])]
    {
        assert!(asked.stdout.contains(latest.as_str()), "{}", asked.stdout);
    }
    assert!(data(&["show", "latest~1"]).stderr.contains("goes back further"));
    assert!(good(train(&["trace"])).stdout.contains("fit"));
    assert!(good(train(&["log", "fit"])).stderr.contains(&of_train[0]));
    assert!(good(train(&["why", "--run", "latest", "fit"])).stdout.contains("lr"));
    assert!(good(data(&["why", "--run", "latest", "collect"])).stdout.contains("collect"));

    // All of them, with the file; one by its id.
    let all = good(data(&["runs", "--all"])).stdout;
    for needed in [&of_train[0], &of_data[0], "train.yaml", "data.yaml"] {
        assert!(all.contains(needed), "`{needed}` in {all}");
    }
    let own = good(train(&["runs"]));
    assert!(!own.stdout.contains("data.yaml") && own.stderr.contains("1 run of `data.yaml`"), "{}", own.stderr);
    let shown = good(data(&["show", &of_train[1][..7]]));
    assert!(shown.stdout.contains("train.yaml"), "{}", shown.stdout);
}

#[test]
fn a_run_of_another_file_is_put_back_and_reported_with_a_word() {
    let project = two_files();
    let first = ids(&project.kiln(&["-f", "train.yaml", "runs", "--json"])).pop().expect("two runs");
    let ran = good(project.kiln(&["-f", "data.yaml", "checkout", &first]));
    assert!(ran.stderr.contains("one of `train.yaml`, not of `data.yaml`"), "{}", ran.stderr);
    assert_eq!(project.read("out/fit.json").trim(), "{\"acc\": 1}");
    let ran = good(project.kiln(&["-f", "data.yaml", "checkout", "latest", "--dry-run"]));
    assert!(ran.stdout.contains("1 in place") && !ran.stderr.contains("train.yaml"), "{}{}", ran.stdout, ran.stderr);

    // Two files that name one report have a page each.
    let pages = ["out/page.html", "out/page-data.html"].map(|page| project.read(page));
    assert!(pages[0].contains("Page of train.yaml") && pages[1].contains("Page of data.yaml"));
    good(project.kiln(&["-f", "train.yaml", "report"]));
    assert!(good(project.kiln(&["-f", "data.yaml", "report"])).stdout.contains("out/page-data.html"));
    assert_eq!(["out/page.html", "out/page-data.html"].map(|page| project.read(page)), pages);
    let ran = good(project.kiln(&["-f", "data.yaml", "report", &first]));
    assert!(ran.stderr.contains("one of `train.yaml`"), "{}", ran.stderr);
    assert!(project.read(ran.stdout.trim()).contains("Page of train.yaml"), "told by its own report");

    // So have comparisons.
    good(project.kiln(&["run", "data.yaml"]));
    good(project.kiln(&["-f", "train.yaml", "compare", "--html"]));
    assert!(good(project.kiln(&["-f", "data.yaml", "compare", "--html"])).stdout.contains("out/compare-data.html"));
}

#[test]
fn what_is_no_page_stays() {
    let project = two_files();
    project.write("out/page.html", "<p>by hand\n").write("out/compare.html", "by hand\n");
    let ran = good(project.kiln(&["run", "train.yaml", "--set", "lr=3"]));
    assert!(
        ran.stderr.contains("no report")
            && ran.stderr.contains("`out/page.html` is in the way: it is no page of Kiln's"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.kiln(&["-f", "train.yaml", "report"]).code, Some(2));
    assert_eq!(project.kiln(&["-f", "train.yaml", "compare", "--html"]).code, Some(2));
    assert_eq!(
        (project.read("out/page.html"), project.read("out/compare.html")),
        ("<p>by hand\n".into(), "by hand\n".into())
    );
    good(project.kiln(&["-f", "train.yaml", "compare", "--html=out/mine.html"]));
}

#[test]
fn where_there_are_no_runs_of_the_file_others_are_named() {
    let project = two_files();
    project.write("new.yaml", DATA);
    for args in [&["compare"][..], &["history", "acc"], &["show", "latest"], &["checkout", "latest"], &["log", "fit"]] {
        let ran = project.kiln(&[&["-f", "new.yaml"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        for needed in ["2 runs of `train.yaml`", "1 run of `data.yaml`", "kiln runs --all", "by its id"] {
            assert!(ran.stderr.contains(needed), "{args:?}: `{needed}` in {}", ran.stderr);
        }
    }
    // Another name of the file is not another file.
    std::os::unix::fs::symlink("train.yaml", project.root().join("link.yaml")).expect("link");
    assert_eq!(ids(&good(project.kiln(&["-f", "link.yaml", "runs", "--json"]))).len(), 2);
    good(project.kiln(&["run", "link.yaml"]));
    assert_eq!(ids(&good(project.kiln(&["-f", "train.yaml", "runs", "--json"]))).len(), 3);
}

#[test]
fn the_last_runs_of_each_file_are_kept() {
    let project = two_files();
    for lr in ["3", "4"] {
        good(project.kiln(&["run", "train.yaml", "--set", &format!("lr={lr}")]));
    }
    good(project.kiln(&["-f", "data.yaml", "gc", "--keep-last", "1", "--delete"]));
    good(project.kiln(&["-f", "data.yaml", "checkout", "latest", "--force"]));
    fs::remove_file(project.root().join("out/rows")).expect("remove");
    good(project.kiln(&["-f", "data.yaml", "checkout", "latest"]));
    assert_eq!(project.read("out/rows"), "rows\n");
    let gone = project.kiln(&["-f", "train.yaml", "checkout", "latest~2", "--dry-run"]);
    assert!(gone.stdout.contains("gone"), "{}", gone.stdout);
}

/// Folders of projects beside each other, and a cache that they may share.
struct Place(TempDir);

impl Place {
    fn new(projects: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        for project in projects {
            fs::create_dir(place.path(project)).expect("create folder");
            fs::write(place.path(project).join("pipeline.yaml"), FIT.replace("report: page.md\n", "")).expect("write");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn kiln(&self, project: &str, cache: Option<&str>, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.current_dir(self.path(project)).args(args).env_remove("KILN_CACHE");
        if let Some(cache) = cache {
            command.env("KILN_CACHE", self.path(cache));
        }
        Ran::from(command.output().expect("start kiln"))
    }

    fn run(&self, project: &str, cache: Option<&str>, lr: &str) -> String {
        let ran = good(self.kiln(project, cache, &["run", "--json", "--set", &format!("lr={lr}")]));
        ran.json()["id"].as_str().expect("an id").to_owned()
    }

    fn runs(&self, project: &str, cache: Option<&str>) -> Vec<String> {
        ids(&good(self.kiln(project, cache, &["runs", "--json"])))
    }

    fn copy(&self, from: &str, to: &str) {
        let status = Command::new("cp").arg("-r").arg(self.path(from)).arg(self.path(to)).status().expect("start cp");
        assert!(status.success());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("rename");
    }
}

#[test]
fn a_project_that_was_moved_or_copied_keeps_its_history() {
    let place = Place::new(&["one"]);
    let mut runs: Vec<String> = ["1", "2"].iter().map(|lr| place.run("one", None, lr)).collect();
    runs.reverse();
    place.rename("one", "two");
    place.copy("two", "three");
    std::os::unix::fs::symlink("two", place.path("link")).expect("link");
    for project in ["two", "three", "link"] {
        assert_eq!(place.runs(project, None), runs, "{project}");
        let history = good(place.kiln(project, None, &["history", "acc", "--json"])).json();
        assert_eq!(history["metrics"][0]["delta"], 1.0, "{history}");
        good(place.kiln(project, None, &["compare"]));
        good(place.kiln(project, None, &["checkout", "latest~1"]));
        assert!(good(place.kiln(project, None, &["show", "fit"])).stdout.contains(&runs[0]), "{project}");
        let gc = good(place.kiln(project, None, &["gc", "--json"])).json();
        assert_eq!(gc["kept"].as_array().map(Vec::len), Some(1), "{gc}");
        assert_eq!(gc["kept"][0]["here"], true, "{gc}");
    }
    // From now on each has its own.
    let more = place.run("three", None, "3");
    assert_eq!(place.runs("three", None)[0], more);
    assert_eq!(place.runs("two", None), runs);
    assert!(!place.path("two").join(".kiln").exists(), "the cache lies in the project: no other mark is needed");
}

#[test]
fn projects_that_share_a_cache_are_told_apart_and_followed() {
    let place = Place::new(&["one", "other"]);
    let cache = Some("shared");
    let first = place.run("one", cache, "1");
    let other = place.run("other", cache, "5");
    assert_eq!(place.runs("one", cache), std::slice::from_ref(&first));
    assert_eq!(place.runs("other", cache), std::slice::from_ref(&other));
    let ran = place.kiln("one", cache, &["compare"]);
    assert!(ran.stderr.contains("1 run of `") && ran.stderr.contains("other/pipeline.yaml"), "{}", ran.stderr);

    place.rename("one", "moved");
    assert_eq!(place.runs("moved", cache), std::slice::from_ref(&first));
    let second = place.run("moved", cache, "2");
    // A new project where the old one was has nothing of it.
    fs::create_dir(place.path("one")).expect("create folder");
    fs::copy(place.path("moved").join("pipeline.yaml"), place.path("one").join("pipeline.yaml")).expect("copy");
    assert!(place.runs("one", cache).is_empty());

    // A copy has what was until then; what follows is each one's own, whatever becomes of the other.
    place.copy("moved", "copy");
    assert_eq!(place.runs("copy", cache), [second.clone(), first.clone()]);
    let of_copy = place.run("copy", cache, "3");
    let third = place.run("moved", cache, "4");
    assert_eq!(place.runs("copy", cache), [of_copy.clone(), second.clone(), first.clone()]);
    fs::remove_dir_all(place.path("copy")).expect("remove");
    assert_eq!(place.runs("moved", cache), [third, second, first]);
    let ran = good(place.kiln("moved", cache, &["show", &of_copy]));
    assert!(ran.stdout.contains("copy/pipeline.yaml"), "{}", ran.stdout);

    // A clone has no part of it, and is known by its path when it is made anew.
    let clone = |id: &str| {
        let _ = fs::remove_dir_all(place.path("clone"));
        fs::create_dir(place.path("clone")).expect("create folder");
        fs::copy(place.path("moved").join("pipeline.yaml"), place.path("clone").join("pipeline.yaml")).expect("copy");
        place.run("clone", cache, id)
    };
    let runs = [clone("1"), clone("2")];
    assert_eq!(place.runs("clone", cache), [runs[1].clone(), runs[0].clone()]);
    assert_eq!(place.runs("other", cache), [other]);
    let ignored = fs::read_to_string(place.path("other/.kiln/.gitignore")).expect("a .gitignore");
    assert_eq!(ignored, "*\n");
}

/// Rewrites the records of a cache, summaries and all.
pub(crate) fn rewrite(cache: &Path, change: impl Fn(&mut Value, &mut Value)) {
    for entry in fs::read_dir(cache.join("runs")).expect("runs").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a record");
        let lines: Vec<&str> = text.lines().collect();
        let mut first: Value = serde_json::from_str(lines[0]).expect("JSON");
        let mut record: Value = serde_json::from_str(lines[1]).expect("JSON");
        change(&mut first["summary"], &mut record);
        let line = record.to_string();
        let blake3 = |text: &str| Value::from(blake3::hash(text.as_bytes()).to_string());
        first["summary_blake3"] = blake3(&canonical_json(&first["summary"]));
        first["record_blake3"] = blake3(&line);
        fs::write(entry.path(), format!("{first}\n{line}\n")).expect("write");
    }
}

/// Makes records as they were before they said where the cache was.
fn as_before(cache: &Path) {
    rewrite(cache, |summary, record| {
        for object in [summary, record] {
            let fields = object.as_object_mut().expect("an object");
            fields.remove("cache");
            fields.remove("lineage");
        }
    });
}

#[test]
fn records_of_before_follow_their_project_too() {
    let place = Place::new(&["one", "other"]);
    let own = place.run("one", None, "1");
    let guest = place.run("other", Some("one/cache"), "2");
    as_before(&place.path("one/cache"));
    assert_eq!(place.runs("one", None), std::slice::from_ref(&own));
    assert_eq!(place.runs("other", Some("one/cache")), std::slice::from_ref(&guest));
    place.copy("one", "copy");
    assert_eq!(place.runs("copy", None), std::slice::from_ref(&own));
    place.rename("one", "two");
    assert_eq!(place.runs("two", None), [own]);
    assert_eq!(place.runs("other", Some("two/cache")), [guest]);
}
