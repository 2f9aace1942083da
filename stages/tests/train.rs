//! Training: its steps against PyTorch, its bits against threads and interruptions, and that it learns.

#[path = "train/pytorch.rs"]
mod pytorch;
mod train_support;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use stages::model::recipe::{Augmentation, Clipping, EarlyStopping, Ema, Monitor, Optimiser};
use stages::model::threads::Threads;
use stages::model::{Model, Plan, file};
use stages::ops::Share;
use stages::ops::muon::Muon;
use stages::ops::optimiser::Gradient;
use stages::train::epoch::Trainer;
use stages::train::params::Params;
use stages::train::state::TrainState;

use train_support::{Bars, Folder, digest, run_kind, small_model};

/// A model with everything that is random or remembered.
fn busy_model() -> Model {
    let mut model = small_model(
        "  - {name: conv1, type: conv, filters: 5, activation: relu}
  - {name: pool1, type: max_pool}
  - {name: norm1, type: batch_norm, activation: relu}
  - {name: dropout1, type: dropout, rate: 0.3}
  - name: block
    type: residual
    layers: [{type: conv, filters: 6}, {type: dropout, rate: 0.1}]
  - name: mix
    type: inception
    branches: [[{type: conv, filters: 3, kernel: 1}], [{type: avg_pool, size: 3, stride: 1, padding: same}]]
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 8, activation: relu}
",
    );
    model.optimiser =
        Optimiser::AdamW { learning_rate: 2e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.01 };
    model.schedule = stages::model::recipe::Schedule::Step { every: 2, factor: 0.5, warm_up: 0.5 };
    model.augmentation =
        Some(Augmentation { rotation: 10.0, shift: 0.1, zoom: 0.1, append: true, ..Augmentation::default() });
    model.gradient_clipping = Some(Clipping::Value { limit: 0.5 });
    model.label_smoothing = 0.1;
    model.early_stopping =
        Some(EarlyStopping { monitor: Monitor::ValAccuracy, patience: 9, min_delta: 0.0, restore_best: true });
    model
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    let params = serde_json::json!({"epochs": 2, "batch_size": 8, "seed": 3});
    let digests = |model: &Model| {
        let files = Bars::new(90).write(&folder, model);
        let digests = [1, 2, 3].map(|threads| {
            let out = folder.path(&format!("out{threads}"));
            let out = run_kind(&stages::train::TRAIN, &params, &files, &out, threads).unwrap();
            ["model", "history", "summary", "metrics"].map(|name| digest(&out[name]))
        });
        assert_eq!(digests[0], digests[1]);
        assert_eq!(digests[0], digests[2]);
        digests
    };
    digests(&Model { optimiser: muon(), ..busy_model() });
    let digests = digests(&busy_model());
    let files = Bars::new(90).write(&folder, &busy_model());
    let other = serde_json::json!({"epochs": 2, "batch_size": 8, "seed": 4});
    let out = run_kind(&stages::train::TRAIN, &other, &files, &folder.path("other"), 1).unwrap();
    assert_ne!(digest(&out["model"]), digests[0][0], "the seed decides");
}

#[test]
fn a_resumed_training_ends_with_the_same_bits() {
    let averaged = Model { ema: Some(Ema { momentum: 0.3 }), ..busy_model() };
    let optimised = |optimiser| Model { optimiser, ..busy_model() };
    for model in [busy_model(), optimised(momentum()), optimised(muon()), plain_sgd(), averaged] {
        let bars = Bars::new(60);
        let threads = Threads::new(1).unwrap();
        let params = Params { epochs: 4, batch_size: 8, seed: 1, ..Params::default() };
        let plan = || Plan::new(&model, bars.shape(), 3).unwrap();
        let (rows, validation) = bars.split();
        let images = || bars.images(&rows, model.augmentation.as_ref(), 1);
        let finish = |mut state: TrainState, path: &Path| {
            let trainer = Trainer::new(&model, &params, images(), &validation, &threads, &state.network);
            while state.epoch() < 4 {
                trainer.epoch(&mut state, &|_, _| {}).unwrap();
            }
            state.save(path).unwrap();
            file::write(&path.join("model.safetensors"), &model, &bars.classes(), state.result()).unwrap();
            let names = ["model", "weights", "moments", "average", "best"].map(|name| format!("{name}.safetensors"));
            let files = names.into_iter().chain(["state.json".to_owned()]).filter(|f| path.join(f).exists());
            files.map(|f| (digest(&path.join(&f)), f)).collect::<Vec<_>>()
        };
        let folder = Folder::new();
        let fresh = || TrainState::new(&model, plan(), 1, &Device::Cpu).unwrap();
        let straight = finish(fresh(), &folder.make("straight"));
        let kept = 3
            + usize::from(model.optimiser != Optimiser::default())
            + usize::from(model.early_stopping.is_some())
            + usize::from(model.ema.is_some());
        assert_eq!(straight.len(), kept, "{straight:?}");

        let mut state = fresh();
        let trainer = Trainer::new(&model, &params, images(), &validation, &threads, &state.network);
        trainer.epoch(&mut state, &|_, _| {}).unwrap();
        trainer.epoch(&mut state, &|_, _| {}).unwrap();
        let checkpoint = folder.make("checkpoint");
        state.save(&checkpoint).unwrap();
        if let Some((_, 2)) = state.stopping.best {
            // A store that keeps equal files once keeps no second copy of the best epoch.
            let judged = if model.ema.is_some() { "average" } else { "weights" };
            let [judged, best] = [judged, "best"].map(|f| digest(&checkpoint.join(f).with_extension("safetensors")));
            assert_eq!(judged, best);
        }
        drop(state);
        let resumed = TrainState::load(&checkpoint, &model, plan(), &Device::Cpu).unwrap();
        assert_eq!(resumed.epoch(), 2);
        assert_eq!(finish(resumed, &folder.make("resumed")), straight, "{:?}", model.optimiser);
    }
}

#[test]
fn the_average_of_the_weights_is_validated_and_kept() {
    // One step an epoch, so that the weights of every step can be seen; what a network without an average has is the same.
    let plain = Model { early_stopping: None, ..busy_model() };
    let model = Model { ema: Some(Ema { momentum: 0.3 }), ..plain.clone() };
    let bars = Bars::new(40);
    let threads = Threads::new(2).unwrap();
    let params = Params { epochs: 6, batch_size: 1000, seed: 2, ..Params::default() };
    let (rows, validation) = bars.split();
    let augmentation = model.augmentation.clone();
    let images = || bars.images(&rows, augmentation.as_ref(), 2);
    let [mut state, mut other] = [&model, &plain]
        .map(|model| TrainState::new(model, Plan::new(model, bars.shape(), 3).unwrap(), 2, &Device::Cpu).unwrap());
    let trainer = Trainer::new(&model, &params, images(), &validation, &threads, &state.network);
    let beside = Trainer::new(&plain, &params, images(), &validation, &threads, &other.network);
    let wide = |values: Vec<Vec<f32>>| values.into_iter().flatten().map(f64::from).collect::<Vec<f64>>();
    let mut average = wide(state.network.values().unwrap());
    for step in 1..=6 {
        trainer.epoch(&mut state, &|_, _| {}).unwrap();
        beside.epoch(&mut other, &|_, _| {}).unwrap();
        assert_eq!(state.network.values().unwrap(), other.network.values().unwrap(), "the average changes no step");
        // TensorFlow's ExponentialMovingAverage with num_updates, in f64.
        let keep = 0.3_f64.min((1.0 + f64::from(step)) / (10.0 + f64::from(step)));
        for (average, weight) in average.iter_mut().zip(wide(state.network.values().unwrap())) {
            *average = *average * keep + weight * (1.0 - keep);
        }
        let found = wide(state.result().values().unwrap());
        assert!(found.iter().zip(&average).all(|(a, b)| (a - b).abs() < 1e-6), "step {step}");
        let loss = trainer.validate(state.result()).unwrap().mean_loss();
        assert_eq!(state.history.last().unwrap().val_loss, loss);
        assert_ne!(other.history.last().unwrap().val_loss, loss, "the average is validated, not the weights");
    }
}

#[test]
fn a_trained_model_holds_the_average() {
    let folder = Folder::new();
    let plain = Model { early_stopping: None, ..busy_model() };
    let params = serde_json::json!({"epochs": 2, "batch_size": 8});
    let kernels = [None, Some(0.0), Some(0.3)].map(|momentum| {
        let model = Model { ema: momentum.map(|momentum| Ema { momentum }), ..plain.clone() };
        let files = Bars::new(60).write(&folder, &model);
        let out = run_kind(&stages::train::TRAIN, &params, &files, &folder.path("out"), 1).unwrap();
        let table = stages::artifact::tensors::Tensors::open(&out["model"]).unwrap();
        table.f32("hidden.weight").unwrap().into_owned()
    });
    assert_eq!(kernels[0], kernels[1], "an average that forgets at once is the weights");
    assert_ne!(kernels[0], kernels[2]);
}

fn momentum() -> Optimiser {
    Optimiser::Sgd { learning_rate: 0.01, momentum: 0.9, nesterov: true, weight_decay: 0.001 }
}

fn muon() -> Optimiser {
    Optimiser::Muon {
        learning_rate: 2e-3,
        momentum: 0.9,
        nesterov: true,
        ns_steps: 5,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-7,
        weight_decay: 0.01,
    }
}

#[test]
fn muon_steps_every_kernel_but_the_last() {
    let bars = Bars::new(40);
    let threads = Threads::new(1).unwrap();
    let params = Params { epochs: 1, batch_size: 1000, seed: 2, ..Params::default() };
    let (rows, validation) = bars.split();
    let states = [muon(), busy_model().optimiser].map(|optimiser| {
        let model = Model { optimiser, gradient_clipping: None, ..busy_model() };
        let plan = Plan::new(&model, bars.shape(), 3).unwrap();
        let images = bars.images(&rows, None, 2);
        let mut state = TrainState::new(&model, plan, 2, &Device::Cpu).unwrap();
        let start = state.network.values().unwrap();
        let trainer = Trainer::new(&model, &params, images, &validation, &threads, &state.network);
        trainer.epoch(&mut state, &|_, _| {}).unwrap();
        (start, state)
    });
    let [(start, stepped), (_, adam)] = states;
    let [by_muon, by_adam] = [&stepped, &adam].map(|state| state.network.values().unwrap());
    // One step, at the full rate.
    let rule = Muon { learning_rate: 2e-3, momentum: 0.9, nesterov: true, ns_steps: 5, weight_decay: 0.01 };
    let mut matrices = Vec::new();
    for (i, p) in stepped.network.plan.parameters.iter().enumerate().filter(|(_, p)| p.role.is_trained()) {
        let (first, second) = (&stepped.moments.first[i], &stepped.moments.second[i]);
        assert_eq!(first.len(), p.len(), "{}", p.name);
        if p.shape.len() == 1 || p.name == "output.weight" {
            assert_eq!(by_muon[i], by_adam[i], "{}", p.name);
            assert_eq!(second.len(), p.len(), "{}", p.name);
            continue;
        }
        matrices.push(p.name.as_str());
        assert!(second.is_empty(), "{}", p.name);
        // The first velocity is the gradient; the matrix has a column for each output.
        let columns = *p.shape.last().unwrap();
        let mut expected = start[i].clone();
        let gradient = [Share::Values(first)];
        let form = [p.len() / columns, columns];
        rule.update(&mut expected, form, &mut vec![0.0; p.len()], Gradient::new(&gradient));
        assert_eq!(by_muon[i], expected, "{}", p.name);
    }
    assert_eq!(
        matrices,
        ["conv1.weight", "block_1.weight", "block_projection.weight", "mix_1_1.weight", "hidden.weight"]
    );
}

fn plain_sgd() -> Model {
    let mut model = busy_model();
    model.optimiser = Optimiser::default();
    model.augmentation = Some(Augmentation { rotation: 5.0, ..Augmentation::default() });
    model.gradient_clipping = Some(Clipping::Norm { limit: 1.0 });
    model.early_stopping = None;
    model
}

#[test]
fn a_network_learns_and_the_other_kinds_read_it() {
    let folder = Folder::new();
    let mut model = small_model(
        "  - {name: conv1, type: conv, filters: 8, activation: relu}
  - {name: pool1, type: max_pool}
  - {name: flatten, type: flatten}
  - {name: encoding, type: dense, units: 16, activation: relu}
",
    );
    model.optimiser =
        Optimiser::Adam { learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let bars = Bars::new(240);
    let mut files = bars.write(&folder, &model);
    let params = serde_json::json!({"epochs": 8, "batch_size": 16});
    let out = run_kind(&stages::train::TRAIN, &params, &files, &folder.path("train"), 2).unwrap();
    let history = std::fs::read_to_string(&out["history"]).unwrap();
    assert!(history.starts_with("epoch,loss,accuracy,val_loss,val_accuracy\n1,"), "{history}");
    assert_eq!(history.lines().count(), 9);
    let metrics: serde_json::Value = serde_json::from_slice(&std::fs::read(&out["metrics"]).unwrap()).unwrap();
    assert!(metrics["val_accuracy"].as_f64().unwrap() > 0.95, "{metrics}");
    assert_eq!(metrics["epochs"], 8);

    files.insert("model", out["model"].clone());
    let none = serde_json::json!({});
    let out = run_kind(&stages::evaluate::EVALUATE, &none, &files, &folder.path("evaluate"), 1).unwrap();
    let again = run_kind(&stages::evaluate::EVALUATE, &none, &files, &folder.path("evaluate2"), 2).unwrap();
    for name in ["metrics", "confusion", "predictions"] {
        assert_eq!(digest(&out[name]), digest(&again[name]), "{name}");
    }
    let metrics: serde_json::Value = serde_json::from_slice(&std::fs::read(&out["metrics"]).unwrap()).unwrap();
    assert!(metrics["accuracy"].as_f64().unwrap() > 0.95, "{metrics}");
    let support: u64 = bars.classes().iter().map(|c| metrics["classes"][c]["support"].as_u64().unwrap()).sum();
    assert_eq!(support, 240);
    let predictions = std::fs::read_to_string(&out["predictions"]).unwrap();
    assert!(predictions.starts_with("index,label,predicted,p_0,p_1,p_2\n0,"));
    assert_eq!(predictions.lines().count(), 241);
    let confusion = std::fs::read_to_string(&out["confusion"]).unwrap();
    assert!(confusion.starts_with("true,left,middle,right\nleft,"), "{confusion}");

    let layer = serde_json::json!({"layer": "encoding"});
    let out = run_kind(&stages::embed::EMBED, &layer, &files, &folder.path("embed"), 2).unwrap();
    let embeddings = stages::artifact::tensors::Tensors::open(&out["embeddings"]).unwrap();
    assert_eq!(embeddings.shape("embeddings").unwrap(), [240, 16]);
    assert_eq!(embeddings.u32("labels").unwrap(), bars.labels);
    assert_eq!(embeddings.metadata("layer").unwrap(), "encoding");
    let values = embeddings.f32("embeddings").unwrap();
    assert!(values.iter().all(|v| *v >= 0.0) && values.iter().any(|v| *v > 0.0), "after the ReLU");

    let wrong = serde_json::json!({"layer": "encodings"});
    let error = run_kind(&stages::embed::EMBED, &wrong, &files, &folder.path("wrong"), 1).unwrap_err();
    assert!(error.to_string().contains("did you mean `encoding`?"), "{error}");
}

#[test]
fn an_image_and_its_mirror_image_are_judged_alike_when_both_are_looked_at() {
    let folder = Folder::new();
    let model = small_model("  - {name: flatten, type: flatten}\n");
    let bars = Bars::new(60);
    let mut files = bars.write(&folder, &model);
    let params = serde_json::json!({"epochs": 2});
    let out = run_kind(&stages::train::TRAIN, &params, &files, &folder.path("train"), 1).unwrap();
    files.insert("model", out["model"].clone());

    let pixels = (bars.pixels.chunks(9 * 2)).flat_map(|row| row.chunks(2).rev()).flatten().copied().collect();
    let turned = Bars { pixels, labels: bars.labels.clone() };
    let beside = Folder::new();
    let turned = turned.write(&beside, &model)["data"].clone();
    let predictions = |data: &Path, mirror: bool, name: &str| {
        let files = BTreeMap::from([("model", files["model"].clone()), ("data", data.to_owned())]);
        let with = serde_json::json!({"mirror": mirror});
        let out = run_kind(&stages::evaluate::EVALUATE, &with, &files, &folder.path(name), 1).unwrap();
        let mut table = csv::Reader::from_path(&out["predictions"]).unwrap();
        let rows = table.records().map(|row| row.unwrap().iter().skip(3).map(|p| p.parse::<f64>().unwrap()).collect());
        rows.collect::<Vec<Vec<f64>>>()
    };
    let [plain, other] =
        [(&files["data"], "plain"), (&turned, "other")].map(|(data, name)| predictions(data, false, name));
    let [both, again] =
        [(&files["data"], "both"), (&turned, "again")].map(|(data, name)| predictions(data, true, name));
    assert_eq!(both, again, "the sum of two does not depend on their order");
    // The mean of logits is the geometric mean of probabilities, scaled to a sum of 1.
    for ((plain, other), both) in plain.iter().zip(&other).zip(&both) {
        let means: Vec<f64> = plain.iter().zip(other).map(|(a, b)| (a * b).sqrt()).collect();
        let sum: f64 = means.iter().sum();
        assert!(means.iter().zip(both).all(|(mean, p)| (mean / sum - p).abs() < 1e-5), "{plain:?} {other:?} {both:?}");
    }
    assert_ne!(plain, both);
}

#[test]
fn the_last_layer_can_be_embedded_as_probabilities() {
    let folder = Folder::new();
    let mut files = Bars::new(30).write(&folder, &small_model("  - {name: flatten, type: flatten}\n"));
    let params = serde_json::json!({"epochs": 1});
    let out = run_kind(&stages::train::TRAIN, &params, &files, &folder.path("train"), 1).unwrap();
    files.insert("model", out["model"].clone());
    let layer = serde_json::json!({"layer": "output"});
    let out = run_kind(&stages::embed::EMBED, &layer, &files, &folder.path("embed"), 1).unwrap();
    let embeddings = stages::artifact::tensors::Tensors::open(&out["embeddings"]).unwrap();
    for row in embeddings.f32("embeddings").unwrap().chunks(3) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn early_stopping_stops_and_restores() {
    let folder = Folder::new();
    for ema in [None, Some(Ema { momentum: 0.3 })] {
        restores(&folder, ema);
    }
}

fn restores(folder: &Folder, ema: Option<Ema>) {
    let mut model = Model { ema, ..small_model("  - {name: flatten, type: flatten}\n") };
    // So small a rate that no epoch is better by min_delta than the first.
    model.optimiser = Optimiser::Sgd { learning_rate: 1e-6, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    model.early_stopping =
        Some(EarlyStopping { monitor: Monitor::ValLoss, patience: 2, min_delta: 0.5, restore_best: true });
    let files = Bars::new(60).write(folder, &model);
    let many =
        run_kind(&stages::train::TRAIN, &serde_json::json!({"epochs": 20}), &files, &folder.path("a"), 1).unwrap();
    assert_eq!(std::fs::read_to_string(&many["history"]).unwrap().lines().count(), 1 + 3);
    let metrics: serde_json::Value = serde_json::from_slice(&std::fs::read(&many["metrics"]).unwrap()).unwrap();
    assert_eq!((&metrics["epochs"], &metrics["epoch"]), (&3.into(), &1.into()));
    let one = run_kind(&stages::train::TRAIN, &serde_json::json!({"epochs": 1}), &files, &folder.path("b"), 1).unwrap();
    assert_eq!(digest(&many["model"]), digest(&one["model"]), "the weights of the first epoch are back");
}

#[test]
fn what_cannot_be_trained_is_said() {
    let folder = Folder::new();
    let hidden = "  - {name: hidden, type: dense, units: 8, activation: relu}\n";
    let mut model = small_model(&format!("  - {{name: flatten, type: flatten}}\n{hidden}"));
    model.optimiser = Optimiser::Sgd { learning_rate: 1e30, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let files = Bars::new(60).write(&folder, &model);
    let train = |params| run_kind(&stages::train::TRAIN, &params, &files, &folder.path("x"), 1);
    let error = train(serde_json::json!({"epochs": 5})).unwrap_err().to_string();
    assert!(error.contains("diverged") && error.contains("learning_rate"), "{error}");

    let check = |value: serde_json::Value| (stages::train::TRAIN.check)(&value);
    let error = check(serde_json::json!({"epochs": 0})).unwrap_err();
    assert_eq!((error.path, error.message.as_str()), (vec!["epochs".to_owned()], "must be at least 1"));
    assert!(check(serde_json::json!({"epoch": 3})).unwrap_err().message.contains("unknown field `epoch`"));
    assert_eq!(
        check(serde_json::Value::Null).unwrap(),
        serde_json::json!({"epochs": 10, "batch_size": 32, "seed": 0, "shuffle": true})
    );
    let error = stages::model::device::device("gpu").unwrap_err().to_string();
    assert!(error.contains("there is no device `gpu`"), "{error}");
    if !cfg!(feature = "cuda") {
        let error = stages::model::device::device("cuda:0").unwrap_err().to_string();
        assert!(error.contains("this build of Kiln has no CUDA"), "{error}");
    }
}

#[test]
fn a_network_has_glorot_uniform_kernels_and_zero_biases() {
    let model = pytorch::without_dropout("model-1");
    let plan = Plan::new(&model, [28, 28, 1], 5).unwrap();
    let state = TrainState::new(&model, plan, 9, &Device::Cpu).unwrap();
    let values = state.network.values().unwrap();
    for (parameter, values) in state.network.plan.parameters.iter().zip(&values) {
        if parameter.shape.len() == 1 {
            assert!(values.iter().all(|v| *v == 0.0), "{}", parameter.name);
            continue;
        }
        let (window, ends) = parameter.shape.split_at(parameter.shape.len() - 2);
        let limit = (6.0 / (window.iter().product::<usize>() * (ends[0] + ends[1])) as f64).sqrt();
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
        assert!(values.iter().all(|v| f64::from(v.abs()) <= limit));
        // Five standard deviations of the mean and of the mean square of a uniform distribution.
        assert!(mean.abs() < 5.0 * limit / (3.0 * n).sqrt(), "{} {mean}", parameter.name);
        let spread = limit * limit * (4.0 / 45.0 / n).sqrt();
        assert!((square - limit * limit / 3.0).abs() < 5.0 * spread, "{} {square}", parameter.name);
    }
}
