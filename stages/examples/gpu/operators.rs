//! Every operator on the device against the kernels of the CPU: values, and the gradients of all inputs.

use candle_core::{Device, Result, Tensor, Var};
use stages::ops::{self, Conv, Padding, portable};
use stages::rng::Rng;

use crate::rows::Rows;
use crate::{Settings, rounds_factors};

type Op<'a> = &'a dyn Fn(&[&Tensor]) -> Result<Tensor>;
type Cases = fn(&mut Pair) -> Result<()>;

/// Sums of float32 products in another order. Differences are relative to the greatest element; a sum of n terms in any order is
/// within about sqrt(n) roundings of 6e-8 of it, and n is below 30,000 here.
const SUMS: f64 = 1e-5;
/// The same where the CPU takes a 3 x 3 convolution at points, which costs it about two bits.
const CONVOLUTIONS: f64 = 5e-5;
/// Where the factors of products are rounded to 11 bits: 5e-4 each, with either sign.
const ROUNDED: f64 = 5e-3;
/// Means near 0, whose terms cancel.
const MEANS: f64 = 5e-5;
/// Gradients through batch normalisation: differences of sums, up to 1 / sqrt(epsilon) = 32 times as large.
const NORMS: f64 = 3e-4;
/// Exponentials and logarithms of logits up to 30 differ in their last bits, and gradients are differences of them.
const LOSSES: f64 = 5e-5;

/// The greatest differences of an operator's cases.
#[derive(Default)]
struct Worst {
    cases: usize,
    value: f64,
    gradient: f64,
}

struct Pair<'a> {
    device: &'a Device,
    worst: Worst,
}

pub(crate) fn compare(_: &Settings, device: &Device, rows: &mut Rows) -> anyhow::Result<()> {
    let rounds = rounds_factors() && device.is_cuda();
    let convolved = if rounds { ROUNDED } else { CONVOLUTIONS };
    let how = if rounds { ", factors of 11 bits" } else { "" };
    let all: [(&str, Cases, f64, f64); 10] = [
        ("conv2d", convolutions, convolved, convolved),
        ("dense", dense, SUMS, SUMS),
        ("max_pool2d", maximum_pools, 0.0, SUMS),
        ("avg_pool2d", average_pools, SUMS, SUMS),
        ("global_avg_pool2d", global_pools, SUMS, SUMS),
        ("batch_norm_train", batch_norms, MEANS, NORMS),
        ("batch_norm_infer", given_norms, MEANS, NORMS),
        ("relu, dropout", elementwise, 0.0, 0.0),
        ("softmax", softmax, LOSSES, LOSSES),
        ("softmax_cross_entropy", cross_entropy, LOSSES, LOSSES),
    ];
    for (name, cases, of_value, of_gradients) in all {
        let mut pair = Pair { device, worst: Worst::default() };
        match cases(&mut pair) {
            Ok(()) => {
                let Worst { cases, value, gradient } = pair.worst;
                rows.difference(&format!("{name}, {cases} cases{how}: values"), value, of_value)?;
                rows.difference(&format!("{name}, {cases} cases{how}: gradients"), gradient, of_gradients)?;
            }
            Err(error) => rows.failed(name, &error.to_string())?,
        }
    }
    Ok(())
}

impl Pair<'_> {
    /// Both sides of an operator. Where the second is the CPU, too, it is the form that other devices use.
    fn agree(&mut self, inputs: &[Tensor], kernel: Op, portable: Op) -> Result<()> {
        let weights = values("result", kernel(&inputs.iter().collect::<Vec<_>>())?.dims(), false)?;
        self.weighted(inputs, &weights, kernel, portable)
    }

    fn weighted(&mut self, inputs: &[Tensor], weights: &Tensor, kernel: Op, portable: Op) -> Result<()> {
        let other = if self.device.is_cpu() { portable } else { kernel };
        let (expected, expected_gradients) = run(inputs, weights, kernel, &Device::Cpu)?;
        let (value, gradients) = run(inputs, weights, other, self.device)?;
        self.worst.cases += 1;
        self.worst.value = worse(self.worst.value, difference(&value, &expected));
        for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
            self.worst.gradient = worse(self.worst.gradient, difference(gradient, expected));
        }
        Ok(())
    }
}

/// The greater of two differences; one that is no number wins.
pub(crate) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The greatest difference of two elements, relative to the greatest element, or to 0.001 where all are smaller.
fn difference(values: &[f32], expected: &[f32]) -> f64 {
    let scale = expected.iter().fold(1e-3f32, |scale, x| scale.max(x.abs()));
    let each = values.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs() / scale));
    if values.len() == expected.len() { each.fold(0.0, worse) } else { f64::NAN }
}

/// An operator's values, and the gradients of its inputs for given gradients of the result.
fn run(inputs: &[Tensor], weights: &Tensor, op: Op, device: &Device) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
    let inputs: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(&x.to_device(device)?)).collect::<Result<_>>()?;
    let y = op(&inputs.iter().map(Var::as_tensor).collect::<Vec<_>>())?;
    let store = (&y * &weights.to_device(device)?)?.sum_all()?.backward()?;
    let gradient = |x: &Var| match store.get(x) {
        Some(gradient) => flat(gradient),
        None => Ok(vec![f32::NAN; x.elem_count()]),
    };
    Ok((flat(&y)?, inputs.iter().map(gradient).collect::<Result<_>>()?))
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Values around 0: a third exact zeros and many ties, if `coarse`; otherwise all different.
fn values(name: &str, shape: &[usize], coarse: bool) -> Result<Tensor> {
    let mut rng = Rng::new(7, name, shape.iter().sum::<usize>() as u64);
    let draw = |_| if coarse { (rng.below(3) as f32 - 1.0) * 0.5 } else { rng.between(-1.0, 1.0) };
    let values: Vec<f32> = (0..shape.iter().product()).map(draw).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Gradients of a result that a ReLU made: 0 where its argument is so near 0 that rounding decides its sign.
fn away_from_zero(argument: &Tensor) -> Result<Tensor> {
    let far = argument.abs()?.gt(0.02)?.to_dtype(candle_core::DType::F32)?;
    values("result", argument.dims(), false)? * far
}

fn convolutions(pair: &mut Pair) -> Result<()> {
    // Sides of kernels, channels around the widths of the CPU's kernels, images that are not square, windows larger than the image.
    let shapes = [
        ([1, 1, 1, 1], [1, 1], 1),
        ([2, 7, 5, 3], [3, 3], 5),
        ([32, 28, 28, 1], [3, 3], 32),
        ([32, 14, 14, 32], [3, 3], 64),
        ([3, 12, 8, 32], [3, 3], 48),
        ([2, 9, 8, 5], [5, 5], 16),
        ([5, 4, 6, 33], [1, 1], 8),
        ([1, 3, 2, 2], [5, 5], 4),
        ([2, 7, 6, 3], [1, 3], 4),
        ([2, 7, 6, 3], [2, 4], 4),
        ([16, 7, 7, 256], [3, 3], 128),
    ];
    for ([n, h, w, c], [kh, kw], o) in shapes {
        for (stride, padding) in [(1, Padding::Same), (2, Padding::Same), (1, Padding::Valid), (3, Padding::Valid)] {
            let fits = [(h, kh), (w, kw)].iter().all(|(side, k)| padding.output_size(*side, *k, stride).is_some());
            for (relu, bias) in [(true, true), (false, false)] {
                if !fits {
                    continue;
                }
                let mut inputs = vec![values("x", &[n, h, w, c], true)?, values("w", &[kh, kw, c, o], false)?];
                if bias {
                    inputs.push(values("b", &[o], false)?);
                }
                let linear = Conv { stride, padding, relu: false };
                let conv = Conv { relu, ..linear };
                let argument = ops::conv2d(&inputs[0], &inputs[1], inputs.get(2), &linear, None)?;
                let weights = if relu { away_from_zero(&argument)? } else { values("result", argument.dims(), false)? };
                pair.weighted(&inputs, &weights, &|t| ops::conv2d(t[0], t[1], t.get(2).copied(), &conv, None), &|t| {
                    portable::conv2d(t[0], t[1], t.get(2).copied(), &conv)
                })?;
            }
        }
    }
    Ok(())
}

fn dense(pair: &mut Pair) -> Result<()> {
    for (n, i, o) in [(1, 1, 1), (1, 300, 5), (16, 129, 70), (33, 64, 512), (128, 3136, 128)] {
        for (relu, bias) in [(true, true), (false, false)] {
            let mut inputs = vec![values("x", &[n, i], true)?, values("w", &[i, o], false)?];
            if bias {
                inputs.push(values("b", &[o], false)?);
            }
            let argument = ops::dense(&inputs[0], &inputs[1], inputs.get(2), false, None)?;
            let weights = if relu { away_from_zero(&argument)? } else { values("result", argument.dims(), false)? };
            pair.weighted(&inputs, &weights, &|t| ops::dense(t[0], t[1], t.get(2).copied(), relu, None), &|t| {
                portable::dense(t[0], t[1], t.get(2).copied(), relu)
            })?;
        }
    }
    Ok(())
}

/// Calls `each` with images, a window and how it slides: ties, overlap and borders among them.
fn windows(mut each: impl FnMut(&[Tensor], usize, usize, Padding) -> Result<()>) -> Result<()> {
    for shape in [[1, 2, 2, 1], [2, 7, 7, 3], [3, 6, 5, 8], [32, 28, 28, 33]] {
        for (size, stride) in [(2, 2), (3, 2), (3, 1), (2, 3), (1, 1)] {
            for (padding, coarse) in [(Padding::Valid, true), (Padding::Same, true), (Padding::Same, false)] {
                if padding.output_size(shape[1].min(shape[2]), size, stride).is_some() {
                    each(&[values("x", &shape, coarse)?], size, stride, padding)?;
                }
            }
        }
    }
    Ok(())
}

fn maximum_pools(pair: &mut Pair) -> Result<()> {
    windows(|x, size, stride, padding| {
        pair.agree(x, &|t| ops::max_pool2d(t[0], size, stride, padding), &|t| {
            portable::max_pool2d(t[0], size, stride, padding)
        })
    })
}

fn average_pools(pair: &mut Pair) -> Result<()> {
    windows(|x, size, stride, padding| {
        pair.agree(x, &|t| ops::avg_pool2d(t[0], size, stride, padding), &|t| {
            portable::avg_pool2d(t[0], size, stride, padding)
        })
    })
}

fn global_pools(pair: &mut Pair) -> Result<()> {
    for shape in [[1, 2, 2, 1], [3, 6, 5, 8], [32, 7, 7, 256]] {
        let x = [values("x", &shape, false)?];
        pair.agree(&x, &|t| ops::global_avg_pool2d(t[0]), &|t| portable::global_avg_pool2d(t[0]))?;
    }
    Ok(())
}

/// Calls `each` with a batch, a scale and an offset.
fn norms(mut each: impl FnMut(&[Tensor], usize) -> Result<()>) -> Result<()> {
    for shape in [&[9, 4][..], &[2, 3, 5, 7], &[150, 33], &[64, 14, 14, 32]] {
        let c = shape[shape.len() - 1];
        each(&[values("x", shape, false)?, values("gamma", &[c], false)?, values("beta", &[c], false)?], c)?;
    }
    Ok(())
}

fn batch_norms(pair: &mut Pair) -> Result<()> {
    norms(|inputs, _| {
        pair.agree(inputs, &|t| Ok(ops::batch_norm_train(t[0], t[1], t[2], 1e-3, false, None)?.y), &|t| {
            Ok(portable::batch_norm_train(t[0], t[1], t[2], 1e-3, false)?.y)
        })?;
        // What goes into the running statistics, side by side in one tensor; the inputs have no gradient from there.
        let statistics = |norm: ops::BatchNorm| Tensor::cat(&[norm.mean, norm.variance], 0);
        let expected = statistics(ops::batch_norm_train(&inputs[0], &inputs[1], &inputs[2], 1e-3, false, None)?)?;
        let there: Vec<Tensor> = inputs.iter().map(|x| x.to_device(pair.device)).collect::<Result<_>>()?;
        let (x, gamma, beta) = (&there[0], &there[1], &there[2]);
        let seen = statistics(match pair.device {
            Device::Cpu => portable::batch_norm_train(x, gamma, beta, 1e-3, false)?,
            _ => ops::batch_norm_train(x, gamma, beta, 1e-3, false, None)?,
        })?;
        pair.worst.value = worse(pair.worst.value, difference(&flat(&seen)?, &flat(&expected)?));
        Ok(())
    })
}

fn given_norms(pair: &mut Pair) -> Result<()> {
    norms(|inputs, c| {
        let (mean, variance) = (values("mean", &[c], false)?, values("variance", &[c], false)?.sqr()?);
        pair.agree(
            inputs,
            &|t| {
                let (mean, variance) = (mean.to_device(t[0].device())?, variance.to_device(t[0].device())?);
                ops::batch_norm_infer(t[0], t[1], t[2], &mean, &variance, 1e-3, false)
            },
            &|t| portable::batch_norm_infer(t[0], t[1], t[2], &mean, &variance, 1e-3, false),
        )
    })
}

fn elementwise(pair: &mut Pair) -> Result<()> {
    for shape in [&[1][..], &[3, 5], &[2, 7, 7, 33]] {
        let x = [values("x", shape, true)?];
        pair.agree(&x, &|t| ops::relu(t[0]), &|t| portable::relu(t[0]))?;
        for offset in [0, 12_345, u64::from(u32::MAX) - 20] {
            pair.agree(&x, &|t| ops::dropout(t[0], 0.3, 99, offset), &|t| portable::dropout(t[0], 0.3, 99, offset))?;
        }
    }
    Ok(())
}

fn softmax(pair: &mut Pair) -> Result<()> {
    for (n, k) in [(1, 2), (5, 3), (512, 10), (1, 1)] {
        let logits = [(values("logits", &[n, k], false)? * 30.0)?];
        pair.agree(&logits, &|t| ops::softmax(t[0]), &|t| portable::softmax(t[0]))?;
    }
    Ok(())
}

fn cross_entropy(pair: &mut Pair) -> Result<()> {
    for (n, k) in [(1, 2), (5, 3), (512, 10), (1, 1)] {
        let logits = [(values("logits", &[n, k], false)? * 30.0)?];
        let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % k as u32).collect();
        for smoothing in [0.0, 0.1] {
            pair.agree(&logits, &|t| ops::softmax_cross_entropy(t[0], &labels, 2 * n, smoothing), &|t| {
                portable::softmax_cross_entropy(t[0], &labels, 2 * n, smoothing)
            })?;
        }
    }
    Ok(())
}
