//! Disks that are full or may not be written: an error that names the place, and afterwards all is as it should be.

use std::process::Command;

use crate::project::{Project, Ran, Record};

const BIG: &str = "\
version: 1
params: {word: a}
stages:
  small: {run: \"cat in.txt > out/small.txt; echo ${params.word} >> out/small.txt\", inputs: {x: in.txt}, outputs: {x: out/small.txt}}
  big:
    run: yes text | head -c 3000000 > out/big.txt; cat out/small.txt >> out/big.txt
    inputs: {x: {from: small.x}}
    outputs: {x: out/big.txt}
  tree:
    run: mkdir out/tree; for i in 1 2 3 4 5; do head -c 300000 out/big.txt > out/tree/$i; echo $i >> out/tree/$i; done
    inputs: {x: {from: big.x}}
    outputs: {x: out/tree}
  last: {run: cat out/tree/* | cksum > out/last.txt, inputs: {x: {from: tree.x}}, outputs: {x: out/last.txt}}
";

fn project() -> Project {
    let project = Project::new(BIG);
    project.write("in.txt", "text\n");
    for folder in ["out", "cache", "ran"] {
        std::fs::create_dir(project.root().join(folder)).expect("create folder");
    }
    project
}

/// Runs a script in a mount namespace of its own, where it may mount; `kiln NAME ARGUMENTS` in it leaves what came of
/// the call in the folder `ran`. `false` where the system lets nobody do that; if `CI` is set, the test fails there.
fn within(project: &Project, script: &str) -> bool {
    let prelude = "set -u; kiln() { name=$1; shift; \"$KILN\" \"$@\" > ran/$name.out 2> ran/$name.err; echo $? > ran/$name.code; }; ";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &format!("mount -t tmpfs none /mnt || exit 77; {prelude}{script}")]);
    command.current_dir(project.root()).env("KILN", env!("CARGO_BIN_EXE_kiln")).env_remove("KILN_CACHE");
    let output = command.output();
    if output.as_ref().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let refused = output.as_ref().map_or(true, |output| matches!(output.status.code(), Some(77 | 1)));
    assert!(refused, "{output:?}");
    assert!(std::env::var_os("CI").is_none(), "no file system can be mounted here: {output:?}");
    eprintln!("SKIPPED: no file system can be mounted here: {output:?}");
    false
}

fn ran(project: &Project, name: &str) -> Ran {
    let file = |kind: &str| project.read(&format!("ran/{name}.{kind}"));
    let ran = Ran { code: file("code").trim().parse().ok(), stdout: file("out"), stderr: file("err") };
    assert!(!ran.stderr.contains("panicked"), "{name}: {}", ran.stderr);
    ran
}

fn record(project: &Project, name: &str) -> Record {
    let ran = ran(project, name);
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
    ran.record()
}

/// A full disk under a folder of the project, larger each time.
fn full(folder: &str, sizes: &[&str]) {
    let clean = project();
    let expected = clean.run(&[]).digests();
    for size in sizes {
        let project = project();
        let script = format!(
            "mount -t tmpfs -o size={size} none {folder} || exit 77; kiln full run --json --keep-going; kiln again run --json; \
             mount -o remount,size=64m {folder} || exit 77; kiln after run --json; kiln last run --json; kiln verify verify"
        );
        if !within(&project, &script) {
            return;
        }
        for name in ["full", "again"] {
            let ran = ran(&project, name);
            assert_eq!(ran.code, Some(1), "{size} {name}: {}", ran.stderr);
            assert!(ran.stderr.contains("No space left"), "{size} {name}: {}", ran.stderr);
            // Of a stage's own writes its log tells.
            assert!(folder == "cache" || ran.stderr.contains("hint: make room"), "{size} {name}: {}", ran.stderr);
            if !ran.stdout.is_empty() {
                for (output, digest) in ran.record().digests() {
                    assert_eq!(expected[&output], digest, "{size} {name}: {output}");
                }
            }
        }
        assert_eq!(record(&project, "after").digests(), expected, "{size}");
        assert_eq!(record(&project, "last").with("up-to-date").len(), 4, "{size}");
        assert_eq!(ran(&project, "verify").code, Some(0), "{size}");
    }
}

#[test]
fn a_cache_on_a_full_disk() {
    full("cache", &["4k", "32k", "200k", "4m", "7m"]);
}

#[test]
fn outputs_on_a_full_disk() {
    full("out", &["4k", "1m", "4m"]);
}

#[test]
fn folders_that_may_not_be_written() {
    let expected = project().run(&["--set", "params.word=b"]).digests();
    for folder in ["cache", "out"] {
        let project = project();
        project.run(&[]);
        let script = format!(
            "mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} || exit 77; kiln locked run --json --set params.word=b; \
             umount {folder}; kiln after run --json --set params.word=b; kiln last run --json --set params.word=b"
        );
        if !within(&project, &script) {
            return;
        }
        let locked = ran(&project, "locked");
        assert_eq!(locked.code, Some(1), "{folder}: {}", locked.stderr);
        assert!(locked.stderr.contains("Read-only file system"), "{folder}: {}", locked.stderr);
        assert!(locked.stderr.contains(&format!("{folder}/")), "{folder}: {}", locked.stderr);
        assert_eq!(record(&project, "after").digests(), expected, "{folder}");
        assert_eq!(record(&project, "last").with("up-to-date").len(), 4, "{folder}");
    }
}
