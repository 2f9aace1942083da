//! Training speed of the study's models 1 and 5 on random images: two shards on two threads, in samples a second.
//!
//! `cargo run --release -p stages --example train_speed -- <1|5> [batch] [seconds]`. Set CANDLE_NUM_THREADS=1, so that
//! candle's own threads do not compete with the shards, and with glibc MALLOC_TRIM_THRESHOLD_=4000000000
//! MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TOP_PAD_=67108864, so that each step's tensors do not go back to the system.

#![allow(clippy::print_stdout, reason = "a program that prints its result")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use candle_core::{DType, Device, Tensor, Var};
use stages::ops::optimiser::{Adam, Gradient, Sgd, update_in_place};
use stages::ops::{self, Conv, GradSink, Padding};
use stages::rng::Rng;

const SIDE: usize = 28;
const CLASSES: usize = 5;
const SHARDS: usize = 2;

#[derive(Clone, Copy)]
enum Layer {
    Conv(usize),
    Pool,
    Dropout,
    Flatten,
    Dense(usize),
    Output,
}

fn layers(model: usize) -> Result<Vec<Layer>> {
    use Layer::{Conv, Dense, Dropout, Flatten, Output, Pool};
    Ok(match model {
        1 => vec![Conv(32), Pool, Conv(32), Flatten, Dense(512), Output],
        5 => vec![
            Conv(32),
            Pool,
            Dropout,
            Conv(64),
            Pool,
            Dropout,
            Conv(128),
            Dropout,
            Conv(128),
            Pool,
            Dropout,
            Flatten,
            Dense(512),
            Dropout,
            Dense(256),
            Output,
        ],
        other => bail!("there is no model {other}: 1 or 5"),
    })
}

/// A parameter pair, its gradients by shard, and its optimiser state.
struct Parameters {
    weight: Var,
    bias: Var,
    sinks: Vec<GradSink>,
    moments: [[Vec<f32>; 2]; 2],
}

impl Parameters {
    fn new(shape: &[usize], rng: &mut Rng) -> Result<Self> {
        let outputs = shape[shape.len() - 1];
        let len: usize = shape.iter().product();
        let receptive: usize = shape[..shape.len() - 2].iter().product();
        let limit = (6.0 / (receptive * (shape[shape.len() - 2] + outputs)) as f32).sqrt();
        let values: Vec<f32> = (0..len).map(|_| rng.between(-limit, limit)).collect();
        Ok(Self {
            weight: Var::from_vec(values, shape, &Device::Cpu)?,
            bias: Var::zeros(outputs, DType::F32, &Device::Cpu)?,
            sinks: (0..SHARDS).map(|_| GradSink::new(len, outputs)).collect(),
            moments: [[vec![0.0; len], vec![0.0; len]], [vec![0.0; outputs], vec![0.0; outputs]]],
        })
    }
}

fn parameters(layers: &[Layer]) -> Result<Vec<Parameters>> {
    let mut rng = Rng::new(1, "weights", 0);
    let (mut side, mut channels) = (SIDE, 1);
    let mut parameters = Vec::new();
    for layer in layers {
        match *layer {
            Layer::Conv(outputs) => {
                parameters.push(Parameters::new(&[3, 3, channels, outputs], &mut rng)?);
                channels = outputs;
            }
            Layer::Pool => side /= 2,
            Layer::Dropout => {}
            Layer::Flatten => channels *= side * side,
            Layer::Dense(outputs) => {
                parameters.push(Parameters::new(&[channels, outputs], &mut rng)?);
                channels = outputs;
            }
            Layer::Output => parameters.push(Parameters::new(&[channels, CLASSES], &mut rng)?),
        }
    }
    Ok(parameters)
}

/// The logits of a shard that starts with sample `first` of the batch.
fn forward(
    layers: &[Layer],
    parameters: &[Parameters],
    x: Tensor,
    training: Option<(u64, usize, usize)>,
) -> Result<Tensor> {
    let mut parameters = parameters.iter();
    let mut x = x;
    for (number, layer) in layers.iter().enumerate() {
        let mut next = || parameters.next().context("a layer without parameters");
        let shard = training.map(|(_, shard, _)| shard);
        x = match *layer {
            Layer::Conv(_) => {
                let p = next()?;
                let conv = Conv { stride: 1, padding: Padding::Same, relu: true };
                ops::conv2d(&x, &p.weight, Some(&p.bias), &conv, shard.map(|shard| &p.sinks[shard]))?
            }
            Layer::Pool => ops::max_pool2d(&x, 2, 2, Padding::Valid)?,
            Layer::Dropout => match training {
                Some((step, _, first)) => {
                    let offset = first * (x.elem_count() / x.dim(0)?);
                    ops::dropout(&x, 0.25, step * 64 + number as u64, offset as u64)?
                }
                None => x,
            },
            Layer::Flatten => x.flatten_from(1)?,
            Layer::Dense(_) | Layer::Output => {
                let p = next()?;
                let relu = matches!(layer, Layer::Dense(_));
                ops::dense(&x, &p.weight, Some(&p.bias), relu, shard.map(|shard| &p.sinks[shard]))?
            }
        };
    }
    Ok(x)
}

/// Forward and backward pass of one shard; its part of the loss.
fn shard(layers: &[Layer], parameters: &[Parameters], step: u64, number: usize, x: &[f32], y: &[u32]) -> Result<f32> {
    let (first, last) = (y.len() * number / SHARDS, y.len() * (number + 1) / SHARDS);
    let pixels = SIDE * SIDE;
    parameters.iter().for_each(|p| p.sinks[number].reset());
    let images = Tensor::from_slice(&x[first * pixels..last * pixels], (last - first, SIDE, SIDE, 1), &Device::Cpu)?;
    let logits = forward(layers, parameters, images, Some((step, number, first)))?;
    let loss = ops::softmax_cross_entropy(&logits, &y[first..last], y.len(), 0.0)?;
    loss.backward()?;
    Ok(loss.to_scalar()?)
}

fn update(model: usize, step: u64, parameters: &mut [Parameters]) -> Result<()> {
    for Parameters { weight, bias, sinks, moments } in parameters {
        let sums: Vec<_> = sinks.iter().map(GradSink::lock).collect();
        let gradients: [Vec<&[f32]>; 2] =
            [sums.iter().map(|sum| sum.weight()).collect(), sums.iter().map(|sum| sum.bias()).collect()];
        for ((variable, [first, second]), gradient) in [weight, bias].into_iter().zip(moments).zip(&gradients) {
            let gradient = Gradient::new(gradient);
            update_in_place(variable, |values| match model {
                1 => Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 }.update(
                    values,
                    &mut [],
                    gradient,
                ),
                _ => Adam { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
                    .update(step, values, first, second, gradient),
            })?;
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| arguments.get(i).map_or(Ok(default), |a| a.parse());
    let (model, batch, seconds) = (number(0, 1)?, number(1, 32)?, number(2, 5)?);
    let layers = layers(model)?;
    let mut parameters = parameters(&layers)?;
    let mut rng = Rng::new(2, "images", 0);
    let x: Vec<f32> = (0..batch * SIDE * SIDE).map(|_| rng.uniform()).collect();
    let y: Vec<u32> = (0..batch).map(|_| rng.below(CLASSES) as u32).collect();

    let mut step = 0;
    let mut train = || -> Result<f32> {
        step += 1;
        let shard = |i| shard(&layers, &parameters, step, i, &x, &y);
        let (a, b) = rayon::join(|| shard(0), || shard(1));
        update(model, step, &mut parameters)?;
        Ok(a? + b?)
    };
    for _ in 0..3 {
        train()?;
    }
    let (start, mut rates) = (Instant::now(), Vec::new());
    let (mut loss, mut samples) = (0.0, 0);
    while start.elapsed() < Duration::from_secs(seconds as u64) {
        let (window, mut steps) = (Instant::now(), 0);
        while window.elapsed() < Duration::from_millis(250) {
            loss = train()?;
            steps += 1;
        }
        samples += steps * batch;
        rates.push((steps * batch) as f64 / window.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let (best, median) = (rates[rates.len() - 1], rates[rates.len() / 2]);
    println!(
        "model {model}, batch {batch}: best {best:.0}, median {median:.0} samples/s ({samples} samples, loss {loss:.4})"
    );
    Ok(())
}
