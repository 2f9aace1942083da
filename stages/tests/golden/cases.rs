//! The golden cases: small inputs of every kind.

use std::path::Path;

use serde_json::{Value, json};
use stages::artifact::dataset::{self, Pixels};
use stages::artifact::tensors::{self, Data};
use stages::kind::{Checkpoints, Context, Kind, Reads};
use stages::rng::Rng;

use crate::drawn::Case;
use crate::{figures, networks};

/// For which machines an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// For all: nothing in the kind depends on the processor.
    Any,
    /// For those whose processor multiplies and adds in one step (or does not), as matrix products of the analysis do.
    Fused(bool),
    /// For those whose kernels of networks use these vectors. Every machine can use portable ones, so all machines hold the
    /// code against these, and against their own where those are listed.
    Vectors(&'static str),
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any machine"),
            Self::Fused(true) => f.write_str("fused"),
            Self::Fused(false) => f.write_str("not fused"),
            Self::Vectors(name) => f.write_str(name),
        }
    }
}

/// The vectors that every processor has.
const PORTABLE: &str = "portable";

/// A golden case.
pub(crate) struct Golden {
    /// What the list calls it.
    pub(crate) name: &'static str,
    case: Case,
    /// Epochs after which the training is cut off and gone on with.
    cut: Option<usize>,
}

impl From<(&'static str, Case)> for Golden {
    fn from((name, case): (&'static str, Case)) -> Self {
        Self { name, case, cut: None }
    }
}

impl Golden {
    pub(crate) fn kind(&self) -> &'static str {
        self.case.uses
    }

    /// The digests of everything that the kind makes of the case, a machine each.
    pub(crate) fn outputs(&self) -> Vec<(Machine, String)> {
        match self.case.uses {
            "train" | "evaluate" | "embed" => {
                let own = stages::ops::vectors();
                let mut made = vec![(Machine::Vectors(own), self.digest())];
                if own != PORTABLE {
                    stages::ops::use_portable_vectors(true);
                    assert_eq!(stages::ops::vectors(), PORTABLE);
                    made.push((Machine::Vectors(PORTABLE), self.digest()));
                    stages::ops::use_portable_vectors(false);
                }
                made
            }
            "cluster" | "subclusters" | "project" => vec![(Machine::Fused(is_fused()), self.digest())],
            _ => vec![(Machine::Any, self.digest())],
        }
    }

    /// Runs the case. The digest is over the checked parameters, resolved documents, every output, and the states of all
    /// steps.
    fn digest(&self) -> String {
        let kind = self.case.kind();
        let params = (kind.check)(&self.case.with).unwrap_or_else(|e| panic!("{}: {e:?}", kind.name));
        let mut hasher = blake3::Hasher::new();
        let mut add = |name: &str, bytes: &[u8]| {
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        add("params", params.to_string().as_bytes());
        for port in kind.inputs.iter().filter(|port| matches!(port.reads, Reads::Document(_))) {
            // As the kind resolved it: what it reads is in the keys of what it makes.
            self.case.inputs[port.name].iter().for_each(|input| add(port.name, &std::fs::read(&input.path).unwrap()));
        }
        let out = tempfile::tempdir().unwrap();
        let mut resume = None;
        if let Some(cut) = self.cut {
            let mut shorter = params.clone();
            shorter["epochs"] = json!(cut);
            self.run(kind, &shorter, &out.path().join("cut"), None);
            resume = Some((cut as u64, out.path().join("cut/steps").join(cut.to_string())));
        }
        let folder = out.path().join("whole");
        self.run(kind, &params, &folder, resume);
        for file in files(&folder) {
            let name = file.strip_prefix(&folder).unwrap().to_str().unwrap();
            add(name, &std::fs::read(&file).unwrap());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn run(&self, kind: &Kind, params: &Value, folder: &Path, resume: Option<(u64, std::path::PathBuf)>) {
        let steps = folder.join("steps");
        std::fs::create_dir_all(&steps).unwrap();
        let context = Context {
            inputs: self.case.inputs.clone(),
            outputs: kind.outputs.iter().map(|o| (o.name.to_owned(), folder.join(o.name))).collect(),
            threads: 2,
            device: "cpu".to_owned(),
            project: self.case.folder.path().to_owned(),
            checkpoints: Checkpoints { resume, folder: Some(steps) },
            events: &|_| {},
        };
        (kind.run)(params, &context).unwrap_or_else(|e| panic!("{}, {}: {e:#}", kind.name, self.name));
    }
}

/// Whether the processor multiplies and adds in one step.
fn is_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Every golden case.
pub(crate) fn all() -> Vec<Golden> {
    let cases = data().into_iter().chain(networks::cases()).chain(analysis()).map(Golden::from);
    let mut all: Vec<Golden> = cases.chain(drawings()).collect();
    all.push(Golden { cut: Some(1), ..Golden::from(("gone on with", networks::adam())) });
    all
}

fn idx(dims: &[u32], body: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(body);
    file
}

fn noise(len: usize, purpose: &str) -> Vec<u8> {
    let mut rng = Rng::new(11, purpose, 0);
    (0..len).map(|_| rng.below(256) as u8).collect()
}

/// An image set of bytes, in three classes merged of five labels.
fn images(path: &Path, shape: [usize; 4], purpose: &str) {
    let original: Vec<u32> = (0..shape[0] as u32).map(|i| i * 7 % 5).collect();
    let labels: Vec<u32> = original.iter().map(|label| label % 3).collect();
    let names = |n: usize| (0..n).map(|i| format!("name {i}")).collect::<Vec<_>>();
    let bytes = noise(shape.iter().product(), purpose);
    dataset::write(path, shape, &Pixels::U8(&bytes[..]), &labels, &original, &names(3), &names(5)).unwrap();
}

fn data() -> Vec<(&'static str, Case)> {
    let fetched = b"what is fetched".repeat(100);
    let digest = blake3::hash(&fetched).to_hex().to_string();
    let fetch = Case::new("fetch").made("source", "", |path| std::fs::write(path, &fetched).unwrap());
    let sources = json!(["nowhere", "source-"]);
    let import = |rest: &[u32]| {
        let count = 20 * rest.iter().product::<u32>();
        let dims = [&[20][..], rest].concat();
        let labels: Vec<u8> = (0..20).map(|i| i * 3 % 4).collect();
        Case::new("import")
            .made("images", "", |path| std::fs::write(path, idx(&dims, &noise(count as usize, "idx"))).unwrap())
            .made("labels", "", |path| std::fs::write(path, idx(&[20], &labels)).unwrap())
    };
    let merged = json!({"classes": [{"name": "odd", "labels": [1, 3]}, {"name": "even", "labels": [2, 0]}],
        "names": ["zero", "one", "two", "three"]});
    let two = |kind: &'static str, ports: [&str; 2], shape: [usize; 3]| {
        let [h, w, c] = shape;
        Case::new(kind).made(ports[0], "set=a", |path| images(path, [30, h, w, c], "a")).made(
            ports[1],
            "set=b",
            |path| images(path, [12, h, w, c], "b"),
        )
    };
    let normalise = |shape| two("normalise", ["train", "test"], shape);
    let split = || Case::new("split").made("data", "", |path| images(path, [60, 2, 2, 1], "split"));
    vec![
        ("a file", fetch.with(json!({"digest": digest, "sources": sources}))),
        ("grey", import(&[6, 5])),
        ("colour, merged", import(&[4, 3, 3]).with(merged)),
        ("two sets", two("describe", ["data", "data"], [5, 4, 1])),
        ("min-max", normalise([5, 4, 1])),
        ("min-max of channels", normalise([4, 4, 3]).with(json!({"per": "channel"}))),
        ("standardise", normalise([5, 4, 1]).with(json!({"method": "standardise"}))),
        ("standardise channels", normalise([4, 4, 3]).with(json!({"method": "standardise", "per": "channel"}))),
        ("a fifth", split()),
        ("seeded", split().with(json!({"validation": 0.35, "seed": 9}))),
    ]
}

/// Groups of several sizes and densities, merged into classes, with single points between them.
fn groups(path: &Path) {
    const GROUPS: usize = 5;
    let mut rng = Rng::new(3, "groups", 0);
    let (mut values, mut originals) = (Vec::new(), Vec::new());
    for i in 0..260usize {
        let group = if i % 20 == 19 { GROUPS } else { [0, 0, 0, 1, 1, 2, 2, 3, 3, 4][i % 10] };
        let width = [0.1, 0.25, 0.4, 0.2, 0.6, 3.0][group];
        for k in 0..8 {
            let centre = if group < GROUPS && k % GROUPS == group { 3.0 } else { 0.2 };
            values.push(centre + width * rng.normal());
        }
        originals.push(group.min(GROUPS - 1) as u32);
    }
    let labels: Vec<u32> = originals.iter().map(|group| group / 2).collect();
    let names = |n: usize| json!((0..n).map(|i| format!("name {i}")).collect::<Vec<_>>()).to_string();
    let metadata = [("classes", names(3)), ("original_classes", names(5))].map(|(key, names)| (key.to_owned(), names));
    let count = labels.len();
    let tensors = [
        ("embeddings", vec![count, 8], Data::F32(&values)),
        ("labels", vec![count], Data::U32(&labels)),
        ("original_labels", vec![count], Data::U32(&originals)),
    ];
    tensors::write(path, &tensors, metadata.into()).unwrap();
}

fn analysis() -> Vec<(&'static str, Case)> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analysis/embeddings.safetensors");
    let of_images = |kind| {
        Case::new(kind).made("embeddings", "", |path| {
            std::fs::copy(&images, path).unwrap();
        })
    };
    let of_groups = |kind| Case::new(kind).made("embeddings", "", groups);
    vec![
        ("five", of_images("cluster").with(json!({"method": "kmeans", "clusters": 5, "runs": 3, "seed": 2}))),
        ("as many as lie apart", of_groups("cluster").with(json!({"method": "kmeans", "most": 7, "runs": 3}))),
        ("a radius of images", of_images("cluster").with(json!({"method": "dbscan", "eps": 0.5, "min_samples": 5}))),
        ("the radius of images", of_images("cluster").with(json!({"method": "dbscan"}))),
        ("the radius of groups", of_groups("cluster").with(json!({"method": "dbscan", "min_samples": 6}))),
        ("lengths too", of_groups("cluster").with(json!({"method": "dbscan", "eps": 1.5, "normalise": "none"}))),
        ("groups", of_groups("subclusters").with(json!({"runs": 3}))),
        ("all", of_groups("subclusters").with(json!({"least_silhouette": 0.0, "normalise": "none", "most": 4}))),
        ("pca", of_images("project").with(json!({"method": "pca"}))),
        ("pca of groups", of_groups("project").with(json!({"method": "pca"}))),
        ("tsne", of_images("project").with(json!({"method": "tsne", "iterations": 150, "seed": 4}))),
        ("tsne of groups", of_groups("project").with(json!({"method": "tsne", "iterations": 300, "perplexity": 9}))),
    ]
}

fn drawings() -> Vec<Golden> {
    let names = figures::names(3);
    let odd = [
        ("undivided", figures::categories(&names, 1)),
        ("model 5", figures::network("model-5")),
        ("inception", figures::network("googlenet")),
        ("long", figures::curves(60)),
        ("kept", figures::curves_with_kept(12, 9)),
        ("nested", figures::nested_network()),
        ("axes", figures::projection_of_axes()),
        ("a given radius", figures::k_distance(300, Some(0.3))),
        ("colour", figures::samples([40, 12, 14, 3], 3, 5).with(json!({"seed": 3}))),
        ("one class", figures::subclusters(90, &names, 3).with(json!({"classes": [1]}))),
    ];
    figures::ordinary().into_iter().map(|case| ("ordinary", case)).chain(odd).map(Golden::from).collect()
}
