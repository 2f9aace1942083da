//! `kiln run --watch`, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;

/// A watching Kiln and what it says.
struct Watching {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(project: &Project) -> Self {
        let mut child = project.command(&["run", "--watch"]).stderr(Stdio::piped()).spawn().expect("start kiln");
        let lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
        Self { child, lines }
    }

    /// Reads on to a line that holds `text`.
    fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.expect("UTF-8");
            seen += &format!("{line}\n");
            if line.contains(text) {
                return seen;
            }
        }
        panic!("it ended without `{text}`:\n{seen}");
    }

    fn stop(mut self) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("send a signal");
        self.child.wait().expect("wait").code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn it_runs_again_after_every_change_and_ends_well_when_idle() {
    let project = Project::new(
        "
            version: 1
            stages:
              copy:
                run: cat words/* > ${outputs.text}
                inputs: {words: words}
                outputs: {text: out/text.txt}
        ",
    );
    project.write("words/a.txt", "a\n");
    let mut kiln = Watching::start(&project);
    kiln.until("watching 2 files");
    assert_eq!(project.read("out/text.txt"), "a\n");
    // A file that is new in a folder.
    project.write("words/b.txt", "b\n");
    assert!(kiln.until("watching 3 files").contains("changed: b.txt"));
    assert_eq!(project.read("out/text.txt"), "a\nb\n");
    // A mistake is told of once, and mended.
    project.edit("pipeline.yaml", "cat words", "cat ${inputs.wrds}/x words");
    kiln.until("wrds");
    project.edit("pipeline.yaml", "cat ${inputs.wrds}/x words", "tac words");
    kiln.until("watching 3 files");
    assert_eq!(project.read("out/text.txt"), "a\nb\n");
    assert_eq!(kiln.stop(), Some(0));
}

#[test]
fn it_sees_what_lies_behind_links_and_where_they_lead() {
    let project = Project::new(
        "
            version: 1
            stages:
              copy:
                run: cat data/a.txt data/deep/b.txt > ${outputs.text}
                inputs: {data: data}
                outputs: {text: out/text.txt}
        ",
    );
    let disk = tempfile::tempdir().expect("a folder");
    let point = |target: &std::path::Path, name: &str| {
        let path = project.root().join(name);
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).expect("link");
    };
    for (path, text) in [("one/a.txt", "a"), ("two/a.txt", "A"), ("far/b.txt", "b")] {
        let path = disk.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create folder");
        std::fs::write(path, text).expect("write");
    }
    std::os::unix::fs::symlink(disk.path().join("far"), disk.path().join("one/deep")).expect("link");
    std::os::unix::fs::symlink(disk.path().join("far"), disk.path().join("two/deep")).expect("link");
    point(&disk.path().join("one"), "data");
    let mut kiln = Watching::start(&project);
    kiln.until("; Ctrl-C ends it");
    assert_eq!(project.read("out/text.txt"), "ab");
    std::fs::write(disk.path().join("far/b.txt"), "B").expect("write");
    assert!(kiln.until("; Ctrl-C ends it").contains("changed: b.txt"));
    assert_eq!(project.read("out/text.txt"), "aB");
    point(&disk.path().join("two"), "data");
    kiln.until("; Ctrl-C ends it");
    assert_eq!(project.read("out/text.txt"), "AB");
    assert_eq!(kiln.stop(), Some(0));
}

#[test]
fn it_ends_with_130_where_a_run_is_interrupted() {
    let project = Project::new(
        "
            version: 1
            stages:
              slow:
                run: echo begun; sleep 60; cp in.txt ${outputs.o}
                inputs: {i: in.txt}
                outputs: {o: out/o.txt}
        ",
    );
    let mut kiln = Watching::start(project.write("in.txt", "x"));
    kiln.until("slow: started");
    assert_eq!(kiln.stop(), Some(130));
}

#[cfg(feature = "stages")]
#[test]
fn it_sees_the_files_that_a_fetch_stage_looks_for() {
    let digest = blake3::hash(b"right\n");
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              get:
                uses: fetch
                with: {{digest: {digest}, sources: [mirror/file]}}
                outputs: {{file: out/file}}
        "
    ));
    project.write("mirror/file", "wrong\n");
    let mut kiln = Watching::start(&project);
    kiln.until("watching 2 files");
    project.write("mirror/file", "right\n");
    assert!(kiln.until("watching 2 files").contains("changed: file"));
    assert_eq!(project.read("out/file"), "right\n");
    assert_eq!(kiln.stop(), Some(0));
}
