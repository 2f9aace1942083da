//! What comparisons look like.

use kiln::action::{Files, Manifest};
use kiln::compare::{Evidence, diff, within};
use kiln::hash::{ActionKey, Digest};
use kiln::kind::Role;
use kiln::record::{Outcome, RunRecord};
use serde_json::json;

use super::super::records::{run, stage};
use super::*;

const ALL: Show = Show { all: true, outputs: false };

/// A store that kept nothing but the records.
struct Nothing;

impl Evidence for Nothing {
    fn manifest(&self, _: &ActionKey) -> Option<Manifest> {
        None
    }

    fn document(&self, _: &Digest) -> Option<serde_json::Value> {
        None
    }

    fn files(&self, _: &Digest, _: &Digest) -> Option<Files> {
        None
    }

    fn is_document(&self, _: &str, input: &str) -> bool {
        input == "network"
    }
}

fn study(id: &str, dropout: f64, again: bool) -> RunRecord {
    let mut stages = vec![stage("split").output("split", "out/split/split.safetensors", Role::Data, 1).record()];
    for model in 1..=3 {
        let hit = again && model == 3;
        let (rate, byte) = if model == 3 { (dropout, if again { 9 } else { 3 }) } else { (0.25, model) };
        let train = stage(&format!("train[model={model}]"))
            .key(byte)
            .params(json!({"dropout": rate, "epochs": 10}))
            .output("model", "out/train/model.safetensors", Role::Data, byte)
            .metric("epochs", 10.0)
            .metric("final.loss", 0.25)
            .made_in(40.0 + f64::from(model));
        let evaluate = stage(&format!("evaluate[model={model}]"))
            .key(byte)
            .input("model", byte)
            .metric("accuracy", if hit { 0.9741 } else { 0.9732 })
            .metric("loss", if hit { 0.12342 } else { 0.1234 })
            .metric("classes.Bag.f1", if hit { 0.5 } else { 0.75 })
            .metric("parameters", 3_223_909.0)
            .made_in(1.25);
        let train = if hit { train.executed(43.0, "parameter dropout: 0.25 => 0.5") } else { train };
        let evaluate = if hit { evaluate.executed(1.25, "input model of train[model=3]") } else { evaluate };
        stages.extend([train.record(), evaluate.record()]);
    }
    let mut record = run(id, stages);
    record.params = json!({"title": id});
    record
}

fn pair() -> Comparison {
    let mut after = study("pwlxyart", 0.5, true);
    after.set = vec!["params.title=pwlxyart".into()];
    after.stages.push(stage("report").executed(0.5, "never run before").record());
    let runs = [study("kqzvbnme", 0.25, false), after];
    diff(&runs).look_into(&runs, &Nothing)
}

#[test]
fn a_comparison_tells_what_changed_and_counts_the_rest() {
    let expected = "\
runs
run       started               status  seconds  stages                    options
──────────────────────────────────────────────────────────────────────────────────────────────────────
kqzvbnme  2026-07-01 12:00:00Z  ok         12.5  7 up to date
pwlxyart  2026-07-01 12:00:00Z  ok         12.5  3 executed, 5 up to date  --set params.title=pwlxyart

parameters that changed
of              parameter  kqzvbnme  pwlxyart
─────────────────────────────────────────────
pipeline        title      kqzvbnme  pwlxyart
train[model=3]  dropout    0.25      0.5

stages of the last run
stage              outcome   key      outputs         why
───────────────────────────────────────────────────────────────────────────────────────────────
train[model=3]     executed  changed  changed: model  parameter dropout: 0.25 => 0.5
evaluate[model=3]  executed  changed  same            input model: 030303030303 => 090909090909
report             executed  -        -               no earlier run has it
5 stages up to date with nothing changed

metrics
stage              metric    kqzvbnme  pwlxyart     delta
─────────────────────────────────────────────────────────
evaluate[model=3]  accuracy    0.9732    0.9741   +0.0009
evaluate[model=3]  loss       0.12340   0.12342  +0.00002
1 number of single classes or components changed, too
15 numbers the same
";
    assert_eq!(comparison_text(&pair(), &[], Show::default(), &Look::default()), expected);
}

#[test]
fn all_shows_every_stage_and_every_number() {
    let text = comparison_text(&pair(), &[], ALL, &Look::default());
    assert!(text.contains("evaluate[model=3]  classes.Bag.f1     0.7500     0.5000   -0.2500\n"), "{text}");
    assert!(text.contains("evaluate[model=3]  loss              0.12340    0.12342  +0.00002\n"), "{text}");
    assert!(text.contains("train[model=1|2] (2)     up to date"), "{text}");
}

#[test]
fn variants_with_the_same_change_share_a_row() {
    let with = |id: &str, epochs: u32, key: u8| {
        let train = |model: u32| stage(&format!("train[model={model}]")).params(json!({"epochs": epochs})).key(key);
        run(
            id,
            (1..=7)
                .map(|model| train(model).outcome(Outcome::Executed, "parameter epochs: 10 => 3").record())
                .collect(),
        )
    };
    let runs = [with("a", 10, 1), with("b", 3, 2)];
    let text = comparison_text(&diff(&runs).look_into(&runs, &Nothing), &[], Show::default(), &Look::default());
    assert!(text.contains("\ntrain[model=1..7] (7)  epochs     10  3\n"), "{text}");
    assert!(
        text.contains("\ntrain[model=1..7] (7)  executed  changed  same     parameter epochs: 10 => 3\n"),
        "{text}"
    );
}

#[test]
fn of_documents_that_are_gone_the_digests_are_told() {
    let with = |id: &str, byte: u8| run(id, vec![stage("draw").input("network", byte).key(byte).record()]);
    let runs = [with("a", 1), with("b", 2)];
    let text = comparison_text(&diff(&runs).look_into(&runs, &Nothing), &[], Show::default(), &Look::default());
    assert!(!text.contains("no parameter changed"), "{text}");
    assert!(text.contains("draw  input network  010101010101  020202020202"), "{text}");
    assert!(text.contains("only the digests are known"), "{text}");
    let same = [with("a", 1), with("b", 1)];
    let text = comparison_text(&diff(&same).look_into(&same, &Nothing), &[], ALL, &Look::default());
    assert!(text.contains("draw   up to date  same  same\n"), "{text}");
}

#[test]
fn failed_skipped_and_vanished_stages_are_told() {
    let before = run("a", vec![stage("s").record(), stage("t").record(), stage("old").record()]);
    let after = run(
        "b",
        vec![
            stage("s").failed("exit status 3\nmore", "log").record(),
            stage("t").no_key().outcome(Outcome::Skipped, "s failed").record(),
        ],
    );
    let text = comparison_text(&diff(&[before, after]), &[], Show::default(), &Look::default());
    let rows: Vec<Vec<&str>> =
        text.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
    assert!(rows.contains(&vec!["s", "failed", "same", "-", "exit status 3"]), "{text}");
    assert!(rows.contains(&vec!["t", "skipped", "-", "-", "s failed"]), "{text}");
    assert!(rows.contains(&vec!["old", "gone", "-", "-", "the last run has no such stage"]), "{text}");
}

#[test]
fn a_run_compared_with_itself_says_so() {
    let text = comparison_text(
        &diff(&[study("a", 0.25, false), study("a", 0.25, false)]),
        &[],
        Show::default(),
        &Look::default(),
    );
    assert!(text.contains("\nno parameter changed\n") && text.contains("\nno metric changed\n"), "{text}");
    assert!(text.contains("7 stages up to date with nothing changed"), "{text}");
}

#[test]
fn a_thousand_changed_stages_are_cut_unless_all_are_asked_for() {
    let with = |id: &str, key: u8| {
        run(id, (0..1000).map(|i| stage(&format!("s{i}")).key(key).metric("n", f64::from(key)).record()).collect())
    };
    let comparison = diff(&[with("a", 1), with("b", 2)]);
    let text = comparison_text(&comparison, &[], Show::default(), &Look::default());
    assert_eq!(text.matches("and 900 more\n").count(), 2);
    assert!(comparison_text(&comparison, &[], ALL, &Look::default()).contains("\ns999 "));
}

#[test]
fn table_one() {
    let expected = "\
run kqzvbnme by model
model  accuracy    loss  parameters  epochs  train seconds  evaluate seconds
────────────────────────────────────────────────────────────────────────────
    1    0.9732  0.1234   3,223,909      10           41.0               1.2
    2    0.9732  0.1234   3,223,909      10           42.0               1.2
    3    0.9732  0.1234   3,223,909      10           43.0               1.2
2 more columns left out
";
    let table = within(&study("kqzvbnme", 0.25, false), None).unwrap();
    assert_eq!(variants_text(&table, &[], false, &Look::default()), expected);
    assert!(variants_text(&table, &[], true, &Look::default()).contains("  classes.Bag.f1  "));
    let markdown = variants_markdown(&table, &[], false);
    assert!(markdown.starts_with("### run kqzvbnme by model\n\n| model | accuracy | loss |"), "{markdown}");
    assert!(markdown.contains("\n| ---: | ---: |"), "{markdown}");
    assert!(markdown.contains("\n| 1 | 0.9732 | 0.1234 | 3,223,909 | 10 | 41.0 | 1.2 |\n"), "{markdown}");
}

#[test]
fn a_failed_variant_has_a_state_and_no_numbers() {
    let mut record = study("kqzvbnme", 0.25, false);
    record.stages.push(stage("train[model=huge]").failed("out of memory", "log").record());
    record.stages.push(stage("embed[layer=x]").record());
    let text = variants_text(&within(&record, None).unwrap(), &[], false, &Look::default());
    let row = text.lines().find(|line| line.starts_with("huge")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["huge", "train", "failed", "-", "-", "-", "-", "-", "-"]);
    assert!(text.ends_with("stages with other variants: embed\n"), "{text}");
}

#[test]
fn no_variants_and_no_runs_are_said_plainly() {
    let none = within(&run("kqzvbnme", vec![]), None).unwrap();
    assert_eq!(variants_text(&none, &[], false, &Look::default()), "run kqzvbnme has no variants\n");
    let nothing = comparison_text(&diff(&[]), &[], Show::default(), &Look::default());
    assert!(nothing.contains("no metric changed"), "{nothing}");
}

#[test]
fn a_comparison_as_markdown() {
    let markdown = comparison_markdown(&pair(), &[], Show::default());
    let delta = "| evaluate[model=3] | accuracy | 0.9732 | 0.9741 | +0.0009 |";
    assert!(markdown.contains(delta) && markdown.contains("| --- | --- | ---: | ---: | ---: |"), "{markdown}");
    assert!(
        markdown.contains("### parameters that changed\n\n| of | parameter | kqzvbnme | pwlxyart |\n"),
        "{markdown}"
    );
    assert!(!markdown.contains('\u{1b}'));
}
