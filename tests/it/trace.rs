//! `kiln trace`: who waited for whom.

use serde_json::Value;

use crate::project::Project;

const CHAIN: &str = "\
version: 1
stages:
  quick: {run: echo a > out/a.txt, outputs: {a: out/a.txt}}
  slow: {run: sleep 0.3; echo b > out/b.txt, outputs: {b: out/b.txt}}
  both:
    run: cat out/a.txt out/b.txt > out/c.txt
    inputs: {a: {from: quick.a}, b: {from: slow.b}}
    outputs: {c: out/c.txt}
";

fn events(project: &Project) -> Vec<Value> {
    let ran = project.kiln(&["trace", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.json()["traceEvents"].as_array().expect("events").clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_stage_waits_for_the_last_of_its_inputs() {
    let project = Project::new(CHAIN);
    let record = project.run(&["--jobs", "2"]);
    let [slow, both] = ["slow", "both"].map(|name| record.stage(name));
    assert_eq!(both["needs"], serde_json::json!(["quick", "slow"]));
    assert!(number(&both["ready"]) >= number(&slow["start"]) + number(&slow["seconds"]) - 0.001, "{both} {slow}");
    assert!(number(&both["start"]) >= number(&both["ready"]));
    let ran = project.kiln(&["trace"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[2].contains("slow") && lines[2].contains("the run began"), "{}", ran.stdout);
    assert!(lines[3].contains("both") && lines[3].contains("slow was done"), "{}", ran.stdout);
    assert!(lines[4].starts_with("critical path of run "), "{}", ran.stdout);
}

#[test]
fn slices_of_one_slot_do_not_overlap_and_arrows_go_forward() {
    let project = Project::new(CHAIN);
    project.run(&["--jobs", "2"]);
    let events = events(&project);
    let of = |phase: &'static str| events.iter().filter(move |e| e["ph"] == phase);
    let mut slices: Vec<&Value> = of("X").collect();
    assert_eq!(slices.len(), 3);
    slices.sort_by(|a, b| number(&a["ts"]).total_cmp(&number(&b["ts"])));
    for (i, a) in slices.iter().enumerate() {
        for b in slices[i + 1..].iter().filter(|b| a["tid"] == b["tid"]) {
            assert!(number(&a["ts"]) + number(&a["dur"]) <= number(&b["ts"]) + 0.01, "{a} {b}");
        }
    }
    assert_eq!((of("s").count(), of("f").count()), (2, 2));
    for start in of("s") {
        let end = of("f").find(|end| end["id"] == start["id"]).expect("an arrow's end");
        assert!(number(&start["ts"]) <= number(&end["ts"]), "{start} {end}");
    }
    project.run(&[]);
    let slices = self::events(&project).into_iter().filter(|e| e["ph"] == "X").map(|e| e["cat"].clone());
    assert_eq!(slices.collect::<Vec<_>>(), ["up-to-date"; 3], "a past run's trace tells what became of each stage");
}
