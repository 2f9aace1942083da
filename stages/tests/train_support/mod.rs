//! A small image set that can be learnt, and a way to run a stage kind on files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stages::artifact::dataset::{self, Pixels};
use stages::artifact::tensors::{self, Data};
use stages::kind::{Checkpoints, Context, Input, Kind};
use stages::model::recipe::Augmentation;
use stages::model::{Model, load};
use stages::rng::Rng;
use stages::train::images::Images;

/// A temporary folder.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

/// Noisy images of 8x9 with two channels and a bright bar at the left, in the middle or at the right.
pub(crate) struct Bars {
    pub(crate) pixels: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

impl Bars {
    pub(crate) fn new(images: usize) -> Self {
        let mut rng = Rng::new(5, "bars", 0);
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..images {
            let label = rng.below(3);
            labels.push(label as u32);
            for i in 0..8 * 9 * 2 {
                let bar = (i / 2 % 9) / 3 == label;
                pixels.push(rng.uniform() * 0.6 + if bar { 0.4 } else { 0.0 });
            }
        }
        Self { pixels, labels }
    }

    pub(crate) fn shape(&self) -> [usize; 3] {
        [8, 9, 2]
    }

    pub(crate) fn classes(&self) -> Vec<String> {
        ["left", "middle", "right"].map(str::to_owned).into()
    }

    /// Rows to train on, and every fourth to validate on.
    pub(crate) fn split(&self) -> (Vec<u32>, Vec<u32>) {
        (0..self.labels.len() as u32).partition(|i| i % 4 != 0)
    }

    /// The images of these rows, for a trainer.
    pub(crate) fn images<'a>(
        &'a self,
        rows: &'a [u32],
        augmentation: Option<&'a Augmentation>,
        seed: u64,
    ) -> Images<'a> {
        Images { pixels: &self.pixels, labels: &self.labels, shape: self.shape(), rows, augmentation, seed }
    }

    /// Writes the image set, the split and a resolved model; returns them by input name.
    pub(crate) fn write(&self, folder: &Folder, model: &Model) -> BTreeMap<&'static str, PathBuf> {
        let [data, split, file] = ["data.safetensors", "split.safetensors", "model.json"].map(|f| folder.path(f));
        let pixels = Pixels::F32((&self.pixels).into());
        let shape = [self.labels.len(), 8, 9, 2];
        dataset::write(&data, shape, &pixels, &self.labels, &self.labels, &self.classes(), &self.classes()).unwrap();
        let (train, validation) = self.split();
        let rows = [
            ("train", vec![train.len()], Data::U32(&train)),
            ("validation", vec![validation.len()], Data::U32(&validation)),
        ];
        tensors::write(&split, &rows, BTreeMap::new()).unwrap();
        std::fs::write(&file, serde_json::to_vec(model).unwrap()).unwrap();
        BTreeMap::from([("data", data), ("split", split), ("model", file)])
    }
}

/// A model of the given layers and an output layer.
pub(crate) fn small_model(layers: &str) -> Model {
    let folder = Folder::new();
    let path = folder.path("model.yaml");
    let output = "  - {name: output, type: dense, activation: softmax}\n";
    std::fs::write(&path, format!("name: small\nlayers:\n{layers}{output}")).unwrap();
    load::read(&path).unwrap_or_else(|e| panic!("{e:?}"))
}

/// Runs a kind on files; its outputs go to a new folder and are returned by name.
pub(crate) fn run_kind(
    kind: &Kind,
    params: &serde_json::Value,
    files: &BTreeMap<&'static str, PathBuf>,
    out: &Path,
    threads: usize,
) -> anyhow::Result<BTreeMap<&'static str, PathBuf>> {
    std::fs::create_dir_all(out)?;
    let params = (kind.check)(params).unwrap_or_else(|e| panic!("{e:?}"));
    let outputs: BTreeMap<_, _> = kind.outputs.iter().map(|o| (o.name, out.join(o.file))).collect();
    let input = |path: &PathBuf| vec![Input { label: String::new(), path: path.clone() }];
    let context = Context {
        inputs: kind.inputs.iter().map(|p| (p.name.to_owned(), input(&files[p.name]))).collect(),
        outputs: outputs.iter().map(|(name, path)| ((*name).to_owned(), path.clone())).collect(),
        threads,
        device: "cpu".into(),
        project: PathBuf::new(),
        checkpoints: Checkpoints::default(),
        events: &|_| {},
    };
    (kind.run)(&params, &context)?;
    Ok(outputs)
}

/// BLAKE3 of a file.
pub(crate) fn digest(path: &Path) -> blake3::Hash {
    blake3::hash(&std::fs::read(path).unwrap())
}
