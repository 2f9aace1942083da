//! How a failure is told: once, with its cause, in the paths that the user knows.

use serde_json::json;

use crate::project::{Project, Ran};

/// A project with one stage that runs a script and writes `out/x`.
fn project(script: &str, more: &str) -> Project {
    let script: String = script.lines().map(|line| format!("      {line}\n")).collect();
    Project::new(&format!("version: 1\nstages:\n  s:\n    run: |\n{script}    outputs: {{x: out/x}}\n{more}"))
}

/// What a run says whose stage must fail, and the error of the stage.
fn failure(project: &Project) -> (Ran, String) {
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let error = ran.record().stage("s")["error"].as_str().expect("an error").to_owned();
    (ran, error)
}

#[test]
fn a_failure_is_told_once() {
    let (ran, _) = failure(&project("echo first; echo no such luck >&2; exit 3", ""));
    for text in ["first", "no such luck", "exit status: 3"] {
        assert_eq!(ran.stderr.matches(text).count(), 1, "{text}: {}", ran.stderr);
    }
    let project = project("cat secret.txt", "");
    project.write("secret.txt", "a secret\n");
    let (ran, _) = failure(&project);
    for text in ["cat: secret.txt", "hint: "] {
        assert_eq!(ran.stderr.matches(text).count(), 1, "{text}: {}", ran.stderr);
    }
}

#[test]
fn a_long_line_is_told_once_and_shortened() {
    let (ran, error) = failure(&project("head -c 16000 /dev/zero | tr '\\0' x; echo; exit 1", ""));
    for text in [&ran.stderr, &error] {
        assert_eq!(text.matches(" characters) ").count(), 1, "{text}");
        assert!(text.len() < 2000, "{text}");
    }
}

#[test]
fn the_calls_that_lead_to_an_error_do_not_hide_it() {
    // As an error of candle's is told with RUST_BACKTRACE=1: the calls come behind it, and those of C have no paths.
    let script = "echo 'error: cannot add: shapes differ' >&2
        awk 'BEGIN { for (i = 0; i < 990; i++) printf \"%4d: candle_core::call\\n             at /c/registry/src/candle-core/src/error.rs:%d:5\\n\", i, i }' >&2
        for n in 990 991 992 993 994 995 996 997 998 999 1000 1001 1002; do
        printf '%4d: main\\n' $n; echo '      inlined'; echo '             at ./csu/../csu/libc-start.c:360:3'; done >&2
        exit 1";
    let (ran, error) = failure(&project(script, ""));
    assert_eq!(ran.stderr.matches("error: cannot add: shapes differ").count(), 1, "{}", ran.stderr);
    assert!(!error.contains("main") && !error.contains("inlined") && !error.contains("libc-start"), "{error}");
}

#[test]
fn the_scratch_directory_is_not_named() {
    for script in [
        "echo \"lost in $PWD/lib/x.py\" >&2; exit 1",
        "echo \"lost in $(pwd -P)\" >&2; exit 1",
        "echo \"lost in $HOME/.config\" >&2; exit 1",
        "mkfifo out/x",
        "mkdir out/x; mkfifo out/x/inner",
        "ln -s /etc/passwd out/x",
        "true",
    ] {
        let (ran, error) = failure(&project(script, ""));
        let scratch = ran.stderr.contains("cache/tmp") || error.contains("cache/tmp");
        assert!(!scratch, "{script}: {}\n{error}", ran.stderr);
    }
    let (_, error) = failure(&project("mkfifo out/x", ""));
    assert!(error.contains("output `x`") && error.contains("out/x is a FIFO"), "{error}");
    let (_, error) = failure(&project("echo \"lost in $PWD/lib/x.py\" >&2; exit 1", ""));
    assert!(error.contains("lost in lib/x.py"), "{error}");
}

#[test]
fn one_that_was_killed_says_so() {
    for script in ["kill -9 $$", "sh -c 'kill -9 $$'"] {
        let (_, error) = failure(&project(script, ""));
        assert!(error.contains(": it was killed by SIGKILL, and not by Kiln"), "{script}: {error}");
    }
    let (_, error) = failure(&project("sleep 60", "    timeout: 1s\n"));
    assert!(error.contains("timeout") && !error.contains("not by Kiln"), "{error}");
}

#[test]
fn what_was_dropped_of_a_log_is_noted_where_it_was() {
    let project = project("seq 1 12000000; exit 1", "");
    let (_, error) = failure(&project);
    assert!(error.ends_with("12000000"), "{error}");
    let log = project.kiln(&["log", "s"]).stdout;
    let lines: Vec<&str> = log.lines().collect();
    let hole = lines.iter().position(|line| line.starts_with("kiln: ")).expect("a note");
    assert_eq!(lines.iter().filter(|line| line.starts_with("kiln: ")).count(), 1);
    for (place, line) in lines[..hole].iter().enumerate() {
        assert_eq!(line.parse(), Ok(place + 1), "before the hole");
    }
    // The first line after it may lack its beginning.
    let numbers: Vec<usize> = lines[hole + 2..].iter().map(|line| line.parse().expect("a number")).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "after the hole");
    assert_eq!(numbers.last(), Some(&12_000_000));
}

#[test]
fn the_kind_of_a_failure_is_data() {
    let failed = |project: &Project| failure(project).0.record().stage("s")["failure"].clone();
    assert_eq!(failed(&project("exit 3", "")), json!({"kind": "exited", "code": 3}));
    let killed = failed(&project("kill -TERM $$", ""));
    assert_eq!(killed, json!({"kind": "killed", "signal": 15}));
    let timed_out = failed(&project("sleep 60", "    timeout: 1s\n"));
    assert_eq!(timed_out, json!({"kind": "timed-out", "limit": 1.0}));
    let missing = failed(&project("true", ""));
    assert_eq!(missing, json!({"kind": "output-missing", "outputs": [{"output": "x", "path": "out/x"}]}));
    let fifo = failed(&project("mkfifo out/x", ""));
    assert_eq!((&fifo["kind"], &fifo["output"]), (&json!("output-not-kept"), &json!("x")));
    let unknown = "version: 1\nstages:\n  s:\n    run: [no-such-program]\n    outputs: {x: out/x}\n";
    let not_started = failed(&Project::new(unknown));
    assert_eq!((&not_started["kind"], &not_started["missing"]), (&json!("not-started"), &json!(true)));
}

#[test]
fn why_tells_the_kind_of_a_failure() {
    let project = project("exit 3", "");
    failure(&project);
    let told = project.kiln(&["why", "s", "--run", "latest", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let found = told.json().to_string();
    assert!(found.contains(r#""failure":{"code":3,"kind":"exited"}"#), "{found}");
}

#[test]
fn an_older_record_has_no_kinds_of_failures() {
    let project = project("exit 3", "");
    failure(&project);
    crate::owners::rewrite(&project.root().join("cache"), |_, record| {
        for stage in record["stages"].as_array_mut().expect("stages") {
            stage.as_object_mut().expect("an object").remove("failure").expect("a failure");
        }
    });
    let shown = project.kiln(&["show", "latest"]);
    assert!(shown.code == Some(0) && shown.stdout.contains("exit status: 3"), "{}{}", shown.stdout, shown.stderr);
}
