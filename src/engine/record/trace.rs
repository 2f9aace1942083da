//! A run in the trace event format, which Perfetto and chrome://tracing open: a track a worker slot, a slice a stage, arrows from
//! each stage to those that took its outputs.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::record::{Outcome, RunRecord, StageRecord};

/// The track of stages that needed nothing done: they held no slot.
const DECIDED: usize = 0;

/// The trace of a run; its stages are those of which the record says when they began.
pub fn trace(run: &RunRecord) -> Value {
    let mut timed: Vec<(&StageRecord, f64)> =
        run.stages.iter().filter_map(|stage| Some((stage, stage.start?))).collect();
    timed.sort_by(|a, b| a.1.total_cmp(&b.1));
    let tracks = tracks(&timed);
    let mut events = vec![
        json!({"ph": "M", "pid": 1, "name": "process_name", "args": {"name": format!("kiln run {}", run.id)}}),
        json!({"ph": "M", "pid": 1, "tid": DECIDED, "name": "thread_name", "args": {"name": "up to date"}}),
    ];
    for slot in 1..=tracks.iter().copied().max().unwrap_or(DECIDED) {
        let name = json!({"name": format!("worker {slot}")});
        events.push(json!({"ph": "M", "pid": 1, "tid": slot, "name": "thread_name", "args": name}));
    }
    let by_name: HashMap<&str, usize> = timed.iter().enumerate().map(|(i, (s, _))| (s.name.as_str(), i)).collect();
    let mut arrow = 0;
    for (i, (stage, start)) in timed.iter().enumerate() {
        events.push(slice(stage, *start, tracks[i]));
        if tracks[i] == DECIDED {
            continue;
        }
        for &producer in stage.needs.iter().filter_map(|name| by_name.get(name.as_str())) {
            arrow += 1;
            let (from, began) = timed[producer];
            // An arrow belongs to the slice that covers its time.
            let left = (micros(began + from.seconds) - 1.0).max(micros(began));
            events
                .push(json!({"ph": "s", "pid": 1, "tid": tracks[producer], "ts": left, "id": arrow, "name": "output",
                "cat": "output"}));
            events.push(json!({"ph": "f", "bp": "e", "pid": 1, "tid": tracks[i], "ts": micros(*start), "id": arrow,
                "name": "output", "cat": "output"}));
        }
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": run.id, "started": run.started,
        "status": run.status, "host": run.host.name}})
}

fn slice(stage: &StageRecord, start: f64, track: usize) -> Value {
    let waited = stage.ready.map_or(0.0, |ready| (start - ready).max(0.0));
    json!({
        "ph": "X",
        "pid": 1,
        "tid": track,
        "ts": micros(start),
        "dur": micros(stage.seconds),
        "name": stage.name,
        "cat": stage.outcome.to_string(),
        "args": {
            "outcome": stage.outcome,
            "reasons": stage.reasons,
            "key": stage.key,
            "needs": stage.needs,
            "seconds waited for a processor": waited,
            "seconds waited in a queue": stage.queued,
            "log": stage.log,
            "error": stage.error,
        },
    })
}

/// The track of each stage, given in the order of their starts: the first slot that is free by then.
fn tracks(timed: &[(&StageRecord, f64)]) -> Vec<usize> {
    let mut free_at: Vec<f64> = Vec::new();
    let slot = |(stage, start): &(&StageRecord, f64)| {
        if stage.outcome == Outcome::UpToDate {
            return DECIDED;
        }
        let end = start + stage.seconds;
        match free_at.iter().position(|free| *free <= *start) {
            Some(slot) => {
                free_at[slot] = end;
                slot + 1
            }
            None => {
                free_at.push(end);
                free_at.len()
            }
        }
    };
    timed.iter().map(slot).collect()
}

/// Microseconds, the unit of the format.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e3
}
