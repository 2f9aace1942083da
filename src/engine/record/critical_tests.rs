use super::*;
use serde_json::json;

/// A run of stages: name, ready, start, seconds, needs.
fn run(stages: &[(&str, f64, f64, f64, &[&str])]) -> RunRecord {
    let stages = stages.iter().map(|(name, ready, start, seconds, needs)| {
        json!({
            "name": name, "stage": name, "variant": {}, "uses": null, "outcome": "executed", "reasons": [], "key": null,
            "params": {}, "inputs": {}, "outputs": {}, "metrics": {}, "ready": ready, "start": start, "seconds": seconds,
            "executed_seconds": null, "log": null, "error": null, "needs": needs,
        })
    });
    serde_json::from_value(json!({
        "version": 1, "id": "abcdefgh", "status": "ok", "started": "2026-07-01T12:00:00Z", "seconds": 10.0,
        "project": "/p", "pipeline": "pipeline.yaml", "profile": null, "set": [], "params": {},
        "host": {"name": "h", "cpus": 2, "kiln": "0"}, "stages": stages.collect::<Vec<_>>(),
    }))
    .unwrap()
}

fn path(run: &RunRecord) -> Vec<(String, Wait)> {
    critical_path(run).into_iter().map(|link| (link.stage, link.waited)).collect()
}

#[test]
fn it_follows_the_input_that_came_last() {
    let run = run(&[
        ("a", 0.0, 0.0, 1.0, &[]),
        ("b", 0.0, 0.0, 3.0, &[]),
        ("c", 3.0, 3.0, 2.0, &["a", "b"]),
        ("d", 1.0, 1.0, 0.5, &["a"]),
    ]);
    assert_eq!(path(&run), [("b".into(), Wait::Start), ("c".into(), Wait::Input("b".into()))]);
}

#[test]
fn a_stage_that_waited_for_a_processor_follows_the_one_that_held_it() {
    let run = run(&[
        ("a", 0.0, 0.0, 4.0, &[]),
        ("b", 0.0, 0.0, 1.0, &[]),
        // Ready at 1, but only one processor was left, and c held it until 3.
        ("c", 0.0, 1.0, 2.0, &[]),
        ("d", 1.0, 3.0, 5.0, &["b"]),
    ]);
    let processor = |name: &str| Wait::Processor(name.into());
    assert_eq!(path(&run), [("b".into(), Wait::Start), ("c".into(), processor("b")), ("d".into(), processor("c"))]);
}

#[test]
fn records_without_times_have_none() {
    let mut run = run(&[("a", 0.0, 0.0, 1.0, &[])]);
    run.stages[0].start = None;
    assert_eq!(critical_path(&run), []);
}

#[test]
fn the_trace_gives_each_slot_a_track_and_each_input_an_arrow() {
    let run = run(&[("a", 0.0, 0.0, 1.0, &[]), ("b", 0.0, 0.0, 3.0, &[]), ("c", 1.0, 1.0, 2.0, &["a"])]);
    let trace = super::super::trace::trace(&run);
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| events.iter().filter(|e| e["ph"] == phase).cloned().collect::<Vec<_>>();
    let slices: Vec<_> = of("X").iter().map(|e| (e["name"].clone(), e["tid"].clone(), e["ts"].clone())).collect();
    assert_eq!(
        slices,
        [(json!("a"), json!(1), json!(0.0)), (json!("b"), json!(2), json!(0.0)), (json!("c"), json!(1), json!(1e6))]
    );
    assert_eq!((of("s").len(), of("f").len()), (1, 1));
    assert_eq!((of("s")[0]["ts"].clone(), of("f")[0]["ts"].clone()), (json!(999_999.0), json!(1e6)));
}
