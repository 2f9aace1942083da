//! What callers rely on beyond the numbers: gradients left out, shards that add up, refused shapes, in-place updates.

use candle_core::{DType, Device, Tensor, Var};
use stages::ops::Share;
use stages::ops::optimiser::{Adam, Gradient, Sgd, update_in_place};
use stages::ops::{self, Conv, Padding};

use super::cases::{assert_close, assert_close_slices, flat, values};

const SAME: Conv = Conv { stride: 1, padding: Padding::Same, relu: true };

fn var(name: &str, shape: &[usize]) -> Var {
    Var::from_tensor(&values(name, shape, false)).unwrap()
}

#[test]
fn images_and_frozen_weights_get_no_gradient() {
    // By the two loops, and at the points of 3 x 3 kernels of whole vectors.
    for (side, channels, outputs) in [(5, 3, 4), (14, 16, 32)] {
        gives_no_gradient(side, channels, outputs);
    }
}

fn gives_no_gradient(side: usize, channels: usize, outputs: usize) {
    let x = values("x", &[2, side, side, channels], false);
    let (w, b) = (var("w", &[3, 3, channels, outputs]), var("b", &[outputs]));
    let store = ops::conv2d(&x, &w, Some(&b), &SAME, None).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(store.get(&x).is_none() && store.get(&w).is_some() && store.get(&b).is_some());

    let x = Var::from_tensor(&x).unwrap();
    let frozen = w.as_tensor().detach();
    let store = ops::conv2d(&x, &frozen, None, &SAME, None).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(store.get(&x).is_some() && store.get(&frozen).is_none());
}

#[test]
fn views_are_accepted() {
    let x = values("x", &[4, 3, 6, 5], false);
    let turned = x.permute((0, 2, 3, 1)).unwrap();
    let (w, b) = (var("w", &[3, 3, 3, 4]), var("b", &[4]));
    let whole = ops::conv2d(&turned.contiguous().unwrap(), &w, Some(&b), &SAME, None).unwrap();
    assert_close("permuted", &ops::conv2d(&turned, &w, Some(&b), &SAME, None).unwrap(), &whole, 0.0);
    let part = turned.contiguous().unwrap().narrow(0, 1, 2).unwrap();
    let expected = whole.narrow(0, 1, 2).unwrap();
    assert_close("narrowed", &ops::conv2d(&part, &w, Some(&b), &SAME, None).unwrap(), &expected, 0.0);
    let pooled = ops::max_pool2d(&whole, 2, 2, Padding::Valid).unwrap();
    let narrow = ops::max_pool2d(&expected, 2, 2, Padding::Valid).unwrap();
    assert_close("pooled", &narrow, &pooled.narrow(0, 1, 2).unwrap(), 0.0);
}

/// Bits of a sample's results do not depend on the samples beside it.
#[test]
fn inference_is_the_same_for_any_batch() {
    for (channels, outputs) in [(5, 20), (16, 32)] {
        is_the_same_for_any_batch(channels, outputs);
    }
}

fn is_the_same_for_any_batch(channels: usize, outputs: usize) {
    let (w, b) = (var("w", &[3, 3, channels, outputs]), var("b", &[outputs]));
    let (v, c) = (var("v", &[outputs * 49, 37]), var("c", &[37]));
    let network = |x: &Tensor| {
        let y = ops::conv2d(x, &w, Some(&b), &SAME, None).unwrap();
        let y = ops::max_pool2d(&y, 2, 2, Padding::Valid).unwrap().flatten_from(1).unwrap();
        flat(&ops::dense(&y, &v, Some(&c), true, None).unwrap())
    };
    let x = values("x", &[23, 14, 14, channels], false);
    let whole = network(&x);
    for (first, len) in [(0, 1), (3, 6), (10, 13)] {
        let part = network(&x.narrow(0, first, len).unwrap());
        assert_eq!(part, whole[first * 37..(first + len) * 37], "{len} samples from {first}");
    }
}

/// The gradient of beta counts what passed the ReLU, to the last value: what is computed again rounds as it did.
#[test]
fn what_passed_behind_batch_normalisation_is_what_was_above_0() {
    for channels in [3, 16, 40] {
        let x = values("x", &[50, 7, 8, channels], false);
        // Scales that are small beside beta, of both signs, so that many results round to 0 or close to it.
        let gamma = Var::from_tensor(&(values("gamma", &[channels], false) * 1e-7).unwrap()).unwrap();
        for beta in [0.0, 1e-7] {
            let beta =
                Var::from_tensor(&(Tensor::ones(channels, DType::F32, &Device::Cpu).unwrap() * beta).unwrap()).unwrap();
            let y = ops::batch_norm_train(&x, &gamma, &beta, 1e-3, true, None).unwrap().y;
            let store = y.sum_all().unwrap().backward().unwrap();
            let counted: Vec<f32> = (0..channels)
                .map(|channel| flat(&y).iter().skip(channel).step_by(channels).filter(|y| **y > 0.0).count() as f32)
                .collect();
            assert_eq!(flat(store.get(&beta).unwrap()), counted, "{channels} channels");
        }
    }
}

/// What a pool behind batch normalisation gives at once are the numbers of one after the other: results, statistics and gradients, with
/// equal maxima, images whose last rows and columns no pool reaches, and pools that are computed apart.
#[test]
fn a_pool_behind_batch_normalisation_changes_no_bit() {
    let tiled = (2, 2, Padding::Valid);
    let others = [(2, 2, Padding::Same), (3, 2, Padding::Same), (3, 3, Padding::Valid), (2, 1, Padding::Valid)];
    let cases = [(1, 2, 2), (3, 7, 8), (16, 14, 14), (20, 5, 9), (33, 6, 4), (80, 9, 3)];
    for ((channels, rows, columns), pool) in cases.into_iter().flat_map(|case| {
        let pools = if case.1.min(case.2) > 2 { &others[..] } else { &[] };
        std::iter::once((case, tiled)).chain(pools.iter().map(move |pool| (case, *pool)))
    }) {
        // Few different values, so that maxima are often equal.
        let mut x = flat(&(values("x", &[9, rows, columns, channels], false) * 2.0).unwrap().round().unwrap());
        if channels == 16 {
            x[3] = f32::NAN;
        }
        let x = Var::from_vec(x, (9, rows, columns, channels), &Device::Cpu).unwrap();
        let (gamma, beta) = (var("gamma", &[channels]), var("beta", &[channels]));
        let scales = ops::Layer { weight: &gamma, bias: &beta, grads: None };
        let norm = ops::Norm { epsilon: 1e-3, relu: true, pool: Some(pool) };
        let together = ops::batch_norm_max_pool_train(&x, scales, &norm).unwrap();
        let norm = ops::batch_norm_train(&x, &gamma, &beta, 1e-3, true, None).unwrap();
        let apart = ops::max_pool2d(&norm.y, pool.0, pool.1, pool.2).unwrap();
        let what = format!("{channels} channels of {rows} x {columns} by {pool:?}");
        // What is no number has many bits.
        let bits = |values: Vec<f32>| {
            values
                .into_iter()
                .map(|value| if value.is_nan() { None } else { Some(value.to_bits()) })
                .collect::<Vec<_>>()
        };
        let all = |y: &Tensor, norm: &ops::BatchNorm| [y, &norm.mean, &norm.variance].map(|values| bits(flat(values)));
        assert!(all(&together.y, &together) == all(&apart, &norm), "{what}");
        let weights = values("weights", apart.dims(), false);
        let gradients = |y: &Tensor| {
            let store = (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
            [&x, &gamma, &beta].map(|of| flat(store.get(of).unwrap()))
        };
        let (found, expected) = (gradients(&together.y), gradients(&apart));
        assert!(expected.iter().all(|gradient| gradient.iter().any(|g| *g != 0.0)), "{what}: something passes");
        assert!(found.map(bits) == expected.map(bits), "{what}");
    }
}

#[test]
fn dropout_does_not_depend_on_the_cut() {
    let x = values("x", &[100], false);
    let whole = flat(&ops::dropout(&x, 0.4, 5, 1000).unwrap());
    let tail = flat(&ops::dropout(&x.narrow(0, 37, 63).unwrap(), 0.4, 5, 1037).unwrap());
    assert_eq!(whole[37..], tail);
    assert!(whole.iter().zip(flat(&x)).all(|(y, x)| *y == 0.0 || *y == x * (1.0 / (1.0 - 0.4))));
    assert!(whole != flat(&ops::dropout(&x, 0.4, 6, 1000).unwrap()), "another key drops others");
}

#[test]
fn the_losses_of_shards_add_up() {
    let logits = values("logits", &[6, 4], false);
    let labels = [0, 3, 1, 1, 2, 0];
    let loss = |first, len| {
        let part = logits.narrow(0, first, len).unwrap();
        let labels = &labels[first..first + len];
        ops::softmax_cross_entropy(&part, labels, 6, 0.1).unwrap().to_scalar::<f32>().unwrap()
    };
    assert!((loss(0, 6) - loss(0, 2) - loss(2, 4)).abs() < 1e-6);
}

#[test]
fn large_logits_stay_finite() {
    let logits = Var::from_tensor(&Tensor::new(&[[1e4f32, -1e4, 0.0]], &Device::Cpu).unwrap()).unwrap();
    let loss = ops::softmax_cross_entropy(&logits, &[1], 1, 0.0).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap(), 2e4);
    assert_eq!(flat(loss.backward().unwrap().get(&logits).unwrap()), [1.0, -1.0, 0.0]);
    assert_eq!(flat(&ops::softmax(&logits).unwrap()), [1.0, 0.0, 0.0]);
}

#[test]
fn wrong_shapes_are_refused_with_both_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let conv = Conv { stride: 1, padding: Padding::Valid, relu: false };
    let image = zeros(&[1, 4, 4, 3]);
    let errors = [
        (ops::conv2d(&image, &zeros(&[3, 3, 2, 8]), None, &conv, None), "takes 2 channels"),
        (ops::conv2d(&image, &zeros(&[5, 5, 3, 8]), None, &conv, None), "a window of 5"),
        (ops::conv2d(&image, &zeros(&[3, 3, 3, 8]), Some(&zeros(&[7])), &conv, None), "need a bias [8]"),
        (ops::conv2d(&zeros(&[4, 4, 3]), &zeros(&[3, 3, 3, 8]), None, &conv, None), "[N,H,W,C]"),
        (ops::dense(&zeros(&[2, 3]), &zeros(&[4, 5]), None, false, None), "[2, 3] and [4, 5]"),
        (ops::max_pool2d(&image, 5, 1, Padding::Valid), "a window of 5"),
        (ops::max_pool2d(&image, 2, 0, Padding::Same), "stride 0"),
        (ops::dropout(&image, 1.0, 0, 0), "in [0, 1)"),
        (ops::softmax_cross_entropy(&zeros(&[2, 3]), &[0, 3], 2, 0.0), "label 3"),
        (ops::softmax_cross_entropy(&zeros(&[2, 3]), &[0], 2, 0.0), "1 labels"),
        (ops::batch_norm_train(&image, &zeros(&[4]), &zeros(&[3]), 1e-3, false, None).map(|b| b.y), "parameters [3]"),
        (ops::relu(&image).and_then(|x| ops::dense(&x.to_dtype(DType::F64)?, &x, None, false, None)), "expected f32"),
    ];
    for (result, part) in errors {
        let error = result.err().unwrap_or_else(|| panic!("nothing said {part:?}")).to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn adam_adds_epsilon_before_the_bias_correction() {
    let adam = Adam { learning_rate: 0.5, beta_1: 0.9, beta_2: 0.99, epsilon: 0.1, weight_decay: 0.0 };
    let (mut p, mut m, mut v) = ([2.0f32], [0.0f32], [0.0f32]);
    adam.update(1, &mut p, &mut m, &mut v, Gradient::new(&[Share::Values(&[4.0])]));
    // By hand: m = 0.4, v = 0.16, alpha = 0.5 * sqrt(0.01) / 0.1 = 0.5, step = 0.5 * 0.4 / (0.4 + 0.1).
    assert_close_slices("m, v, p", &[m[0], v[0], p[0]], &[0.4, 0.16, 1.6], 1e-6);
}

#[test]
fn weight_decay_is_decoupled_and_scales_apply() {
    let sgd = Sgd { learning_rate: 0.5, momentum: 0.0, nesterov: false, weight_decay: 0.1 };
    let mut p = [2.0f32, -1.0];
    sgd.update(&mut p, &mut [], Gradient::new(&[Share::Values(&[3.0, 1.0]), Share::Values(&[1.0, 1.0])]).scaled(0.25));
    assert_close_slices("p", &p, &[2.0 * 0.95 - 0.5, -0.95 - 0.25], 1e-6);
    let gradient = [Share::Values(&[3.0, 1.0]), Share::Values(&[1.0, 1.0])];
    assert_eq!(Gradient::new(&gradient).scaled(0.5).sum_of_squares(), 5.0);
    assert_eq!(Gradient::new(&gradient).clamped(Some(2.5)).sum_of_squares(), 2.5 * 2.5 + 4.0);
}

#[test]
fn no_moment_is_subnormal_and_weights_are_as_if_some_were() {
    let len = 40;
    let start = flat(&values("p", &[len], false));
    let gradients = flat(&values("g", &[len], false));
    let (zeros, factor) = (vec![0.0f32; len], 0.9f32);
    let adam = Adam { learning_rate: 0.1, beta_1: factor, beta_2: 0.99, epsilon: 1e-7, weight_decay: 0.0 };
    let sgd = Sgd { learning_rate: 0.1, momentum: factor, nesterov: true, weight_decay: 0.0 };
    let (mut p, mut m, mut v) = (start.clone(), zeros.clone(), zeros.clone());
    let (mut sgd_p, mut velocity) = (start.clone(), zeros.clone());
    let (mut plain, mut plain_m, mut plain_v) = (start.clone(), zeros.clone(), zeros.clone());
    let (mut plain_sgd, mut plain_velocity) = (start.clone(), zeros.clone());
    let mut subnormal = 0;
    for step in 1..=10_000 {
        // After the first step the units are dead.
        let g = if step == 1 { &gradients } else { &zeros };
        adam.update(step, &mut p, &mut m, &mut v, Gradient::new(&[Share::Values(g)]));
        sgd.update(&mut sgd_p, &mut velocity, Gradient::new(&[Share::Values(g)]));
        assert!(!m.iter().chain(&v).chain(&velocity).any(|x| x.is_subnormal()), "step {step}");
        let decayed = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
        let alpha = (f64::from(0.1f32) * decayed(0.99).sqrt() / decayed(factor)) as f32;
        for i in 0..len {
            plain_m[i] += (g[i] - plain_m[i]) * (1.0 - factor);
            plain_v[i] += (g[i] * g[i] - plain_v[i]) * (1.0 - 0.99);
            plain[i] -= alpha * plain_m[i] / (plain_v[i].sqrt() + 1e-7);
            plain_velocity[i] = factor * plain_velocity[i] - 0.1 * g[i];
            plain_sgd[i] += factor * plain_velocity[i] - 0.1 * g[i];
        }
        subnormal += plain_m.iter().chain(&plain_v).filter(|x| x.is_subnormal()).count();
    }
    assert!(subnormal > 0, "the plain form has no subnormal moment either");
    assert!(m == zeros && v == zeros && velocity == zeros, "a moment is stuck");
    assert_eq!((p, sgd_p), (plain, plain_sgd));
}

#[test]
fn updates_may_be_cut_anywhere() {
    let len = 5000;
    let (p, g, h) =
        (flat(&values("p", &[len], false)), flat(&values("g", &[len], false)), flat(&values("h", &[len], false)));
    let adam = Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.01 };
    let run = |cuts: &[usize]| {
        let (mut p, mut m, mut v) = (p.clone(), vec![0.1; len], vec![0.2; len]);
        for cut in cuts.windows(2) {
            let range = cut[0]..cut[1];
            let gradient = [Share::Values(&g[range.clone()]), Share::Values(&h[range.clone()])];
            adam.update(7, &mut p[range.clone()], &mut m[range.clone()], &mut v[range], Gradient::new(&gradient));
        }
        (p, m, v)
    };
    assert!(run(&[0, len]) == run(&[0, 1, 17, 2048, 3001, len]));
}

#[test]
fn variables_are_updated_in_place() {
    let variable = var("w", &[3, 2]);
    let before = flat(&variable);
    let len = update_in_place(&variable, |values| {
        values.iter_mut().for_each(|x| *x += 1.0);
        values.len()
    });
    assert_eq!(len.unwrap(), 6);
    assert_eq!(flat(&variable), before.iter().map(|x| x + 1.0).collect::<Vec<_>>());
}
