//! What a command is handed: the values of its `with`, the paths of its files by name, and time to leave.

use kiln::hash::ActionKey;
use kiln::store::{ActionResult, Store};

use crate::project::{Project, mailbox};

const PIPELINE: &str = "version: 1
params: {rate: 0.5, sizes: [3, 4]}
stages:
  train:
    run: |
      cp \"$KILN_PARAMS\" out/params.json
      printf '%s|' \"$KILN_PARAM_rate\" \"$KILN_PARAM_name\" \"$KILN_PARAM_layers\" \"$KILN_PARAM_deep\" \"$KILN_PARAM_none\" > out/one
      echo \"$KILN_INPUTS $KILN_OUTPUTS\" > out/paths
    with:
      rate: ${params.rate}
      name: it's \"$HOME\"
      layers: ${params.sizes}
      deep: {wide: {on: true}, text: \"${params.rate} of 1\"}
      none: null
    inputs: {data: [a.txt, b.txt]}
    outputs: {params: out/params.json, one: out/one, paths: out/paths}
";

#[test]
fn values_and_paths_reach_a_command() {
    let project = Project::new(PIPELINE);
    project.write("a.txt", "a").write("b.txt", "b").run(&[]);
    let params: serde_json::Value = serde_json::from_str(&project.read("out/params.json")).expect("JSON");
    let expected = serde_json::json!({
        "rate": 0.5, "name": "it's \"$HOME\"", "layers": [3, 4], "none": null,
        "deep": {"wide": {"on": true}, "text": "0.5 of 1"},
    });
    assert_eq!(params, expected);
    let one = project.read("out/one");
    assert_eq!(one, "0.5|it's \"$HOME\"|[3,4]|{\"text\":\"0.5 of 1\",\"wide\":{\"on\":true}}||");
    let paths = "{\"data\":[\"a.txt\",\"b.txt\"]} {\"one\":\"out/one\",\"params\":\"out/params.json\",\"paths\":\"out/paths\"}\n";
    assert_eq!(project.read("out/paths"), paths);
}

#[test]
fn a_changed_value_executes_the_command_and_says_which() {
    let project = Project::new(PIPELINE);
    project.write("a.txt", "a").write("b.txt", "b").run(&[]);
    assert_eq!(project.run(&[]).outcome("train"), "up-to-date");
    let record = project.run(&["--set", "rate=0.7"]);
    assert_eq!(record.outcome("train"), "executed");
    let reasons = record.reasons("train");
    assert!(reasons.contains("parameter rate: 0.5 => 0.7"), "{reasons}");
    assert_eq!(record.stage("train")["params"]["params"]["rate"], 0.7);
    let why = project.kiln(&["why", "train"]).stdout;
    assert!(why.contains("rate") && why.contains("0.7"), "{why}");
    // The order in which they are written does not count.
    project.edit("pipeline.yaml", "      rate: ${params.rate}\n", "");
    project.edit("pipeline.yaml", "      none: null\n", "      none: null\n      rate: ${params.rate}\n");
    assert_eq!(project.run(&["--set", "rate=0.7"]).outcome("train"), "up-to-date");
}

/// A script is told the type of a number, and does otherwise by it: scikit-learn takes one feature for 1, and all for 1.0.
#[test]
fn a_number_of_another_type_is_another_value() {
    let script = r#"cat "$KILN_PARAMS" > out/o; echo " $KILN_PARAM_n" >> out/o"#;
    let pipeline =
        |n: &str| format!("version: 1\nstages:\n  s: {{run: '{script}', with: {{n: {n}}}, outputs: {{o: out/o}}}}\n");
    let project = Project::new(&pipeline("5.0"));
    project.run(&[]);
    assert_eq!(project.read("out/o"), "{\"n\":5.0} 5.0\n");
    for (n, reason) in [
        ("5", "5.0 => 5"),
        ("0.0", "n: 5 => 0"),
        ("-0.0", "n: 0.0 => -0.0"),
        ("[1.0]", "n: 0 => [1]"),
        ("[1]", "n.0: 1.0 => 1"),
    ] {
        let record = project.write("pipeline.yaml", &pipeline(n)).run(&[]);
        assert_eq!(record.outcome("s"), "executed", "{n}");
        assert!(record.reasons("s").contains(reason), "{n}: {}", record.reasons("s"));
        assert_eq!(project.read("out/o"), format!("{{\"n\":{n}}} {n}\n"));
    }
    assert_eq!(project.write("pipeline.yaml", &pipeline("5.0")).run(&[]).outcome("s"), "restored");
    assert_eq!(project.read("out/o"), "{\"n\":5.0} 5.0\n");
}

#[test]
fn a_result_from_before_types_counted_serves_either_number() {
    let pipeline = |n: &str| {
        format!("version: 1\nstages:\n  s: {{run: 'echo 1 > out/o', with: {{n: {n}}}, outputs: {{o: out/o}}}}\n")
    };
    let project = Project::new(&pipeline("5"));
    let key = |project: &Project| -> ActionKey {
        let record = project.run(&[]);
        assert_eq!(record.outcome("s"), "up-to-date");
        record.stage("s")["key"].as_str().and_then(|key| key.parse().ok()).expect("a key")
    };
    project.run(&[]);
    let untyped = key(&project);
    let store = Store::open(&project.root().join("cache")).unwrap();
    let (manifest, result) = (store.manifest(&untyped).unwrap(), store.result(&untyped).unwrap());
    let before = ActionResult { created: "2026-11-30T14:59:59Z".parse().unwrap(), ..result };
    store.replace(&untyped, &manifest, &before).unwrap();
    drop(store);
    // It is filed under a key of its own, and found by that.
    project.write("pipeline.yaml", &pipeline("5.0"));
    let typed = key(&project);
    assert_ne!(typed, untyped);
    let store = Store::open(&project.root().join("cache")).unwrap();
    assert_eq!(store.result(&typed).unwrap(), before);
    assert_eq!(project.write("pipeline.yaml", &pipeline("6.0")).run(&[]).outcome("s"), "executed");
    assert_eq!(project.write("pipeline.yaml", &pipeline("6")).run(&[]).outcome("s"), "executed");
}

#[test]
fn a_with_without_values_is_none() {
    let plain = "version: 1\nstages:\n  s: {run: \"echo $${KILN_PARAMS-none} > out/x\", outputs: {x: out/x}}\n";
    let project = Project::new(plain);
    let key = project.run(&[]).stage("s")["key"].clone();
    assert_eq!(project.read("out/x"), "none\n");
    for empty in ["with: {}, ", "with: , "] {
        project.write("pipeline.yaml", &plain.replace("outputs:", &format!("{empty}outputs:")));
        assert_eq!(project.run(&[]).stage("s")["key"], key);
    }
    project.write("pipeline.yaml", &plain.replace("outputs:", "with: [1], outputs:"));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`with` has to be a mapping"), "{}", ran.stderr);
}

#[test]
fn thousands_of_paths_come_in_a_file() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              parts:
                matrix: {i: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}
                run: 'echo > ${outputs.o}'
                outputs: {o: "out/LONG-${matrix.i}"}
              all:
                run: cut -c1 <<< "$KILN_INPUTS" > out/first; wc -c < "$${KILN_INPUTS#@}" > out/size
                shell: bash
                inputs: {parts: [MANY]}
                outputs: {first: out/first, size: out/size}
        "#
        .replace("LONG", &"x".repeat(200))
        .replace("[MANY]", &format!("[{}]", vec!["{from: \"parts[*].o\"}"; 60].join(", ")))
        .as_str(),
    );
    project.run(&[]);
    assert_eq!(project.read("out/first"), "@\n");
    assert!(project.read("out/size").trim().parse::<usize>().expect("a number") > 100_000);
}

#[test]
fn a_stage_has_the_time_that_it_asks_for_to_save() {
    let mail = mailbox();
    let script = format!(
        "trap 'for i in 1 2 3 4 5 6 7; do sleep 1; done; touch {}; exit 1' TERM; while :; do sleep 0.05; done",
        mail.path().join("saved").display()
    );
    let pipeline = |timeout: &str| {
        format!("version: 1\nstages:\n  s:\n    run: \"{script}\"\n    timeout: {timeout}\n    outputs: {{o: out/o}}\n")
    };
    let project = Project::new(&pipeline("{after: 1s, grace: 1m}"));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("stopped at its timeout of 1 s"), "{}", ran.stderr);
    assert!(mail.path().join("saved").exists(), "it was killed while it saved");

    std::fs::remove_file(mail.path().join("saved")).expect("it is there");
    project.write("pipeline.yaml", &pipeline("{after: 1s, grace: 1s}"));
    assert_eq!(project.kiln(&["run"]).code, Some(1));
    assert!(!mail.path().join("saved").exists(), "a grace of a second is one");
    project.write("pipeline.yaml", &pipeline("{after: 1s, graze: 1s}"));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown key `graze` in `timeout`"), "{}", ran.stderr);
    project.write("pipeline.yaml", &pipeline("{after: 1s, grace: 10}"));
    assert!(project.kiln(&["run"]).stderr.contains("for seconds write `10s`"));
}
