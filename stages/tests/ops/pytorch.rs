//! The operators, kernels and portable forms alike, against what PyTorch computed (`fixtures/ops/make.py`).

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use safetensors::SafeTensors;
use serde_json::Value;
use stages::ops::Share;
use stages::ops::optimiser::{Adam, Gradient, Sgd};
use stages::ops::{self, Conv, Padding, portable};

use super::cases::{assert_close, assert_close_slices, flat};

pub(crate) struct Fixture {
    pub(crate) tensors: HashMap<String, Tensor>,
    pub(crate) cases: serde_json::Map<String, Value>,
}

fn fixture() -> Fixture {
    read("pytorch.safetensors")
}

pub(crate) fn read(file: &str) -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ops").join(file);
    let bytes = std::fs::read(&path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["cases"]).unwrap();
    Fixture { tensors: candle_core::safetensors::load(path, &Device::Cpu).unwrap(), cases }
}

impl Fixture {
    /// Runs `op(inputs, settings)` on every case whose name starts with `prefix`, and compares results and gradients.
    pub(crate) fn check(&self, prefix: &str, inputs: &[&str], op: impl Fn(&[&Tensor], &Value) -> Result<Tensor>) {
        let mut checked = 0;
        for (name, settings) in self.cases.iter().filter(|(name, _)| name.starts_with(prefix)) {
            let get = |key: &str| &self.tensors[&format!("{name}.{key}")];
            let variables: Vec<Var> = inputs.iter().map(|key| Var::from_tensor(get(key)).unwrap()).collect();
            let y = op(&variables.iter().map(Var::as_tensor).collect::<Vec<_>>(), settings).unwrap();
            assert_close(&format!("{name}: y"), &y, get("y"), 1e-5);
            let store = (y * get("gy")).unwrap().sum_all().unwrap().backward().unwrap();
            for (key, variable) in inputs.iter().zip(&variables) {
                let gradient = store.get(variable).expect("a gradient");
                assert_close(&format!("{name}: d{key}"), gradient, get(&format!("d{key}")), 1e-5);
            }
            checked += 1;
        }
        assert!(checked > 0, "no case {prefix}");
    }
}

pub(crate) fn number(settings: &Value, key: &str) -> usize {
    settings[key].as_u64().unwrap() as usize
}

pub(crate) fn conv(settings: &Value) -> Conv {
    let padding = if settings["padding"] == "same" { Padding::Same } else { Padding::Valid };
    Conv { stride: number(settings, "stride"), padding, relu: settings["relu"] == true }
}

#[test]
fn convolutions_and_dense_layers_are_pytorchs() {
    let fixture = fixture();
    let inputs = ["x", "w", "b"];
    fixture.check("conv2d", &inputs, |t, s| ops::conv2d(t[0], t[1], Some(t[2]), &conv(s), None));
    fixture.check("conv2d", &inputs, |t, s| portable::conv2d(t[0], t[1], Some(t[2]), &conv(s)));
    fixture.check("dense", &inputs, |t, s| ops::dense(t[0], t[1], Some(t[2]), s["relu"] == true, None));
    fixture.check("dense", &inputs, |t, s| portable::dense(t[0], t[1], Some(t[2]), s["relu"] == true));
}

#[test]
fn pools_are_pytorchs() {
    let fixture = fixture();
    let sizes = |s: &Value| (number(s, "size"), number(s, "stride"));
    for pool in [ops::max_pool2d, portable::max_pool2d] {
        fixture.check("max_pool2d", &["x"], |t, s| pool(t[0], sizes(s).0, sizes(s).1, Padding::Valid));
    }
    for pool in [ops::avg_pool2d, portable::avg_pool2d] {
        fixture.check("avg_pool2d", &["x"], |t, s| pool(t[0], sizes(s).0, sizes(s).1, Padding::Valid));
    }
    for pool in [ops::global_avg_pool2d, portable::global_avg_pool2d] {
        fixture.check("global_avg_pool2d", &["x"], |t, _| pool(t[0]));
    }
}

#[test]
fn normalisation_activation_and_loss_are_pytorchs() {
    let fixture = fixture();
    let inputs = ["x", "gamma", "beta"];
    fixture.check("batch_norm", &inputs, |t, _| Ok(ops::batch_norm_train(t[0], t[1], t[2], 1e-3, false, None)?.y));
    fixture.check("batch_norm", &inputs, |t, _| Ok(portable::batch_norm_train(t[0], t[1], t[2], 1e-3, false)?.y));
    for relu in [ops::relu, portable::relu] {
        fixture.check("relu", &["x"], |t, _| relu(t[0]));
    }
    for loss in [ops::softmax_cross_entropy, portable::softmax_cross_entropy] {
        fixture.check("cross_entropy", &["x"], |t, s| {
            let labels: Vec<u32> = serde_json::from_value(s["labels"].clone()).unwrap();
            loss(&(t[0] * 5.0)?, &labels, number(s, "total"), s["smoothing"].as_f64().unwrap() as f32)
        });
    }
}

#[test]
fn optimisers_are_pytorchs() {
    let fixture = fixture();
    let start = flat(&fixture.tensors["optimiser.start"]);
    let gradients = flat(&fixture.tensors["optimiser.gradients"]);
    let run = |name: &str, update: &mut dyn FnMut(u64, &mut [f32], Gradient)| {
        let mut parameter = start.clone();
        for (step, gradient) in (1..).zip(gradients.chunks(start.len())) {
            // As two shards, which add up to the gradient.
            let part: Vec<f32> = gradient.iter().map(|g| g * 0.25).collect();
            let rest: Vec<f32> = gradient.iter().map(|g| g * 0.75).collect();
            update(step, &mut parameter, Gradient::new(&[Share::Values(&part), Share::Values(&rest)]));
        }
        assert_close_slices(name, &parameter, &flat(&fixture.tensors[&format!("optimiser.{name}")]), 1e-6);
    };
    for (name, momentum, nesterov) in [("sgd", 0.0, false), ("momentum", 0.9, false), ("nesterov", 0.9, true)] {
        let sgd = Sgd { learning_rate: 0.1, momentum, nesterov, weight_decay: 0.0 };
        let mut velocity = vec![0.0; if momentum == 0.0 { 0 } else { start.len() }];
        run(name, &mut |_, parameter, gradient| sgd.update(parameter, &mut velocity, gradient));
    }
    for (name, weight_decay) in [("adam", 0.0), ("adamw", 0.05)] {
        let adam = Adam { learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-30, weight_decay };
        let (mut m, mut v) = (vec![0.0; start.len()], vec![0.0; start.len()]);
        run(name, &mut |step, parameter, gradient| adam.update(step, parameter, &mut m, &mut v, gradient));
    }
}
