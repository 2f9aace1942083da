//! `kiln verify`: damage of every kind is found, named, put aside, and put right by the next run.

use std::path::Path;

use crate::project::{Project, files};

const TWO: &str = "\
version: 1
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  second:
    run: mkdir out/second; cat out/first.txt in.txt > out/second/both.txt; echo more > out/second/more.txt
    inputs: {x: {from: first.x}, y: in.txt}
    outputs: {x: out/second}
";

fn made() -> Project {
    let project = Project::new(TWO);
    project.write("in.txt", "text\n").run(&[]);
    project
}

/// Changes a file as a failing disk would: the same size, and nobody says so.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(path).expect("remove");
    std::fs::write(path, bytes).expect("write");
}

fn remove_outputs(project: &Project) {
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
}

fn is_sound(project: &Project) {
    let ran = project.kiln(&["verify"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_sound_store_is_said_to_be_sound() {
    let project = made();
    let ran = project.kiln(&["verify", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found = ran.json();
    let counts = [&found["blobs"]["count"], &found["trees"]["count"], &found["results"], &found["runs"]];
    assert_eq!(counts.map(|count| count.as_u64()), [3, 1, 2, 1].map(Some), "{found}");
    assert!(project.kiln(&["verify"]).stdout.contains("all sound"));
}

#[test]
fn a_damaged_blob_is_put_aside_and_its_stage_executed_again() {
    let project = made();
    let first = project.run(&[]);
    remove_outputs(&project);
    let blobs = files(&project.root().join("cache/objects"));
    blobs.iter().for_each(|blob| flip(blob));
    let ran = project.kiln(&["verify", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let found = ran.json();
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(3), "{found}");
    let touched: Vec<_> = found["touched"].as_array().expect("touched").iter().map(|t| t["stage"].clone()).collect();
    assert_eq!(touched, ["first", "second"]);
    assert_eq!(files(&project.root().join("cache/quarantine")).len(), 3);
    is_sound(&project);
    let again = project.run(&[]);
    assert_eq!(again.with("executed"), ["first", "second"]);
    assert_eq!(first.digests(), again.digests());
    is_sound(&project);
}

#[test]
fn what_lies_in_place_mends_the_store() {
    let project = made();
    flip(&files(&project.root().join("cache/trees"))[0]);
    let blob = &files(&project.root().join("cache/objects"))[0];
    std::fs::remove_file(blob).expect("remove");
    let ran = project.kiln(&["verify"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("damaged tree") && ran.stdout.contains("mended second in "), "{}", ran.stdout);
    is_sound(&project);
    remove_outputs(&project);
    assert_eq!(project.run(&[]).with("restored"), ["first", "second"]);
}

#[test]
fn damaged_results_and_records_are_found() {
    let project = made();
    flip(&project.root().join("cache/actions.log"));
    flip(&files(&project.root().join("cache/runs"))[0]);
    let ran = project.kiln(&["verify"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("damaged run record"), "{}", ran.stdout);
    // The byte in the middle may be one of a result's or of its manifest's.
    assert!(ran.stdout.contains("damaged journal") || ran.stdout.contains("damaged result"), "{}", ran.stdout);
    is_sound(&project);
    // Neither a result nor a record tells any more who made what one of them left.
    let record = project.run(&["--force-overwrite"]);
    assert_eq!((record.with("executed").len(), record.with("up-to-date").len()), (1, 1));
}
