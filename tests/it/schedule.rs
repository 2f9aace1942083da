//! What waits for what in a run: not for who reads standard error, and no wide stage for ever. Which stages `--force` reaches.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::project::Project;

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_the_run() {
    // Lines of some hundred bytes fill a pipe soon.
    let (long, numbers) = ("x".repeat(55), (0..250).map(|n| n.to_string()).collect::<Vec<_>>().join(", "));
    let project = Project::new(&format!(
        r#"
            version: 1
            stages:
              s:
                matrix: {{i: [{numbers}], a: [{long}], b: [{long}], c: [{long}], d: [{long}]}}
                run: 'echo x > ${{outputs.o}}'
                outputs: {{o: "out/${{matrix.i}}"}}
        "#,
    ));
    let mut child = project.command(&["run"]).stderr(Stdio::piped()).spawn().expect("start kiln");
    let deadline = Instant::now() + Duration::from_secs(120);
    while project.kiln(&["runs", "--json"]).json()["runs"][0]["status"] != "ok" {
        assert!(Instant::now() < deadline, "the run does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut said = String::new();
    child.stderr.take().expect("standard error").read_to_string(&mut said).expect("read");
    assert!(child.wait().expect("wait").success());
    assert!(said.len() > 64 << 10, "too little was said to fill a pipe: {}", said.len());
    assert_eq!(said.matches(": executed in").count(), 250, "nothing was lost");
    assert!(said.contains("250 executed"));
}

#[test]
fn a_wide_stage_is_not_starved_by_small_ones() {
    let numbers: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let project = Project::new(&format!(
        r#"
            version: 1
            stages:
              small:
                matrix: {{i: [{}]}}
                run: sleep 0.02; echo x > ${{outputs.o}}
                outputs: {{o: "out/${{matrix.i}}"}}
              wide: {{run: echo x > out/wide, outputs: {{o: out/wide}}, resources: {{cpus: 2}}}}
        "#,
        numbers.join(", ")
    ));
    let record = project.run(&["-j2"]);
    let start = |name: &str| record.stage(name)["start"].as_f64().expect("a start");
    let wide = start("wide");
    let after = numbers.iter().filter(|n| start(&format!("small[i={n}]")) > wide).count();
    assert!(after >= 20, "only {after} small stages came after it");
}

const THREE: &str = "\
version: 1
stages:
  a: {matrix: {x: [1, 2]}, run: \"echo ${matrix.x} > ${outputs.o}\", outputs: {o: \"out/a-${matrix.x}\"}}
  b: {run: echo b > out/b, outputs: {o: out/b}}
  c: {run: cat out/a-1 > out/c, inputs: {i: {from: \"a[x=1].o\"}}, outputs: {o: out/c}}
";

#[test]
fn force_reaches_the_stages_that_are_run_and_a_dry_run_says_the_same() {
    let project = Project::new(THREE);
    project.run(&[]);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--force", "a"], &["a[x=1]", "a[x=2]"]),
        (&["--force", "a", "b"], &[]),
        (&["--force", "a", "c"], &["a[x=1]"]),
        (&["--force", "a", "a[x=2]"], &["a[x=2]"]),
        (&["--force", "a[x=1]", "--force", "b"], &["a[x=1]", "b"]),
        (&["a", "--force", "a[x=1]", "--force", "a"], &["a[x=1]", "a[x=2]"]),
    ];
    for (args, executed) in cases {
        let planned = project.kiln(&[&["run", "-n"], args].concat());
        assert_eq!(planned.code, Some(0), "{}", planned.stderr);
        let lines = planned.stdout.lines().filter(|line| line.starts_with("execute"));
        let planned: Vec<&str> = lines.filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(planned, executed, "{args:?}");
        assert_eq!(project.run(args).with("executed"), executed, "{args:?}");
    }
    let ran = project.kiln(&["run", "--force", "a", "b"]);
    assert!(ran.stderr.contains("`--force a` changes nothing"), "{}", ran.stderr);
    let ran = project.kiln(&["run", "--check-determinism", "a[x=1]", "b"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`b` says nothing beside `--check-determinism`"), "{}", ran.stderr);
}

#[test]
fn a_quiet_run_says_what_failed_and_nothing_else() {
    let project = Project::new(
        "
            version: 1
            stages:
              good: {run: echo hello; echo x > out/g, outputs: {o: out/g}}
              bad: {run: echo the cause; exit 3, outputs: {o: out/b}}
        ",
    );
    let ran = project.kiln(&["run", "-q", "-k"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("bad failed") && ran.stderr.contains("the cause"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("good"), "{}", ran.stderr);
    let ran = project.kiln(&["run", "-q", "good"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}
