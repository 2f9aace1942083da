//! A tape takes the gradients back that candle's own backward pass does, to the bit, and says so where it cannot.

use candle_core::{Device, Result, Tensor, Var};
use stages::ops::{self, Conv, GradSink, Padding, Tape};

use super::cases::values;

/// A network that has each operator, results that are used twice and four times, and variables that feed two layers.
struct Network {
    x: Tensor,
    variables: Vec<(Var, Var, GradSink)>,
}

const SHAPES: [&[usize]; 9] =
    [&[3, 3, 2, 8], &[3, 3, 8, 8], &[8], &[1, 1, 8, 5], &[3, 3, 8, 5], &[5, 5, 8, 5], &[1, 1, 8, 3], &[18, 4], &[8]];

impl Network {
    fn new() -> Self {
        let variable = |shape: &[usize], name: &str| Var::from_tensor(&values(name, shape, false)).unwrap();
        let pair = |shape: &&[usize]| {
            let outputs = &shape[shape.len() - 1..];
            let sink = GradSink::new(shape.iter().product(), outputs[0]);
            (variable(shape, "weight"), variable(outputs, "bias"), sink)
        };
        Self { x: values("x", &[6, 12, 12, 2], false), variables: SHAPES.iter().map(pair).collect() }
    }

    fn loss(&self) -> Result<Tensor> {
        let settings = Conv { stride: 1, padding: Padding::Same, relu: true };
        let conv = |x: &Tensor, i: usize| {
            let (w, b, sink) = &self.variables[i];
            ops::conv2d(x, w, Some(b), &settings, Some(sink))
        };
        let x = conv(&self.x, 0)?;
        let (gamma, beta, sink) = &self.variables[2];
        let inner = ops::batch_norm_train(&conv(&x, 1)?, gamma, beta, 1e-3, true, Some(sink))?.y;
        let x = ops::add(&inner, &x, true)?;
        let (gamma, beta, sink) = &self.variables[8];
        let x = ops::batch_norm_max_pool_train(&x, gamma, beta, 1e-3, (2, 2, Padding::Valid), Some(sink))?.y;
        let x = ops::max_pool2d(&ops::dropout(&x, 0.25, 3, 0)?, 2, 1, Padding::Same)?;
        let branches = [
            conv(&x, 3)?,
            conv(&x, 4)?,
            ops::avg_pool2d(&conv(&x, 5)?, 3, 1, Padding::Same)?,
            conv(&ops::max_pool2d(&x, 3, 1, Padding::Same)?, 6)?,
        ];
        let x = ops::relu(&ops::concat(&branches)?)?;
        let x = ops::flatten(&ops::avg_pool2d(&x, 6, 6, Padding::Valid)?)?;
        let (w, b, sink) = &self.variables[7];
        let x = ops::dense(&x, w, Some(b), false, Some(sink))?;
        ops::softmax_cross_entropy(&x, &[0, 1, 2, 3, 0, 1], 6, 0.1)
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
