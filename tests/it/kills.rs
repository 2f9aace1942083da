//! `kill -9` of Kiln and of workers at random moments, one or several Kilns on a cache: nothing lost, nothing false said.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::project::{Project, Ran, Record, mailbox, wait_for};

const DIAMOND: &str = "\
version: 1
params: {word: none}
stages:
  first: {run: cat in.txt > out/first.txt; sleep 0.02, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  left:
    matrix: {n: [1, 2, 3]}
    run: for i in 1 2 3 4; do cat out/first.txt; sleep 0.01; done > ${outputs.x}; echo ${matrix.n} >> ${outputs.x}
    inputs: {x: {from: first.x}}
    outputs: {x: \"out/left-${matrix.n}.txt\"}
  tree:
    run: mkdir out/tree; for i in 1 2 3; do cat out/first.txt > out/tree/$i; sleep 0.01; done; ln -s 1 out/tree/link
    inputs: {x: {from: first.x}}
    outputs: {x: out/tree}
  last:
    run: cat out/left-* out/tree/* > out/last.txt; echo ${params.word} >> out/last.txt
    inputs: {l: {from: \"left[*].x\"}, t: {from: tree.x}}
    outputs: {x: out/last.txt}
";

/// So many rounds: a few in the tests, hundreds where `KILN_TEST_KILLS` says so.
fn rounds() -> u64 {
    std::env::var("KILN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

/// Numbers that are the same each time: xorshift.
struct Moments(u64);

impl Moments {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn start(project: &Project, word: &str, flags: &[&str]) -> Child {
    let set = format!("params.word={word}");
    let mut command = project.command(&[&["run", "--json", "--keep-going", "--set", &set], flags].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln")
}

/// What a clean run gives for a word.
fn clean(word: &str) -> BTreeMap<String, String> {
    let project = Project::new(DIAMOND);
    project.write("in.txt", "text\n").run(&["--set", &format!("params.word={word}")]).digests()
}

/// Kills a process that the kernel says a Kiln is the parent of.
fn kill_a_worker(kiln: &Child) -> bool {
    let kiln = kiln.id().to_string();
    let parent = |pid: &str| -> Option<String> {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
        Some(stat.rsplit_once(") ")?.1.split(' ').nth(1)?.to_owned())
    };
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.parse().ok().and_then(Pid::from_raw)
            && parent(&name).as_ref() == Some(&kiln)
        {
            return kill_process(pid, Signal::KILL).is_ok();
        }
    }
    false
}

/// Nothing that a run tells, even one that was stopped, may differ from a clean run.
fn nothing_false(ran: &Ran, expected: &BTreeMap<String, String>) {
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    if ran.stdout.is_empty() {
        return;
    }
    for (output, digest) in ran.record().digests() {
        assert_eq!(expected.get(&output), Some(&digest), "{output}");
    }
}

fn recovers(project: &Project, word: &str, flags: &[&str], expected: &BTreeMap<String, String>) -> Record {
    let set = format!("params.word={word}");
    let record = project.run(&[&["--set", set.as_str()], flags].concat());
    assert_eq!(&record.digests(), expected);
    let again = project.run(&["--set", &set]);
    assert_eq!(again.with("up-to-date").len(), expected.len(), "a second run");
    let verified = project.kiln(&["verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    record
}

#[test]
fn killing_kiln_at_any_moment() {
    let mut moments = Moments(0x9e37_79b9_7f4a_7c15);
    let expected = [clean("a"), clean("b")];
    let project = Project::new(DIAMOND);
    project.write("in.txt", "text\n");
    for round in 0..rounds() {
        let which = (round % 2) as usize;
        let word = ["a", "b"][which];
        if round % 3 == 0 {
            let _ = std::fs::remove_dir_all(project.root().join("cache"));
        } else if round % 3 == 1 {
            let _ = std::fs::remove_dir_all(project.root().join("out"));
        }
        // Of outputs that a cache before this one knew nothing is known.
        let flags: &[&str] = if round % 3 == 0 { &["--force-overwrite"] } else { &[] };
        let mut child = start(&project, word, flags);
        std::thread::sleep(Duration::from_millis(moments.below(250)));
        let _ = child.kill();
        let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
        if ran.code.is_some() {
            nothing_false(&ran, &expected[which]);
        }
        recovers(&project, word, flags, &expected[which]);
    }
    let left = std::fs::read_dir(project.root().join("cache/tmp")).expect("list").count();
    assert_eq!(left, 0, "scratch directories of the dead");
}

#[test]
fn killing_workers_at_any_moment() {
    let mut moments = Moments(0x2545_f491_4f6c_dd1d);
    let expected = clean("a");
    for _ in 0..rounds() {
        let project = Project::new(DIAMOND);
        project.write("in.txt", "text\n");
        let child = start(&project, "a", &[]);
        std::thread::sleep(Duration::from_millis(moments.below(250)));
        let mut killed = false;
        for _ in 0..1 + moments.below(3) {
            killed |= kill_a_worker(&child);
            std::thread::sleep(Duration::from_millis(moments.below(30)));
        }
        let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
        nothing_false(&ran, &expected);
        // A worker that was already done, or not begun, makes no failure.
        assert!(ran.code == Some(0) || killed && ran.code == Some(1), "{:?} {}", ran.code, ran.stderr);
        if ran.code == Some(1) {
            assert!(ran.stderr.contains("signal: 9"), "{}", ran.stderr);
        }
        recovers(&project, "a", &[], &expected);
    }
}

#[test]
fn several_at_once_and_one_of_them_killed() {
    let mut moments = Moments(0xda94_2042_e4dd_58b5);
    let expected = clean("a");
    for _ in 0..rounds().div_ceil(2) {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let count = 2 + moments.below(3);
        let projects: Vec<Project> = (0..count).map(|_| Project::with_cache(DIAMOND, cache.path())).collect();
        let mut running: Vec<Child> = projects.iter().map(|p| start(p.write("in.txt", "text\n"), "a", &[])).collect();
        std::thread::sleep(Duration::from_millis(moments.below(300)));
        let victim = moments.below(count) as usize;
        let _ = running[victim].kill();
        for (n, child) in running.into_iter().enumerate() {
            let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
            if ran.code.is_some() {
                nothing_false(&ran, &expected);
                assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            } else {
                assert_eq!(n, victim);
            }
        }
        for project in &projects {
            recovers(project, "a", &[], &expected);
        }
    }
}

/// Whether a process runs; one that is dead and not reaped yet does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn what_a_command_started_dies_with_a_kiln_that_is_killed() {
    let mail = mailbox();
    let file = mail.path().join("pids");
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              s:
                run: |
                  sleep 600 & echo $! > {0}.new; sh -c 'sleep 600; true' & echo $! >> {0}.new
                  setsid sh -c 'echo $$ >> {0}.new; touch {0}.there; sleep 600; true' & while ! test -e {0}.there; do sleep 0.01; done
                  echo $$ >> {0}.new; mv {0}.new {0}; wait
                outputs: {{x: out/x}}
        ",
        file.display()
    ));
    let mut kiln = project.command(&["run"]).stderr(Stdio::null()).spawn().expect("start kiln");
    wait_for(&file);
    let pids = std::fs::read_to_string(&file).expect("numbers of processes");
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert!(pids.len() == 4 && pids.iter().all(|pid| runs(pid)), "{pids:?}");
    kiln.kill().and_then(|()| kiln.wait().map(drop)).expect("kill kiln");
    // If they were left alone they would run on for ten minutes.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while pids.iter().any(|pid| runs(pid)) && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let left: Vec<&str> = pids.into_iter().filter(|pid| runs(pid)).collect();
    assert!(left.is_empty(), "{left:?} outlived kiln");
}
