//! Gradient sinks hold what candle's store would, in either form, and forget without being filled.

use candle_core::{Device, Result, Tensor, Var};
use stages::ops::optimiser::{Gradient, Sgd};
use stages::ops::{self, Conv, GradSink, Padding, Share, portable};

use super::cases::{assert_close_slices, flat, values};

type Layer = dyn Fn(&Tensor, &Var, &Var, Option<&GradSink>) -> Result<Tensor>;

fn layers() -> Vec<(&'static str, Tensor, Vec<usize>, Box<Layer>)> {
    let conv = Conv { stride: 1, padding: Padding::Same, relu: true };
    vec![
        (
            "conv2d",
            values("x", &[3, 5, 6, 4], false),
            vec![3, 3, 4, 7],
            Box::new(move |x, w, b, grads| ops::conv2d(x, w, Some(b), &conv, grads)),
        ),
        (
            "conv2d at the points",
            values("x", &[3, 14, 14, 16], false),
            vec![3, 3, 16, 32],
            Box::new(move |x, w, b, grads| ops::conv2d(x, w, Some(b), &conv, grads)),
        ),
        (
            "dense",
            values("x", &[5, 40], false),
            vec![40, 7],
            Box::new(|x, w, b, grads| ops::dense(x, w, Some(b), true, grads)),
        ),
        (
            "batch_norm_train",
            values("x", &[2, 3, 3, 7], false),
            vec![7],
            Box::new(|x, w, b, grads| Ok(ops::batch_norm_train(x, w, b, 1e-3, false, grads)?.y)),
        ),
    ]
}

fn pass(x: &Tensor, w: &Var, b: &Var, layer: &Layer, grads: Option<&GradSink>) -> candle_core::backprop::GradStore {
    let y = layer(x, w, b, grads).unwrap();
    (&y * values("result", y.dims(), false)).unwrap().sum_all().unwrap().backward().unwrap()
}

#[test]
fn a_sink_receives_what_the_store_would() {
    for (name, x, shape, layer) in layers() {
        let w = Var::from_tensor(&values("w", &shape, false)).unwrap();
        let b = Var::from_tensor(&values("b", &shape[shape.len() - 1..], false)).unwrap();
        let store = pass(&x, &w, &b, &*layer, None);
        let (dw, db) = (flat(store.get(&w).unwrap()), flat(store.get(&b).unwrap()));

        let sink = GradSink::new(dw.len(), db.len());
        let mut store = pass(&x, &w, &b, &*layer, Some(&sink));
        assert!(store.get(&w).is_none() && store.get(&b).is_none(), "{name}: nothing goes to the store");
        sink.absorb(&mut store, &w, Some(&b)).unwrap();
        assert_close_slices(name, sink.lock().weight(), &dw, 1e-6);
        assert_close_slices(name, sink.lock().bias(), &db, 1e-6);

        // A second pass adds; a reset forgets.
        pass(&x, &w, &b, &*layer, Some(&sink));
        let twice: Vec<f32> = dw.iter().map(|g| 2.0 * g).collect();
        assert_close_slices(name, sink.lock().weight(), &twice, 1e-6);
        sink.reset();
        let sums = sink.lock();
        assert!(sums.weight().iter().chain(sums.bias()).all(|g| *g == 0.0), "{name}: reset");
        drop(sums);
        pass(&x, &w, &b, &*layer, Some(&sink));
        sink.reset();
        pass(&x, &w, &b, &*layer, Some(&sink));
        assert_close_slices(name, sink.lock().weight(), &dw, 1e-6);
        assert_close_slices(name, sink.lock().bias(), &db, 1e-6);
    }
}

#[test]
fn a_product_changes_weights_as_its_values_do() {
    // Larger than the pieces in which it is multiplied out, and no multiple of any vector.
    let (rows, inputs, outputs) = (6, 97, 131);
    let (x, w) =
        (values("x", &[rows, inputs], false), Var::from_tensor(&values("w", &[inputs, outputs], false)).unwrap());
    let b = Var::from_tensor(&values("b", &[outputs], false)).unwrap();
    let sinks = [0, 1].map(|_| GradSink::new(inputs * outputs, outputs));
    for sink in &sinks {
        pass(&x, &w, &b, &|x, w, b, grads| ops::dense(x, w, Some(b), true, grads), Some(sink));
    }
    let sgd = Sgd { learning_rate: 0.5, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let updated = |shares: &[Share], cuts: &[usize]| {
        let mut weights = flat(&w);
        let (mut rest, mut left) = (shares.to_vec(), weights.as_mut_slice());
        for rows in cuts {
            let (head, tail): (Vec<_>, Vec<_>) = rest.iter().map(|share| share.split_at(rows * outputs)).unzip();
            let (now, later) = left.split_at_mut(rows * outputs);
            sgd.update(now, &mut [], Gradient::new(&head).scaled(0.25));
            (rest, left) = (tail, later);
        }
        weights
    };
    let deferred = {
        let locked = sinks.each_ref().map(GradSink::shares);
        let shares = locked.each_ref().map(stages::ops::Shares::weight);
        assert!(shares.iter().all(|share| matches!(share, Share::Product(_))), "kept as factors");
        let whole = updated(&shares, &[inputs]);
        assert!(whole == updated(&shares, &[1, 40, inputs - 41]), "cut between rows");
        whole
    };
    let locked = sinks.each_ref().map(GradSink::lock);
    let shares = locked.each_ref().map(|gradients| Share::Values(gradients.weight()));
    assert_close_slices("weights", &deferred, &updated(&shares, &[inputs]), 1e-6);
}

#[test]
fn a_sink_absorbs_the_portable_forms_gradients() {
    let x = values("x", &[5, 4], false);
    let w = Var::from_tensor(&values("w", &[4, 3], false)).unwrap();
    let b = Var::from_tensor(&values("b", &[3], false)).unwrap();
    let sink = GradSink::new(12, 3);
    let mut store = portable::dense(&x, &w, Some(&b), false).unwrap().sum_all().unwrap().backward().unwrap();
    let dw = flat(store.get(&w).unwrap());
    sink.absorb(&mut store, &w, Some(&b)).unwrap();
    assert_close_slices("weight", sink.lock().weight(), &dw, 0.0);
    assert_close_slices("bias", sink.lock().bias(), &[5.0; 3], 0.0);
    assert!(store.get(&w).is_none());
}

#[test]
fn layers_without_biases_have_sinks_without() {
    let (x, w) = (values("x", &[2, 3], false), Var::from_tensor(&values("w", &[3, 4], false)).unwrap());
    let sink = GradSink::new(12, 0);
    ops::dense(&x, &w, None, false, Some(&sink)).unwrap().sum_all().unwrap().backward().unwrap();
    let sums: Vec<f32> = flat(&x.sum(0).unwrap()).into_iter().flat_map(|x| [x; 4]).collect();
    assert_close_slices("weight", sink.lock().weight(), &sums, 1e-6);
    assert!(sink.lock().bias().is_empty());
}

#[test]
fn a_sink_of_another_layer_is_refused() {
    let (x, w) = (values("x", &[2, 3], false), Tensor::zeros((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap());
    let error = ops::dense(&x, &w, None, false, Some(&GradSink::new(12, 4))).unwrap_err().to_string();
    assert!(error.contains("12 weights and 0 biases"), "{error}");
}
