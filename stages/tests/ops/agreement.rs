//! Every CPU kernel against the portable form: results and the gradients of all inputs.

use candle_core::{Result, Tensor};
use stages::ops::{self, Conv, Padding, portable};

use super::cases::{assert_close, run, values};

type Op<'a> = &'a dyn Fn(&[&Tensor]) -> Result<Tensor>;

#[track_caller]
fn agree(what: &str, inputs: &[Tensor], kernel: Op, portable: Op) {
    let ((y, gradients), (expected, expected_gradients)) = (run(inputs, kernel), run(inputs, portable));
    assert_close(&format!("{what}: result"), &y, &expected, 1e-5);
    for (i, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
        assert_close(&format!("{what}: gradient of input {i}"), gradient, expected, 1e-5);
    }
}

#[test]
fn convolutions_agree() {
    // Channels below, at and above the widths and tiles of the kernels; images wider than high; windows larger than the image.
    let shapes = [
        ([1, 1, 1, 1], 1, 1),
        // More channels than the weights' gradient takes at a time, and not a multiple.
        ([2, 4, 5, 112], 1, 3),
        ([1, 3, 4, 70], 3, 2),
        ([2, 7, 5, 3], 3, 5),
        ([1, 28, 28, 1], 3, 32),
        ([3, 14, 14, 32], 3, 17),
        ([2, 6, 7, 70], 3, 66),
        ([2, 9, 8, 5], 5, 16),
        ([5, 4, 6, 33], 1, 8),
        ([1, 3, 2, 2], 5, 4),
        ([40, 8, 8, 16], 3, 16),
        // 3 x 3 kernels of whole vectors, at the points: whole tiles, cut ones, several chunks, a panel that is not full.
        ([3, 12, 8, 32], 3, 48),
        ([17, 7, 7, 64], 3, 32),
        ([2, 3, 10, 16], 3, 80),
        ([1, 30, 27, 16], 3, 16),
    ];
    for ([n, h, w, c], k, o) in shapes {
        for (stride, padding) in [(1, Padding::Same), (2, Padding::Same), (3, Padding::Valid), (1, Padding::Valid)] {
            for (relu, bias) in [(true, true), (true, false), (false, true), (false, false)] {
                if padding.output_size(h.min(w), k, stride).is_none() {
                    continue;
                }
                let conv = Conv { stride, padding, relu };
                let mut inputs = vec![values("x", &[n, h, w, c], true), values("w", &[k, k, c, o], false)];
                inputs.extend(bias.then(|| values("b", &[o], false)));
                let what = format!("{n}x{h}x{w}x{c} kernel {k} outputs {o} {conv:?}");
                agree(&what, &inputs, &|t| ops::conv2d(t[0], t[1], t.get(2).copied(), &conv, None), &|t| {
                    portable::conv2d(t[0], t[1], t.get(2).copied(), &conv)
                });
            }
        }
    }
}

#[test]
fn kernels_that_are_not_square_agree() {
    for (kh, kw) in [(1, 3), (3, 1), (2, 4), (7, 2)] {
        let conv = Conv { stride: 2, padding: Padding::Same, relu: false };
        let inputs = [values("x", &[2, 7, 6, 3], false), values("w", &[kh, kw, 3, 4], false)];
        let kernel: Op = &|t| ops::conv2d(t[0], t[1], None, &conv, None);
        agree(&format!("{kh}x{kw}"), &inputs, kernel, &|t| portable::conv2d(t[0], t[1], None, &conv));
    }
}

#[test]
fn dense_layers_agree() {
    for (n, i, o) in [(1, 1, 1), (1, 300, 5), (16, 129, 70), (33, 64, 512), (7, 1000, 3), (3, 5, 16)] {
        for (relu, bias) in [(true, true), (false, false)] {
            let mut inputs = vec![values("x", &[n, i], true), values("w", &[i, o], false)];
            inputs.extend(bias.then(|| values("b", &[o], false)));
            agree(
                &format!("{n}x{i} to {o}"),
                &inputs,
                &|t| ops::dense(t[0], t[1], t.get(2).copied(), relu, None),
                &|t| portable::dense(t[0], t[1], t.get(2).copied(), relu),
            );
        }
    }
}

#[test]
fn pools_agree_with_ties_overlap_and_borders() {
    for shape in [[1, 2, 2, 1], [2, 7, 7, 3], [3, 6, 5, 8], [1, 28, 28, 33]] {
        for (size, stride) in [(2, 2), (3, 2), (3, 1), (2, 3), (1, 1)] {
            for (padding, coarse) in [(Padding::Valid, true), (Padding::Same, true), (Padding::Same, false)] {
                if padding.output_size(shape[1].min(shape[2]), size, stride).is_none() {
                    continue;
                }
                let (x, what) = ([values("x", &shape, coarse)], format!("{shape:?} {size} {stride} {padding:?}"));
                agree(&format!("maximum {what}"), &x, &|t| ops::max_pool2d(t[0], size, stride, padding), &|t| {
                    portable::max_pool2d(t[0], size, stride, padding)
                });
                agree(&format!("average {what}"), &x, &|t| ops::avg_pool2d(t[0], size, stride, padding), &|t| {
                    portable::avg_pool2d(t[0], size, stride, padding)
                });
            }
        }
        let x = [values("x", &shape, false)];
        agree("global", &x, &|t| ops::global_avg_pool2d(t[0]), &|t| portable::global_avg_pool2d(t[0]));
    }
}

#[test]
fn batch_normalisations_agree_on_any_rank() {
    let shapes = [&[9, 4][..], &[2, 3, 5, 7], &[150, 33], &[1, 2, 2, 3], &[5, 300]];
    for (shape, relu) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let c = shape[shape.len() - 1];
        let inputs = [values("x", shape, false), values("gamma", &[c], false), values("beta", &[c], false)];
        let (kernel, expected): (Op, Op) =
            (&|t| Ok(ops::batch_norm_train(t[0], t[1], t[2], 1e-3, relu, None)?.y), &|t| {
                Ok(portable::batch_norm_train(t[0], t[1], t[2], 1e-3, relu)?.y)
            });
        agree(&format!("{shape:?} training, relu {relu}"), &inputs, kernel, expected);
        let [x, gamma, beta] = &inputs;
        let (a, b) = (
            ops::batch_norm_train(x, gamma, beta, 1e-3, relu, None).unwrap(),
            portable::batch_norm_train(x, gamma, beta, 1e-3, relu).unwrap(),
        );
        assert_close("mean", &a.mean, &b.mean, 1e-6);
        assert_close("variance", &a.variance, &b.variance, 1e-6);
        agree(
            &format!("{shape:?} inference, relu {relu}"),
            &inputs,
            &|t| ops::batch_norm_infer(t[0], t[1], t[2], &a.mean, &a.variance, 1e-3, relu),
            &|t| portable::batch_norm_infer(t[0], t[1], t[2], &a.mean, &a.variance, 1e-3, relu),
        );
    }
}

#[test]
fn sums_agree() {
    for (shape, relu) in [(&[3, 5][..], false), (&[2, 7, 7, 33], true), (&[1], true)] {
        let inputs = [values("a", shape, false), values("b", shape, false)];
        agree("add", &inputs, &|t| ops::add(t[0], t[1], relu), &|t| portable::add(t[0], t[1], relu));
    }
}

#[test]
fn elementwise_operators_agree() {
    for shape in [&[1][..], &[3, 5], &[2, 7, 7, 33]] {
        let x = [values("x", shape, true)];
        agree("relu", &x, &|t| ops::relu(t[0]), &|t| portable::relu(t[0]));
        for offset in [0, 12_345, u64::from(u32::MAX) - 20] {
            let (kernel, expected): (Op, Op) =
                (&|t| ops::dropout(t[0], 0.3, 99, offset), &|t| portable::dropout(t[0], 0.3, 99, offset));
            agree("dropout", &x, kernel, expected);
        }
    }
}

#[test]
fn losses_agree() {
    for (n, k) in [(1, 2), (5, 3), (64, 10), (1, 1)] {
        let logits = [(values("logits", &[n, k], false) * 30.0).unwrap()];
        let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % k as u32).collect();
        agree("softmax", &logits, &|t| ops::softmax(t[0]), &|t| portable::softmax(t[0]));
        for smoothing in [0.0, 0.1] {
            agree("cross-entropy", &logits, &|t| ops::softmax_cross_entropy(t[0], &labels, 2 * n, smoothing), &|t| {
                portable::softmax_cross_entropy(t[0], &labels, 2 * n, smoothing)
            });
        }
    }
}
