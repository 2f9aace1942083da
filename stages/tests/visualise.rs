//! Figures: what they say, that they say it legibly, and that the same inputs give the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Options, Rect, Tree, fontdb};
use serde_json::{Value, json};
use stages::artifact::dataset::{self, Pixels};
use stages::artifact::tensors::{self, Data};
use stages::kind::{Context, Input, Kind};
use tempfile::TempDir;

/// A folder with the inputs of one figure.
struct Case {
    folder: TempDir,
    uses: &'static str,
    with: Value,
    inputs: BTreeMap<String, Vec<Input>>,
}

/// A figure that was drawn.
struct Drawn {
    svg: String,
    png: Vec<u8>,
}

impl Case {
    fn new(uses: &'static str) -> Self {
        Self { folder: TempDir::new().unwrap(), uses, with: json!({}), inputs: BTreeMap::new() }
    }

    fn with(mut self, with: Value) -> Self {
        self.with = with;
        self
    }

    /// Adds an input whose file `write` makes.
    fn made(mut self, port: &str, label: &str, write: impl FnOnce(&Path)) -> Self {
        let path = self.folder.path().join(format!("{port}-{label}"));
        write(&path);
        self.inputs.entry(port.to_owned()).or_default().push(Input { label: label.to_owned(), path });
        self
    }

    fn file(self, port: &str, text: impl AsRef<str>) -> Self {
        self.made(port, "", |path| std::fs::write(path, text.as_ref()).unwrap())
    }

    fn kind(&self) -> &'static Kind {
        stages::kinds().find(|kind| kind.name == self.uses).unwrap()
    }

    fn try_draw(&self) -> anyhow::Result<Drawn> {
        let kind = self.kind();
        let params = (kind.check)(&self.with).map_err(|e| anyhow::anyhow!("{}: {}", e.path.join("."), e.message))?;
        let output = |name: &str, file: &str| (name.to_owned(), self.folder.path().join(file));
        let outputs: BTreeMap<String, PathBuf> = kind.outputs.iter().map(|o| output(o.name, o.file)).collect();
        let context = Context {
            inputs: self.inputs.clone(),
            outputs: outputs.clone(),
            threads: 1,
            device: "cpu".to_owned(),
            project: PathBuf::new(),
            events: &|_| {},
        };
        (kind.run)(&params, &context)?;
        Ok(Drawn { svg: std::fs::read_to_string(&outputs["svg"])?, png: std::fs::read(&outputs["png"])? })
    }

    fn draw(&self) -> Drawn {
        self.try_draw().unwrap()
    }

    /// The chain of causes of the error that drawing ends in.
    fn error(&self) -> String {
        match self.try_draw() {
            Ok(_) => panic!("{} drew a figure of {:?}", self.uses, self.inputs),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Drawn {
    /// The figure as resvg reads it, with the fonts of the crate or with none.
    fn tree(&self, with_fonts: bool) -> Tree {
        let mut fonts = fontdb::Database::new();
        if with_fonts {
            for font in FONTS {
                fonts.load_font_data(font.to_vec());
            }
        }
        Tree::from_str(&self.svg, &Options { fontdb: Arc::new(fonts), ..Options::default() }).unwrap()
    }

    /// Every line of text with the box it is drawn in.
    fn texts(&self) -> Vec<(String, Rect)> {
        fn walk(group: &Group, found: &mut Vec<(String, Rect)>) {
            for node in group.children() {
                match node {
                    Node::Group(inner) => walk(inner, found),
                    Node::Text(text) => {
                        let line = text.chunks().iter().map(|chunk| chunk.text()).collect::<String>();
                        found.push((line.trim().to_owned(), text.abs_bounding_box()));
                    }
                    Node::Path(_) | Node::Image(_) => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(self.tree(true).root(), &mut found);
        found
    }

    fn says(&self, text: &str) -> bool {
        self.texts().iter().any(|(line, _)| line.contains(text))
    }

    /// Fails where a text leaves the figure or lies on another.
    fn assert_legible(&self, what: &str) {
        let size = self.tree(true).size();
        let texts = self.texts();
        for (i, (text, a)) in texts.iter().enumerate() {
            let inside = a.left() >= 0.0 && a.top() >= 0.0 && a.right() <= size.width() && a.bottom() <= size.height();
            assert!(inside, "{what}: `{text}` at {a:?} leaves the figure of {size:?}");
            for (other, b) in &texts[..i] {
                // Boxes reach from ascender to descender; those of neighbouring lines touch.
                let apart = |low_a: f32, high_a: f32, low_b: f32, high_b: f32| {
                    high_a.min(high_b) - low_a.max(low_b) <= 0.25 * (high_a - low_a).min(high_b - low_b)
                };
                let across = a.right().min(b.right()) - a.left().max(b.left()) <= 0.5;
                let upwards = |text: &str, r: &Rect| text.chars().count() > 3 && r.height() > r.width();
                let turned = upwards(text, a) || upwards(other, b);
                let down = if turned {
                    a.bottom().min(b.bottom()) - a.top().max(b.top()) <= 0.5
                        || apart(a.left(), a.right(), b.left(), b.right())
                } else {
                    apart(a.top(), a.bottom(), b.top(), b.bottom())
                };
                assert!(across || down, "{what}: `{text}` at {a:?} lies on `{other}` at {b:?}");
            }
        }
    }
}

/// The fonts that the crate embeds.
const FONTS: [&[u8]; 2] =
    [include_bytes!("../assets/fonts/OpenSans-Regular.ttf"), include_bytes!("../assets/fonts/OpenSans-Bold.ttf")];
const CLASSES: [&str; 3] = ["sneakers", "ankle boots and trousers", "bags & more <1>"];
/// A name that no column is wide enough for.
const LONG: &str = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft and its friends";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| CLASSES.get(i).map_or(format!("class number {i}"), |name| (*name).to_owned())).collect()
}

fn statistics(pixels: usize) -> Case {
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

fn layers() -> Case {
    let layer = |name: &str, kind: &str, shape: &[usize], parameters: u64| json!({"name": name, "type": kind, "output_shape": shape, "parameters": parameters});
    let summary = json!({"name": "model-1", "input": [28, 28, 1], "parameters": 3223909, "trainable": 3223899,
        "layers": [layer("conv1", "conv2d", &[28, 28, 32], 320), layer("flatten", "flatten", &[6272], 0),
            layer(LONG, "dense", &[512], 3211776)]});
    Case::new("visualise/layers").file("summary", summary.to_string())
}

fn curves(epochs: usize) -> Case {
    let mut history = "epoch,loss,accuracy,val_loss,val_accuracy\n".to_owned();
    for epoch in 1..=epochs {
        let left = 1.0 / (epoch as f64 + 3.0);
        let last = if epoch == 3 { 0.9876 } else { 0.97 - 0.2 * left };
        writeln!(history, "{epoch},{},{},{},{last}", left, 1.0 - 0.3 * left, 0.1 + left).unwrap();
    }
    Case::new("visualise/curves").file("history", history)
}

fn confusion(names: &[String]) -> Case {
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

fn accuracy(labels: &[&str]) -> Case {
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
fn sample(i: usize, classes: usize) -> (u32, [f32; 5]) {
    let class = i % classes;
    let wobble = |k: usize| ((i * 31 + k * 17) % 23) as f32 / 23.0 - 0.5;
    let angle = class as f32 / classes as f32 * std::f32::consts::TAU;
    (class as u32, [6.0 * angle.cos() + wobble(0), 5.0 * angle.sin() + wobble(1), 3.0 * wobble(2), 0.0, 1.0])
}

fn metadata(classes: usize) -> BTreeMap<String, String> {
    let names = serde_json::to_string(&names(classes)).unwrap();
    BTreeMap::from(["classes", "original_classes"].map(|key| (key.to_owned(), names.clone())))
}

/// `clusters.csv`: every class in a cluster of its own but for `noise` samples, and the first class in two.
fn clusters(samples: usize, classes: usize, noise: usize) -> String {
    (0..samples).fold("index,cluster,label\n".to_owned(), |mut text, i| {
        let label = sample(i, classes).0 as usize;
        let cluster = if i < noise { -1 } else { ((label + 1) % classes) as i64 };
        let cluster = if label == 0 && i % 4 == 0 && i >= noise { classes as i64 } else { cluster };
        writeln!(text, "{i},{cluster},{label}").unwrap();
        text
    })
}

fn projection(samples: usize, classes: usize, noise: usize) -> Case {
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

fn samples(shape: [usize; 4], classes: usize, noise: usize) -> Case {
    let labels: Vec<u32> = (0..shape[0]).map(|i| sample(i, classes).0).collect();
    let bytes: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 251) as u8).collect();
    Case::new("visualise/samples")
        .made("data", "", |path| {
            let names = names(classes);
            dataset::write(path, shape, &Pixels::U8(&bytes), &labels, &labels, &names, &names).unwrap();
        })
        .file("clusters", clusters(shape[0], classes, noise))
}

fn ordinary() -> Vec<Case> {
    vec![
        statistics(784),
        layers(),
        curves(10),
        confusion(&names(3)),
        projection(300, 3, 20),
        samples([60, 28, 28, 1], 3, 7),
        accuracy(&["model=1", "model=2", "model=3"]),
    ]
}

#[test]
fn every_kind_of_figure_is_drawn_here() {
    let mut kinds: Vec<_> = stages::kinds().map(|k| k.name).filter(|name| name.starts_with("visualise/")).collect();
    let mut drawn: Vec<_> = ordinary().iter().map(|case| case.uses).collect();
    kinds.sort_unstable();
    drawn.sort_unstable();
    assert_eq!(kinds, drawn);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    for case in ordinary() {
        let (first, second) = (case.draw(), case.draw());
        assert!(first.svg == second.svg && first.png == second.png, "{}", case.uses);
    }
}

#[test]
fn the_png_is_the_svg_at_twice_its_size() {
    for case in ordinary() {
        let drawn = case.draw();
        let size = drawn.tree(true).size();
        let png = Pixmap::decode_png(&drawn.png).unwrap();
        assert_eq!(
            (png.width() as f32, png.height() as f32),
            (2.0 * size.width(), 2.0 * size.height()),
            "{}",
            case.uses
        );
    }
}

#[test]
fn the_png_is_rasterised_with_the_embedded_fonts() {
    for case in ordinary() {
        let drawn = case.draw();
        let raster = |fonts: bool| {
            let tree = drawn.tree(fonts);
            let size = tree.size();
            let mut pixels = Pixmap::new(2 * size.width() as u32, 2 * size.height() as u32).unwrap();
            resvg::render(&tree, resvg::tiny_skia::Transform::from_scale(2.0, 2.0), &mut pixels.as_mut());
            pixels
        };
        let png = Pixmap::decode_png(&drawn.png).unwrap();
        assert!(png == raster(true), "{}: other fonts were used", case.uses);
        assert!(png != raster(false), "{}: no text was drawn", case.uses);
    }
}

#[test]
fn an_svg_names_itself_and_needs_nothing_beside_it() {
    for case in ordinary() {
        let svg = case.draw().svg;
        assert!(svg.contains("<title>") && svg.contains("role=\"img\""), "{}", case.uses);
        for reference in svg.split("href=\"").skip(1).chain(svg.split("url(").skip(1)) {
            assert!(reference.starts_with("data:"), "{}: {}", case.uses, &reference[..40]);
        }
    }
}

#[test]
fn no_text_leaves_a_figure_or_lies_on_another() {
    let long: Vec<String> = (0..6).map(|i| format!("{i} {LONG}")).collect();
    let odd = [
        ("3 pixels", statistics(3)),
        ("1 epoch", curves(1)),
        ("200 epochs", curves(200)),
        ("1 class", confusion(&names(1))),
        ("12 classes", confusion(&names(12))),
        ("30 classes", confusion(&names(30))),
        ("100 classes", confusion(&names(100))),
        ("long class names", confusion(&long)),
        ("1 cluster", projection(30, 1, 0)),
        ("1 sample", projection(1, 1, 0)),
        ("all noise", projection(30, 3, 30)),
        ("12 classes", projection(600, 12, 30)),
        ("1 cluster", samples([9, 28, 28, 1], 1, 0)),
        ("wide RGB", samples([40, 12, 64, 3], 3, 5)),
        ("large RGBA", samples([12, 130, 90, 4], 4, 0)),
        ("1 variant", accuracy(&[""])),
        ("long variants", accuracy(&["model=5,augmentation=rotation-shift-zoom,seed=20240117", "model=6"])),
        ("long title", curves(4).with(json!({"title": LONG.repeat(3), "caption": LONG.replace('h', " ")}))),
    ];
    for case in ordinary() {
        case.draw().assert_legible(case.uses);
    }
    for (what, case) in odd {
        case.draw().assert_legible(&format!("{} of {what}", case.uses));
    }
}

#[test]
fn statistics_have_six_decimals_and_both_ends_of_the_series() {
    let drawn = statistics(784).draw();
    for text in ["252.420918", "15.956882", "784.000000", "783", "779", "…", "784 rows × 2 columns", "70,000 images"]
    {
        assert!(drawn.says(text), "{text}");
    }
    assert!(!drawn.texts().iter().any(|(line, _)| line == "778"));
}

#[test]
fn layer_tables_add_up_as_keras_prints_them() {
    let drawn = layers().draw();
    for text in [
        "conv1 (conv2d)",
        "(None, 28, 28, 32)",
        "3,211,776",
        "Total params: 3,223,909 (12.30 MB)",
        "Trainable params: 3,223,899 (12.30 MB)",
        "Non-trainable params: 10 (40.00 B)",
    ] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn layers_inside_a_block_are_indented() {
    let conv = json!({"name": "left", "type": "conv2d", "output_shape": [4, 4, 8], "parameters": 80});
    let block = json!({"name": "block", "type": "residual", "output_shape": [4, 4, 8], "parameters": 80,
        "inner": [[conv]]});
    let summary = json!({"name": "m", "input": [4, 4, 1], "layers": [block], "parameters": 80, "trainable": 80});
    let drawn = Case::new("visualise/layers").file("summary", summary.to_string()).draw();
    assert!(drawn.svg.contains("\nblock (residual)"));
    assert!(drawn.svg.contains("\n\u{a0}\u{a0}\u{a0}\u{a0}left (conv2d)"));
    assert!(drawn.says("Indented"));
}

#[test]
fn a_single_pixel_has_no_deviation() {
    let series = json!({"count": 1, "mean": 3.0, "std": null, "min": 3, "25%": 3, "50%": 3, "75%": 3, "max": 3});
    let text = json!({"images": 2, "min": series, "max": series}).to_string();
    let drawn =
        Case::new("visualise/statistics").file("statistics", text).file("columns", "pixel,min,max\n0,3,3\n").draw();
    assert!(drawn.says("NaN") && drawn.says("3.000000"));
}

#[test]
fn curves_tell_the_best_epoch_and_the_test_accuracy() {
    let metrics = json!({"accuracy": 0.98634}).to_string();
    let drawn = curves(10).file("metrics", metrics).draw();
    assert!(drawn.says("Best validation accuracy 0.9876 in epoch 3; test accuracy 0.9863"));
    assert!(curves(200).draw().says("Every 8 epochs of 200"));
}

#[test]
fn a_confusion_matrix_shows_counts_shares_and_the_accuracy() {
    let matrix = "true,a,b\na,90,10\nb,20,1880\n";
    let drawn = Case::new("visualise/confusion").file("confusion", matrix).draw();
    for text in ["accuracy 0.9850", "1,880", "90.0%", "1.1%", "2,000 samples"] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn only_a_linear_projection_carries_a_share_of_the_variance() {
    let all: Vec<[f64; 5]> = (0..400).map(|i| sample(i, 4).1.map(f64::from)).collect();
    let components = principal_axes(&all);
    let case = projection(400, 4, 0).made("projections", "method=pca", |path| {
        let text = components.iter().enumerate().fold("index,x,y\n".to_owned(), |mut text, (i, p)| {
            writeln!(text, "{i},{},{}", p[0], p[1]).unwrap();
            text
        });
        std::fs::write(path, text).unwrap();
    });
    let drawn = case.draw();
    let with_share: Vec<_> =
        drawn.texts().into_iter().map(|t| t.0).filter(|line| line.contains("of variance")).collect();
    assert_eq!(with_share.len(), 1, "{with_share:?}");
    let variance = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let total: f64 = (0..5).map(|k| variance(all.iter().map(|v| v[k]).collect())).sum();
    let shown: f64 = (0..2).map(|k| variance(components.iter().map(|v| v[k]).collect())).sum();
    assert_eq!(with_share[0], format!("PCA: true classes ({:.1}% of variance)", 100.0 * shown / total));
    assert!(drawn.says("t-SNE: true classes") && drawn.says("t-SNE 1"));
}

/// The first two principal components by power iteration on the covariance.
fn principal_axes(all: &[[f64; 5]]) -> Vec<[f64; 2]> {
    let n = all.len() as f64;
    let mean: [f64; 5] = std::array::from_fn(|k| all.iter().map(|v| v[k]).sum::<f64>() / n);
    let centred: Vec<[f64; 5]> = all.iter().map(|v| std::array::from_fn(|k| v[k] - mean[k])).collect();
    let dot = |a: &[f64; 5], b: &[f64; 5]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut axes: Vec<[f64; 5]> = Vec::new();
    for start in [[1.0, 0.1, 0.0, 0.0, 0.0], [0.1, 1.0, 0.0, 0.0, 0.0]] {
        let mut axis: [f64; 5] = start;
        for _ in 0..500 {
            let mut next = [0.0; 5];
            for v in &centred {
                let weight = dot(v, &axis);
                next.iter_mut().zip(v).for_each(|(x, y)| *x += weight * y);
            }
            for known in &axes {
                let along = dot(&next, known);
                next.iter_mut().zip(known).for_each(|(x, y)| *x -= along * y);
            }
            let length = dot(&next, &next).sqrt();
            axis = next.map(|x| x / length);
        }
        axes.push(axis);
    }
    centred.iter().map(|v| [dot(v, &axes[0]), dot(v, &axes[1])]).collect()
}

#[test]
fn clusters_have_the_colours_of_their_classes_and_noise_is_grey() {
    let svg = projection(300, 3, 20).draw().svg;
    let count = |colour: &str| svg.matches(&format!("fill=\"{colour}\"/>")).count();
    // 100 samples a class; of clusters the first class lacks 20 / 3 as noise and a quarter as a cluster of its own.
    // One more circle each in the legends.
    let (first, second, third, spare, noise) =
        (count("#0072B2"), count("#D55E00"), count("#009E73"), count("#CC79A7"), count("#B4BAC1"));
    assert_eq!(noise, 20 + 1);
    assert_eq!(first + spare, 100 + 93 + 3);
    assert_eq!(second, 100 + 93 + 2);
    assert_eq!(third, 100 + 94 + 2);
}

#[test]
fn samples_are_random_images_of_each_cluster_by_seed() {
    let case = samples([60, 28, 28, 1], 3, 7);
    let drawn = case.draw();
    // Three clusters and the noise have five or more images, the fourth cluster has four.
    assert_eq!(drawn.svg.matches("<image ").count(), 4 * 5 + 4);
    assert!(drawn.says("cluster 2") && drawn.says("noise") && drawn.says("sneakers"));
    let other = case.with(json!({"seed": 1, "samples": 2})).draw();
    assert_eq!(other.svg.matches("<image ").count(), 5 * 2);
    assert!(other.says("seed 1"));
}

#[test]
fn variants_are_called_by_their_names() {
    let case = accuracy(&["model=1", "model=5"]).with(json!({"names": {"5": "Model 5, with dropout"}}));
    let drawn = case.draw();
    for text in ["Model 5, with dropout", "model 1", "0.9732", "macro f1", "0.9650", "10,000 test samples"] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn bad_inputs_are_told() {
    let diverged = "epoch,loss,accuracy,val_loss,val_accuracy\n1,NaN,0.2,NaN,0.2\n";
    let empty = "epoch,loss,accuracy,val_loss,val_accuracy\n";
    let cases = [
        (Case::new("visualise/curves").file("history", empty), "has no rows"),
        (Case::new("visualise/curves").file("history", ""), "has no rows"),
        (Case::new("visualise/curves").file("history", "epoch,loss\n1,2\n"), "missing field `accuracy`"),
        (Case::new("visualise/curves").file("history", diverged), "epoch 1"),
        (curves(3).file("metrics", "{\"loss\": 1}"), "has no `accuracy`"),
        (Case::new("visualise/curves"), "input `history` was not given"),
        (Case::new("visualise/confusion").file("confusion", ""), "has no rows"),
        (Case::new("visualise/confusion").file("confusion", "true,a,b\na,1,2\n"), "is not square"),
        (Case::new("visualise/confusion").file("confusion", "true,a\na,many\n"), "cannot read"),
        (Case::new("visualise/layers").file("summary", "{}"), "missing field"),
        (statistics(5).file("statistics", "").with(json!({"edges": 5})), "unknown field `edges`"),
        (samples([10, 4, 4, 2], 2, 0), "2 channels"),
        (samples([10, 4, 4, 1], 2, 0).with(json!({"samples": 0})), "samples"),
        (Case::new("visualise/accuracy"), "input `metrics` was not given"),
    ];
    for (case, expected) in cases {
        let error = case.error();
        assert!(error.contains(expected), "{}: `{error}` does not tell `{expected}`", case.uses);
    }
}

#[test]
fn clusters_of_other_samples_are_refused() {
    let other = "index,cluster,label\n0,0,2\n";
    let mut case = samples([10, 4, 4, 1], 2, 0);
    std::fs::write(&case.inputs["clusters"][0].path, other).unwrap();
    assert!(case.error().contains("do not belong together"));
    case = projection(10, 3, 0);
    std::fs::write(&case.inputs["clusters"][0].path, other).unwrap();
    assert!(case.error().contains("do not belong together"));
    std::fs::write(&case.inputs["clusters"][0].path, "index,cluster,label\n0,0,0\n").unwrap();
    assert!(case.error().contains("missing from the clusters"));
}
