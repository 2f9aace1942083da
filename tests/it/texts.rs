//! Texts as editors on other systems leave them: with a byte order mark, or in another encoding.

use serde_json::json;

use crate::project::{Project, Ran};

const PIPELINE: &str = "\u{feff}version: 1
report: r.md
stages:
  score:
    run: cp given.json out/m.json; cp given.csv out/m.csv; cp curves out/s.csv
    inputs: {j: given.json, c: given.csv, s: curves}
    outputs:
      j: {path: out/m.json, role: metrics}
      c: {path: out/m.csv, role: metrics}
      s: {path: out/s.csv, role: series}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("given.json", "\u{feff}{\"acc\": 0.5}").write("given.csv", "\u{feff}metric,value\r\nloss,2\r\n");
    project
        .write("curves", "\u{feff}step,loss\n1,2\n2,1\n")
        .write("r.md", "\u{feff}# Title\n\n![c](${outputs.score.s})\n");
    project
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    let project = project();
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let record = project.kiln(&["show", "latest", "--json"]).record();
    assert_eq!(record.stage("score")["metrics"], json!({"j.acc": 0.5, "c.loss": 2.0}));
    let page = project.read("out/r.html");
    assert!(page.contains("<title>Title</title>") && !page.contains('\u{feff}'), "{page}");
    assert!(page.contains("loss by step"), "{page}");
    assert_eq!(project.run(&[]).with("up-to-date"), ["score"]);
}

#[test]
fn mistakes_behind_a_mark_are_drawn_where_they_are() {
    let project = project();
    project.write("pipeline.yaml", "\u{feff}versoin: 1\nstages:\n  a: {run: echo > out/a, outputs: {o: out/a}}\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("pipeline.yaml:1:1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 | versoin: 1"), "{}", ran.stderr);
    project.write("pipeline.yaml", PIPELINE).write("r.md", "\u{feff}${run.nonsense}\n");
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("r.md:1:1"), "{}", ran.stderr);
}

#[test]
fn a_large_pipeline_with_a_mark_is_read_in_pieces() {
    let stages: String = (0..4000)
        .map(|i| format!("  stage-{i}:\n    run: echo {i} > out/{i}\n    outputs: {{o: out/{i}}}\n"))
        .collect();
    let project = Project::new(&format!("\u{feff}version: 1\nstages:\n{stages}"));
    assert!(project.read("pipeline.yaml").len() > 256 << 10);
    let ran = project.kiln(&["list"]);
    assert!(ran.stdout.contains("4,000 stages"), "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn another_encoding_is_named() {
    let project = project();
    let utf16: Vec<u8> = "\u{feff}version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(project.root().join("pipeline.yaml"), &utf16).expect("write");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("cannot read `pipeline.yaml`: it is UTF-16, and has to be UTF-8"), "{}", ran.stderr);
    std::fs::create_dir(project.root().join("below")).expect("a folder");
    let below =
        Ran::from(project.command(&["run"]).current_dir(project.root().join("below")).output().expect("start kiln"));
    assert!(below.stderr.contains("cannot read `../pipeline.yaml`: it is UTF-16"), "{}", below.stderr);
    project.write("pipeline.yaml", PIPELINE);
    std::fs::write(project.root().join("given.json"), &utf16).expect("write");
    let warnings = project.run(&[]).stage("score")["warnings"].to_string();
    assert!(warnings.contains("it is UTF-16"), "{warnings}");
}
