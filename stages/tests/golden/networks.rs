//! Golden cases of networks: every layer, optimiser and schedule, on few small images.

use serde_json::json;
use stages::artifact::dataset::{self, Pixels};
use stages::model::{Model, Network, Plan, file, load};
use stages::rng::Rng;

use crate::drawn::Case;
use crate::train_support::{Bars, Folder};

/// Convolutions that are computed in tiles and in windows, both pools, dense layers wide enough to be cut.
const PLAIN: &str = "
name: plain
layers:
  - {name: conv1, type: conv, filters: 16, activation: relu}
  - {name: conv2, type: conv, filters: 16, activation: relu}
  - {name: pool1, type: max_pool, padding: same}
  - {name: conv3, type: conv, filters: 5, kernel: [2, 3], padding: valid}
  - {name: pool2, type: avg_pool, size: 2, stride: 1}
  - {name: flatten, type: flatten}
  - {name: dense, type: dense, units: 1200, activation: relu}
  - {name: dense2, type: dense, units: 70}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: sgd, learning_rate: 0.02, momentum: 0.9, nesterov: true, weight_decay: 0.001}
schedule: {type: step, every: 1, factor: 0.5, warm_up: 0.5}
augmentation: {rotation: 10, shift: 0.1, zoom: 0.1, append: true}
gradient_clipping: {type: norm, limit: 1.0}
";

/// Batch normalisation, dropout, blocks.
const BLOCKS: &str = "
name: blocks
layers:
  - {name: conv1, type: conv, filters: 16}
  - {name: norm1, type: batch_norm, activation: relu}
  - name: block1
    type: residual
    layers:
      - {name: inner1, type: conv, filters: 16}
      - {name: inner2, type: batch_norm, activation: relu}
      - {name: inner3, type: conv, filters: 16}
  - {name: drop, type: dropout, rate: 0.25}
  - name: block2
    type: residual
    activation: none
    layers:
      - {type: conv, filters: 24, stride: 2, activation: relu}
  - name: side
    type: inception
    branches:
      - [{type: conv, filters: 8, kernel: 1, activation: relu}]
      - [{type: conv, filters: 8, kernel: 1}, {type: conv, filters: 8, kernel: 5, activation: relu}]
      - [{type: max_pool, size: 3, stride: 1, padding: same}, {type: conv, filters: 4, kernel: 1}]
  - {name: pool, type: global_avg_pool}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: adam, learning_rate: 0.01}
early_stopping: {monitor: val_loss, patience: 1, restore_best: true}
augmentation: {rotation: 8, shift: 0.07, zoom: 0.1, flip: true, erase: 0.2}
label_smoothing: 0.1
";

/// Batch normalisation behind convolutions and before pools, which are computed together where they can be: with and without a ReLU, by
/// windows and at points, with pools that reach all pixels, that do not, and that overlap.
const POOLED: &str = "
name: pooled
layers:
  - {name: conv1, type: conv, filters: 16}
  - {name: norm1, type: batch_norm, activation: relu}
  - {name: pool1, type: max_pool}
  - {name: conv2, type: conv, filters: 16}
  - {name: norm2, type: batch_norm}
  - {name: conv3, type: conv, filters: 32}
  - {name: norm3, type: batch_norm, activation: relu}
  - {name: pool3, type: max_pool, size: 3, stride: 1, padding: same}
  - {name: norm4, type: batch_norm, activation: relu}
  - {name: pool4, type: max_pool}
  - {name: conv5, type: conv, filters: 7, kernel: 1, activation: relu}
  - {name: norm5, type: batch_norm, activation: relu}
  - {name: pool5, type: global_avg_pool}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: sgd, learning_rate: 0.05, momentum: 0.9}
";

/// What extends another model, and what the end of training decides.
const CHILD: &str = "
name: child
extends: blocks.yaml
remove: [inner2]
change:
  drop: {rate: 0.4}
  conv1: {filters: 8}
insert:
  - after: pool
    layers:
      - {name: late, type: dropout, rate: 0.1}
optimiser: {type: adamw, learning_rate: 0.005, weight_decay: 0.01}
schedule: {type: cosine, minimum: 0.1, warm_up: 1}
early_stopping: null
gradient_clipping: {type: value, limit: 0.05}
";

/// Images that are moved by whole pixels.
const SHARP: &str = "
name: sharp
extends: blocks.yaml
augmentation: {crop: 1, flip: true, erase: 0.1}
";

/// Images that are mirrored in turn, and weights of which the average is kept.
const AVERAGED: &str = "
name: averaged
extends: blocks.yaml
augmentation: {crop: 1, flip: alternating}
ema: {momentum: 0.3}
";

/// Kernels whose steps are matrices.
const MATRICES: &str = "
name: matrices
extends: blocks.yaml
insert:
  - after: pool
    layers:
      - {name: wide, type: dense, units: 100, activation: relu}
      - {name: tall, type: dense, units: 70, activation: relu}
optimiser: {type: muon, learning_rate: 0.01}
";

const MODELS: [(&str, &str); 7] = [
    ("plain.yaml", PLAIN),
    ("blocks.yaml", BLOCKS),
    ("child.yaml", CHILD),
    ("sharp.yaml", SHARP),
    ("averaged.yaml", AVERAGED),
    ("matrices.yaml", MATRICES),
    ("pooled.yaml", POOLED),
];

fn write_models(folder: &Folder) {
    for (file, text) in MODELS {
        std::fs::write(folder.path(file), text).unwrap();
    }
}

/// The canonical bytes of a model, which are in the keys of what is trained.
fn document(name: &str) -> Vec<u8> {
    let folder = Folder::new();
    write_models(&folder);
    stages::model::document(&folder.path(name)).unwrap_or_else(|e| panic!("{name}: {e:?}")).bytes
}

fn model(name: &str) -> Model {
    let folder = Folder::new();
    write_models(&folder);
    load::read(&folder.path(name)).unwrap_or_else(|e| panic!("{name}: {e:?}"))
}

fn train(name: &str, images: usize, with: serde_json::Value) -> Case {
    let files = Folder::new();
    let written = Bars::new(images).write(&files, &model(name));
    let resolved = document(name);
    let mut case = Case::new("train");
    for (port, from) in written {
        case = case.made(port, "", |path| match port {
            "model" => std::fs::write(path, &resolved).unwrap(),
            _ => drop(std::fs::copy(from, path).unwrap()),
        });
    }
    case.with(with)
}

/// A training of two epochs or more.
pub(crate) fn adam() -> Case {
    train("blocks.yaml", 60, json!({"epochs": 3, "batch_size": 14, "seed": 5}))
}

/// A network with weights of every sign and size, in a file.
fn trained(kind: &'static str, name: &str) -> Case {
    let model = model(name);
    let bars = Bars::new(45);
    let plan = Plan::new(&model, bars.shape(), bars.classes().len()).unwrap();
    let network = Network::new(plan, 3, &candle_core::Device::Cpu).unwrap();
    let mut rng = Rng::new(8, "weights", 0);
    let values: Vec<Vec<f32>> = network.values().unwrap();
    let values: Vec<Vec<f32>> = (values.iter()).map(|v| v.iter().map(|v| v + 0.2 * rng.uniform()).collect()).collect();
    network.set_values(&values).unwrap();
    Case::new(kind).made("model", "", |path| file::write(path, &model, &bars.classes(), &network).unwrap()).made(
        "data",
        "",
        |path| {
            let (pixels, names) = (Pixels::F32((&bars.pixels[..]).into()), bars.classes());
            dataset::write(path, [45, 8, 9, 2], &pixels, &bars.labels, &bars.labels, &names, &names).unwrap();
        },
    )
}

/// A network for the kind that needs no data.
fn exported(name: &str) -> Case {
    let mut case = trained("onnx", name);
    case.inputs.remove("data");
    case
}

/// The cases.
pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("plain", train("plain.yaml", 75, json!({"epochs": 2, "batch_size": 20, "seed": 1}))),
        ("blocks", adam()),
        ("bf16", train("blocks.yaml", 40, json!({"epochs": 2, "batch_size": 13, "seed": 2, "precision": "bf16"}))),
        ("bf16, plain", train("plain.yaml", 40, json!({"epochs": 1, "batch_size": 15, "precision": "bf16"}))),
        ("child", train("child.yaml", 40, json!({"epochs": 2, "batch_size": 13, "shuffle": false}))),
        ("sharp", train("sharp.yaml", 40, json!({"epochs": 2, "batch_size": 20, "seed": 2}))),
        ("averaged", train("averaged.yaml", 40, json!({"epochs": 3, "batch_size": 20, "seed": 4}))),
        ("matrices", train("matrices.yaml", 40, json!({"epochs": 2, "batch_size": 20, "seed": 6}))),
        // Shards that are cut into several pieces.
        ("pooled", train("pooled.yaml", 230, json!({"epochs": 2, "batch_size": 160, "seed": 3}))),
        ("bf16, pooled", train("pooled.yaml", 40, json!({"epochs": 2, "batch_size": 13, "precision": "bf16"}))),
        ("plain", trained("evaluate", "plain.yaml")),
        ("blocks", trained("evaluate", "blocks.yaml")),
        ("mirror", trained("evaluate", "blocks.yaml").with(json!({"mirror": true}))),
        ("bf16", trained("evaluate", "plain.yaml").with(json!({"precision": "bf16"}))),
        ("bf16", trained("embed", "blocks.yaml").with(json!({"layer": "inner2", "precision": "bf16"}))),
        ("dense", trained("embed", "plain.yaml").with(json!({"layer": "dense"}))),
        ("plain", exported("plain.yaml")),
        ("scaled", exported("blocks.yaml").file("scale", r#"{"offset": [3, 0.5], "divisor": [255, 2]}"#)),
        ("inner", trained("embed", "blocks.yaml").with(json!({"layer": "inner2"}))),
    ]
}
