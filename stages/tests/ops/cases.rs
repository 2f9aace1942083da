//! Inputs, gradients and comparisons that the other files share.

use candle_core::{Device, Result, Tensor, Var};
use stages::rng::Rng;

/// Values around 0: a third exact zeros and many ties, if `coarse`; otherwise all different.
pub(crate) fn values(name: &str, shape: &[usize], coarse: bool) -> Tensor {
    let mut rng = Rng::new(7, name, shape.iter().sum::<usize>() as u64);
    let draw = |_| if coarse { (rng.below(3) as f32 - 1.0) * 0.5 } else { rng.between(-1.0, 1.0) };
    let values: Vec<f32> = (0..shape.iter().product()).map(draw).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// What an operator gives for its inputs, and the gradients of the inputs for a fixed random gradient of the result.
pub(crate) fn run(inputs: &[Tensor], op: impl Fn(&[&Tensor]) -> Result<Tensor>) -> (Tensor, Vec<Tensor>) {
    let inputs: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let arguments: Vec<&Tensor> = inputs.iter().map(Var::as_tensor).collect();
    let y = op(&arguments).unwrap();
    let loss = (&y * values("result", y.dims(), false)).unwrap().sum_all().unwrap();
    let store = loss.backward().unwrap();
    let gradients = inputs.iter().map(|input| store.get(input).expect("a gradient").clone()).collect();
    (y, gradients)
}

/// That all elements agree within `tolerance`, relative to the greatest.
#[track_caller]
pub(crate) fn assert_close(what: &str, a: &Tensor, b: &Tensor, tolerance: f32) {
    assert_eq!(a.dims(), b.dims(), "{what}: shapes");
    assert_close_slices(what, &flat(a), &flat(b), tolerance);
}

#[track_caller]
pub(crate) fn assert_close_slices(what: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{what}: lengths");
    let scale = b.iter().fold(1.0f32, |scale, x| scale.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{what}: element {i} is {x}, not {y}");
    }
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}
