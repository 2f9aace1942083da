//! Layers with rounded operands: rounding and values against ml_dtypes and NumPy (`fixtures/ops/make_bf16.py`), sums to the bit against their
//! definition, and all units that the processor has against each other.

use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor, Var};
use stages::ops::bf16::{self, Unit, round, use_unit};
use stages::ops::{Conv, GradSink, Padding, conv2d};
use stages::rng::Rng;

use super::cases::{assert_close_slices, flat, run, values};
use super::pytorch::{conv, read};

/// Runs something with each unit. One test at a time forces units.
fn each_unit(mut with: impl FnMut(Unit)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for unit in Unit::all() {
        use_unit(Some(unit));
        with(unit);
    }
    use_unit(None);
}

#[test]
fn bf16_rounds_as_ml_dtypes_does() {
    let fixture = read("bf16.safetensors");
    let bits = |key: &str| fixture.tensors[key].to_vec1::<u32>().unwrap();
    let (from, to) = (bits("round.from"), bits("round.to"));
    assert!(from.len() > 8_000);
    for (from, to) in from.into_iter().zip(to) {
        let (x, rounded) = (f32::from_bits(from), f32::from_bits(u32::from(round(f32::from_bits(from))) << 16));
        let same = if x.is_nan() { rounded.is_nan() } else { rounded.to_bits() >> 16 == to };
        assert!(same, "{from:08x} becomes {:08x}, not {to:04x}", rounded.to_bits());
    }
}

#[test]
fn bf16_layers_have_the_values_of_rounded_operands() {
    let fixture = read("bf16.safetensors");
    each_unit(|_| {
        let inputs = ["x", "w", "b"];
        fixture.check("conv2d", &inputs, |t, s| bf16::conv2d(t[0], t[1], Some(t[2]), &conv(s), None));
        fixture.check("dense", &inputs, |t, s| bf16::dense(t[0], t[1], Some(t[2]), s["relu"] == true, None));
    });
}

/// Numbers of both signs, with sizes from 2^-`below` to 1.
fn wide(name: &str, len: usize, below: usize) -> Vec<f32> {
    let mut rng = Rng::new(4, name, below as u64);
    (0..len).map(|_| rng.between(-1.0, 1.0) * 2f32.powi(-(rng.below(below + 1) as i32))).collect()
}

fn operand(x: f32) -> f32 {
    let rounded = f32::from_bits(u32::from(round(x)) << 16);
    if rounded.abs() < f32::MIN_POSITIVE { 0.0 * rounded } else { rounded }
}

/// A multiply-add of two bfloat16 and a float32 as it is defined: 0 of its sign where 24 bits of it are below the least normal number.
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    // Where this is about as small as that number it has all bits, and so has the least that is rounded up to it.
    let exact = f64::from(a) * f64::from(b) + f64::from(c);
    let rounded_up = f64::from(f32::MIN_POSITIVE) * (1.0 - 2f64.powi(-25));
    if exact.abs() < rounded_up { 0f32.copysign(exact as f32) } else { a.mul_add(b, c) }
}

fn add(a: f32, b: f32) -> f32 {
    multiply_add(a, 1.0, b)
}

/// An element of a product as it is defined.
fn defined(a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32, depth: usize) -> f32 {
    let mut sum = 0.0;
    for block in (0..depth).step_by(32) {
        let mut parts = [0f32; 2];
        for k in block..block + 32 {
            let (a, b) = if k < depth { (operand(a(k)), operand(b(k))) } else { (0.0, 0.0) };
            parts[k % 2] = multiply_add(a, b, parts[k % 2]);
        }
        sum = add(sum, add(parts[0], parts[1]));
    }
    sum
}

/// A dense layer's results and gradients are those of the definition by each unit: of x `[rows, inputs]`, w `[inputs, outputs]` and the results' gradient.
fn products_are_as_defined((rows, inputs, outputs): (usize, usize, usize), [x, w, g]: [&[f32]; 3], what: &str) {
    let tensor = |values: &[f32], shape: [usize; 2]| Tensor::from_slice(values, &shape, &Device::Cpu).unwrap();
    each_unit(|unit| {
        let x_var = Var::from_tensor(&tensor(x, [rows, inputs])).unwrap();
        let w_var = Var::from_tensor(&tensor(w, [inputs, outputs])).unwrap();
        let y = bf16::dense(&x_var, &w_var, None, false, None).unwrap();
        let store = (&y * tensor(g, [rows, outputs])).unwrap().sum_all().unwrap().backward().unwrap();
        let what = format!("{unit:?}, {rows} x {inputs} x {outputs}, {what}");
        let same = |of: &str, found: &[f32], at: &dyn Fn(usize) -> f32| {
            for (i, found) in found.iter().enumerate() {
                let expected = at(i);
                assert!(found.to_bits() == expected.to_bits(), "{what}: {of} {i} is {found:e}, not {expected:e}");
            }
        };
        same("y", &flat(&y), &|at| {
            let (row, output) = (at / outputs, at % outputs);
            defined(|k| x[row * inputs + k], |k| w[k * outputs + output], inputs)
        });
        same("dx", &flat(store.get(&x_var).unwrap()), &|at| {
            let (row, input) = (at / inputs, at % inputs);
            defined(|k| w[input * outputs + k], |k| g[row * outputs + k], outputs)
        });
        same("dw", &flat(store.get(&w_var).unwrap()), &|at| {
            let (input, output) = (at / outputs, at % outputs);
            defined(|k| x[k * inputs + input], |k| g[k * outputs + output], rows)
        });
    });
}

#[test]
fn bf16_sums_are_those_of_the_definition_to_the_bit() {
    // Depths of whole blocks and not, sums whose parts become too small for float32, operands that are too small themselves.
    let sizes = [(1, 1, 1), (5, 31, 3), (16, 64, 32), (19, 327, 50), (3, 1030, 17)];
    for below in [0, 40, 62, 70, 120, 148] {
        for (rows, inputs, outputs) in sizes {
            let (x, w) = (wide("x", rows * inputs, below), wide("w", inputs * outputs, below));
            let g = wide("g", rows * outputs, below);
            products_are_as_defined((rows, inputs, outputs), [&x, &w, &g], &format!("to 2^-{below}"));
        }
    }
}

#[test]
fn bf16_operands_just_below_the_least_normal_number_are_rounded_up_to_it() {
    let size = (33, 70, 45);
    let mut rng = Rng::new(5, "edge", 0);
    // Numbers around the one from which on the least normal number is the nearest, 0x7f8000, and plain ones among them.
    let mut edge = |len: usize| -> Vec<f32> {
        let one = |rng: &mut Rng| match rng.below(4) {
            0 => rng.between(-1.0, 1.0) * power(-100),
            n => f32::from_bits(0x007f_7fff + rng.below(3) as u32) * if n == 1 { -1.0 } else { 1.0 },
        };
        (0..len).map(|_| one(&mut rng)).collect()
    };
    let (x, w, g) = (edge(33 * 70), edge(70 * 45), edge(33 * 45));
    let large = |name: &str, len: usize| wide(name, len, 3).into_iter().map(|x| x * power(60)).collect::<Vec<_>>();
    let (large_x, large_w, large_g) = (large("x", 33 * 70), large("w", 70 * 45), large("g", 33 * 45));
    products_are_as_defined(size, [&x, &large_w, &large_g], "small inputs");
    products_are_as_defined(size, [&large_x, &w, &large_g], "small weights");
    products_are_as_defined(size, [&large_x, &large_w, &g], "small gradients");
}

/// The sum of the products of terms is `expected`, by the definition and by each unit.
fn sums_to(terms: &[(f32, f32)], expected: f32) {
    let (a, b): (Vec<f32>, Vec<f32>) = terms.iter().copied().unzip();
    let depth = terms.len();
    let x = Tensor::from_slice(&a, (1, depth), &Device::Cpu).unwrap();
    let w = Tensor::from_slice(&b, (depth, 1), &Device::Cpu).unwrap();
    let same = |by: &str, found: f32| {
        let shown = || terms.iter().enumerate().filter(|(_, term)| **term != NONE).collect::<Vec<_>>();
        assert!(found.to_bits() == expected.to_bits(), "{by}: {found:e}, not {expected:e}, from {:?}", shown());
    };
    same("the definition", defined(|k| a[k], |k| b[k], depth));
    each_unit(|unit| same(&format!("{unit:?}"), flat(&bf16::dense(&x, &w, None, false, None).unwrap())[0]));
}

fn power(n: i32) -> f32 {
    2f64.powi(n) as f32
}

/// The product is `size * 2^n`, where half of n is within the exponents of bfloat16.
fn term(size: f32, n: i32) -> (f32, f32) {
    (size * power(n / 2), power(n - n / 2))
}

const NONE: (f32, f32) = (0.0, 0.0);

#[test]
fn bf16_results_at_the_least_normal_number_are_those_that_24_bits_have() {
    let least = f32::MIN_POSITIVE;
    let ulp = power(-149);
    for sign in [1.0, -1.0] {
        // What is taken off the least normal number, in halves of what float32 counts in there: by 24 bits there are quarters.
        let cases = [
            (term(-1.0, -149), 0.0),
            (term(-1.0, -150), 0.0),
            (term(-1.0078125, -151), 0.0),
            (term(-1.5, -151), 0.0),
            (term(-1.0, -151), 1.0),
            (term(-1.9921875, -152), 1.0),
            (term(-1.0, -170), 1.0),
            (term(1.0, -150), 1.0),
        ];
        for ((a, b), result) in cases {
            for place in [0, 1, 34] {
                let mut terms = vec![NONE; place];
                terms.extend([(sign * power(-63), power(-63)), NONE, (sign * a, b)]);
                // From 0 on a sum of zeros is +0.
                sums_to(&terms, sign * result * least + 0.0);
            }
        }
        // The same from above: the least normal number and one unit, less one unit and the half of one.
        let above = [(sign * power(-63), power(-63)), NONE, (sign * power(-74), power(-75)), NONE];
        assert_eq!(defined(|k| above[k].0, |k| above[k].1, 4), sign * (least + ulp));
        sums_to(&[&above[..], &[(sign * -1.5 * power(-74), power(-75))]].concat(), 0.0);
        sums_to(&[&above[..], &[(sign * -1.25 * power(-74), power(-75))]].concat(), sign * least);
    }
}

#[test]
fn bf16_zeros_have_the_signs_of_the_definition() {
    let tiny = term(-1.0, -160);
    // The sum of the first block is the least normal number, and the second leaves a negative zero of it.
    let mut terms = vec![NONE; 64];
    terms[0] = (power(-63), power(-63));
    terms[32] = (-power(-63), power(-63) * 1.5);
    sums_to(&terms, -0.0);
    // A third adds another negative zero, if it is full.
    let whole = [&terms[..], &[tiny; 32]].concat();
    sums_to(&whole, -0.0);
    // What it is filled up with makes it a positive one, however little that is.
    for depth in 65..96 {
        sums_to(&whole[..depth], 0.0);
    }
    // Either half of it is enough.
    for k in [95, 94] {
        let mut terms = whole.clone();
        terms[k] = NONE;
        sums_to(&terms, 0.0);
    }
}

#[test]
fn bf16_results_are_small_even_if_no_product_is_that_was_added_last() {
    // Dense layers add the products of so many terms at once.
    const AT_ONCE: usize = 256;
    for small in [1.0, -1.0] {
        let mut terms = vec![NONE; AT_ONCE + 1];
        terms[0] = (power(-56), power(-56));
        terms[2] = (small * power(-65), power(-65));
        terms[AT_ONCE] = (-power(-56), power(-56));
        sums_to(&terms, 0.0 * small);
        // Both parts together are as large as one multiply-add can tell from nothing.
        terms[4] = (small * power(-63), power(-63));
        sums_to(&terms, small * (power(-126) + power(-130)));
    }
}

#[test]
fn bf16_is_computed_by_the_unit_that_is_forced() {
    let all = Unit::all();
    assert!(all.contains(&bf16::unit()));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(
        all.contains(&Unit::Avx512Bf16),
        is_x86_feature_detected!("avx512bf16"),
        "the instruction is there and does not give the results of the definition"
    );
    each_unit(|unit| assert_eq!(bf16::unit(), unit));
}

#[test]
fn bf16_units_agree_to_the_bit_on_convolutions() {
    let cases = [
        ([2, 9, 8, 5], 5, 16, 2),
        ([3, 14, 14, 32], 3, 17, 1),
        ([1, 28, 28, 1], 3, 32, 1),
        ([9, 7, 7, 40], 1, 70, 1),
        ([1, 6, 40, 4], 3, 48, 1),
        ([2, 15, 11, 12], 3, 8, 2),
    ];
    for (shape, window, outputs, stride) in cases {
        for tiny in [1.0, 1e-25] {
            let inputs = [
                (values("x", &shape, false) * tiny).unwrap(),
                (values("w", &[window, window, shape[3], outputs], false) * tiny).unwrap(),
                values("b", &[outputs], false),
            ];
            let settings = Conv { stride, padding: Padding::Same, relu: true };
            let mut first: Option<Vec<Vec<u32>>> = None;
            each_unit(|unit| {
                let (y, gradients) = run(&inputs, |t| bf16::conv2d(t[0], t[1], Some(t[2]), &settings, None));
                let bits = |t: &Tensor| flat(t).into_iter().map(f32::to_bits).collect::<Vec<_>>();
                let found: Vec<_> = std::iter::once(&y).chain(&gradients).map(bits).collect();
                match &first {
                    Some(first) => assert!(*first == found, "{unit:?} differs: {shape:?}, {window}"),
                    None => first = Some(found),
                }
            });
        }
    }
}

/// Small integers have all their bits in bfloat16, and so have their sums in float32: both precisions give the same, however windows lie.
#[test]
fn bf16_convolutions_of_small_integers_are_those_of_float32() {
    let integers = |name: &str, shape: &[usize]| {
        let mut rng = Rng::new(6, name, shape.iter().product::<usize>() as u64);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.below(9) as f32 - 4.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let shapes = [
        // A stride beyond the window: as many elements with what is padded on one axis and cut on the other.
        ([1, 1, 4, 4], (2, 2), 4),
        ([1, 5, 12, 3], (2, 2), 4),
        ([2, 4, 6, 8], (3, 1), 3),
        ([2, 9, 7, 8], (3, 3), 1),
        ([3, 8, 11, 5], (2, 3), 2),
        ([2, 6, 35, 4], (3, 2), 1),
        ([2, 5, 6, 12], (1, 1), 1),
    ];
    for (shape, (height, width), stride) in shapes {
        for padding in [Padding::Same, Padding::Valid] {
            if padding == Padding::Valid && (shape[1] < height || shape[2] < width) {
                continue;
            }
            let inputs = [integers("x", &shape), integers("w", &[height, width, shape[3], 19]), integers("b", &[19])];
            let settings = Conv { stride, padding, relu: false };
            let (y, gradients) = run(&inputs, |t| conv2d(t[0], t[1], Some(t[2]), &settings, None));
            // What the results are multiplied by to get a gradient is no small integer.
            let bits = |t: &Tensor| flat(t).into_iter().map(f32::to_bits).collect::<Vec<_>>();
            each_unit(|unit| {
                let (found, found_gradients) = run(&inputs, |t| bf16::conv2d(t[0], t[1], Some(t[2]), &settings, None));
                let what = format!("{unit:?}, {shape:?}, {height} x {width}, {stride}, {padding:?}");
                assert_eq!(bits(&found), bits(&y), "{what}");
                for (name, (found, expected)) in ["x", "w", "b"].iter().zip(found_gradients.iter().zip(&gradients)) {
                    assert_close_slices(&format!("{what}: {name}"), &flat(found), &flat(expected), 0.01);
                }
            });
        }
    }
}

/// A sink keeps the rounded factors of a dense layer's gradient, or its values, and both are what the store would get.
#[test]
fn bf16_sinks_receive_what_the_store_would() {
    each_unit(|_| sinks([(6, 97, 131), (40, 9, 7)]));
}

fn sinks(sizes: [(usize, usize, usize); 2]) {
    for (rows, inputs, outputs) in sizes {
        let x = values("x", &[rows, inputs], false);
        let (w, b) = ([inputs, outputs], [outputs]);
        let [w, b] = [("w", &w[..]), ("b", &b[..])].map(|(n, s)| Var::from_tensor(&values(n, s, false)).unwrap());
        let pass = |sink: Option<&GradSink>| {
            let y = bf16::dense(&x, &w, Some(&b), true, sink).unwrap();
            (&y * values("result", y.dims(), false)).unwrap().sum_all().unwrap().backward().unwrap()
        };
        let store = pass(None);
        let sink = GradSink::new(inputs * outputs, outputs);
        pass(Some(&sink));
        assert_eq!(sink.lock().weight(), flat(store.get(&w).unwrap()));
        assert_eq!(sink.lock().bias(), flat(store.get(&b).unwrap()));
        pass(Some(&sink));
        let twice: Vec<f32> = flat(store.get(&w).unwrap()).iter().map(|g| 2.0 * g).collect();
        assert_close_slices("twice", sink.lock().weight(), &twice, 1e-6);
    }
}

#[test]
fn bf16_results_do_not_depend_on_the_batch() {
    let (w, b) = (values("w", &[3, 3, 5, 20], false), values("b", &[20], false));
    let (v, c) = (values("v", &[20 * 49, 37], false), values("c", &[37], false));
    let settings = Conv { stride: 2, padding: Padding::Same, relu: true };
    let network = |x: &Tensor| {
        let y = bf16::conv2d(x, &w, Some(&b), &settings, None).unwrap().flatten_from(1).unwrap();
        flat(&bf16::dense(&y, &v, Some(&c), true, None).unwrap())
    };
    let x = values("x", &[23, 14, 14, 5], false);
    each_unit(|_| {
        let whole = network(&x);
        for (first, len) in [(0, 1), (3, 6), (10, 13)] {
            assert_eq!(network(&x.narrow(0, first, len).unwrap()), whole[first * 37..(first + len) * 37]);
        }
    });
}
