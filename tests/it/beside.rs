//! Pipelines of two folders meet: what one leaves is a source of the other, by a path that begins with `..`.

use std::fs;

use crate::project::{Project, Record};

const MAKES: &str =
    "version: 1\nparams: {x: 1}\nstages: {make: {run: 'echo ${params.x} > out/x', outputs: {x: out/x}}}\n";
const TAKES: &str = "\
version: 1
stages:
  take:
    run: cat ../a/out/x ${inputs.far} own.txt > out/y; basename $PWD > out/z
    inputs: {x: ../a/out/x, far: ../../far/data.txt, own: own.txt}
    outputs: {y: out/y, z: out/z}
";

/// Two projects side by side in a folder, and data further up.
fn two() -> Project {
    let both = Project::new("");
    both.write("teams/a/pipeline.yaml", MAKES).write("teams/b/pipeline.yaml", TAKES).write("teams/b/own.txt", "own\n");
    both.write("far/data.txt", "far\n");
    both
}

fn run(both: &Project, file: &str, args: &[&str]) -> Record {
    let ran = both.kiln(&[&["-f", file, "run", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.record()
}

#[test]
fn an_output_of_one_is_a_source_of_the_other() {
    let both = two();
    let (a, b) = ("teams/a/pipeline.yaml", "teams/b/pipeline.yaml");
    let early = both.kiln(&["-f", b, "run"]);
    assert_eq!(early.code, Some(2), "{}", early.stderr);
    assert!(early.stderr.contains("`../a/out/x` does not exist"), "{}", early.stderr);
    run(&both, a, &[]);
    let first = run(&both, b, &[]);
    assert_eq!(first.with("executed"), ["take"]);
    assert_eq!(both.read("teams/b/out/y"), "1\nfar\nown\n");
    assert_eq!(run(&both, b, &[]).with("up-to-date"), ["take"]);
    run(&both, a, &["--set", "x=2"]);
    assert_eq!(run(&both, b, &[]).with("executed"), ["take"]);
    assert_eq!(both.read("teams/b/out/y"), "2\nfar\nown\n");

    // The key has the path as it is written, and not where that is.
    let other = two();
    fs::rename(other.root().join("teams/b"), other.root().join("teams/another")).expect("rename");
    other.write("teams/a/out/x", "1\n");
    let moved = run(&other, "teams/another/pipeline.yaml", &[]);
    assert_eq!(moved.stage("take")["key"], first.stage("take")["key"]);
    assert_eq!(
        other.read("teams/another/out/z"),
        both.read("teams/b/out/z"),
        "nor what the project's folder is called"
    );
}

#[test]
fn what_the_project_itself_has_is_named_in_it() {
    for (path, says) in [
        ("../b/own.txt", "write `own.txt`"),
        ("../b/out/y", "`../b/out/y` and the output `out/y` of stage `take` meet"),
        ("..", "holds the project itself"),
        ("../../teams", "holds the project itself"),
        ("../a/../b/own.txt", "only at the beginning"),
    ] {
        let both = two();
        both.edit("teams/b/pipeline.yaml", "../../far/data.txt", path)
            .write("teams/b/out/y", "")
            .write("teams/a/out/x", "");
        let ran = both.kiln(&["-f", "teams/b/pipeline.yaml", "run"]);
        assert_eq!(ran.code, Some(2), "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{path}: {}", ran.stderr);
    }
}

#[test]
fn nothing_is_written_beside_the_project() {
    let both = two();
    both.write("teams/a/out/x", "kept").edit("teams/b/pipeline.yaml", "z: out/z", "z: ../a/out/x");
    let ran = both.kiln(&["-f", "teams/b/pipeline.yaml", "run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot write `../a/out/x`"), "{}", ran.stderr);
    // Nor by the command itself, to which it lies beside its own copy of the project.
    let both = two();
    both.write("teams/a/out/x", "kept").edit("teams/b/pipeline.yaml", "basename $PWD", "echo mine > ../a/out/x; echo");
    let ran = both.kiln(&["-f", "teams/b/pipeline.yaml", "run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(both.read("teams/a/out/x"), "kept");
}

#[test]
fn what_lies_beside_and_is_not_declared_is_named() {
    for (read, hint) in [
        ("../a/out/y", "`../a/out/y` is a file beside the project that the stage does not declare"),
        ("../a/../a/out/y", "`../a/out/y` is a file beside the project that the stage does not declare"),
        ("../../far/other.txt", "`../../far/other.txt` is a file beside the project that the stage does not declare"),
    ] {
        let both = two();
        both.write("teams/a/out/x", "x").write("teams/a/out/y", "y").write("far/other.txt", "other");
        both.edit("teams/b/pipeline.yaml", "own.txt > out/y", &format!("{read} > out/y"));
        // Also where nothing beside the project is declared.
        for alone in [false, true] {
            if alone {
                both.edit("teams/b/pipeline.yaml", "cat ../a/out/x ${inputs.far} ", "cat ");
                both.edit("teams/b/pipeline.yaml", "x: ../a/out/x, far: ../../far/data.txt, ", "");
            }
            let ran = both.kiln(&["-f", "teams/b/pipeline.yaml", "run"]);
            assert_eq!(ran.code, Some(1), "{read}: {}", ran.stderr);
            assert!(ran.stderr.contains(hint), "{read}: {}", ran.stderr);
        }
    }
    let both = two();
    both.write("teams/a/out/x", "x").edit("teams/b/pipeline.yaml", "own.txt > out/y", "../a/none > out/y");
    let ran = both.kiln(&["-f", "teams/b/pipeline.yaml", "run"]);
    assert!(ran.code == Some(1) && !ran.stderr.contains("hint:"), "nothing lies there: {}", ran.stderr);
}
