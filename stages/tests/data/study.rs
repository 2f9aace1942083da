//! The data part of the study on the committed sample, against numpy (`fixtures/data/make.py`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stages::artifact::dataset::{Dataset, Pixels};
use stages::artifact::tensors::Tensors;
use stages::data::{describe, import, normalise, split};

use crate::bench::Bench;

fn import(bench: &Bench, folder: &Path, part: &str, classes: bool) -> PathBuf {
    let file = |what: &str| folder.join(format!("{part}-{what}-ubyte.gz"));
    let (images, labels) = (file("images-idx3"), file("labels-idx1"));
    let with = if classes {
        json!({"classes": [
            {"name": "shoe", "labels": [7]}, {"name": "boot", "labels": [9, 1]},
            {"name": "upper", "labels": [0, 2, 3, 4, 6]}, {"name": "bag", "labels": [8]}, {"name": "sandal", "labels": [5]},
        ]})
    } else {
        Value::Null
    };
    let inputs: [(&str, &[&Path]); 2] = [("images", &[&images]), ("labels", &[&labels])];
    bench.run(&import::KIND, &with, &inputs, part).unwrap().remove("dataset").unwrap()
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample")
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../fixtures/data/reference.json")).unwrap()
}

fn describe(bench: &Bench, sets: &[&Path]) -> (Value, String) {
    let outputs = bench.run(&describe::KIND, &Value::Null, &[("data", sets)], "").unwrap();
    let text = |name: &str| std::fs::read_to_string(&outputs[name]).unwrap();
    (serde_json::from_str(&text("statistics")).unwrap(), text("columns"))
}

fn agrees(found: &Value, expected: &Value, name: &str) {
    for (key, expected) in expected.as_object().unwrap() {
        let (found, expected) = (found[key].as_f64().unwrap(), expected.as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{name} {key}: {found}, numpy says {expected}");
    }
}

#[test]
fn the_pixel_statistics_are_those_of_numpy() {
    let (bench, expected) = (Bench::new(), reference());
    let (train, test) = (import(&bench, &sample(), "train", false), import(&bench, &sample(), "t10k", false));
    let (statistics, columns) = describe(&bench, &[&train, &test]);
    agrees(&statistics["max"], &expected["max"], "max");
    agrees(&statistics["min"], &expected["min"], "min");
    assert_eq!(statistics["images"], expected["images"]);
    for (label, count) in expected["labels"].as_array().unwrap().iter().enumerate() {
        assert_eq!(&statistics["classes"][label.to_string()], count);
    }
    let (min, max) = (expected["columns_min"].as_array().unwrap(), expected["columns_max"].as_array().unwrap());
    let rows = min.iter().zip(max).enumerate().map(|(pixel, (min, max))| format!("{pixel},{min},{max}\n"));
    assert_eq!(columns, format!("pixel,min,max\n{}", rows.collect::<String>()));
}

#[test]
#[ignore = "needs the full set in /usr/share/datasets/fashion-mnist (Debian's dataset-fashion-mnist)"]
fn figure_1_of_the_study_comes_out_to_six_decimals() {
    let bench = Bench::new();
    let full = Path::new("/usr/share/datasets/fashion-mnist");
    let (train, test) = (import(&bench, full, "train", true), import(&bench, full, "t10k", true));
    let (statistics, _) = describe(&bench, &[&train, &test]);
    let six = |series: &str, key: &str| format!("{:.6}", statistics[series][key].as_f64().unwrap());
    assert_eq!((six("max", "mean"), six("max", "std")), ("252.420918".to_owned(), "15.956882".to_owned()));
    assert_eq!(
        [16, 255, 255, 255, 255],
        ["min", "25%", "50%", "75%", "max"].map(|k| statistics["max"][k].as_f64().unwrap() as i64)
    );
    for key in ["mean", "std", "min", "25%", "50%", "75%", "max"] {
        assert_eq!(statistics["min"][key], json!(0.0), "{key}");
    }
    assert_eq!((&statistics["images"], &statistics["max"]["count"]), (&json!(70_000), &json!(784)));
    assert_eq!(
        statistics["classes"],
        json!({"shoe": 7000, "boot": 14_000, "upper": 35_000, "bag": 7000, "sandal": 7000})
    );
}

#[test]
fn sets_that_do_not_match_are_not_described_as_one() {
    let bench = Bench::new();
    let (train, test) = (import(&bench, &sample(), "train", true), import(&bench, &sample(), "t10k", false));
    let inputs: [(&str, &[&Path]); 1] = [("data", &[&train, &test])];
    assert!(bench.run(&describe::KIND, &Value::Null, &inputs, "").unwrap_err().contains("the classes of"));
}

fn normalise(bench: &Bench, with: &Value) -> [Dataset; 2] {
    let (train, test) = (import(bench, &sample(), "train", true), import(bench, &sample(), "t10k", true));
    let outputs = bench.run(&normalise::KIND, with, &[("train", &[&train]), ("test", &[&test])], "").unwrap();
    ["train", "test"].map(|name| Dataset::open(&outputs[name]).unwrap())
}

#[test]
fn min_max_gives_the_very_floats_of_numpy() {
    let (bench, expected) = (Bench::new(), reference());
    for (set, name) in normalise(&bench, &Value::Null).iter().zip(["train", "test"]) {
        let mut crc = flate2::Crc::new();
        set.normalised().unwrap().iter().for_each(|v| crc.update(&v.to_le_bytes()));
        assert_eq!(json!(crc.sum()), expected["min_max"][name]);
        assert_eq!((set.classes.len(), set.original_classes.len()), (5, 10));
    }
    let scale: Value = serde_json::from_str(&std::fs::read_to_string(bench.path("scale.json")).unwrap()).unwrap();
    assert_eq!(scale, json!({"method": "min-max", "per": "image", "offset": [0.0], "divisor": [255.0]}));
}

#[test]
fn standardise_takes_mean_and_deviation_from_the_training_set() {
    let (bench, expected) = (Bench::new(), reference());
    let [train, test] = normalise(&bench, &json!({"method": "standardise"}));
    let scale: Value = serde_json::from_str(&std::fs::read_to_string(bench.path("scale.json")).unwrap()).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let (mean, std) = (number(&scale["offset"][0]), number(&scale["divisor"][0]));
    assert!((mean - number(&expected["standardise"]["mean"])).abs() < 1e-9);
    assert!((std - number(&expected["standardise"]["std"])).abs() < 1e-9);
    let first = expected["standardise"]["first_train_image"].as_array().unwrap();
    for (found, expected) in train.normalised().unwrap().iter().zip(first) {
        assert!((f64::from(*found) - number(expected)).abs() < 1e-6);
    }
    // The test set by the same scale: black is as black as in the training set.
    let darkest = |set: &Dataset| set.normalised().unwrap().iter().copied().fold(f32::INFINITY, f32::min);
    assert_eq!(darkest(&train), darkest(&test));
}

#[test]
fn the_split_holds_out_the_same_part_of_every_class() {
    let bench = Bench::new();
    let data = import(&bench, &sample(), "train", true);
    let part = |with: Value, prefix: &str| {
        let outputs = bench.run(&split::KIND, &with, &[("data", &[&data])], prefix).unwrap();
        let file = Tensors::open(&outputs["split"]).unwrap();
        (file.u32("train").unwrap(), file.u32("validation").unwrap(), std::fs::read(&outputs["split"]).unwrap())
    };
    let (train, validation, bytes) = part(Value::Null, "a");
    assert_eq!((train.len(), validation.len()), (2400, 600));
    let set = Dataset::open(&data).unwrap();
    let mut counts = [0; 5];
    validation.iter().for_each(|&row| counts[set.labels[row as usize] as usize] += 1);
    assert_eq!(counts, [60, 120, 300, 60, 60]);
    assert_eq!(part(json!({"validation": 0.2, "seed": 0}), "b").2, bytes, "defaults spelt out");
    assert_ne!(part(json!({"seed": 1}), "c").2, bytes);
    assert!(matches!(set.pixels().unwrap(), Pixels::U8(_)));

    let refused = |with: Value| bench.run(&split::KIND, &with, &[("data", &[&data])], "d").unwrap_err();
    assert!(refused(json!({"validation": 1.0})).contains("not a fraction between 0 and 1"));
    assert!(refused(json!({"validation": 0.0001})).contains("empty"));
}
