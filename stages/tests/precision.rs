//! `precision: bf16` of the kinds that have networks: in their parameters, and its bits.

#[allow(dead_code)]
mod train_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stages::kind::{Checkpoints, Context, Input, Kind};
use stages::model::Model;
use stages::model::recipe::Ema;

use train_support::{Bars, Folder, digest, run_kind, small_model};

/// A network whose average is validated and kept computes as the one that is trained.
#[test]
fn bf16_holds_for_the_average_of_the_weights() {
    let folder = Folder::new();
    let averaged = Model { ema: Some(Ema { momentum: 0.0 }), ..model() };
    let params = json!({"epochs": 2, "batch_size": 14, "seed": 3, "precision": "bf16"});
    let histories = [model(), averaged].map(|model| {
        let files = Bars::new(90).write(&folder, &model);
        let out = run_kind(&stages::train::TRAIN, &params, &files, &folder.path("out"), 1).unwrap();
        digest(&out["history"])
    });
    assert_eq!(histories[0], histories[1], "an average that forgets at once is the weights");
}

fn model() -> Model {
    small_model(
        "  - {name: conv1, type: conv, filters: 8, activation: relu}
  - {name: conv2, type: conv, filters: 20, stride: 2}
  - {name: norm, type: batch_norm, activation: relu}
  - {name: drop, type: dropout, rate: 0.2}
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 40, activation: relu}
",
    )
}

#[test]
fn the_default_is_left_out_of_keys_and_other_precisions_are_refused() {
    let kinds: [(&Kind, Value); 3] = [
        (&stages::train::TRAIN, json!({"epochs": 3})),
        (&stages::evaluate::EVALUATE, json!({})),
        (&stages::embed::EMBED, json!({"layer": "hidden"})),
    ];
    for (kind, with) in kinds {
        let given = |precision: &str| {
            let mut with = with.clone();
            with["precision"] = json!(precision);
            (kind.check)(&with)
        };
        let before = (kind.check)(&with).unwrap();
        assert!(before.get("precision").is_none(), "{before}");
        assert_eq!(given("float32").unwrap(), before);
        assert_eq!(given("bf16").unwrap()["precision"], "bf16");
        let error = given("fp16").unwrap_err();
        assert_eq!(error.path, ["precision"]);
        assert!(error.message.contains("unknown variant `fp16`, expected `float32` or `bf16`"), "{}", error.message);
    }
}

#[test]
fn bf16_gives_the_same_bits_on_any_threads_and_other_ones_than_float32() {
    let folder = Folder::new();
    let mut files = Bars::new(90).write(&folder, &model());
    let train = |precision: &str, threads: usize| {
        let params = json!({"epochs": 2, "batch_size": 14, "seed": 3, "precision": precision});
        let to = folder.path(&format!("{precision}{threads}"));
        let out = run_kind(&stages::train::TRAIN, &params, &files, &to, threads).unwrap();
        (["model", "history", "metrics"].map(|name| digest(&out[name])), out["model"].clone())
    };
    let (one, trained) = train("bf16", 1);
    assert_eq!(one, train("bf16", 2).0);
    assert_eq!(one, train("bf16", 3).0);
    assert_ne!(one[0], train("float32", 1).0[0]);

    files.insert("model", trained);
    let kinds: [(&Kind, Value, &str); 2] = [
        (&stages::evaluate::EVALUATE, json!({}), "predictions"),
        (&stages::embed::EMBED, json!({"layer": "hidden"}), "embeddings"),
    ];
    for (kind, with, output) in kinds {
        let run = |precision: &str, threads: usize| {
            let mut with = with.clone();
            with["precision"] = json!(precision);
            let to = folder.path(&format!("{}-{precision}{threads}", kind.name));
            digest(&run_kind(kind, &with, &files, &to, threads).unwrap()[output])
        };
        assert_eq!(run("bf16", 1), run("bf16", 2), "{}", kind.name);
        assert_ne!(run("bf16", 1), run("float32", 1), "{}", kind.name);
    }
}

/// Trains with steps kept, from one of them on if there is one; returns the network's file.
fn train(files: &BTreeMap<&str, PathBuf>, folder: &Path, epochs: usize, resume: Option<(u64, PathBuf)>) -> PathBuf {
    let kind = &stages::train::TRAIN;
    let steps = folder.join("steps");
    std::fs::create_dir_all(&steps).unwrap();
    let input = |path: &PathBuf| vec![Input { label: String::new(), path: path.clone() }];
    let context = Context {
        inputs: kind.inputs.iter().map(|p| (p.name.to_owned(), input(&files[p.name]))).collect(),
        outputs: kind.outputs.iter().map(|o| (o.name.to_owned(), folder.join(o.file))).collect(),
        threads: 1,
        device: "cpu".into(),
        project: PathBuf::new(),
        checkpoints: Checkpoints { resume, folder: Some(steps) },
        events: &|_| {},
    };
    let params = json!({"epochs": epochs, "batch_size": 14, "seed": 3, "precision": "bf16"});
    (kind.run)(&(kind.check)(&params).unwrap(), &context).unwrap();
    folder.join("model.safetensors")
}

#[test]
fn a_resumed_training_in_bf16_ends_with_the_same_bits() {
    let folder = Folder::new();
    let mut model = model();
    model.optimiser = stages::model::recipe::Optimiser::Adam {
        learning_rate: 1e-3,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-7,
        weight_decay: 0.0,
    };
    let files = Bars::new(60).write(&folder, &model);
    let whole = train(&files, &folder.path("whole"), 3, None);
    train(&files, &folder.path("cut"), 1, None);
    let resumed = train(&files, &folder.path("resumed"), 3, Some((1, folder.path("cut/steps/1"))));
    assert_eq!(digest(&whole), digest(&resumed));
}
