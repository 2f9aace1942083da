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

#[test]
fn what_is_many_in_a_file_takes_time_in_proportion() {
    let many = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<String>();
    let stage = "stages: {a: {run: 'true', outputs: {o: out/o}}}\n";
    let uses = |name: &str, n: usize| {
        format!("stages: {{a: {{run: '{}', outputs: {{o: out/o}}}}}}\n", format!("${{{name}}} ").repeat(n))
    };
    let long = "x".repeat(180);
    let pipelines = [
        ("uses of a parameter", format!("params: {{x: 1}}\n{}", uses("params.x", 30_000)), 0),
        ("uses of an unknown name", format!("params: {{x: 1}}\n{}", uses("params.y", 30_000)), 2),
        (
            "parameters and a profile",
            format!(
                "params: {{{}}}\nprofiles: {{f: {{params: {{{}}}}}}}\n{stage}",
                many(40_000, &|i| format!("p{i}: 1, ")),
                many(40_000, &|i| format!("p{i}: 2, "))
            ),
            0,
        ),
        (
            "long names that nobody has",
            format!(
                "stages:\n{}",
                many(3000, &|i| format!(
                    "  {long}{i}: {{run: x, inputs: {{a: {{from: {long}q{i}.o}}}}, outputs: {{o: out/{i}}}}}\n"
                ))
            ),
            2,
        ),
        (
            "deep paths",
            format!(
                "stages:\n{}",
                many(300, &|i| format!("  s{i}: {{run: x, outputs: {{o: {}{i}}}}}\n", "a/".repeat(1900)))
            ),
            2,
        ),
        (
            "exclusions",
            format!(
                "stages:\n  a:\n    matrix:\n      x: [{0}]\n      y: [{0}]\n      exclude: [{1}]\n    run: x\n    outputs: {{o: \"out/${{matrix.x}}-${{matrix.y}}\"}}\n",
                many(150, &|i| format!("{i}, ")),
                many(10_000, &|i| format!("{{x: {}, y: {}}}, ", i / 100, i % 100))
            ),
            0,
        ),
        (
            "everything gathered by everything",
            format!(
                "stages:\n  p: {{matrix: {{a: [{0}]}}, run: x, outputs: {{o: \"p/${{matrix.a}}\"}}}}\n  q: {{matrix: {{b: [{0}]}}, run: x, inputs: {{x: {{from: \"p[*].o\"}}}}, outputs: {{o: \"q/${{matrix.b}}\"}}}}\n",
                many(20_000, &|i| format!("{i}, "))
            ),
            2,
        ),
    ];
    for (what, text, code) in pipelines {
        let ran = in_time(&Project::new(&format!("version: 1\n{text}")), &["list"], what);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.stderr);
        assert!(ran.stderr.len() < 1_000_000, "{what}: {} bytes are said", ran.stderr.len());
    }
    let reports = [
        ("references without an end", "${".repeat(60_000), 2),
        ("references", "${params.x} ".repeat(30_000), 0),
        ("headings", "## a\n\n".repeat(30_000), 0),
        ("pictures", "![a](${outputs.a.o})\n\n".repeat(10_000), 0),
        ("links", "[a](#b) ".repeat(30_000), 2),
    ];
    for (what, report, code) in reports {
        let project = Project::new(&format!(
            "version: 1\nparams: {{x: 1}}\nreport: r.md\n{}",
            stage.replace("out/o", "out/o.png")
        ));
        project.write("r.md", &format!("# r\n\n{report}\n"));
        let ran = in_time(&project, &["list"], what);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.stderr);
    }
}
