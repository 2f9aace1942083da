//! Inputs of every kind of figure, in any size.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use stages::artifact::dataset::{self, Pixels};
use stages::artifact::tensors::{self, Data};
use stages::kind::Input;

use crate::drawn::Case;

pub(crate) const CLASSES: [&str; 3] = ["sneakers", "ankle boots and trousers", "bags & more <1>"];
/// A name that no column is wide enough for.
pub(crate) const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft and its friends";

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| CLASSES.get(i).map_or(format!("class number {i}"), |name| (*name).to_owned())).collect()
}

pub(crate) fn statistics(pixels: usize) -> Case {
    let series = json!({"count": pixels as f64, "mean": 252.420918367, "std": 15.9568824, "min": 16.0, "25%": 255.0,
        "50%": 255.0, "75%": 255.0, "max": 255.0});
    let zero = json!({"count": pixels, "mean": 0.0, "std": 0.0, "min": 0.0, "25%": 0.0, "50%": 0.0,
        "75%": 0.0, "max": 0.0});
    let columns: String = (0..pixels).fold("pixel,min,max\n".to_owned(), |mut text, i| {
        writeln!(text, "{i},0,{}", 100 + i % 156).unwrap();
        text
    });
    Case::new("visualise/statistics")
        .file("statistics", json!({"images": 70000, "classes": {"bag": 70000}, "max": series, "min": zero}).to_string())
        .file("columns", columns)
}

pub(crate) fn layers() -> Case {
    let layer = |name: &str, kind: &str, shape: &[usize], parameters: u64| json!({"name": name, "type": kind, "output_shape": shape, "parameters": parameters});
    let summary = json!({"name": "model-1", "input": [28, 28, 1], "parameters": 3223909, "trainable": 3223899,
        "layers": [layer("conv1", "conv2d", &[28, 28, 32], 320), layer("flatten", "flatten", &[6272], 0),
            layer(LONG, "dense", &[512], 3211776)]});
    Case::new("visualise/layers").file("summary", summary.to_string())
}

/// Projections whose labels have several axes.
pub(crate) fn projection_of_axes() -> Case {
    let mut case = projection(60, 3, 0);
    let with = |label: &str| {
        let path = case.folder.path().join(label);
        std::fs::copy(&case.inputs["projections"][0].path, &path).unwrap();
        Input { label: label.to_owned(), path }
    };
    let inputs = ["how=min-max,model=conv,method=pca", "how=min-max,model=conv,method=tsne"].map(with);
    case.inputs.insert("projections".into(), inputs.into());
    case
}

/// A network with a block inside a block.
pub(crate) fn nested_network() -> Case {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("nested.yaml");
    let text = "
name: nested
layers:
  - name: outer
    type: inception
    branches:
      - - {name: inner_block, type: residual, layers: [{type: conv, filters: 1, activation: relu}, {type: dropout, rate: 0.5}]}
        - {type: avg_pool, size: 3, stride: 1, padding: same}
      - [{type: conv, filters: 4, kernel: [1, 7]}]
  - {name: flatten, type: flatten}
  - {name: output, type: dense}
";
    std::fs::write(&path, text).unwrap();
    drawing(&stages::model::document(&path).unwrap().bytes)
}

/// One of the shipped models, for images of 28 x 28 pixels in five classes.
pub(crate) fn network(model: &str) -> Case {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../models/{model}.yaml"));
    let model = stages::model::document(&shipped).unwrap().bytes;
    drawing(&model)
}

/// A resolved model, for images of 28 x 28 pixels in five classes.
pub(crate) fn drawing(model: &[u8]) -> Case {
    Case::new("visualise/network").made("model", "", |path| std::fs::write(path, model).unwrap()).made(
        "data",
        "",
        |path| {
            let names = names(5);
            dataset::write(path, [1, 28, 28, 1], &Pixels::U8(&[0; 784]), &[0], &[0], &names, &names).unwrap();
        },
    )
}

pub(crate) fn curves(epochs: usize) -> Case {
    let mut history = "epoch,loss,accuracy,val_loss,val_accuracy\n".to_owned();
    for epoch in 1..=epochs {
        let left = 1.0 / (epoch as f64 + 3.0);
        let last = if epoch == 3 { 0.9876 } else { 0.97 - 0.2 * left };
        writeln!(history, "{epoch},{},{},{},{last}", left, 1.0 - 0.3 * left, 0.1 + left).unwrap();
    }
    Case::new("visualise/curves").file("history", history)
}

/// The same with the epoch whose weights were kept.
pub(crate) fn curves_with_kept(epochs: usize, kept: usize) -> Case {
    curves(epochs).file("training", json!({"epochs": epochs, "epoch": kept, "val_loss": 0.1}).to_string())
}

pub(crate) fn confusion(names: &[String]) -> Case {
    let mut text = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut text);
    writer.write_record(std::iter::once("true").chain(names.iter().map(String::as_str))).unwrap();
    for (i, name) in names.iter().enumerate() {
        let counts = (0..names.len()).map(|j| if i == j { 1960 } else { (i * 7 + j * 3) % 40 }.to_string());
        writer.write_record(std::iter::once(name.clone()).chain(counts)).unwrap();
    }
    drop(writer);
    Case::new("visualise/confusion").file("confusion", String::from_utf8(text).unwrap())
}

pub(crate) fn accuracy(labels: &[&str]) -> Case {
    let mut case = Case::new("visualise/accuracy");
    for (i, label) in labels.iter().enumerate() {
        let accuracy = 0.9732 + 0.001 * i as f64;
        let metrics = json!({"accuracy": accuracy, "loss": 0.05, "macro": {"precision": 0.97, "recall": 0.96, "f1": 0.965},
            "classes": {"a": {"support": 6000}, "b": {"support": 4000}}});
        case = case.made("metrics", label, |path| std::fs::write(path, metrics.to_string()).unwrap());
    }
    case
}

/// Samples in clearly separate groups: the class of a sample, and its place in five dimensions.
pub(crate) fn sample(i: usize, classes: usize) -> (u32, [f32; 5]) {
    let class = i % classes;
    let wobble = |k: usize| ((i * 31 + k * 17) % 23) as f32 / 23.0 - 0.5;
    let angle = class as f32 / classes as f32 * std::f32::consts::TAU;
    (class as u32, [6.0 * angle.cos() + wobble(0), 5.0 * angle.sin() + wobble(1), 3.0 * wobble(2), 0.0, 1.0])
}

pub(crate) fn metadata(classes: usize) -> BTreeMap<String, String> {
    let names = serde_json::to_string(&names(classes)).unwrap();
    BTreeMap::from(["classes", "original_classes"].map(|key| (key.to_owned(), names.clone())))
}

/// `clusters.csv`: every class in a cluster of its own but for `noise` samples, and the first class in two.
pub(crate) fn clusters(samples: usize, classes: usize, noise: usize) -> String {
    (0..samples).fold("index,cluster,label\n".to_owned(), |mut text, i| {
        let label = sample(i, classes).0 as usize;
        let cluster = if i < noise { -1 } else { ((label + 1) % classes) as i64 };
        let cluster = if label == 0 && i % 4 == 0 && i >= noise { classes as i64 } else { cluster };
        writeln!(text, "{i},{cluster},{label}").unwrap();
        text
    })
}

pub(crate) fn projection(samples: usize, classes: usize, noise: usize) -> Case {
    let all: Vec<_> = (0..samples).map(|i| sample(i, classes)).collect();
    let labels: Vec<u32> = all.iter().map(|s| s.0).collect();
    let values: Vec<f32> = all.iter().flat_map(|s| s.1).collect();
    let places = |bent: bool| {
        all.iter().enumerate().fold("index,x,y\n".to_owned(), |mut text, (i, (_, v))| {
            let (x, y) = if bent { (v[0] * v[1], v[1].powi(3)) } else { (v[0], v[1]) };
            writeln!(text, "{i},{x},{y}").unwrap();
            text
        })
    };
    Case::new("visualise/projection")
        .made("embeddings", "", |path| {
            let labels = || Data::U32(&labels);
            let tensors = [
                ("embeddings", vec![samples, 5], Data::F32(&values)),
                ("labels", vec![samples], labels()),
                ("original_labels", vec![samples], labels()),
            ];
            tensors::write(path, &tensors, metadata(classes)).unwrap();
        })
        .file("clusters", clusters(samples, classes, noise))
        .made("projections", "method=tsne", |path| std::fs::write(path, places(true)).unwrap())
}

pub(crate) fn samples(shape: [usize; 4], classes: usize, noise: usize) -> Case {
    let labels: Vec<u32> = (0..shape[0]).map(|i| sample(i, classes).0).collect();
    let bytes: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 251) as u8).collect();
    Case::new("visualise/samples")
        .made("data", "", |path| {
            let names = names(classes);
            dataset::write(path, shape, &Pixels::U8(&bytes), &labels, &labels, &names, &names).unwrap();
        })
        .file("clusters", clusters(shape[0], classes, noise))
}

/// `predictions.csv` of the images of [`samples`]: every seventh is wrong, with a confidence of its own.
pub(crate) fn predictions(samples: usize, classes: usize) -> String {
    let names: Vec<String> = (0..classes).map(|k| format!("p_{k}")).collect();
    (0..samples).fold(format!("index,label,predicted,{}\n", names.join(",")), |mut text, i| {
        let label = sample(i, classes).0 as usize;
        let predicted = if i % 7 == 0 { (label + 1) % classes } else { label };
        let sure = 0.5 + (i * 13 % 50) as f64 / 100.0;
        let of = |k: usize| if k == predicted { sure } else { (1.0 - sure) / (classes - 1).max(1) as f64 };
        let probabilities: Vec<String> = (0..classes).map(|k| of(k).to_string()).collect();
        writeln!(text, "{i},{label},{predicted},{}", probabilities.join(",")).unwrap();
        text
    })
}

pub(crate) fn mistakes(shape: [usize; 4], classes: usize) -> Case {
    let labels: Vec<u32> = (0..shape[0]).map(|i| sample(i, classes).0).collect();
    let bytes: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 251) as u8).collect();
    Case::new("visualise/mistakes")
        .made("data", "", |path| {
            let names = names(classes);
            dataset::write(path, shape, &Pixels::U8(&bytes), &labels, &labels, &names, &names).unwrap();
        })
        .file("predictions", predictions(shape[0], classes))
}

pub(crate) fn calibration(samples: usize, classes: usize) -> Case {
    Case::new("visualise/calibration").file("predictions", predictions(samples, classes))
}

pub(crate) fn scores(names: &[String]) -> Case {
    let mut case = confusion(names);
    case.uses = "visualise/scores";
    case
}

pub(crate) fn silhouette(samples: usize, classes: usize, tried: &[usize]) -> Case {
    let rows = clusters(samples, classes, 0);
    let rows = rows.lines().enumerate().fold(String::new(), |mut text, (i, line)| {
        let value = if i == 0 { "silhouette".to_owned() } else { (((i * 29) % 97) as f64 / 97.0 - 0.2).to_string() };
        writeln!(text, "{line},{value}").unwrap();
        text
    });
    let choice = tried.iter().fold("clusters,silhouette,inertia\n".to_owned(), |mut text, k| {
        writeln!(text, "{k},{},{}", 0.7 - (*k as f64 - 4.0).abs() / 10.0, 1000 / k).unwrap();
        text
    });
    Case::new("visualise/silhouette").file("choice", choice).file("clusters", rows)
}

/// A curve of so many distances, with the radius chosen just above one of them or given.
pub(crate) fn k_distance(samples: usize, given: Option<f64>) -> Case {
    let distance = |i: usize| 0.1 + (i as f64 / samples as f64).powi(8);
    let chosen = samples * 3 / 4;
    let head = if given.is_some() { "rank,distance\n" } else { "rank,distance,clusters,kept,told\n" };
    let curve = (0..samples).fold(head.to_owned(), |mut text, i| {
        let away = chosen.abs_diff(i) as f64 / samples as f64;
        let spread = if given.is_some() { String::new() } else { format!(",6,0.9,{}", 1.4 - away) };
        writeln!(text, "{i},{}{spread}", distance(i)).unwrap();
        text
    });
    let eps = given.unwrap_or_else(|| distance(chosen).midpoint(distance(chosen + 1)));
    let metrics = json!({"clusters": 6, "noise": 65, "eps": eps, "ari": 0.8});
    Case::new("visualise/k-distance").file("choice", curve).file("metrics", metrics.to_string())
}

/// `categories.json`: every class in `groups` groups of two labels.
pub(crate) fn found(names: &[String], groups: usize) -> String {
    let classes = names.iter().enumerate().map(|(label, name)| {
        let group = |g: usize| {
            json!({"images": 50, "labels": [{"name": format!("{name} {}", g / 2), "images": 48},
            {"name": "shirt", "images": 2}]})
        };
        let groups: Vec<_> = (0..groups).map(group).collect();
        let silhouette = (groups.len() > 1).then_some(0.6394);
        json!({"label": label, "name": name, "images": 50 * groups.len(), "labels": [],
            "scores": {"images": 50, "clusters": groups.len(), "silhouette": silhouette, "ari": 0.9604, "purity": 0.96},
            "clusters": groups})
    });
    json!(classes.collect::<Vec<_>>()).to_string()
}

pub(crate) fn categories(names: &[String], groups: usize) -> Case {
    Case::new("visualise/categories").file("categories", found(names, groups))
}

pub(crate) fn subclusters(samples: usize, names: &[String], groups: usize) -> Case {
    let classes = names.len();
    let rows = (0..samples).fold("index,label,cluster,original,silhouette\n".to_owned(), |mut text, i| {
        writeln!(text, "{i},{},{},0,", sample(i, classes).0, i / classes % groups).unwrap();
        text
    });
    let places = (0..samples).fold("index,x,y\n".to_owned(), |mut text, i| {
        let (_, v) = sample(i, classes);
        writeln!(text, "{i},{},{}", v[0] + (i / classes % groups) as f32, v[1]).unwrap();
        text
    });
    Case::new("visualise/subclusters")
        .made("projections", "method=pca", |path| std::fs::write(path, &places).unwrap())
        .made("projections", "method=tsne", |path| std::fs::write(path, &places).unwrap())
        .file("subclusters", rows)
        .file("categories", found(names, groups))
}

pub(crate) fn ordinary() -> Vec<Case> {
    vec![
        statistics(784),
        layers(),
        network("model-7"),
        curves(10),
        confusion(&names(3)),
        projection(300, 3, 20),
        samples([60, 28, 28, 1], 3, 7),
        accuracy(&["model=1", "model=2", "model=3"]),
        mistakes([60, 28, 28, 1], 3),
        calibration(200, 3),
        scores(&names(3)),
        silhouette(300, 3, &[2, 3, 4, 5, 6, 7, 8, 9, 10]),
        k_distance(400, None),
        categories(&names(3), 2),
        subclusters(300, &names(3), 2),
    ]
}
