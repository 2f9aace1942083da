//! Steps of training against PyTorch's (`fixtures/train/make.py`).

use std::path::Path;

use candle_core::Device;
use serde::Deserialize;
use stages::model::recipe::{Clipping, Optimiser};
use stages::model::threads::Threads;
use stages::model::{LayerKind, Model, Plan, load};
use stages::train::epoch::Trainer;
use stages::train::images::Images;
use stages::train::params::Params;
use stages::train::state::TrainState;

/// The numbers of `fixtures/train/make.py`: `count` of them in [0, 1).
fn hashed(count: usize, salt: u32) -> impl Iterator<Item = f64> {
    (0..count as u32).map(move |i| {
        let mut bits = i.wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503));
        bits ^= bits >> 15;
        bits = bits.wrapping_mul(2_246_822_519);
        bits ^= bits >> 13;
        f64::from(bits >> 8) / f64::from(1 << 24)
    })
}

#[derive(Deserialize)]
struct Case {
    model: String,
    optimiser: String,
    clip: Option<f32>,
    losses: Vec<f64>,
    parameters: std::collections::BTreeMap<String, Moved>,
}

#[derive(Deserialize)]
struct Moved {
    norm: f64,
    at: Vec<usize>,
    moved: Vec<f64>,
}

/// A model of the study without its dropout, which no two programs draw alike.
pub(crate) fn without_dropout(name: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../models/{name}.yaml"));
    let mut model = load::read(&path).unwrap();
    model.layers.retain(|l| !matches!(l.kind, LayerKind::Dropout(_)));
    model.early_stopping = None;
    model
}

#[test]
fn steps_are_those_of_pytorch() {
    let text = include_str!("../fixtures/train/steps.json");
    for case in serde_json::from_str::<Vec<Case>>(text).unwrap() {
        let mut model = without_dropout(&case.model);
        model.gradient_clipping = case.clip.map(|limit| Clipping::Norm { limit });
        let sgd = |momentum, nesterov| Optimiser::Sgd { learning_rate: 0.01, momentum, nesterov, weight_decay: 0.0 };
        match case.optimiser.as_str() {
            "sgd" => assert_eq!(model.optimiser, sgd(0.0, false)),
            "momentum" => model.optimiser = sgd(0.9, false),
            "nesterov" => model.optimiser = sgd(0.9, true),
            _ => assert!(matches!(model.optimiser, Optimiser::Adam { .. })),
        }
        let plan = Plan::new(&model, [28, 28, 1], 5).unwrap();
        let mut state = TrainState::new(&model, plan, 0, &Device::Cpu).unwrap();
        let first = first_weights(&state.network.plan);
        state.network.set_values(&first).unwrap();

        let images = 31;
        let pixels: Vec<f32> = hashed(images * 784, 1000).map(|x| (x as f32) * (x as f32)).collect();
        let labels: Vec<u32> = (0..images as u32).map(|i| i * 7 % 5).collect();
        let rows: Vec<u32> = (0..images as u32).collect();
        let params = Params { epochs: 1, batch_size: 8, seed: 0, shuffle: false, ..Params::default() };
        let threads = Threads::new(2).unwrap();
        let set =
            Images { pixels: &pixels, labels: &labels, shape: [28, 28, 1], rows: &rows, augmentation: None, seed: 0 };
        let trainer = Trainer::new(&model, &params, set, &rows, &threads, &state.network);
        let losses = std::cell::RefCell::new(vec![]);
        trainer.epoch(&mut state, &|_, tally| losses.borrow_mut().push((tally.images, tally.loss))).unwrap();

        let mut before = (0, 0.0);
        for ((images, sum), expected) in losses.into_inner().into_iter().zip(&case.losses) {
            let loss = (sum - before.1) / (images - before.0) as f64;
            assert!((loss - expected).abs() < 2e-5, "{} {}: {loss} {expected}", case.model, case.optimiser);
            before = (images, sum);
        }
        let last = state.network.values().unwrap();
        for (i, parameter) in state.network.plan.parameters.iter().enumerate() {
            let expected = &case.parameters[&parameter.name];
            let moved: Vec<f64> = last[i].iter().zip(&first[i]).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
            let norm = moved.iter().map(|m| m * m).sum::<f64>().sqrt();
            let what = format!("{} {} {}", case.model, case.optimiser, parameter.name);
            assert!((norm / expected.norm - 1.0).abs() < 2e-3, "{what}: {norm} {}", expected.norm);
            // A weight moved in f32 is right to its last bit. Adam divides by the gradient's own size, so a tiny gradient's
            // rounding moves its weight as far as any: a few elements may be off, by how much depends on the processor's
            // vectors, and taken together they must be right.
            let typical = expected.norm / (moved.len() as f64).sqrt();
            let errors: Vec<f64> =
                expected.at.iter().zip(&expected.moved).map(|(at, m)| (moved[*at] - m).abs()).collect();
            let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            let largest = errors.iter().copied().fold(0.0, f64::max);
            assert!(rms < 0.02 * typical + 3e-8, "{what}: off by {rms}, weights move by {typical}");
            assert!(largest < 0.1 * typical + 3e-8, "{what}: off by up to {largest}, weights move by {typical}");
        }
    }
}

fn first_weights(plan: &Plan) -> Vec<Vec<f32>> {
    let mut salt = 0;
    let one = |p: &stages::model::plan::Parameter| {
        if p.shape.len() == 1 {
            return vec![0.0; p.len()];
        }
        let (window, ends) = p.shape.split_at(p.shape.len() - 2);
        let fans = (window.iter().product::<usize>() * (ends[0] + ends[1])) as f64;
        let limit = (6.0 / fans).sqrt() as f32;
        salt += 1;
        hashed(p.len(), salt - 1).map(|h| (2.0 * h - 1.0) as f32 * limit).collect()
    };
    plan.parameters.iter().map(one).collect()
}
