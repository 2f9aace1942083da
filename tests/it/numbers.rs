//! Numbers that are not finite, and numbers that differ by little: kept, read back, shown, compared and gated.

use serde_json::{Value, json};

use crate::project::Project;

/// Two runs of a stage that copies metrics: first `before`, then `after`.
fn two(file: &str, before: &str, after: &str) -> Project {
    let project = Project::new(&format!(
        "
            version: 1
            report: r.md
            stages:
              t:
                run: cp given out/{file}; cp curves out/s.csv
                inputs: {{given: given, curves: curves}}
                outputs: {{m: {{path: out/{file}, role: metrics}}, s: {{path: out/s.csv, role: series}}}}
        "
    ));
    project.write(
        "r.md",
        "# Report\n\nLoss ${metrics.t.loss}.\n\n![curves](${outputs.t.s})\n\n${table.metrics}\n\n${table.previous}\n",
    );
    project.write("curves", "step,loss,acc\n1,nan,0.5\n2,inf,\nnan,1,0.7\n3,-inf,0.6\n");
    for given in [before, after] {
        let ran = project.write("given", given).kiln(&["run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    project
}

/// What a command writes; it must end well.
fn said(project: &Project, args: &[&str]) -> String {
    let ran = project.kiln(args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
    ran.stdout + &ran.stderr
}

#[test]
fn every_command_reads_what_a_run_with_such_numbers_wrote() {
    let csv = "metric,value\nloss,nan\nhigh,inf\nlow,-1e999\nacc,0.5\n";
    let wide = "loss,high,low,acc\nNaN,Infinity,-inf,0.5\n";
    let as_json = "{\"loss\": NaN, \"high\": Infinity, \"low\": -1e999, \"acc\": 0.5}";
    for (file, odd, plain) in [
        ("m.csv", csv, "metric,value\nloss,0.25\nhigh,1\nlow,1\nacc,0.5\n"),
        ("m.csv", wide, "loss,high,low,acc\n0.25,1,1,0.5\n"),
        ("m.json", as_json, "{\"loss\": 0.25, \"high\": 1, \"low\": 1, \"acc\": 0.5}"),
    ] {
        let project = two(file, plain, odd);
        let record = project.kiln(&["show", "latest", "--json"]).record();
        let expected = json!({"loss": "NaN", "high": "Infinity", "low": "-Infinity", "acc": 0.5});
        assert_eq!(record.stage("t")["metrics"], expected);
        let page = project.read("out/r.html");
        assert!(page.contains("Loss NaN.") && page.contains("Not drawn: no finite number: `loss`."), "{page}");
        assert!(page.contains("1 row without a finite abscissa"), "{page}");
        let text = said(&project, &["compare"]);
        for row in [["loss", "0.2500", "NaN", "NaN"], ["high", "1", "inf", "+inf"], ["low", "1", "-inf", "-inf"]] {
            let found = text.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
            assert!(found.into_iter().any(|found| found == row), "{row:?} in {text}");
        }
        assert!(text.contains("1 number the same"), "{text}");
        let compared = project.kiln(&["compare", "--json"]).json();
        assert_eq!(
            compared["metrics"][2],
            json!({"stage": "t", "metric": "loss", "values": [0.25, "NaN"], "delta": null})
        );
        for args in [
            &["compare", "--markdown"][..],
            &["compare", "--html"],
            &["compare", "--sort", "-delta", "--all"],
            &["compare", "--within", "latest"],
            &["compare", "--within", "latest", "--json"],
            &["report"],
            &["show", "latest"],
            &["show", "t", "--all"],
            &["history", "loss"],
            &["history", "*", "--json"],
            &["trace"],
            &["runs"],
            &["log", "t"],
            &["why", "t"],
            &["checkout", "latest~1"],
            &["checkout", "latest"],
            &["gc"],
            &["verify"],
        ] {
            let text = said(&project, args);
            assert!(!text.contains("damaged"), "{args:?}: {text}");
        }
        assert!(said(&project, &["history", "loss"]).contains("NaN"));
        assert!(said(&project, &["run"]).contains("1 up to date"));
        // Both runs have the same: nothing differs.
        assert!(said(&project, &["compare"]).contains("4 numbers the same"));
    }
}

#[test]
fn records_with_null_for_a_number_are_read() {
    let project = two("m.json", "{\"loss\": NaN}", "{\"loss\": 0.5}");
    let runs = project.root().join("cache/runs");
    let mut paths: Vec<_> = std::fs::read_dir(&runs).expect("runs").map(|e| e.expect("entry").path()).collect();
    paths.sort();
    // As records were written before: a summary with digests, and the record.
    let text = std::fs::read_to_string(&paths[0]).expect("a record");
    let (first, record) = text.split_once('\n').expect("two lines");
    let record = record.trim_end().replace("\"loss\":\"NaN\"", "\"loss\":null");
    let mut first: Value = serde_json::from_str(first).expect("JSON");
    first["record_blake3"] = json!(blake3::hash(record.as_bytes()).to_string());
    std::fs::write(&paths[0], format!("{first}\n{record}\n")).expect("write");
    let text = said(&project, &["compare"]);
    assert!(text.contains("NaN") && text.contains("0.5000"), "{text}");
    assert!(said(&project, &["history", "loss"]).contains("NaN"));
    assert!(said(&project, &["verify"]).contains("sound"));
}

#[test]
fn a_large_run_keeps_such_numbers_too() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              t:
                matrix: {i: [LIST]}
                run: printf '{"loss":NaN,"i":%s}' ${matrix.i} > ${outputs.m}
                outputs: {m: {path: "out/${matrix.i}.json", role: metrics}}
        "#,
    );
    let list = (0..80).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    project.edit("pipeline.yaml", "LIST", &list);
    project.run(&[]);
    assert_eq!(project.run(&[]).with("up-to-date").len(), 80);
    assert!(said(&project, &["compare"]).contains("160 numbers the same"));
    let table = project.kiln(&["compare", "--within", "latest", "--sort", "loss", "--json"]).json();
    assert_eq!(table["rows"][79]["values"]["loss"], json!("NaN"));
}

#[test]
fn a_gate_on_what_is_not_finite_fails_and_says_so() {
    let gate = |project: &Project, gate: &str| {
        let ran = project.kiln(&["compare", "--fail-if", gate]);
        (ran.code, ran.stderr)
    };
    let project = two("m.json", "{\"acc\": 0.9, \"loss\": 0.1}", "{\"acc\": NaN, \"loss\": Infinity}");
    for condition in ["acc < -0.002", "acc > 5%", "loss < -0.1", "loss > 0.1", "value(acc) < 0.5", "value(loss) < 0.5"]
    {
        let (code, text) = gate(&project, condition);
        assert_eq!(code, Some(1), "{condition}: {text}");
        assert!(text.contains("not finite"), "{condition}: {text}");
    }
    assert!(gate(&project, "acc < -0.002").1.contains("t: acc 0.9 => NaN: not finite"));
    let gates = project.kiln(&["compare", "--json", "--fail-if", "acc < -0.002"]).json();
    let expected =
        json!({"stage": "t", "metric": "acc", "first": 0.9, "last": "NaN", "delta": null, "verdict": "not-finite"});
    assert_eq!(gates["gates"][0]["metrics"][0], expected);
    assert_eq!(project.kiln(&["compare", "--within", "latest", "--fail-if", "value(acc) < 0.5"]).code, Some(1));
    // The same on both sides is no difference.
    project.run(&[]);
    for condition in ["acc < -0.002", "loss > 5%", "acc != 0"] {
        assert_eq!(gate(&project, condition).0, Some(0), "{condition}");
    }
    assert_eq!(gate(&project, "value(acc) < 0.5").0, Some(1));
}

#[test]
fn a_diverged_variant_takes_no_table_from_the_others() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              t:
                matrix: {model: [a, b], seed: [1, 2, 3]}
                run: >-
                  case ${matrix.model}${matrix.seed} in a2|b*) acc=NaN;; *) acc=0.${matrix.seed};; esac;
                  echo "{\"acc\": $acc}" > ${outputs.m}
                outputs: {m: {path: "out/${matrix.model}-${matrix.seed}.json", role: metrics}}
        "#,
    );
    project.run(&[]);
    let text = said(&project, &["compare", "--within", "latest", "--sort", "-acc"]);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with(['a', 'b'])).collect();
    assert!(rows[0].contains("0.3000") && rows[1].contains("0.1000") && rows[2].contains("NaN"), "{text}");
    let text = said(&project, &["compare", "--by", "seed"]);
    assert!(text.contains("0.2000 ± 0.1414 (2, 1 not finite)") && text.contains("NaN (0, 3 not finite)"), "{text}");
    let table = project.kiln(&["compare", "--by", "seed", "--json"]).json();
    let spread = &table["rows"][0]["values"]["acc"];
    assert_eq!((&spread["n"], &spread["not_finite"], &spread["mean"]), (&json!(2), &json!(1), &json!(0.2)));
    assert_eq!(table["rows"][1]["values"]["acc"], json!({"mean": "NaN", "sd": null, "n": 0, "not_finite": 3}));
    said(&project, &["compare", "--by", "seed", "--markdown", "--sort", "acc"]);
}

#[test]
fn numbers_that_differ_look_different_and_equal_ones_are_equal() {
    let before = r#"{"loss": 0.1678, "same": 0.25, "big": 1000000.1, "bits": 0.3, "zero": 0.0}"#;
    let after = r#"{"loss": 0.167768, "same": 0.25, "big": 1000000.12, "bits": 0.30000000000000004, "zero": -0.0}"#;
    let project = two("m.json", before, after);
    for args in [&["compare"][..], &["compare", "--markdown"]] {
        let text = said(&project, args);
        for (name, first, last, delta) in [
            ("loss", "0.16780", "0.16777", "-0.00003"),
            ("big", "1000000.10", "1000000.12", "+0.02"),
            ("bits", "0.29999999999999999", "0.30000000000000004", "+5.551e-17"),
        ] {
            let row = text.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{text}"));
            let cells: Vec<&str> = row.split([' ', '|']).filter(|cell| !cell.is_empty()).collect();
            assert_eq!(cells[2..], [first, last, delta], "{text}");
        }
        assert!(text.contains("2 numbers the same"), "{text}");
    }
    said(&project, &["compare", "--html"]);
    let page = project.read("out/compare.html");
    assert!(page.contains("0.16777") && page.contains("-0.00003") && page.contains("2 numbers the same"), "{page}");
    let text = said(&project, &["history", "loss"]);
    assert!(text.contains("0.16780") && text.contains("-0.00003"), "{text}");
    let text = said(&project, &["compare", "--all"]);
    let row = text.lines().find(|line| line.contains(" same ")).unwrap_or_default();
    assert!(row.ends_with(" 0.2500           ="), "{text}");
}

#[test]
fn names_with_line_breaks_and_escape_sequences_stay_names() {
    let odd = "{\"a\\nb\\u001b[31m|<b>\": LAST, \"acc\": 1}";
    let project = two("m.json", &odd.replace("LAST", "1"), &odd.replace("LAST", "2"));
    for args in [
        &["compare"][..],
        &["compare", "--markdown"],
        &["compare", "--fail-if", "a* > 0"],
        &["show", "t"],
        &["history", "a*"],
    ] {
        let ran = project.kiln(args);
        let text = ran.stdout + &ran.stderr;
        assert!(!text.contains('\u{1b}') && !text.contains("a\nb") && text.contains("\\u{1b}[31m"), "{args:?}: {text}");
    }
    let ran = project.kiln(&["compare", "--fail-if", "nothing > 0"]);
    assert!(ran.stderr.contains("a\\nb\\u{1b}[31m") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    said(&project, &["compare", "--html"]);
    assert!(!project.read("out/compare.html").contains('\u{1b}'));
}

#[test]
fn metrics_that_are_nested_without_end_are_a_warning() {
    for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[", "")] {
        let deep = |levels: usize| format!("{{\"a\": {}1{}}}", open.repeat(levels), close.repeat(levels));
        let project = two("m.json", &deep(if close.is_empty() { 0 } else { 100 }), &deep(100_000));
        let text = said(&project, &["status"]);
        let told = "not a JSON metrics file: it is nested more than 127 levels deep at line 1";
        assert!(text.contains(told), "{text}");
        assert!(said(&project, &["show", "t"]).contains(told));
        // What it made is there, and is not made again.
        assert_eq!(project.read("out/m.json"), deep(100_000));
        assert_eq!(project.run(&[]).outcome("t"), "up-to-date");
        said(&project, &["compare"]);
    }
}

/// Three seeds, one of which diverges in every run.
fn seeds() -> Project {
    let project = Project::new(
        "
            version: 1
            report: r.md
            stages:
              t:
                run: cp given/${matrix.seed} out/${matrix.seed}.json; cp given/other out/${matrix.seed}-other.json
                matrix: {seed: [1, 2, 3]}
                inputs: {given: 'given/${matrix.seed}', other: given/other}
                outputs:
                  m: {path: 'out/${matrix.seed}.json', role: metrics}
                  other: {path: 'out/${matrix.seed}-other.json', role: metrics}
        ",
    );
    project.write("r.md", "# Report\n\n${if metrics.t[seed=1].m.acc < 3}\n\nLow.\n\n${end}\n");
    project.write("given/1", "{\"acc\": NaN}").write("given/other", "{\"size\": 7}");
    for accuracy in ["0.9", "0.1"] {
        for seed in [2, 3] {
            project.write(&format!("given/{seed}"), &format!("{{\"acc\": {accuracy}}}"));
        }
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    project
}

#[test]
fn a_seed_that_diverges_in_both_runs_does_not_let_the_others_pass() {
    let project = seeds();
    let gate = ["compare", "--over", "seed", "--fail-if", "m.acc < -0.002"];
    let ran = project.kiln(&gate);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("not finite"), "{}", ran.stdout);
    // A gate on the last run alone is not held against the first.
    project.write("given/1", "{\"acc\": 0.5}");
    project.kiln(&["run"]);
    let ran = project.kiln(&["compare", "--over", "seed", "--fail-if", "value(m.acc) < 0.05"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    // A seed that gives no number any more is lost, though the others are better.
    project.write("given/2", "{\"acc\": null}").write("given/3", "{\"acc\": 0.95}");
    project.kiln(&["run"]);
    let ran = project.kiln(&gate);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("no number in the last run"), "{}", ran.stdout);
    // The same numbers again are no difference.
    project.write("given/1", "{\"acc\": NaN}").write("given/2", "{\"acc\": 0.95}");
    project.kiln(&["run"]);
    project.kiln(&["run", "--force", "t"]);
    let ran = project.kiln(&gate);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn each_file_of_metrics_is_told_with_its_own_numbers() {
    let ran = seeds().kiln(&["run", "--force", "t"]);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("out/2.json        acc 0.1000\n"), "{said}");
    assert!(said.contains("out/2-other.json  size 7\n"), "{said}");
}

#[test]
fn a_condition_on_what_is_no_number_says_so_where_it_stands_alone() {
    let page = seeds().read("out/r.html");
    assert!(page.contains("(missing: `metrics.t[seed=1].m.acc` is not a number)"), "{page}");
    assert!(!page.contains("unknown name"), "{page}");
}

#[test]
fn the_history_of_a_file_has_the_values_and_the_script_of_its_stage() {
    let project =
        Project::new("version: 1\nstages:\n  t: {run: 'echo 1 > out/t', with: {epochs: 9}, outputs: {t: out/t}}\n");
    project.run(&[]);
    let shown = said(&project, &["show", "out/t"]);
    assert!(shown.contains("with epochs") && shown.contains("echo 1 > out/t"), "{shown}");
    assert!(!shown.contains("env "), "{shown}");
}
