//! The files between stages: what is written is read back, the same value gives the same bytes, and wrong files are
//! refused.

use std::collections::BTreeMap;

use stages::artifact::dataset::{self, Dataset, Pixels};
use stages::artifact::tensors::{self, Data, Tensors};
use stages::rng::Rng;

use crate::bench::Bench;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn tensors_come_back_and_their_bytes_do_not_vary() {
    let bench = Bench::new();
    let path = bench.path("t.safetensors");
    let (bytes, ints, floats) = ([1u8, 2, 3], [7u32, u32::MAX], [0.5f32, -0.0, f32::MIN_POSITIVE, 1e30]);
    let tensors = [
        ("b", vec![3], Data::U8(&bytes)),
        ("i", vec![2], Data::U32(&ints)),
        ("f", vec![2, 2], Data::F32(&floats)),
        ("empty", vec![0, 5], Data::F32(&[])),
    ];
    let metadata: BTreeMap<String, String> = ('a'..'k').map(|c| (c.to_string(), format!("\"{c}\""))).collect();
    tensors::write(&path, &tensors, metadata.clone()).unwrap();
    let first = std::fs::read(&path).unwrap();
    let mut reversed = tensors.clone();
    reversed.reverse();
    tensors::write(&path, &reversed, metadata).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first, "the order of writing shows");

    let plain = bench.write("plain", b"");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(mode(&path), mode(&plain), "as readable as any other file");

    let file = Tensors::open(&path).unwrap();
    assert_eq!(file.names(), ["b", "empty", "f", "i"]);
    assert_eq!(file.u8("b").unwrap(), Some(&bytes[..]));
    assert_eq!(file.u8("f").unwrap(), None);
    assert_eq!(file.u32("i").unwrap(), ints);
    assert_eq!(file.f32("f").unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>(), floats.map(f32::to_bits));
    assert_eq!(file.shape("empty").unwrap(), [0, 5]);
    assert_eq!(file.metadata("c").as_deref(), Some("\"c\""));
    assert_eq!(file.metadata("z"), None);
    assert!(file.f32("i").unwrap_err().to_string().contains("is U32, not F32"));
    assert!(format!("{:#}", file.f32("gone").unwrap_err()).contains("has no tensor `gone`"));
}

#[test]
fn a_shape_that_does_not_fit_is_refused() {
    let bench = Bench::new();
    let wrong = tensors::write(&bench.path("t"), &[("x", vec![3, 3], Data::F32(&[1.0]))], BTreeMap::new());
    assert!(format!("{:#}", wrong.unwrap_err()).contains("tensor `x`"));
    let path = bench.write("junk", b"no tensors here");
    assert!(format!("{:#}", Tensors::open(&path).err().unwrap()).contains("is not a safetensors file"));
}

#[test]
fn an_image_set_whose_labels_have_no_names_is_refused() {
    let bench = Bench::new();
    let path = bench.path("d");
    let write = |labels: &[u32], original: &[u32]| {
        let (classes, original_classes) = (names(&["a", "b"]), names(&["x", "y", "z"]));
        dataset::write(&path, [2, 1, 1, 1], &Pixels::U8(&[0, 1]), labels, original, &classes, &original_classes)
    };
    write(&[0, 1], &[2, 0]).unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!((set.len(), set.image_len(), set.original_classes.len()), (2, 1, 3));
    assert!(format!("{:#}", set.normalised().unwrap_err()).contains("put a `normalise` stage before"));
    write(&[0, 2], &[2, 0]).unwrap();
    assert!(Dataset::open(&path).err().unwrap().to_string().contains("label 2"));
    write(&[0, 1], &[3, 0]).unwrap();
    assert!(Dataset::open(&path).err().unwrap().to_string().contains("label 3"));
    assert!(write(&[0], &[0, 0]).is_err(), "one label for two images");
}

#[test]
fn random_streams_are_fixed_by_seed_purpose_and_counter() {
    let draw = |seed, purpose, counter| Rng::new(seed, purpose, counter).next_u64();
    assert_eq!(draw(1, "a", 2), draw(1, "a", 2));
    let mut all = vec![draw(1, "a", 2), draw(2, "a", 1), draw(1, "b", 2), draw(1, "a", 3), draw(0, "a", 2)];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn random_numbers_have_their_distributions() {
    const N: usize = 100_000;
    let mut rng = Rng::new(1, "test", 0);
    let uniform: Vec<f32> = (0..N).map(|_| rng.between(-1.0, 3.0)).collect();
    assert!(uniform.iter().all(|v| (-1.0..3.0).contains(v)));
    let normal: Vec<f32> = (0..N).map(|_| rng.normal()).collect();
    // Five standard errors.
    for (values, mean, variance) in [(uniform, 1.0, 16.0 / 12.0), (normal, 0.0, 1.0)] {
        let found = values.iter().map(|&v| f64::from(v)).sum::<f64>() / N as f64;
        let spread = values.iter().map(|&v| (f64::from(v) - found).powi(2)).sum::<f64>() / N as f64;
        assert!((found - mean).abs() < 5.0 * (f64::sqrt(variance / N as f64)), "mean {found}");
        assert!((spread / variance - 1.0).abs() < 0.025, "variance {spread}");
    }
    // Chi-squared over 7 values: 99.99% below 27.9 (6 degrees of freedom).
    let mut counts = [0f64; 7];
    (0..N).for_each(|_| counts[rng.below(7)] += 1.0);
    let expected = N as f64 / 7.0;
    assert!(counts.iter().map(|c| (c - expected).powi(2) / expected).sum::<f64>() < 27.9, "{counts:?}");
    let mut items: Vec<usize> = (0..100).collect();
    rng.shuffle(&mut items);
    assert!(!items.is_sorted());
    items.sort_unstable();
    assert_eq!(items, (0..100).collect::<Vec<_>>());
}
