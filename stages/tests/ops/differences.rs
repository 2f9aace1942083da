//! Gradients against central differences of a plain f64 reference, which shares no code with the operators.

use candle_core::{Device, Result, Tensor, Var};
use stages::ops::{self, Conv, Padding};

use super::cases::{assert_close_slices, flat, values};

/// Compares an operator's value and gradients with those of `reference`, a function of all inputs in f64.
fn check(
    what: &str,
    inputs: &[Tensor],
    op: impl Fn(&[&Tensor]) -> Result<Tensor>,
    reference: impl Fn(&[Vec<f64>]) -> f64,
) {
    let variables: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let loss = op(&variables.iter().map(Var::as_tensor).collect::<Vec<_>>()).unwrap();
    let store = loss.backward().unwrap();
    let mut point: Vec<Vec<f64>> = inputs.iter().map(|x| flat(x).into_iter().map(f64::from).collect()).collect();
    assert_close_slices(&format!("{what}: value"), &[loss.to_scalar().unwrap()], &[reference(&point) as f32], 1e-5);
    for (i, variable) in variables.iter().enumerate() {
        let mut differences = Vec::new();
        for j in 0..point[i].len() {
            let (middle, h) = (point[i][j], 1e-5);
            point[i][j] = middle + h;
            let above = reference(&point);
            point[i][j] = middle - h;
            let below = reference(&point);
            point[i][j] = middle;
            differences.push(((above - below) / (2.0 * h)) as f32);
        }
        let gradient = flat(store.get(variable).expect("a gradient"));
        assert_close_slices(&format!("{what}: gradient of input {i}"), &gradient, &differences, 2e-5);
    }
}

/// Fixed weights that make a scalar of a result.
fn weights(len: usize) -> Vec<f32> {
    flat(&values("weights", &[len], false))
}

fn weighted(y: &Tensor) -> Result<Tensor> {
    let weights = Tensor::from_vec(weights(y.elem_count()), y.shape(), &Device::Cpu)?;
    (y * weights)?.sum_all()
}

fn weigh(y: impl IntoIterator<Item = f64>, len: usize) -> f64 {
    y.into_iter().zip(weights(len)).map(|(y, w)| y * f64::from(w)).sum()
}

#[test]
fn of_convolutions() {
    let (h, w, c, k, o) = (5, 4, 2, 3, 3);
    // Stride, padding, padded before, output rows and columns: by hand, from TensorFlow's definition.
    for (stride, padding, before, rows, columns) in
        [(1, Padding::Same, (1, 1), 5, 4), (2, Padding::Same, (1, 0), 3, 2), (2, Padding::Valid, (0, 0), 2, 1)]
    {
        let inputs =
            [values("images", &[2, h, w, c], false), values("kernels", &[k, k, c, o], false), values("b", &[o], false)];
        let conv = Conv { stride, padding, relu: true };
        let len = 2 * rows * columns * o;
        check(
            &format!("{conv:?}"),
            &inputs,
            |t| weighted(&ops::conv2d(t[0], t[1], Some(t[2]), &conv, None)?),
            |t| {
                let mut y = Vec::new();
                for n in 0..2 {
                    for (i, j, out) in grid(rows, columns, o) {
                        let mut sum = t[2][out];
                        for (a, b, channel) in grid(k, k, c) {
                            let (row, column) = (i * stride + a, j * stride + b);
                            let inside =
                                (before.0..before.0 + h).contains(&row) && (before.1..before.1 + w).contains(&column);
                            if inside {
                                let pixel = (n * h + row - before.0) * w + column - before.1;
                                sum += t[0][pixel * c + channel] * t[1][((a * k + b) * c + channel) * o + out];
                            }
                        }
                        assert!(sum.abs() > 1e-4, "too near the kink for a difference: draw other inputs");
                        y.push(sum.max(0.0));
                    }
                }
                weigh(y, len)
            },
        );
    }
}

fn grid(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

#[test]
fn of_pools() {
    let (h, w, c) = (5, 6, 2);
    let x = [values("x", &[1, h, w, c], false)];
    let window = |t: &[f64], i: usize, j: usize, channel: usize| -> Vec<f64> {
        grid(2, 2, 1).map(|(a, b, _)| t[((2 * i + a) * w + 2 * j + b) * c + channel]).collect()
    };
    check(
        "max_pool2d",
        &x,
        |t| weighted(&ops::max_pool2d(t[0], 2, 2, Padding::Valid)?),
        |t| {
            let greatest = |(i, j, k)| window(&t[0], i, j, k).into_iter().fold(f64::MIN, f64::max);
            weigh(grid(2, 3, c).map(greatest), 12)
        },
    );
    check(
        "avg_pool2d",
        &x,
        |t| weighted(&ops::avg_pool2d(t[0], 2, 2, Padding::Valid)?),
        |t| weigh(grid(2, 3, c).map(|(i, j, k)| window(&t[0], i, j, k).into_iter().sum::<f64>() / 4.0), 12),
    );
}

#[test]
fn of_batch_normalisation() {
    let (n, c) = (7, 3);
    let inputs = [values("x", &[n, c], false), values("gamma", &[c], false), values("beta", &[c], false)];
    check(
        "batch_norm_train",
        &inputs,
        |t| weighted(&ops::batch_norm_train(t[0], t[1], t[2], 1e-3, false, None)?.y),
        |t| {
            let column = |k: usize| (0..n).map(move |i| t[0][i * c + k]);
            let mean = |k: usize| column(k).sum::<f64>() / n as f64;
            let variance = |k: usize| column(k).map(|x| (x - mean(k)).powi(2)).sum::<f64>() / n as f64;
            let y = |(i, k, _): (usize, usize, usize)| {
                t[1][k] * (t[0][i * c + k] - mean(k)) / (variance(k) + 1e-3).sqrt() + t[2][k]
            };
            weigh(grid(n, c, 1).map(y), n * c)
        },
    );
}

#[test]
fn of_the_loss() {
    let (n, k, smoothing) = (4, 5, 0.1f32);
    let labels = [2u32, 0, 4, 4];
    check(
        "softmax_cross_entropy",
        &[values("logits", &[n, k], false)],
        |t| ops::softmax_cross_entropy(t[0], &labels, 8, smoothing),
        |t| {
            let mut loss = 0.0;
            for (row, label) in t[0].chunks(k).zip(labels) {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                for (class, x) in row.iter().enumerate() {
                    let smooth = f64::from(smoothing);
                    let target = smooth / k as f64 + if class == label as usize { 1.0 - smooth } else { 0.0 };
                    loss -= target * (x - sum.ln());
                }
            }
            loss / 8.0
        },
    );
    check(
        "softmax",
        &[values("logits", &[n, k], false)],
        |t| weighted(&ops::softmax(t[0])?),
        |t| {
            let rows = t[0].chunks(k).flat_map(|row| {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter().map(move |x| x.exp() / sum)
            });
            weigh(rows, n * k)
        },
    );
}

#[test]
fn of_dense_layers() {
    let (n, i, o) = (3, 7, 4);
    check(
        "dense",
        &[values("x", &[n, i], false), values("w", &[i, o], false), values("b", &[o], false)],
        |t| weighted(&ops::dense(t[0], t[1], Some(t[2]), true, None)?),
        |t| {
            let y = |(row, out, _): (usize, usize, usize)| {
                let sum: f64 = (0..i).map(|k| t[0][row * i + k] * t[1][k * o + out]).sum();
                (sum + t[2][out]).max(0.0)
            };
            weigh(grid(n, o, 1).map(y), n * o)
        },
    );
}
