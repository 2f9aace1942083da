//! What `kiln::compare` finds between hand-made run records.

#[path = "support/records.rs"]
mod records;

use std::collections::BTreeMap;

use kiln::compare::{CompareError, Comparison, GateResult, History, SpreadTable, VariantTable, diff, within};
use kiln::kind::Role;
use kiln::record::{Outcome, RunRecord};
use records::{run, stage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

fn before() -> RunRecord {
    let mut record = run(
        "kqzvbnme",
        vec![
            stage("split").output("split", "out/split/split.safetensors", Role::Data, 1).record(),
            stage("train[model=5]")
                .params(json!({"epochs": 10, "dropout": 0.25}))
                .input("data", 1)
                .output("model", "out/train/5/model.safetensors", Role::Data, 2)
                .metric("epochs", 10.0)
                .record(),
            stage("evaluate[model=5]").metric("accuracy", 0.9732).metric("loss", 0.1234).record(),
            stage("old").record(),
        ],
    );
    record.params = json!({"epochs": 10, "title": "study"});
    record
}

fn after() -> RunRecord {
    let mut record = run(
        "pwlxyart",
        vec![
            stage("split")
                .key(8)
                .outcome(Outcome::Executed, "code changed")
                .output("split", "out/split/split.safetensors", Role::Data, 1)
                .record(),
            stage("train[model=5]")
                .key(9)
                .executed(40.25, "parameter dropout: 0.25 => 0.5")
                .params(json!({"epochs": 10, "dropout": 0.5}))
                .input("data", 1)
                .output("model", "out/train/5/model.safetensors", Role::Data, 3)
                .metric("epochs", 10.0)
                .record(),
            stage("evaluate[model=5]")
                .key(9)
                .outcome(Outcome::Failed, "input model")
                .metric("accuracy", 0.9741)
                .metric("loss", f64::NAN)
                .record(),
            stage("new").record(),
        ],
    );
    record.params = json!({"epochs": 10, "title": "new study"});
    record
}

#[test]
fn a_difference_names_parameters_keys_outputs_and_metrics() {
    let found = diff(&[before(), after()]);
    assert_eq!(found.params.len(), 1);
    assert_eq!(found.params[0].path, "title");

    let names: Vec<&str> = found.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["split", "train[model=5]", "evaluate[model=5]", "new", "old"]);

    let split = &found.stages[0];
    assert_eq!((split.key_changed, split.outputs.len(), split.outcome()), (Some(true), 0, Some(Outcome::Executed)));

    let train = &found.stages[1];
    assert_eq!(train.params.len(), 1);
    assert_eq!(train.params[0].values, [Some(json!(0.25)), Some(json!(0.5))]);
    assert!(train.inputs.is_empty());
    assert_eq!(train.outputs[0].name, "model");
    assert_eq!(train.executed_seconds, [None, Some(40.25)]);

    let accuracy = found.metrics.iter().find(|row| row.metric == "accuracy").unwrap();
    assert!((accuracy.delta.unwrap() - 0.0009).abs() < 1e-12);
    let loss = found.metrics.iter().find(|row| row.metric == "loss").unwrap();
    assert!(matches!(loss.values[..], [Some(0.1234), Some(last)] if last.is_nan()), "{loss:?}");
    assert_eq!(loss.delta, None, "there is no difference to what is not a number");
}

#[test]
fn a_stage_that_only_one_run_has_is_told_apart_from_a_changed_one() {
    let found = diff(&[before(), after()]);
    let of = |name: &str| found.stages.iter().find(|s| s.name == name).unwrap();
    assert_eq!(of("new").outcomes, [None, Some(Outcome::UpToDate)]);
    assert_eq!(of("old").outcomes, [Some(Outcome::UpToDate), None]);
    assert_eq!((of("old").outcome(), of("old").key_changed), (None, None));
    assert!(of("new").outputs.is_empty() && !of("new").unchanged());
}

#[test]
fn a_failed_stage_has_no_outputs_to_compare() {
    let ok = run("a", vec![stage("s").output("x", "out/x", Role::Data, 1).record()]);
    let failed = run("b", vec![stage("s").failed("exit status 1", "log").record()]);
    assert!(diff(&[ok, failed]).stages[0].outputs.is_empty());
}

#[test]
fn three_runs_keep_their_order_and_the_delta_spans_all() {
    let with = |id: &str, loss: f64| run(id, vec![stage("s").metric("loss", loss).record()]);
    let found = diff(&[with("a", 1.0), with("b", 3.0), with("c", 2.5)]);
    assert_eq!(found.metrics[0].values, [Some(1.0), Some(3.0), Some(2.5)]);
    assert_eq!(found.metrics[0].delta, Some(1.5));
    assert_eq!(found.runs.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_run_equals_itself_and_fewer_than_two_runs_differ_in_nothing() {
    let same = diff(&[before(), before()]);
    assert!(same.params.is_empty() && same.stages.iter().all(|s| s.unchanged()));
    assert!(same.metrics.iter().all(|row| row.delta == Some(0.0)));
    assert!(diff(&[]).stages.is_empty());
    assert!(diff(&[before()]).metrics.iter().all(|row| row.delta.is_none()));
}

#[test]
fn metrics_are_chosen_by_globs() {
    let found = diff(&[before(), after()]);
    let kept = found.clone().select(&["evaluate*.acc*".into()]).unwrap();
    assert_eq!(kept.metrics.len(), 1);
    let error = found.select(&["acuracy".into()]).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `accuracy`?"));
}

/// Two models, trained and evaluated; figures and a fetch beside them.
fn study() -> RunRecord {
    let mut stages =
        vec![stage("fetch[file=images]").record(), stage("fetch[file=labels]").record(), stage("split").record()];
    for (model, accuracy, seconds) in [("10", 0.9, 30.0), ("2", 0.95, 20.5)] {
        let variant = |name: &str| stage(&format!("{name}[model={model}]"));
        stages.push(variant("train").made_in(seconds).metric("epochs", 3.0).metric("final.loss", 0.25).record());
        stages.push(
            variant("evaluate")
                .made_in(1.5)
                .metric("accuracy", accuracy)
                .metric("loss", 0.5)
                .metric("classes.Bag.f1", 0.5)
                .record(),
        );
        stages.push(variant("curves").made_in(0.5).record());
    }
    stages.push(stage("train[model=7]").failed("diverged", "log").record());
    run("studyrun", stages)
}

#[test]
fn variants_that_share_coordinates_make_one_row() {
    let table = within(&study(), None).unwrap();
    assert_eq!(table.axes, ["model"]);
    assert_eq!(table.stages, ["train", "evaluate", "curves"]);
    assert_eq!(table.others, ["fetch"]);
    let labels: Vec<(&str, bool)> = table.columns.iter().map(|c| (c.label.as_str(), c.detail)).collect();
    assert_eq!(
        labels,
        [
            ("accuracy", false),
            ("loss", false),
            ("classes.Bag.f1", true),
            ("epochs", false),
            ("final.loss", true),
            ("train seconds", false),
            ("evaluate seconds", false),
        ]
    );
    let models: Vec<&str> = table.rows.iter().map(|row| row.variant["model"].as_str()).collect();
    assert_eq!(models, ["10", "2", "7"], "in the order of the run");
    assert_eq!(table.rows[0].values["train seconds"], 30.0);
    assert_eq!(table.rows[1].values["accuracy"], 0.95);
    assert!(table.rows[2].values.is_empty());
    assert_eq!(table.rows[2].outcomes["train"], Outcome::Failed);
}

#[test]
fn seconds_of_what_was_gone_on_from_are_added() {
    let train = stage("train[m=1]").made_in(2.5).resumed(4, 10.0).metric("loss", 1.0).record();
    let table = within(&run("aaaa", vec![train]), None).unwrap();
    assert_eq!(table.rows[0].values["train seconds"], 12.5);
}

#[test]
fn one_stage_can_be_asked_for_with_a_matrix_or_without() {
    let table = within(&study(), Some("curves")).unwrap();
    assert_eq!(table.columns.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), ["curves seconds"]);
    assert_eq!(table.rows.len(), 2);
    let table = within(&study(), Some("split")).unwrap();
    assert_eq!((table.axes.len(), table.rows.len()), (0, 1));
    let error = within(&study(), Some("trian")).unwrap_err();
    assert!(matches!(error, CompareError::UnknownStage { .. }));
    assert_eq!(error.hint().as_deref(), Some("did you mean `train`?"));
}

#[test]
fn a_metric_of_two_stages_carries_its_stage() {
    let record = run(
        "a",
        vec![
            stage("train[m=1]").metric("loss", 1.0).record(),
            stage("evaluate[m=1]").metric("loss", 2.0).metric("train seconds", 3.0).record(),
        ],
    );
    let table = within(&record, None).unwrap();
    let labels: Vec<&str> = table.columns.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["evaluate loss", "evaluate train seconds", "train loss", "train seconds", "evaluate seconds"]);
    assert_eq!(table.rows[0].values["train loss"], 1.0);
}

#[test]
fn columns_are_chosen_in_the_order_asked_for_and_rows_sorted() {
    let kept =
        within(&study(), None).unwrap().select(&["*seconds".into(), "classes.*".into()], Some("-accuracy")).unwrap();
    let labels: Vec<(&str, bool)> = kept.columns.iter().map(|c| (c.label.as_str(), c.detail)).collect();
    assert_eq!(labels, [("train seconds", false), ("evaluate seconds", false), ("classes.Bag.f1", false)]);
    assert!(!kept.rows[0].values.contains_key("accuracy"));
    let models = |sort: &str| {
        let table = within(&study(), None).unwrap().select(&[], Some(sort)).unwrap();
        table.rows.iter().map(|row| row.variant["model"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(models("-accuracy"), ["2", "10", "7"]);
    assert_eq!(models("accuracy"), ["10", "2", "7"], "a row without the number comes last either way");
    assert_eq!(models("model"), ["2", "7", "10"], "as numbers");
    assert_eq!(models("-train.seconds"), ["10", "2", "7"]);
    assert!(within(&study(), None).unwrap().select(&["nothing".into()], None).is_err());
    assert!(within(&study(), None).unwrap().select(&[], Some("nothing")).is_err());
}

#[test]
fn a_run_without_variants_gives_no_rows() {
    let table = within(&run("a", vec![stage("split").record()]), None).unwrap();
    assert!(table.rows.is_empty() && table.columns.is_empty());
}

/// The JSON examples of a page.
fn examples(page: &str) -> Vec<&str> {
    page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Reads an example as a `T` and writes it again: the same only if each field is documented and each documented field exists.
fn documented<T: Serialize + DeserializeOwned>(example: &str) {
    let read: T = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), serde_json::from_str::<serde_json::Value>(example).unwrap());
}

#[test]
fn the_documented_json_is_the_json_that_is_written() {
    let [record] = examples(include_str!("../docs/run-record.md"))[..] else { panic!("one example") };
    documented::<RunRecord>(record);
    let page = examples(include_str!("../docs/compare.md"));
    let [runs, variants, spread, gates, metrics] = page[..] else { panic!("five examples") };
    documented::<Comparison>(runs);
    documented::<VariantTable>(variants);
    documented::<SpreadTable>(spread);
    documented::<BTreeMap<String, Vec<GateResult>>>(gates);
    documented::<History>(metrics);
}

#[test]
fn json_has_a_null_where_a_run_has_no_value_and_a_word_where_it_is_not_finite() {
    let json = serde_json::to_value(diff(&[before(), after()])).unwrap();
    let counts = json!({"executed": 2, "up-to-date": 1, "restored": 0, "skipped": 0, "failed": 1});
    assert_eq!(json["runs"][1]["counts"], counts);
    assert_eq!(json["stages"][1]["outcomes"], json!(["up-to-date", "executed"]));
    assert_eq!(json["stages"][3]["outcomes"], json!([null, "up-to-date"]));
    assert_eq!(json["metrics"][2]["values"], json!([0.1234, "NaN"]));
}
