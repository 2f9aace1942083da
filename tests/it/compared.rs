//! What differs between runs, and why stages run again: fields of model files, files of folders, the names that the user wrote.

use serde_json::Value;

use crate::project::{Project, Ran};

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran
}

/// The cells of a row of a table, by its first.
#[cfg(feature = "stages")]
fn row<'t>(text: &'t str, first: &str) -> Vec<&'t str> {
    let cells = |line: &'t str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    text.lines().map(cells).find(|cells| cells.first() == Some(&first)).unwrap_or_else(|| panic!("{first} in\n{text}"))
}

#[cfg(feature = "stages")]
const DRAW: &str = "  draw:
    uses: visualise/network
    matrix: {model: [conv, dense]}
    inputs: {model: \"models/${matrix.model}.yaml\", data: {from: import.dataset}}
";

#[cfg(feature = "stages")]
const MODEL: &str = "\
name: NAME
layers:
  - {name: c1, type: conv, filters: 16, activation: relu}
  - {name: flatten, type: flatten}
  - {name: enc, type: dense, units: 8, activation: relu}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: adam}
";

#[test]
#[cfg(feature = "stages")]
fn runs_that_are_not_neighbours_are_compared_with_each_other() {
    let project = Project::on_the_sample("", DRAW);
    for name in ["conv", "dense"] {
        project.write(&format!("models/{name}.yaml"), &MODEL.replace("NAME", name));
    }
    let run = || project.run(&["draw"]).0["id"].as_str().expect("an id").to_owned();
    let first = run();
    project.edit("models/conv.yaml", "filters: 16", "filters: 20");
    run();
    project.edit("models/dense.yaml", "units: 8", "units: 12").edit(
        "models/dense.yaml",
        "adam",
        "adam, learning_rate: 0.5",
    );
    run();
    project.edit("models/conv.yaml", "filters: 20", "filters: 16");
    run();
    let nothing_to_do = run();

    for last in ["latest~1", &nothing_to_do] {
        for markdown in [false, true] {
            let form: &[&str] = if markdown { &["--markdown"] } else { &[] };
            let text = good(project.kiln(&[&["compare", &first, last, "--all"], form].concat())).stdout;
            assert!(!text.contains("no parameter changed"), "{text}");
            assert!(text.contains("model: layers.enc.units"), "{text}");
            assert!(text.contains("input model: layers.enc.units: 8 => 12 and 1 more"), "{text}");
            assert!(!text.contains("c1"), "that is the same in both: {text}");
        }
        let text = good(project.kiln(&["compare", &first, last, "--all"])).stdout;
        assert_eq!(row(&text, "draw[model=conv]")[2..], ["same", "same"], "no `why` beside what is the same: {text}");
        let json = good(project.kiln(&["compare", &first, last, "--json"])).json();
        let stage = |name: &str| -> Value {
            let stages = json["stages"].as_array().expect("stages");
            stages.iter().find(|stage| stage["name"] == name).expect("the stage").clone()
        };
        let fields = &stage("draw[model=dense]")["inputs"][0]["fields"];
        assert_eq!(fields[0]["path"], "layers.enc.units", "{fields}");
        assert_eq!(fields[0]["values"], serde_json::json!([8, 12]), "{fields}");
        let changes = stage("draw[model=dense]")["changes"].clone();
        assert_eq!((&changes[0]["what"], &changes[0]["name"]), (&"input".into(), &"model".into()), "{changes}");
        assert_eq!(stage("draw[model=dense]")["against"], first.as_str());
        assert!(stage("draw[model=conv]")["changes"].is_null(), "{json}");
        let ran = good(project.kiln(&["compare", &first, last, "--html"]));
        assert!(project.read(ran.stdout.trim()).contains("<td>model: layers.enc.units</td><td>8</td><td>12</td>"));
    }

    // Collecting garbage keeps what the documents of kept runs say; of others the digests remain.
    good(project.kiln(&["gc", "--delete", "--unrecorded", "0"]));
    let text = good(project.kiln(&["compare", &first, "latest"])).stdout;
    assert!(text.contains("layers.enc.units"), "{text}");
    good(project.kiln(&["gc", "--delete", "--unrecorded", "0", "--keep-last", "1"]));
    let text = good(project.kiln(&["compare", &first, "latest"])).stdout;
    assert!(text.contains("only the digests are known") && !text.contains("no parameter changed"), "{text}");
}

#[test]
fn a_changed_folder_says_which_files() {
    let project = Project::new(
        "
            version: 1
            stages:
              count:
                run: ls -R pictures | wc -l > out/n
                inputs: {p: pictures}
                outputs: {n: out/n}
        ",
    );
    for i in 0..20 {
        project.write(&format!("pictures/nut/{i:04}.png"), &format!("picture {i}"));
    }
    let first = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    project.write("pictures/nut/0007.png", "another");
    for args in [&["run", "-n"][..], &["status"], &["why", "count"]] {
        let ran = good(project.kiln(args));
        assert!(ran.stdout.contains("1 changed: nut/0007.png"), "{args:?}: {}", ran.stdout);
    }
    let ran = good(project.kiln(&["run"]));
    assert!(ran.stderr.contains("1 changed: nut/0007.png"), "{}", ran.stderr);
    project.write("pictures/nut/new.png", "new").write("pictures/nut/0001.png", "other");
    std::fs::remove_file(project.root().join("pictures/nut/0002.png")).expect("remove");
    let second = project.run(&[]);
    let files = &second.stage("count")["causes"][0]["files"];
    assert_eq!(files["added"]["first"][0], "nut/new.png", "{files}");
    assert_eq!((&files["changed"]["count"], &files["removed"]["count"]), (&1.into(), &1.into()), "{files}");
    let text = good(project.kiln(&["compare", &first, "latest"])).stdout;
    assert!(text.contains("2 changed: nut/0001.png, nut/0007.png; 1 added: nut/new.png; 1 removed"), "{text}");
    assert!(text.contains("count  input p  ") && !text.contains("no parameter changed"), "{text}");
}

const SWEEP: &str = "\
version: 1
params: {rate: 1, size: 2}
stages:
  fit:
    matrix: {model: [gbdt, tree], seed: [1, 2]}
    run: \"echo '{\\\"accuracy\\\": '${params.rate}'}' > ${outputs.m}; : ${matrix.model} ${params.size}\"
    outputs: {m: {path: \"out/${matrix.model}-${matrix.seed}.json\", role: metrics}}
";

#[test]
fn values_are_shown_by_the_names_that_the_user_wrote() {
    let project = Project::new(SWEEP);
    project.run(&[]);
    project.edit("pipeline.yaml", "rate: 1", "rate: 3").edit("pipeline.yaml", "size: 2", "size: 5");
    let why = good(project.kiln(&["why", "fit[model=gbdt,seed=1]"])).stdout;
    assert!(why.contains("${params.rate}: \"1\" => \"3\"") && why.contains("${params.size}: \"2\" => \"5\""), "{why}");
    let ran = good(project.kiln(&["run"]));
    // All reasons, not the first.
    assert!(ran.stderr.contains("(${params.rate}: \"1\" => \"3\"; ${params.size}: \"2\" => \"5\")"), "{}", ran.stderr);
    let shown = good(project.kiln(&["show", "fit[model=gbdt,seed=1]"])).stdout;
    let compared = good(project.kiln(&["compare"])).stdout;
    for (text, needed) in [(&shown, "${matrix.model}"), (&compared, "${params.rate}"), (&compared, "${params.size}: ")]
    {
        assert!(text.contains(needed), "`{needed}` in {text}");
    }
    for text in [&why, &ran.stderr, &shown, &compared] {
        assert!(!text.contains("KILN_ARG"), "{text}");
    }
    // A gate names variants as targets do, by some of their coordinates.
    let gate = |gate: &str| project.kiln(&["compare", "--fail-if", gate]);
    assert_eq!(gate("fit[model=gbdt].accuracy > 1").code, Some(1));
    assert_eq!(gate("fit[seed=2].accuracy > 2").code, Some(0));
    assert_eq!(gate("fit[model=none].accuracy > 2").code, Some(2));
}

#[test]
fn a_reason_is_data_and_sentences_of_before_stay_readable() {
    let project = Project::new(SWEEP);
    let first = project.run(&[]);
    let name = "fit[model=gbdt,seed=1]";
    assert_eq!(first.stage(name)["causes"], serde_json::json!([{"kind": "never-run"}]));
    assert_eq!(first.reasons(name), "never run before");
    project.edit("pipeline.yaml", "rate: 1", "rate: 3");
    for args in
        [&["status", "--json"][..], &["run", "--dry-run", "--json"], &["why", "--json", name], &["run", "--json"]]
    {
        let json = good(project.kiln(args)).json();
        let cause = &json["stages"][0]["causes"][0];
        assert_eq!((&cause["kind"], &cause["what"]), (&"changed".into(), &"env".into()), "{args:?}: {json}");
        assert_eq!(cause["change"], serde_json::json!({"old": "1", "new": "3"}), "{args:?}: {json}");
        assert!(json["stages"][0]["reasons"][0].as_str().is_some_and(|text| text.contains("${params.rate}")), "{json}");
    }
    std::fs::remove_file(project.root().join("out/gbdt-1.json")).expect("remove");
    let restored = project.run(&[]);
    let cause = &restored.stage(name)["causes"][0];
    assert_eq!(*cause, serde_json::json!({"kind": "not-in-place", "paths": ["out/gbdt-1.json"]}));
    let forced = project.run(&["--force", name]);
    assert_eq!(forced.stage(name)["causes"], serde_json::json!([{"kind": "forced"}]));

    crate::owners::rewrite(&project.root().join("cache"), |summary, record| {
        let _ = summary;
        for stage in record["stages"].as_array_mut().expect("stages") {
            stage.as_object_mut().expect("an object").remove("causes");
        }
    });
    let shown = good(project.kiln(&["show", "latest"])).stdout;
    assert!(shown.contains("forced"), "{shown}");
    let why = good(project.kiln(&["why", "--run", "latest~1", name, "--json"])).json();
    assert_eq!(why["stages"][0]["causes"][0]["kind"], "told", "{why}");
    assert!(good(project.kiln(&["why", "--run", "latest~3", name])).stdout.contains("never run before"));
}

#[test]
fn a_stage_that_waits_and_changed_itself_is_not_said_to_need_nothing() {
    let project = Project::new(
        "
            version: 1
            stages:
              a: {run: cat x.txt > out/a, inputs: {x: x.txt}, outputs: {o: out/a}}
              b: {run: cat out/a y.txt > out/b, inputs: {a: {from: a.o}, y: y.txt}, outputs: {o: out/b}}
        ",
    );
    project.write("x.txt", "x\n").write("y.txt", "y\n");
    project.run(&[]);
    project.write("x.txt", "xx\n");
    let why = good(project.kiln(&["why", "b"])).stdout;
    assert!(why.contains("it needs nothing else"), "{why}");
    project.write("y.txt", "yy\n");
    let why = good(project.kiln(&["why", "b"])).stdout;
    assert!(!why.contains("needs nothing") && why.contains("b is dirty") && why.contains("input y"), "{why}");
}

#[test]
fn showing_says_of_what_time_it_speaks_and_what_is_broken() {
    let project = Project::new(SWEEP);
    let id = project.run(&[]).0["id"].as_str().expect("an id").to_owned();
    let name = "fit[model=gbdt,seed=1]";
    let shown = good(project.kiln(&["show", name])).stdout;
    assert!(shown.contains("no run had it before") && !shown.contains("never run before"), "{shown}");
    assert!(!good(project.kiln(&["show", "latest"])).stdout.contains("never run before"));

    project.write("pipeline.yaml", "version: 1\nstages: [\n");
    for asked in ["fit", &id[..1]] {
        let ran = project.kiln(&["show", asked]);
        assert_eq!(ran.code, Some(2), "{}", ran.stdout);
        assert!(ran.stderr.contains("pipeline.yaml"), "{}", ran.stderr);
    }
    for asked in ["latest", &id] {
        assert!(good(project.kiln(&["show", asked])).stdout.contains(&id));
    }
}
