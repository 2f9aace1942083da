//! What a small file holds takes no long time to read, whatever that is, and is refused in words where it is too much.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::project::{Project, Ran};

/// Longer than anything here takes on a busy machine, and much shorter than what grows with the square takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A call that has to end in time.
fn in_time(project: &Project, args: &[&str], what: &str) -> Ran {
    let mut command = project.command(args);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    let (id, began) = (child.id(), Instant::now());
    let reader = std::thread::spawn(move || child.wait_with_output());
    while !reader.is_finished() {
        if began.elapsed() > LIMIT {
            let _ = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
            panic!("{what}: not read within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ran::from(reader.join().expect("a reader").expect("wait for kiln"))
}

#[test]
fn nested_yaml_is_refused_while_it_is_read() {
    let stages = "stages: {a: {run: 'true', outputs: {o: out/o}}}\n";
    let n = 200_000;
    let (open, deep) = ("[".repeat(n), "too deeply");
    let cases = [
        ("lists", format!("version: 1\nparams: {{x: {open}{}}}\n{stages}", "]".repeat(n)), deep),
        ("lists without an end", format!("version: 1\nparams: {{x: {open}\n{stages}"), deep),
        ("mappings", format!("version: 1\nparams: {}1{}\n{stages}", "{a: ".repeat(n), "}".repeat(n)), deep),
        ("lists of mappings", format!("version: 1\nstages: {}", "[{a: ".repeat(n)), deep),
        ("keys", format!("version: 1\nparams: {}", "{? ".repeat(n)), deep),
        ("dashes", format!("version: 1\nparams:\n  x:\n    {}1\n{stages}", "- ".repeat(n)), deep),
        ("question marks", format!("version: 1\nparams:\n  {}1\n{stages}", "? ".repeat(n)), deep),
        ("in a comment to one reader", format!("version: 1\n#\u{85}x: {open}\n{stages}"), "U+0085"),
        ("after a mistake", format!("version:\t1:\t\n x: {open}\n{stages}"), "error"),
        (
            "directives",
            (0..n).map(|i| format!("%TAG !a{i}! tag:a\n")).collect::<String>() + "---\nversion: 1\n",
            "directives",
        ),
    ];
    for (what, text, says) in cases {
        let project = Project::new(&text);
        let ran = in_time(&project, &["list"], what);
        assert_eq!(ran.code, Some(2), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{what}: {}", ran.stderr);
        assert!(ran.stderr.len() < 10_000, "{what}: {} bytes are said", ran.stderr.len());
    }
}

#[test]
fn the_command_line_is_held_to_the_same_bounds() {
    let project = Project::new("version: 1\nparams: {x: 1}\nstages: {a: {run: 'true', outputs: {o: out/o}}}\n");
    // An argument is no longer than 128 KiB.
    let ran = in_time(&project, &["run", "--set", &format!("x={}", "[".repeat(120_000))], "--set");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("too deeply"), "{}", ran.stderr);
}

#[test]
fn as_deep_as_may_be_is_still_read() {
    let (open, close) = ("[".repeat(120), "]".repeat(120));
    let project = Project::new(&format!(
        "version: 1\nparams: {{x: {open}1{close}}}\nstages: {{a: {{run: 'true > out/o', outputs: {{o: out/o}}}}}}\n"
    ));
    let ran = project.kiln(&["list"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_number_that_is_not_finite_is_no_fault_of_the_yaml() {
    for (written, shown) in [(".inf", "`.inf`"), ("-.INF", "`-.inf`"), (".nan", "`.nan`")] {
        let project = Project::new(&format!(
            "version: 1\nparams: {{x: {written}}}\nstages: {{a: {{run: 'true', outputs: {{o: out/o}}}}}}\n"
        ));
        let ran = project.kiln(&["list"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(shown) && ran.stderr.contains("quote it"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("not YAML"), "{}", ran.stderr);
        assert!(ran.stderr.contains("pipeline.yaml:2:13"), "{}", ran.stderr);
    }
}
