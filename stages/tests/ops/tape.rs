//! A tape takes the gradients back that candle's own backward pass does, to the bit, and says so where it cannot.

use candle_core::{Device, Result, Tensor, Var};
use stages::ops::{self, BatchNorm, Conv, GradSink, Layer, Norm, Padding, Tape};

use super::cases::values;

/// A network that has each operator, and results that are used two, three and five times: by convolutions with windows and at points, with and
/// without a ReLU, and by one with batch normalisation behind it. There are more images than a convolution takes at a time.
struct Network {
    x: Tensor,
    variables: Vec<(Var, Var, GradSink)>,
}

const SHAPES: [&[usize]; 12] = [
    &[3, 3, 2, 16],
    &[3, 3, 16, 16],
    &[16],
    &[1, 1, 16, 5],
    &[3, 3, 16, 16],
    &[5, 5, 16, 5],
    &[1, 1, 16, 3],
    &[45, 4],
    &[16],
    &[3, 3, 16, 16],
    &[5, 5, 16, 16],
    &[16],
];

impl Network {
    fn new() -> Self {
        let variable = |shape: &[usize], name: &str| Var::from_tensor(&values(name, shape, false)).unwrap();
        let pair = |shape: &&[usize]| {
            let outputs = &shape[shape.len() - 1..];
            let sink = GradSink::new(shape.iter().product(), outputs[0]);
            (variable(shape, "weight"), variable(outputs, "bias"), sink)
        };
        Self { x: values("x", &[24, 12, 12, 2], false), variables: SHAPES.iter().map(pair).collect() }
    }

    fn loss(&self) -> Result<Tensor> {
        let settings = Conv { stride: 1, padding: Padding::Same, relu: true };
        let plain = Conv { relu: false, ..settings };
        let layer = |i: usize| {
            let (weight, bias, sink) = &self.variables[i];
            Layer { weight, bias, grads: Some(sink) }
        };
        let conv_by = |x: &Tensor, i: usize, settings: &Conv| {
            let Layer { weight, bias, grads } = layer(i);
            ops::conv2d(x, weight, Some(bias), settings, grads)
        };
        let conv = |x: &Tensor, i: usize| conv_by(x, i, &settings);
        let x = conv(&self.x, 0)?;
        let (gamma, beta, sink) = &self.variables[2];
        let inner = ops::batch_norm_train(&conv(&x, 1)?, gamma, beta, 1e-3, true, Some(sink))?.y;
        let norm = Norm { epsilon: 1e-3, relu: true, pool: None };
        let beside = ops::conv2d_batch_norm_train(&x, (layer(10), &plain), (layer(11), &norm))?.y;
        let x = ops::add(&ops::add(&inner, &x, true)?, &beside, false)?;
        let pooled = Norm { pool: Some((2, 2, Padding::Valid)), ..norm };
        let x = ops::batch_norm_max_pool_train(&x, layer(8), &pooled)?.y;
        let x = ops::max_pool2d(&ops::dropout(&x, 0.25, 3, 0)?, 2, 1, Padding::Same)?;
        let branches = [
            conv(&x, 3)?,
            conv(&x, 4)?,
            ops::avg_pool2d(&conv(&x, 5)?, 3, 1, Padding::Same)?,
            conv(&ops::max_pool2d(&x, 3, 1, Padding::Same)?, 6)?,
            conv_by(&x, 9, &plain)?,
        ];
        let x = ops::relu(&ops::concat(&branches)?)?;
        let x = ops::flatten(&ops::avg_pool2d(&x, 6, 6, Padding::Valid)?)?;
        let (w, b, sink) = &self.variables[7];
        let x = ops::dense(&x, w, Some(b), false, Some(sink))?;
        let labels: Vec<u32> = (0..24).map(|image| image % 4).collect();
        ops::softmax_cross_entropy(&x, &labels, labels.len(), 0.1)
    }

    fn gradients(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        let of = |sink: &GradSink| {
            let gradients = sink.lock();
            let both = (gradients.weight().to_vec(), gradients.bias().to_vec());
            drop(gradients);
            sink.reset();
            both
        };
        self.variables.iter().map(|(_, _, sink)| of(sink)).collect()
    }
}

#[test]
fn a_tape_leaves_the_gradients_that_candle_would() {
    let network = Network::new();
    let loss = network.loss().unwrap();
    loss.backward().unwrap();
    let expected = network.gradients();
    assert!(expected.iter().all(|(weight, _)| weight.iter().any(|g| *g != 0.0)), "each layer takes part");

    // Twice: nothing is left of a tape that was played.
    for _ in 0..2 {
        let tape = Tape::new();
        let recorded = network.loss().unwrap();
        tape.backward(&recorded).unwrap();
        assert_eq!(recorded.to_scalar::<f32>().unwrap(), loss.to_scalar::<f32>().unwrap());
        assert!(network.gradients() == expected, "the same numbers");
    }
    // And one that was not played is forgotten: candle has its graph again.
    drop(Tape::new());
    network.loss().unwrap().backward().unwrap();
    assert!(network.gradients() == expected);
}

#[test]
fn a_tape_does_not_lose_a_gradient_in_silence() {
    let w = Var::from_tensor(&values("w", &[4, 3], false)).unwrap();
    let (x, sink) = (values("x", &[2, 4], false), GradSink::new(12, 0));
    let tape = Tape::new();
    let y = ops::dense(&x, &w, None, true, Some(&sink)).unwrap();
    // An operator of candle's own, which the tape does not see.
    let loss = ops::softmax_cross_entropy(&(y * 2.0).unwrap(), &[0, 1], 2, 0.0).unwrap();
    let error = tape.backward(&loss).unwrap_err().to_string();
    assert!(error.contains("is not recorded"), "{error}");
}

#[test]
fn a_tape_asks_for_no_gradient_of_images() {
    let w = Var::from_tensor(&Tensor::ones((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap()).unwrap();
    let sink = GradSink::new(4, 0);
    let tape = Tape::new();
    let x = ops::dropout(&values("x", &[3, 2], false), 0.5, 1, 0).unwrap();
    let y = ops::dense(&x, &w, None, false, Some(&sink)).unwrap();
    let loss = ops::softmax_cross_entropy(&y, &[0, 1, 0], 3, 0.0).unwrap();
    tape.backward(&loss).unwrap();
    assert!(sink.lock().weight().iter().any(|g| *g != 0.0));
}

/// A convolution before batch normalisation, and perhaps a pool behind it: with kernels of 3 x 3 at their points and by the loops, with
/// strides, without a gradient of the images, with ReLUs in either place.
struct Behind {
    shape: [usize; 4],
    outputs: usize,
    kernel: usize,
    conv: Conv,
    norm: Norm,
    is_first: bool,
}

impl Behind {
    fn all() -> impl Iterator<Item = Self> {
        let same = Conv { stride: 1, padding: Padding::Same, relu: false };
        let convolutions = [
            ([5, 14, 14, 16], 32, 3, same),
            ([5, 9, 7, 16], 16, 3, Conv { padding: Padding::Valid, ..same }),
            ([3, 28, 28, 1], 20, 3, same),
            ([5, 11, 8, 3], 7, 5, Conv { stride: 2, ..same }),
            ([5, 8, 8, 4], 16, 1, same),
            // More than a chunk of framed images.
            ([5, 40, 40, 12], 8, 5, same),
            ([5, 8, 8, 4], 8, 3, Conv { relu: true, ..same }),
        ];
        let norm = |relu, pool| Norm { epsilon: 1e-3, relu, pool };
        let norms = [
            norm(false, None),
            norm(true, None),
            norm(true, Some((2, 2, Padding::Valid))),
            norm(true, Some((3, 2, Padding::Same))),
        ];
        convolutions.into_iter().flat_map(move |(shape, outputs, kernel, conv)| {
            norms.into_iter().flat_map(move |norm| {
                [false, true].map(|is_first| Self { shape, outputs, kernel, conv, norm, is_first })
            })
        })
    }

    /// The operators between the images and the logits.
    fn operators(&self) -> Vec<&'static str> {
        let is_tiled = self.norm.pool.is_none_or(|pool| pool == (2, 2, Padding::Valid));
        let before = if self.is_first { &[][..] } else { &["conv2d"] };
        let behind = match self.norm.pool {
            _ if !self.conv.relu && is_tiled => &["conv2d_batch_norm"][..],
            None => &["conv2d", "batch_norm"],
            Some(_) if is_tiled => &["conv2d", "batch_norm_max_pool"],
            Some(_) => &["conv2d", "batch_norm", "max_pool2d"],
        };
        [before, behind].concat()
    }

    /// The result, the statistics and all gradients. If both layers are asked for at once, these have to be the operators.
    fn run(&self, at_once: bool) -> Result<Vec<Vec<f32>>> {
        let Self { shape: [_, _, _, channels], outputs, kernel, .. } = *self;
        let layer = |shape: &[usize], name: &str| -> Result<(Var, Var, GradSink)> {
            let biases = shape[shape.len() - 1];
            let (weight, bias) = (values(name, shape, false), values(&format!("{name} bias"), &[biases], false));
            Ok((Var::from_tensor(&weight)?, Var::from_tensor(&bias)?, GradSink::new(shape.iter().product(), biases)))
        };
        let before = layer(&[1, 1, channels, channels], "before")?;
        let kernels = layer(&[kernel, kernel, channels, outputs], "kernels")?;
        let scales = layer(&[outputs], "scales")?;
        fn of((weight, bias, sink): &(Var, Var, GradSink)) -> Layer<'_> {
            Layer { weight, bias, grads: Some(sink) }
        }
        let tape = Tape::new();
        let mut x = values("x", &self.shape, false);
        if !self.is_first {
            let plain = Conv { stride: 1, padding: Padding::Same, relu: false };
            x = ops::conv2d(&x, &before.0, Some(&before.1), &plain, Some(&before.2))?;
        }
        let normed = if at_once {
            ops::conv2d_batch_norm_train(&x, (of(&kernels), &self.conv), (of(&scales), &self.norm))?
        } else {
            let y = ops::conv2d(&x, &kernels.0, Some(&kernels.1), &self.conv, Some(&kernels.2))?;
            let Norm { epsilon, relu, pool } = self.norm;
            let normed = ops::batch_norm_train(&y, &scales.0, &scales.1, epsilon, relu, Some(&scales.2))?;
            match pool {
                Some((size, stride, padding)) => {
                    BatchNorm { y: ops::max_pool2d(&normed.y, size, stride, padding)?, ..normed }
                }
                None => normed,
            }
        };
        if at_once {
            assert_eq!(tape.operators(), self.operators());
        }
        let flat = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        let results = [flat(&normed.y)?, flat(&normed.mean)?, flat(&normed.variance)?];
        let head = values("head", &[normed.y.elem_count() / self.shape[0], 3], false);
        let logits = ops::dense(&ops::flatten(&normed.y)?, &head, None, false, None)?;
        tape.backward(&ops::softmax_cross_entropy(&logits, &vec![1; self.shape[0]], self.shape[0], 0.0)?)?;
        let gradients = [&before, &kernels, &scales].map(|(_, _, sink)| {
            let gradients = sink.lock();
            [gradients.weight().to_vec(), gradients.bias().to_vec()]
        });
        Ok(results.into_iter().chain(gradients.into_iter().flatten()).collect())
    }
}

#[test]
fn batch_normalisation_behind_a_convolution_changes_no_bit() {
    for case in Behind::all() {
        let Behind { shape, outputs, kernel, conv, norm, is_first } = &case;
        let what = format!("{shape:?} to {outputs} by {kernel}, {conv:?}, {norm:?}, images {is_first}");
        let (found, expected) = (case.run(true).unwrap(), case.run(false).unwrap());
        // A convolution's bias has no gradient behind which means are taken off, but what rounding leaves.
        let some = |values: &Vec<f32>| values.iter().any(|value| *value != 0.0);
        let is_reached = |i: usize| !(i == 6 || *is_first && (3..5).contains(&i));
        assert!(expected.iter().enumerate().all(|(i, values)| some(values) || !is_reached(i)), "{what}: all take part");
        let bits = |all: &[Vec<f32>]| all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(bits(&found) == bits(&expected), "{what}: the same bits");
    }
}

#[test]
fn a_pool_behind_batch_normalisation_needs_its_relu() {
    let case = Behind::all().find(|case| case.norm.pool.is_some()).unwrap();
    let error = Behind { norm: Norm { relu: false, ..case.norm }, ..case }.run(true).unwrap_err().to_string();
    assert_eq!(error.lines().next(), Some("conv2d_batch_norm_train: a pool follows a ReLU"));
}
